"""A deployment by the real engine: the program and its stack as they are, Azure and the cluster simulated."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from delivery.deploy import attempt
from delivery.deploy.by_hand import record_by_hand
from delivery.deploy.deployment import PlanChangedError, Result, run_deployment
from delivery.deploy.live import live_plan, plan_sha256
from delivery.errors import DeliveryError
from delivery.plan.golden import sample_lock
from delivery.plan.report import Infrastructure, Operation, PlanReport
from delivery.plan.sandbox import find_engine, plan_sandbox
from delivery.release.ledger import Ledger
from local_azure.progress import Progress
from tests.plan.conftest import ROOT, Program, copied

STACK = "prod"


def _git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=Grace", "-c", "user.email=g@example.com", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def _progress() -> Progress:
    return Progress(Console(file=StringIO(), width=300))


def _deploy(folder: Path, approved: PlanReport | None = None) -> Result:
    return run_deployment(folder, STACK, _progress(), approved=approved)


def _plan(folder: Path) -> PlanReport:
    return live_plan(folder, STACK, _progress())


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """A repository of the program, with a stack that nothing is deployed of; and the engine in the caller's environment, as people have it."""
    folder = copied(tmp_path / "checkout")
    engine = find_engine(ROOT, _progress())
    with plan_sandbox(folder, engine) as sandbox:
        environment = {**sandbox.environment, "PATH": f"{engine.pulumi.parent}:{sandbox.environment['PATH']}"}
        made = Program(folder, environment)
        made.new_stack(STACK)
        made.write_lock(STACK, sample_lock(ROOT, STACK))
        (folder / ".gitignore").write_text(".venv\n.converge\n__pycache__\n")
        _git(folder, "init", "-q")
        _git(folder, "add", "-A")
        _git(folder, "commit", "-q", "-m", "The program")
        for name in set(os.environ) - set(environment):
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        # Nothing answers behind the simulated Service.
        monkeypatch.setattr(attempt, "smoke", lambda *_: {})
        monkeypatch.setattr("delivery.deploy.scene.current_context", lambda: "none")
        yield made


def test_a_plan_is_approved_carried_out_and_recorded(program: Program, tmp_path: Path):
    folder = program.folder
    approved = _plan(folder)
    assert approved.infrastructure.count(Operation.CREATE) > 50
    # Another machine's plan of the same commit is the same.
    elsewhere = tmp_path / "another clone"
    shutil.copytree(folder, elsewhere, symlinks=True)
    result = _deploy(elsewhere, approved)
    assert result.failure is None
    record = result.record
    assert record.plan_sha256 == plan_sha256(approved)
    assert record.resource_changes["create"] >= approved.infrastructure.count(Operation.CREATE)
    assert record.services["digits"].model.name == "digits"
    assert Ledger.of(elsewhere).records() == [record]

    again = _deploy(elsewhere, approved)
    assert (again.record, again.written) == (record, None), "straight after an update there is nothing to do"
    by_hand = record_by_hand(elsewhere, STACK, _progress())
    assert (by_hand.record, by_hand.written) == (record, None), "the engine's newest update is that one"

    program.change_settings(STACK, {"converge:tags": {"owner": "somebody"}})
    with pytest.raises(PlanChangedError, match=r"\n  containerregistry.Registry converge-registry-registry: update now, and not in the approved plan\n"):
        _deploy(folder, approved.model_copy(update={"infrastructure": Infrastructure()}))

    # prod protects its data, so the engine refuses to give the account another name.
    program.change_settings(STACK, {"converge:storageAccountName": "anothername"})
    with pytest.raises(DeliveryError) as raised:
        _deploy(folder)
    assert str(raised.value).startswith("the stack 'prod' cannot be previewed:\n")
    assert "protect" in str(raised.value)
    assert Ledger.of(folder).records() == [], "what changed nothing is no release"


def test_a_stack_that_is_not_there(program: Program):
    with pytest.raises(DeliveryError, match=r"no stack named 'dev' found; make it once with `pulumi stack init dev`"):
        run_deployment(program.folder, "dev", _progress())
