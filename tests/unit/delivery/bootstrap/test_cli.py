"""The command: asks before it changes anything, and says no more than one line when it cannot."""

from pathlib import Path

import pytest
from azure.identity import CredentialUnavailableError
from typer.testing import CliRunner

import cli
from delivery.azure.errors import AzureError
from delivery.azure.login import Login
from delivery.bootstrap import run
from delivery.bootstrap.engine import Step
from tests.unit.delivery.bootstrap.test_run import _OUTPUTS
from tests.unit.delivery.fake_azure import Credential

_FILE = "config: {azure-native:location: westeurope, azure-native:subscriptionId: 99999999-9999-4999-8999-999999999999, 'bootstrap:github': acme/vision}"
_STEP = Step(operation="create", kind="resources:ResourceGroup", name="state-group")


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: converge\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(_FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("delivery.bootstrap.command.Login", lambda: Login(Credential()))
    monkeypatch.setattr("delivery.bootstrap.command.preflight.check", lambda *_facts: None)
    monkeypatch.setattr("delivery.bootstrap.command.run.run", lambda _made, _places, _exists, _container, asked: _run(asked))


def _run(asked: run.Asked) -> dict[str, str] | None:
    return _OUTPUTS if asked.confirm([_STEP]) else None


def test_it_shows_the_plan_and_asks():
    answer = CliRunner().invoke(cli.app, ["bootstrap", "dev"], input="y\n")
    assert answer.exit_code == 0
    assert answer.stdout.index("state-group") < answer.stdout.index("Do it?") < answer.stdout.index("pulumi stack init dev")


def test_no_changes_nothing():
    answer = CliRunner().invoke(cli.app, ["bootstrap", "dev"], input="n\n")
    assert answer.exit_code == 1
    assert answer.stdout.endswith("nothing was changed\n")


def test_where_nobody_answers_it_says_how():
    answer = CliRunner().invoke(cli.app, ["bootstrap", "dev"])
    assert isinstance(answer.exception, AzureError)
    assert str(answer.exception) == "nobody answered; say --yes where nobody can"


def test_yes_does_not_ask():
    answer = CliRunner().invoke(cli.app, ["bootstrap", "dev", "--yes"])
    assert answer.exit_code == 0
    assert "Do it?" not in answer.stdout


def test_without_a_login_it_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("delivery.bootstrap.command.Login", lambda: Login(Credential(error=CredentialUnavailableError("none"))))
    answer = CliRunner().invoke(cli.app, ["bootstrap", "dev", "--yes"])
    assert isinstance(answer.exception, AzureError)
    assert str(answer.exception).startswith("not logged in at Azure; run `az login`")


def test_a_mistake_in_the_file_is_told_before_the_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "Pulumi.dev.yaml").write_text(_FILE.replace("acme/vision", "vision"))
    monkeypatch.setattr("delivery.bootstrap.command.Login", lambda: pytest.fail("logged in"))
    answer = CliRunner().invoke(cli.app, ["bootstrap", "dev"])
    assert str(answer.exception) == "Pulumi.dev.yaml: bootstrap:github is 'vision'; it must be <owner>/<name> of the repository"
