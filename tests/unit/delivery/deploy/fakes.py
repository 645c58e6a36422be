"""A deployment's surroundings for tests: a repository with a remote, an engine, and a smoke test that finds what it is told to find."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from delivery.deploy import attempt, deployment, scene
from delivery.deploy.engine import Run
from delivery.deploy.live import DEPLOYED
from delivery.errors import DeliveryError
from delivery.plan.report import BrokenRule, Infrastructure, Operation, PlanReport, Policies, ResourceChange, ValueChange
from delivery.release.ledger import Ledger, Patience
from delivery.release.record import Check, SmokeResult
from delivery.smoke.deployed import Deployed
from local_azure.progress import Progress
from model_store import Lock, LockedModel, LockedService, read_lock, write_lock

BASE = f"python@sha256:{'a' * 64}"
ROLLED_OUT = ("docker-build:index:Image digits-image", "kubernetes:apps/v1:Deployment digits-deployment")


def model(version: int) -> LockedModel:
    files = {
        name: {"sha256": f"{version:x}".rjust(64, letter), "size": 1} for name, letter in (("model.onnx", "a"), ("golden.json", "b"), ("manifest.json", "c"))
    }
    tensor = [{"name": "x", "datatype": "FP32", "shape": [-1]}]
    signature = {"inputs": tensor, "outputs": tensor, "metrics": {}, "published_at": "2026-11-01T00:00:00Z", "published_by": "ada"}
    return LockedModel.model_validate({"name": "digits", "version": version, "files": files, **signature})


def digest(version: int) -> str:
    """Of the image that this test's engine builds of a model's version."""
    return f"sha256:{f'{version:x}'.rjust(64, 'd')}"


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@dataclass
class FakeStack:
    """The engine, and what it has deployed: updates bring what the lock says, unless the test says what fails."""

    checkout: Path
    running: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """What the next updates fail with, in turn; an empty text is a success."""
    during: Callable[[], None] = lambda: None
    touched: tuple[str, ...] = ROLLED_OUT
    updates: int = 0
    wrong: set[int] = field(default_factory=set)
    """Versions that answer wrongly."""
    unreachable: str = ""
    plan: PlanReport | None = None
    history: dict[str, Any] | None = None
    """The newest update in it."""
    output: StringIO = field(default_factory=StringIO)

    def outputs(self) -> dict[str, Any]:
        return {"services": self.running, "modelStore": "https://store.example/models"}

    def newest_update(self) -> dict[str, Any] | None:
        return self.history

    def update(self, at: Callable[[str], None], say: Callable[[str], None]) -> Run:
        self.updates += 1
        self.during()
        at("1 resources")
        say("    update   something")
        problem = self.problems.pop(0) if self.problems else ""
        if not problem:
            lock = read_lock(self.checkout / "locks" / "dev.json")
            self.running = {name: self.service(locked) for name, locked in lock.services.items()}
        return Run(problem=problem, hints=(), answer="", changes={"update": 2, "same": 3, "create": 0}, touched=self.touched)

    def service(self, locked: LockedService) -> dict[str, Any]:
        identity = {"name": locked.model.name, "version": locked.model.version, "sha256": locked.model.sha256}
        image = locked.image or digest(locked.model.version)
        return {"namespace": "digits", "service": "digits", "port": 80, "image": f"localhost:9/digits@{image}", "model": identity}

    def smoke(self, _checkout: Path, services: Mapping[str, Deployed], models: Mapping[str, LockedModel], *_rest: object) -> dict[str, SmokeResult]:
        if self.unreachable:
            raise DeliveryError(self.unreachable)
        assert {name: one.sha256 for name, one in models.items()} == {name: service.model.sha256 for name, service in services.items()}
        return {name: self._result(service.model.version) for name, service in services.items()}

    def _result(self, version: int) -> SmokeResult:
        right = version not in self.wrong
        return SmokeResult(
            checks=(Check(name="golden requests", passed=right, text="as they must be" if right else "case 0 is wrong"),), slowest_milliseconds=4.0
        )

    def live_plan(self, *_: object) -> PlanReport:
        """What an update would change, going by the lock."""
        if self.plan:
            return self.plan
        lock = read_lock(self.checkout / "locks" / "dev.json")
        due = {name: self.service(locked) for name, locked in lock.services.items()} != self.running
        return plan(*([change("2")] if due else []))

    def deploy(self, **options: Any) -> deployment.Result:
        with Progress(Console(file=self.output, width=300)) as progress:
            return deployment.run_deployment(self.checkout, "dev", progress, **options)

    def promote(self, version: int, image: str | None = None) -> None:
        """Commits another model, or another app, to the lock."""
        write_lock(self.checkout / "locks" / "dev.json", Lock(services={"digits": LockedService(model=model(version), image=image)}))
        git(self.checkout, "add", "locks")
        git(self.checkout, "commit", "-q", "--allow-empty", "-m", f"digits v{version} (#{version})")

    def settings(self, **delivery: Any) -> None:
        lines = "".join(f"    {key}: {str(value).lower()}\n" for key, value in delivery.items())
        (self.checkout / "Pulumi.dev.yaml").write_text(f"config:\n  converge:baseImage: {BASE}\n" + (f"  converge:delivery:\n{lines}" if lines else ""))
        git(self.checkout, "add", "Pulumi.dev.yaml")
        git(self.checkout, "commit", "-q", "--allow-empty", "-m", "Settings")

    @property
    def ledger(self) -> Ledger:
        return ledger_of(self.checkout)


class QuickLedger:
    """The ledger, which soon gives up."""

    @staticmethod
    def of(checkout: Path) -> Ledger:
        return ledger_of(checkout)


def ledger_of(checkout: Path) -> Ledger:
    return replace(Ledger.of(checkout), patience=Patience(at_most=0.5, pause=0.05))


def change(after: str, path: str = "spec.replicas") -> ResourceChange:
    values = (ValueChange(path=path, before="1", after=after),)
    return ResourceChange(operation=Operation.UPDATE, type="kubernetes:apps/v1:Deployment", name="digits-deployment", component="digits", values=values)


def plan(*changes: ResourceChange, refuses: bool = False, stack: str = "dev") -> PlanReport:
    broken = BrokenRule(rule="CVG1", severity="high", resource="account", message="is open", reason="r", fix="close it")
    numbers = {"score": 1, "passed": 0, "failed": 0, "undecided": 0, "not_applicable": 0}
    policies = Policies(enforced=refuses, violations=(broken,), **numbers)
    return PlanReport(stack=stack, base=DEPLOYED, infrastructure=Infrastructure(changes=changes, unchanged=3), policies=policies)


def fake_stack(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeStack:
    """A clone whose lock has v1 of digits, which is not deployed yet."""
    for name in ("GITHUB_ACTOR", "GITHUB_RUN_ID", "GITHUB_TOKEN", "BUILD_REQUESTEDFOR", "CONVERGE_APPROVED_BY"):
        monkeypatch.delenv(name, raising=False)
    git(folder, "init", "-q", "--bare", "origin.git")
    git(folder, "clone", "-q", str(folder / "origin.git"), "clone")
    checkout = folder / "clone"
    git(checkout, "config", "user.name", "Grace Hopper")
    git(checkout, "config", "user.email", "g@example.com")
    (checkout / "Pulumi.yaml").write_text("name: converge\n")
    (checkout / "app_template").mkdir()
    (checkout / "app_template" / "x").write_text("x")
    git(checkout, "add", "Pulumi.yaml", "app_template")
    stack = FakeStack(checkout)
    stack.settings()
    stack.promote(1)
    monkeypatch.setattr(scene, "Engine", lambda *_: stack)
    monkeypatch.setattr(scene, "Ledger", QuickLedger)
    monkeypatch.setattr(scene, "current_context", lambda: "a cluster")
    monkeypatch.setattr(deployment, "live_plan", stack.live_plan)
    monkeypatch.setattr(attempt, "smoke", stack.smoke)
    return stack
