"""What the engine's refusals become, and how ids are made of a planned resource's inputs."""

import pytest

from delivery.azure.errors import AzureError
from delivery.bootstrap import engine, existing
from tests.unit.delivery.bootstrap.test_wanted import _SUBSCRIPTION, made
from tests.unit.delivery.fake_azure import FakeAzure


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("Status=409 Code=ScopeLocked", "az lock delete --name converge-state --resource-group converge-bootstrap-dev"),
        ("Code=StorageAccountAlreadyTaken", "Name the stack differently"),
        ("cannot create already existing resource /x", "Run it again: it takes over what is there"),
        ("Code=RoleAssignmentExists", "Run it again: it takes over what is there"),
        ("Code=AuthorizationFailed", "`converge doctor dev` says which"),
        ("error: the stack is currently locked by 1 lock(s)", "pulumi cancel organization/converge-bootstrap/dev"),
    ],
)
def test_a_known_refusal_gets_its_advice(message: str, advice: str):
    explained = engine._explained(message, made())
    assert explained.startswith(message)
    assert advice in explained.removeprefix(message)


def test_an_unknown_one_is_left_alone():
    assert engine._explained("Code=TooLong", made()) == "Code=TooLong"


def test_of_all_that_a_command_prints_its_error_is_told():
    text = "code: 255\nstdout: \nstderr: <{%fg 1%}>error: no credentials<{%reset%}>\nmore\n"
    assert engine._first_error(text.replace("stderr: ", "stderr:\n")) == "no credentials"
    assert engine._first_error("") == "Pulumi failed without a word"


def test_without_pulumi_it_says_where_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(AzureError, match="there is no Pulumi on PATH; https://www"):
        engine._command(None)


def test_an_id_is_known_once_all_its_names_are():
    kind = "azure-native:authorization:RoleAssignment"
    assert existing.id_of(kind, {"scope": "/s", "roleAssignmentName": "x"}, _SUBSCRIPTION) == "/s/providers/Microsoft.Authorization/roleAssignments/x"
    assert existing.id_of(kind, {"scope": "/s"}, _SUBSCRIPTION) == ""
    assert existing.id_of("converge:bootstrap:StateBackend", {}, _SUBSCRIPTION) == ""


def test_azure_is_asked_with_the_version_of_the_type():
    azure = FakeAzure()
    azure.set("/subscriptions/s/resourceGroups/g", {"id": "x"})
    exists = existing.in_azure(azure.arm)
    assert existing.is_there("azure-native:resources:ResourceGroup", "/subscriptions/s/resourceGroups/g", exists)
    assert not existing.is_there("azure-native:resources:ResourceGroup", "/subscriptions/s/resourceGroups/h", exists)
    assert azure.requests[0].url.params["api-version"] == "2024-03-01"
