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
        (["dev", "--live", "--base", "v7"], "--live compares with what is deployed, --base with a revision; give one of them"),
        (["dev", "--samples", "nowhere.json"], "the samples nowhere.json cannot be read: No such file or directory"),
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


@pytest.mark.usefixtures("checkout")
def test_a_saved_report_is_whole_and_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(cli, "make_plan", lambda *_: report(violations=(BROKEN,)))
    saved = tmp_path / "new" / "plan.json"
    answer = CliRunner().invoke(app, ["dev", "--save", str(saved), "--markdown"])
    assert answer.exit_code == 0
    assert answer.stdout.startswith("## Plan of dev")
    assert PlanReport.model_validate_json(saved.read_text()) == report(violations=(BROKEN,))
    assert [path.name for path in saved.parent.iterdir()] == ["plan.json"]


def test_a_live_plan_is_about_what_runs_and_can_be_told_from_another(checkout: Repository, monkeypatch: pytest.MonkeyPatch):
    from delivery.deploy import live  # noqa: PLC0415 - not needed elsewhere

    found = report(change(Operation.UPDATE), base=live.DEPLOYED)
    monkeypatch.setattr(live, "live_plan", lambda *_: found)
    answer = CliRunner().invoke(app, ["dev", "--live", "--json"])
    shown = PlanReport.model_validate_json(answer.stdout)
    assert shown.plan_sha256 == live.plan_sha256(found)
    assert (shown.infrastructure, shown.models) == (found.infrastructure, ())
    assert checkout.git("status", "--porcelain") == ""


@pytest.mark.parametrize(("base", "expected"), [("none", None), ("HEAD", "(HEAD)"), ("main", "(main)"), (None, "(merge base with main)")])
def test_what_is_compared_with(checkout: Repository, monkeypatch: pytest.MonkeyPatch, base: str | None, expected: str | None):
    asked = []
    monkeypatch.setattr(cli, "make_plan", lambda folder, stack, found, _progress, _samples: asked.append((folder, stack, found and found.label)) or report())
    CliRunner().invoke(app, ["dev", *(["--base", base] if base else [])])
    commit = checkout.git("rev-parse", "--short=7", "HEAD")
    assert asked == [(checkout.folder.resolve(), "dev", expected and f"{commit} {expected}")]
