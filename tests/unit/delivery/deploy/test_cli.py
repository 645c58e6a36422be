"""The command: what it prints, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from delivery.deploy import cli
from delivery.errors import DeliveryError
from tests.unit.delivery.deploy.fakes import FakeStack, change, digest, fake_stack, plan


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeStack:
    made = fake_stack(tmp_path, monkeypatch)
    monkeypatch.chdir(made.checkout)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return made


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(cli.deploy)
    return CliRunner().invoke(app, arguments)


def test_a_deployment(stack: FakeStack):
    result = run("dev", "--reason", "the first\none")
    assert result.exit_code == 0
    release = stack.ledger.records()[0]
    assert result.stdout.splitlines() == [
        f"dev: deployed, {release.duration_seconds:.0f} s",
        f"  digits: digits v1, sha256 {'a' * 12}, localhost:9/digits@{digest(1)}",
        "  the first one",
        f"  release {release.id} is recorded",
    ]
    again = run("dev")
    assert (again.exit_code, again.stdout.splitlines()[0]) == (0, "dev: nothing was to be changed")
    assert again.stdout.splitlines()[-1] == f"  release {release.id}, recorded before"


def as_json(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = run(*arguments, "--json")
    return result.exit_code, json.loads(result.stdout)


def test_for_programs(stack: FakeStack):
    code, document = as_json("dev")
    assert code == 0
    assert document["record"] == stack.ledger.records()[0].model_dump(mode="json")
    assert {key: document[key] for key in ("recorded", "pushed", "problem", "roll_back")} == {
        "recorded": True,
        "pushed": True,
        "problem": "",
        "roll_back": None,
    }
    assert as_json("dev")[1]["recorded"] is False


def test_a_failed_update(stack: FakeStack):
    stack.problems = ["not ready:\n  [Pod digits-1]"]
    result = run("dev")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1] == "  the update failed: not ready: [Pod digits-1]"
    assert "not ready:\n  [Pod digits-1]" in result.stderr


def test_a_failed_smoke_test_and_the_way_back(stack: FakeStack):
    stack.settings(rollBack=True)
    run("dev")
    stack.promote(2)
    stack.wrong = {2}
    result = run("dev")
    back, failed, first = stack.ledger.records()
    assert result.exit_code == 5
    assert [line for line in result.stdout.splitlines() if not line.endswith(" s")] == [
        f"  digits: digits v2, sha256 {'a' * 12}, localhost:9/digits@{digest(2)}",
        "  the smoke test failed: digits: golden requests: case 0 is wrong",
        f"  release {failed.id} is recorded",
        f"  digits: digits v1, sha256 {'a' * 12}, localhost:9/digits@{digest(1)}",
        f"  back to release {first.id}, since the smoke test failed",
        f"  release {back.id} is recorded",
        "locks/dev.json of this working tree says so now. Commit it, or the next deployment from the repository brings back what failed; in a pipeline:",
        f"  converge release rollback dev --to {first.id} --pull-request",
    ]
    assert as_json("dev")[0] == 0, "the lock goes back now"


def test_a_record_that_is_not_pushed(stack: FakeStack):
    (stack.checkout.parent / "origin.git").rename(stack.checkout.parent / "away.git")
    result = run("dev")
    assert result.exit_code == 0
    assert " is recorded in this clone only, and pushed by the next run: " in result.stdout


def test_another_plan_than_the_approved_one(stack: FakeStack, tmp_path: Path):
    path = tmp_path / "plan.json"
    path.write_text(plan(change("3")).model_dump_json())
    result = run("dev", "--plan", str(path))
    assert (result.exit_code, result.stdout, stack.updates) == (4, "", 0)
    assert "error: this is not the plan that was approved, and nothing was changed:" in result.stderr
    path.write_text(plan(change("2")).model_dump_json())
    assert run("dev", "--plan", str(path)).exit_code == 0


def test_a_plan_that_is_none(stack: FakeStack):
    result = run("dev", "--plan", "nowhere.json")
    assert isinstance(result.exception, DeliveryError)
    assert str(result.exception) == "the plan nowhere.json cannot be read: No such file or directory"
    assert stack.updates == 0
