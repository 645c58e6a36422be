"""The command's own words; what the engine does is in tests/plan/test_drift_command.py."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from delivery.deploy.engine import Engine
from delivery.drift import finding
from delivery.drift.cli import drift
from delivery.drift.report import DriftedResource, DriftReport
from delivery.errors import DeliveryError
from local_azure.progress import Progress
from tests.unit.delivery.drift.stacks import report, step

APP = typer.Typer()
APP.command()(drift)
CHANGED = report(step("azure-native:storage:StorageAccount", "a", {"x": 1}, {"x": 2}))
NOTHING = DriftReport(stack="dev", people=(), azure=(), unchanged=3)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    return tmp_path


def finds(monkeypatch: pytest.MonkeyPatch, found: DriftReport) -> None:
    def find(_checkout: Path, stack: str, _progress: Progress) -> DriftReport:
        assert stack == "dev"
        return found

    monkeypatch.setattr(finding, "find_drift", find)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--json", "--markdown"], "--json and --markdown are two forms of one output; give one of them"),
        (["--out", "x"], "--out needs a form for the file: --json or --markdown"),
        (["--json", "--out", "no/such/x"], "--out no/such/x: there is no folder no/such; make it first"),
    ],
)
@pytest.mark.usefixtures("checkout")
def test_wrong_options(options: list[str], message: str):
    error = CliRunner().invoke(APP, ["dev", *options]).exception
    assert isinstance(error, DeliveryError)
    assert str(error) == message


def test_outside_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(APP, ["dev"]).exception
    assert str(error) == f"no Pulumi.yaml in {tmp_path} or above it; run `converge drift` in a checkout of the project"


def test_exit_codes_and_forms(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    finds(monkeypatch, CHANGED)
    assert CliRunner().invoke(APP, ["dev"]).exit_code == 3
    as_json = CliRunner().invoke(APP, ["dev", "--json"])
    assert as_json.exit_code == 3
    assert DriftReport.model_validate_json(as_json.stdout) == CHANGED
    written = CliRunner().invoke(APP, ["dev", "--json", "--out", str(checkout / "out.json")])
    assert "people changed 1 resource" in written.stdout
    assert (checkout / "out.json").read_text() == as_json.stdout
    assert sorted(path.name for path in checkout.iterdir()) == ["Pulumi.yaml", "below", "out.json"]
    finds(monkeypatch, NOTHING)
    nothing = CliRunner().invoke(APP, ["dev"])
    assert nothing.exit_code == 0
    assert nothing.stdout == "dev: as the last deployment left it\n  3 resources unchanged\n"
    finds(monkeypatch, NOTHING.model_copy(update={"azure": (DriftedResource(type="a:b:C", name="c", component="", id=""),)}))
    assert CliRunner().invoke(APP, ["dev"]).exit_code == 0


def test_a_cluster_out_of_reach_is_not_to_be_forgotten(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    (checkout / "Pulumi.dev.yaml").touch()
    program = checkout / "pulumi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(checkout))

    def unreachable(_engine: Engine, _at: object) -> None:
        raise DeliveryError("failed to read resource state due to unreachable cluster. ... PULUMI_K8S_DELETE_UNREACHABLE ...")

    monkeypatch.setattr(Engine, "drift", unreachable)
    error = CliRunner().invoke(APP, ["dev"]).exception
    assert isinstance(error, DeliveryError)
    assert str(error).startswith("the cluster of the stack 'dev' cannot be reached, so nothing can be said about what runs there")
    assert "DELETE" not in str(error)
