"""Checks side by side, the report, and the command as a whole."""

import io
import json
import threading
import time
from pathlib import Path

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.identity import CredentialUnavailableError
from rich.console import Console
from typer.testing import CliRunner

import cli
from delivery.azure.errors import AzureError, RefusedError
from delivery.azure.login import Login
from delivery.doctor import report
from delivery.doctor.command import examine
from delivery.doctor.findings import Finding, Status, failure, not_yet, ok, warning
from delivery.doctor.runner import run
from tests.unit.delivery.doctor.stacks import SCOPE, healthy, stack
from tests.unit.delivery.doctor.test_versions import machine
from tests.unit.delivery.fake_azure import Credential, FakeAzure, refusal


def test_checks_run_side_by_side_and_are_told_in_order():
    meet = threading.Barrier(3, timeout=5)

    def check(name: str):
        def look() -> list[Finding]:
            meet.wait()
            return [ok(name, "fine")]

        return look

    assert [one.check for one in run({name: check(name) for name in ("c", "a", "b")})] == ["c", "a", "b"]


def test_one_that_hangs_holds_up_nobody():
    started = time.monotonic()
    found = run({"hangs": lambda: time.sleep(20) or [], "works": lambda: [ok("works", "fine")]}, seconds=0.3)
    assert time.monotonic() - started < 5
    assert [(one.check, one.status) for one in found] == [("hangs", Status.FAILURE), ("works", Status.OK)]
    assert found[0].message == "no answer within 0 s"


def raising(error: Exception):
    def check() -> list[Finding]:
        raise error

    return check


@pytest.mark.parametrize(
    ("error", "message", "command"),
    [
        (AzureError("no network"), "no network", "mend that, then run `converge doctor` again"),
        (RefusedError("Azure refuses", status=403, code="AuthorizationFailed"), "Azure refuses", "ask for the role Reader on the subscription"),
        (KeyError("name"), "the check itself failed: KeyError: 'name'", "report this"),
    ],
)
def test_one_that_breaks_is_a_finding(error: Exception, message: str, command: str):
    broken, works = run({"breaks": raising(error), "works": lambda: [ok("works", "fine")]})
    assert (broken.status, broken.message, works.status) == (Status.FAILURE, message, Status.OK)
    assert broken.command.startswith(command)


_FINDINGS = [
    ok("login", "ada"),
    not_yet("reaching the storage", "made later"),
    warning("kubectl", "no", "az aks install-cli"),
    failure("quota", "[5] left", "ask for more"),
]


def shown(*, terminal: bool) -> str:
    text = io.StringIO()
    report.show(Console(file=text, force_terminal=terminal, width=100), "dev", _FINDINGS)
    return text.getvalue()


def test_a_log_gets_plain_lines_and_the_commands_worst_first():
    text = shown(terminal=False)
    assert "\x1b" not in text
    lines = text.splitlines()
    assert lines[0] == "ok             login: ada"
    assert lines[3] == "failure        quota: [5] left"
    assert lines[5:10] == ["to do:", "  quota (failure):", "    ask for more", "  kubectl (warning):", "    az aks install-cli"]
    assert lines[-1] == "1 ok, 1 not there yet, 1 warning, 1 failure. dev cannot be deployed from here like this."


def test_a_terminal_gets_a_table():
    text = shown(terminal=True)
    assert "\x1b[" in text
    assert "[5] left" in text


def test_programs_get_json_and_warnings_do_not_fail():
    document = json.loads(report.as_json("dev", _FINDINGS))
    assert (document["ok"], document["stack"], document["findings"][3]["status"]) == (False, "dev", "failure")
    assert json.loads(report.as_json("dev", _FINDINGS[:3]))["ok"] is True


def all_of(azure: FakeAzure, credential: Credential | None = None, *, plans_only: bool = False):
    return examine(
        stack(deployer={"principalId": "x", "principalType": "Group"}),
        "converge",
        Login(credential or azure.credential),
        azure.client,
        machine(),
        plans_only=plans_only,
    )


def test_an_empty_subscription_is_ready_and_nothing_is_written():
    azure = healthy()
    found = all_of(azure)
    assert [one for one in found if one.status in (Status.FAILURE, Status.WARNING)] == []
    assert {"login", "subscription", "rights on the subscription", "providers", "quota", "Kubernetes version", "Pulumi"} <= {one.check for one in found}
    assert {request.method for request in azure.requests} == {"GET"}


def test_a_plan_asks_less():
    assert not {"quota", "Kubernetes version", "node sizes"} & {one.check for one in all_of(healthy(), plans_only=True)}


@pytest.mark.parametrize(
    ("error", "command"),
    [(CredentialUnavailableError("no CLI"), "az login"), (ServiceRequestError("no route"), "check the network, then run it again")],
)
def test_without_login_or_network_only_this_machine_is_looked_at(error: Exception, command: str):
    azure = healthy()
    found = all_of(azure, Credential(error=error))
    assert (found[0].check, found[0].status, found[0].command) == ("login", Status.FAILURE, command)
    assert {one.check for one in found[1:]} == {one.check for one in machine().check()}
    assert azure.requests == []


def test_a_wrong_subscription_asks_no_further():
    azure = healthy()
    azure.set(SCOPE, None)
    found = all_of(azure)
    assert [one.check for one in found if one.status is Status.FAILURE] == ["subscription"]
    assert "providers" not in {one.check for one in found}


def test_a_reader_of_nothing_gets_one_message():
    azure = healthy()
    azure.set(f"{SCOPE}/providers/Microsoft.Storage/storageAccounts", refusal(403, "AuthorizationFailed", "does not have authorization"))
    (found,) = (one for one in all_of(azure) if one.status is Status.FAILURE)
    assert (found.check, found.command) == ("resources", "the role Reader on the subscription lets one look")


def test_the_command_ends_with_one_and_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "Pulumi.yaml").write_text("name: converge\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {azure-native:location: westeurope, azure-native:subscriptionId: 99999999-9999-4999-8999-999999999999}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("delivery.doctor.command.Login", lambda: Login(Credential(error=CredentialUnavailableError("none"))))
    monkeypatch.setattr("delivery.doctor.command.Machine", machine)
    answer = CliRunner().invoke(cli.app, ["doctor", "dev", "--json"])
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["findings"][0]["command"] == "az login"
    (tmp_path / "Pulumi.yaml").write_text("[")
    answer = CliRunner().invoke(cli.app, ["doctor", "dev"])
    assert isinstance(answer.exception, AzureError)
