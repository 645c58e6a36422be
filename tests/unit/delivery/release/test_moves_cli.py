"""The commands in a real repository, with a ledger of given releases and a registry that has every image."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from delivery.deploy import deployment
from delivery.deploy.attempt import Failure
from delivery.errors import DeliveryError
from delivery.release.cli import app
from delivery.release.ledger import Ledger, Written
from model_store import ModelStoreError
from tests.unit.delivery.release.moving import Recorded, as_released, built, lock, locked, pinned_to, project
from tests.unit.delivery.release.releases import git, release, service

_FIRST, _SECOND = (release(minutes, stack="prod", services=[service(version)]) for minutes, version in ((10, 1), (20, 2)))
_IN_DEV = release(30, services=[service(3)])


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two stacks; prod runs version 2."""
    made = project(tmp_path, dev={}, prod={})
    lock(made, "prod", digits=as_released(service(2)))
    git(made, "init", "--quiet", "--template=", "--initial-branch", "main")
    git(made, "config", "user.name", "Ada")
    git(made, "config", "user.email", "ada@example.com")
    git(made, "add", "--all")
    git(made, "commit", "--quiet", "--message", "first")
    (made / "app_template" / "sub").mkdir()
    monkeypatch.chdir(made)
    monkeypatch.delenv("GITHUB_ACTOR", raising=False)
    monkeypatch.setattr(Ledger, "of", lambda *_: Recorded(_FIRST, _SECOND, _IN_DEV))
    monkeypatch.setattr("delivery.registry.oci.OciRegistry.has", lambda *_: True)
    return made


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """A deployment takes SIGTERM for an interruption, for the rest of the process."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, (SystemExit, DeliveryError, ModelStoreError)), result.exception
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_a_promotion_says_what_changes_and_what_comes_next(checkout: Path):
    lines = run("promote", "--from", "dev", "--to", "prod", "--reason", "proven").stdout.splitlines()
    assert lines[0] == "locks/prod.json: service digits: digits v2 -> v3"
    assert f"  image: {service(2).digest[:19]} -> {service(3).digest}" in lines
    assert "  gate contract: digits v3 has what the app in its image needs: passes" in lines
    assert lines[-1] == "next: commit locks/prod.json; then converge plan prod, and converge deploy prod"
    assert locked(checkout, "prod") == {"digits": as_released(service(3))}
    assert run("promote", "--from", "dev", "--to", "prod").stdout.splitlines() == [
        "locks/prod.json: service digits runs digits v3 already, nothing changed",
        "nothing to do",
    ]


def test_a_refused_promotion_is_one_message(checkout: Path):
    lock(checkout, "prod", digits=pinned_to(_FIRST))
    result = run("promote", "--from", "dev", "--to", "prod", code=1)
    assert str(result.exception).startswith("service digits of locks/prod.json is pinned to release ")
    assert result.stdout == ""


def test_from_a_folder_below(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(checkout / "app_template" / "sub")
    assert run("unpin", "prod").stdout == f"{checkout}/locks/prod.json: service digits runs digits v2 already, nothing changed\nnothing to do\n"
    monkeypatch.chdir("/")
    assert str(run("unpin", "prod", code=1).exception) == "no Pulumi.yaml in / or above it; run `converge release unpin` in a checkout of the project"


def test_a_commit_says_what_from_to_and_why(checkout: Path):
    printed = run("promote", "--from", "dev", "--to", "prod", "--reason", "proven in\ndev", "--commit").stdout
    head = git(checkout, "rev-parse", "HEAD")
    assert printed.splitlines()[-1] == f"committed as {head[:7]} on main"
    message = git(checkout, "log", "-1", "--format=%B").splitlines()
    assert message[0] == f"prod: what release {_IN_DEV.id} of dev runs (digits v2 -> v3)"
    assert "- reason: proven in dev" in message
    assert f"- digits: image: {service(2).digest[:19]} -> {service(3).digest}" in message
    assert "- digits: gate contract: digits v3 has what the app in its image needs: passes" in message
    assert git(checkout, "status", "--porcelain") == ""


def test_what_cannot_be_committed_is_not_written(checkout: Path):
    before = git(checkout, "rev-parse", "HEAD")
    (checkout / "locks" / "prod.json").write_text((checkout / "locks" / "prod.json").read_text() + "\n")
    result = run("rollback", "prod", "--commit", code=1)
    assert str(result.exception).startswith("locks/prod.json has changes that no commit has; ")
    assert git(checkout, "rev-parse", "HEAD") == before
    assert locked(checkout, "prod") == {"digits": as_released(service(2))}


def test_nothing_to_do_is_no_commit(checkout: Path):
    before = git(checkout, "rev-parse", "HEAD")
    assert run("unpin", "prod", "--commit").stdout.endswith("nothing to do\n")
    assert git(checkout, "rev-parse", "HEAD") == before


def test_a_roll_back_and_the_way_on(checkout: Path):
    printed = run("rollback", "prod", "--reason", "v2 answers oddly", "--commit").stdout
    assert f"note: release {_FIRST.id}: the newest before {_SECOND.id} that ran anything else" in printed
    assert git(checkout, "log", "-1", "--format=%s") == f"prod: back to release {_FIRST.id} (digits v2 -> v1)"
    pin = locked(checkout, "prod")["digits"].pin
    assert pin is not None
    assert (pin.release, pin.reason, pin.by) == (_FIRST.id, "v2 answers oddly", "Ada")
    run("unpin", "prod", "--branch", "on-again")
    assert locked(checkout, "prod")["digits"].pin == pin, "the checkout stays as it was"
    assert git(checkout, "log", "-1", "--format=%s", "on-again") == "prod: digits no longer pinned (digits v1)"


def test_for_programs(checkout: Path):
    document = json.loads(run("rollback", "prod", "--to", _FIRST.id, "--commit", "--json").stdout)
    (change,) = document["changes"]
    assert (change["service"], change["changed"], change["after"]["pin"]["release"]) == ("digits", True, _FIRST.id)
    assert (document["commit"], document["branch"], document["pull_request"]) == (git(checkout, "rev-parse", "HEAD"), "main", None)
    document = json.loads(run("promote", "--from", "dev", "--to", "prod", "--unpin", "--json").stdout)
    assert document["changes"][0]["gates"]["passed"] is True
    assert "commit" not in document


class Deployments:
    """Deployments that end as a test says; remembers what they were told, and what the checkout was then."""

    def __init__(self, checkout: Path) -> None:
        self.failure: Failure | None = None
        self.told: list[tuple[str, str, str, str]] = []
        self._checkout = checkout

    def __call__(self, checkout: Path, stack: str, _progress: object, *, reason: str) -> deployment.Result:
        assert checkout == self._checkout
        branch, image = git(checkout, "branch", "--show-current"), locked(checkout, stack)["digits"].image or "built"
        self.told.append((stack, reason, branch, image))
        record = release(40, stack=stack, services=[service(1)])
        return deployment.Result(record=record, written=Written(record, pushed=True), failure=self.failure)


@pytest.fixture
def deployments(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Deployments:
    made = Deployments(checkout)
    monkeypatch.setattr("delivery.release.moves_cli.run_deployment", made)
    return made


def test_deployed_at_once(deployments: Deployments):
    lines = run("rollback", "prod", "--reason", "v2 answers oddly", "--deploy").stdout.splitlines()
    assert deployments.told == [("prod", f"back to release {_FIRST.id}: v2 answers oddly", "main", service(1).digest)]
    assert "prod: deployed, 60 s" in lines
    assert lines[-1] == "next: commit locks/prod.json and merge it, or the next deployment from the repository undoes this"


def test_the_same_again_goes_on_and_says_nothing_new(deployments: Deployments):
    """After a deployment that was interrupted."""
    run("rollback", "prod", "--reason", "v2 answers oddly")
    printed = run("rollback", "prod", "--reason", "v2 answers oddly", "--deploy").stdout
    assert deployments.told == [("prod", "", "main", service(1).digest)]
    assert printed.endswith("locks/prod.json says so already\n")


@pytest.mark.parametrize(("way", "branch"), [(("--commit",), "main"), (("--branch", "way-back"), "way-back")])
def test_what_is_deployed_was_committed(checkout: Path, deployments: Deployments, way: tuple[str, ...], branch: str):
    run("rollback", "prod", "--deploy", *way)
    assert deployments.told == [("prod", f"back to release {_FIRST.id}", branch, service(1).digest)]
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "log", "-1", "--format=%s") == f"prod: back to release {_FIRST.id} (digits v2 -> v1)"


@pytest.mark.parametrize(("failure", "code"), [(Failure.SMOKE, 5), (Failure.UPDATE, 1)])
def test_a_deployment_that_fails_is_told_by_the_exit_code(deployments: Deployments, failure: Failure, code: int):
    deployments.failure = failure
    run("rollback", "prod", "--deploy", code=code)
    document = json.loads(run("rollback", "prod", "--deploy", "--json", code=code).stdout)
    assert document["deployment"]["record"]["id"] == release(40).id


def test_the_pull_request_comes_after_the_deployment(checkout: Path, deployments: Deployments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On-call does not wait for a forge, and the repository learns of a way back that failed, too."""
    git(tmp_path, "init", "--quiet", "--bare", "--template=", "origin.git")
    git(checkout, "remote", "add", "origin", str(tmp_path / "origin.git"))
    asked: list[Any] = []

    def open_pull_request(_checkout: Path, branch: str, title: str, _body: str) -> str:
        asked.append((len(deployments.told), branch, title))
        return "https://forge.example.com/pull/7"

    monkeypatch.setattr("delivery.forge.proposing.open_pull_request", open_pull_request)
    deployments.failure = Failure.SMOKE
    printed = run("rollback", "prod", "--deploy", "--pull-request", code=5).stdout
    assert printed.splitlines()[-1] == "pull request: https://forge.example.com/pull/7"
    assert asked == [(1, "rollback-prod", f"prod: back to release {_FIRST.id} (digits v2 -> v1)")]


def test_the_plan_of_the_new_lock(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []
    monkeypatch.setattr("delivery.plan.making.make_plan", lambda _checkout, stack, base, _progress: seen.append((stack, base.commit, locked(checkout, stack))))
    monkeypatch.setattr("delivery.plan.terminal.show", lambda _report, console: console.print("the plan"))
    printed = run("rollback", "prod", "--plan", "--branch", "way-back").stdout
    ((stack, base, then),) = seen
    assert (stack, base, then["digits"].image) == ("prod", git(checkout, "rev-parse", "HEAD"), service(1).digest)
    assert "the plan" in printed
    assert locked(checkout, "prod")["digits"].image == service(2).digest


@pytest.mark.usefixtures("checkout")
def test_ways_that_exclude_each_other():
    refused = run("unpin", "prod", "--commit", "--branch", "x", code=1)
    assert str(refused.exception) == "--commit commits on the branch that is checked out; give it, or --branch, or --pull-request"


def test_a_service_that_is_built_from_commits(checkout: Path):
    lock(checkout, "prod", digits=built(2))
    run("rollback", "prod")
    run("unpin", "prod")
    assert locked(checkout, "prod")["digits"] == built(1)
