"""The record of an update that somebody made with `pulumi up`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from delivery.deploy import cli
from delivery.deploy.by_hand import record_by_hand
from delivery.deploy.deployment import Result
from delivery.errors import DeliveryError
from delivery.release.record import Outcome
from local_azure.progress import Progress
from model_store import Lock, LockedService, write_lock
from tests.unit.delivery.deploy.fakes import FakeStack, digest, fake_stack, git, model


def silent(_text: str) -> None:
    pass


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeStack:
    made = fake_stack(tmp_path, monkeypatch)
    made.update(silent, silent)
    made.history = history(made)
    return made


def history(stack: FakeStack, **changes: Any) -> dict[str, Any]:
    """As the engine's history has an update."""
    head = git(stack.checkout, "rev-parse", "HEAD")
    return {
        "version": 0,
        "kind": "update",
        "startTime": "2026-11-24T20:30:53.000Z",
        "endTime": "2026-11-24T20:31:15.000Z",
        "result": "succeeded",
        "resourceChanges": {"same": 37, "update": 2},
        "environment": {"git.head": head, "git.dirty": "false"},
        **changes,
    }


def recorded(stack: FakeStack, *reason: str) -> Result:
    with Progress(Console(file=stack.output)) as progress:
        return record_by_hand(stack.checkout, "dev", progress, *reason)


def test_the_newest_update_is_recorded_once(stack: FakeStack):
    head = git(stack.checkout, "rev-parse", "HEAD")
    first = recorded(stack)
    assert first.written
    record = first.record
    assert (record.id, record.outcome, record.reason, record.duration_seconds) == ("20261124T203053Z", Outcome.SUCCEEDED, "deployed with pulumi up", 22.0)
    assert (record.commit, record.dirty, record.lock_commit, record.pull_request, record.by) == (head, False, head, "1", "Grace Hopper")
    assert record.resource_changes == {"same": 37, "update": 2}
    assert record.services["digits"].digest == digest(1)
    assert record.services["digits"].smoke is None
    git(stack.checkout, "config", "user.name", "Somebody else")
    again = recorded(stack, "another reason")
    assert (again.record, again.written) == (record, None)
    assert stack.ledger.records() == [record]


def test_an_update_that_converge_made_is_recorded_already(stack: FakeStack):
    """It begins before the update, with the preview, and ends after it, with the smoke test."""
    made = recorded(stack).record
    whole = {"id": "20261124T210000Z", "started_at": datetime(2026, 11, 24, 21, tzinfo=UTC), "finished_at": datetime(2026, 11, 24, 21, 2, tzinfo=UTC)}
    deployed = stack.ledger.write(made.model_copy(update=whole)).record
    stack.history = history(stack, startTime="2026-11-24T21:00:30.000Z", endTime="2026-11-24T21:01:30.000Z")
    again = recorded(stack)
    assert (again.record, again.written) == (deployed, None)
    stack.history = history(stack, startTime="2026-11-24T21:02:30.000Z", endTime="2026-11-24T21:03:30.000Z")
    assert recorded(stack).written


def test_the_commit_is_the_update_s_and_not_the_checkout_s(stack: FakeStack):
    head = git(stack.checkout, "rev-parse", "HEAD")
    app = git(stack.checkout, "log", "-1", "--format=%H", "--", "app_template")
    (stack.checkout / "app_template" / "x").write_text("newer")
    git(stack.checkout, "commit", "-q", "-a", "-m", "Newer (#9)")
    record = recorded(stack).record
    assert (record.commit, record.lock_commit, record.pull_request, record.services["digits"].app_commit) == (head, head, "1", app)


def test_a_commit_that_this_clone_does_not_have(stack: FakeStack):
    stack.history = history(stack, environment={"git.head": "f" * 40, "git.dirty": "true"})
    record = recorded(stack).record
    assert (record.commit, record.dirty, record.lock_commit, record.pull_request) == ("f" * 40, True, None, None)
    assert record.services["digits"].app_commit is None


def test_a_failed_update_is_recorded_as_such(stack: FakeStack):
    stack.history = history(stack, result="failed")
    record = recorded(stack, "a try").record
    assert (record.outcome, record.reason) == (Outcome.FAILED, "a try; the update failed")


def test_a_model_that_nobody_knows_is_left_out(stack: FakeStack):
    write_lock(stack.checkout / "locks" / "dev.json", Lock(services={"digits": LockedService(model=model(5))}))
    assert recorded(stack).record.services == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (None, "no update of dev is in the engine's history; `converge deploy dev` makes one and records it"),
        ({"result": "in-progress"}, "the newest update of dev is in-progress; record it when it has ended"),
        ({"environment": {}}, "the newest update of dev was made outside of a repository, so nobody can say what was deployed; deploy again from a clone"),
        ({"startTime": "yesterday"}, "the engine's history does not say the startTime of the newest update: 'yesterday'"),
    ],
)
def test_an_update_that_cannot_be_recorded(stack: FakeStack, changes: dict[str, Any] | None, message: str):
    stack.history = None if changes is None else history(stack, **changes)
    with pytest.raises(DeliveryError) as raised:
        recorded(stack)
    assert str(raised.value) == message
    assert stack.ledger.records() == []


def test_the_command(stack: FakeStack, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(stack.checkout)
    app = typer.Typer()
    app.command()(cli.record)
    first = CliRunner().invoke(app, ["dev"])
    assert first.stdout.splitlines() == [
        f"  digits: digits v1, sha256 {'a' * 12}, localhost:9/digits@{digest(1)}",
        "  release 20261124T203053Z is recorded",
    ]
    assert CliRunner().invoke(app, ["dev"]).stdout.splitlines()[-1] == "  release 20261124T203053Z, recorded before"
    document = json.loads(CliRunner().invoke(app, ["dev", "--json"]).stdout)
    assert (document["record"]["id"], document["recorded"]) == ("20261124T203053Z", False)
