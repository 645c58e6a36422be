"""What `converge plan` says before anything runs, and how it ends."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from delivery.errors import DeliveryError
from delivery.plan import cli
from delivery.plan.report import Operation, PlanReport
from tests.unit.delivery.plan.reports import BROKEN, LOST, change, report
from tests.unit.delivery.plan.test_revisions import Repository

KNOWN = BROKEN.model_copy(update={"new": False})
app = typer.Typer()
app.command()(cli.plan)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    repository = Repository(tmp_path / "checkout")
    for name in ("Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.prod.yaml", "inside/x"):
        repository.commit(name)
    monkeypatch.chdir(repository.folder / "inside")
    return repository


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stage"], "there is no Pulumi.stage.yaml in {folder}; the stacks with settings here are dev, prod"),
        (["../x"], "there is no Pulumi.../x.yaml in {folder}; the stacks with settings here are dev, prod"),
        (["dev", "--base", "v7"], "this repository has no revision 'v7'; name a branch"),
        (["dev", "--json", "--markdown"], "--json and --markdown are two forms of one output; give one of them"),
    ],
)
def test_one_message(checkout: Repository, arguments: list[str], message: str):
    answer = CliRunner().invoke(app, arguments)
    assert isinstance(answer.exception, DeliveryError)
    assert str(answer.exception).startswith(message.format(folder=checkout.folder.resolve()))
    assert answer.output == ""


def test_a_folder_without_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, ["dev"])
    assert str(answer.exception) == f"no Pulumi.yaml in {tmp_path} or above it; run `converge plan` in a checkout of the project"


@pytest.mark.parametrize(
    ("found", "refuse", "code"),
    [
        (report(change(Operation.CREATE)), True, 0),
        (report(change(Operation.DELETE, effects=(LOST,))), True, cli.REFUSED),
        (report(change(Operation.DELETE, effects=(LOST,))), False, 0),
        (report(violations=(BROKEN,)), True, cli.REFUSED),
        (report(violations=(BROKEN,)), False, 0),
        (report(violations=(KNOWN,)), True, 0),
        (report(violations=(KNOWN,), enforced=True), True, cli.REFUSED),
        (report(enforced=True), True, 0),
    ],
)
@pytest.mark.usefixtures("checkout")
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, found: PlanReport, refuse: bool, code: int):
    monkeypatch.setattr(cli, "make_plan", lambda *_: found)
    assert CliRunner().invoke(app, ["dev", *(["--refuse"] if refuse else [])]).exit_code == code


@pytest.mark.usefixtures("checkout")
def test_json_is_all_there_is_on_standard_output(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cli, "make_plan", lambda *_: report(violations=(BROKEN,)))
    assert PlanReport.model_validate_json(CliRunner().invoke(app, ["dev", "--json"]).stdout) == report(violations=(BROKEN,))


@pytest.mark.parametrize(("base", "expected"), [("none", None), ("HEAD", "(HEAD)"), ("main", "(main)"), (None, "(merge base with main)")])
def test_what_is_compared_with(checkout: Repository, monkeypatch: pytest.MonkeyPatch, base: str | None, expected: str | None):
    asked = []
    monkeypatch.setattr(cli, "make_plan", lambda folder, stack, found, _progress: asked.append((folder, stack, found and found.label)) or report())
    CliRunner().invoke(app, ["dev", *(["--base", base] if base else [])])
    commit = checkout.git("rev-parse", "--short=7", "HEAD")
    assert asked == [(checkout.folder.resolve(), "dev", expected and f"{commit} {expected}")]
