import json
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, status_pb2

from local_azure.arm.clock import Clock
from local_azure.arm.errors import PluginError
from local_azure.arm.provider import ArmProvider
from local_azure.arm.wire import from_struct, to_struct

GROUP = "azure-native:resources:ResourceGroup"
ACCOUNT = "azure-native:storage:StorageAccount"
IDENTITY = "azure-native:managedidentity:UserAssignedIdentity"


class AbortedError(Exception):
    """What a call answered instead of a result."""

    def __init__(self, status: Any) -> None:
        super().__init__(status.details)
        self.status = status


class _Call:
    def abort_with_status(self, status: Any) -> None:
        raise AbortedError(status)


CALL: Any = _Call()
"""The engine's side of a call."""


@pytest.fixture
def provider(tmp_path: Path) -> ArmProvider:
    return ArmProvider(tmp_path, "1.2.3")


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:test::p::{kind}::{name}"


def create(provider: ArmProvider, kind: str, name: str, inputs: dict[str, Any], *, preview: bool = False) -> Any:
    return provider.Create(provider_pb2.CreateRequest(urn=urn(kind, name), type=kind, properties=to_struct(inputs), preview=preview), CALL)


def checked(provider: ArmProvider, kind: str, name: str, inputs: dict[str, Any], olds: dict[str, Any] | None = None) -> dict[str, Any]:
    request = provider_pb2.CheckRequest(urn=urn(kind, name), type=kind, news=to_struct(inputs), olds=to_struct(olds or {}))
    return from_struct(provider.Check(request, CALL).inputs)


def diff(provider: ArmProvider, kind: str, name: str, old: dict[str, Any], new: dict[str, Any]) -> Any:
    request = provider_pb2.DiffRequest(id="/x", urn=urn(kind, name), type=kind, old_inputs=to_struct(old), olds=to_struct(old), news=to_struct(new))
    return provider.Diff(request, CALL)


def test_a_drawn_name_is_drawn_anew_for_what_takes_its_place(provider: ArmProvider):
    first = checked(provider, GROUP, "data", {"location": "a"})
    assert checked(provider, GROUP, "data", {"location": "a"}) == first
    answer = diff(provider, GROUP, "data", first, {**first, "location": "b"})
    assert answer.replaces == ["location"]
    # The new one is made while the old one is there, so it cannot have its name.
    assert not answer.deleteBeforeReplace
    second = checked(provider, GROUP, "data", {"location": "b"})
    assert second["resourceGroupName"] != first["resourceGroupName"]
    assert second["resourceGroupName"].startswith("data")


def test_a_given_name_is_free_only_when_the_old_one_is_gone(provider: ArmProvider):
    old = {"resourceGroupName": "data", "location": "a"}
    assert diff(provider, GROUP, "data", old, {**old, "location": "b"}).deleteBeforeReplace


def test_a_preview_of_an_update_knows_what_is_given_and_what_never_changes(provider: ArmProvider):
    olds = {"resourceName": "i", "location": "a", "name": "i", "principalId": "p"}
    request = provider_pb2.UpdateRequest(
        id="/x", urn=urn(IDENTITY, "i"), type=IDENTITY, olds=to_struct(olds), news=to_struct({"resourceName": "i", "tags": {"a": "b"}}), preview=True
    )
    seen = from_struct(provider.Update(request, CALL).properties)
    assert (seen["name"], seen["location"], seen["tags"]) == ("i", "a", {"a": "b"})
    assert repr(seen["principalId"]) == "UNKNOWN"


def test_an_operation_that_failed_reaches_the_engine_with_the_resource(provider: ArmProvider, tmp_path: Path):
    create(provider, GROUP, "data", {"resourceGroupName": "data", "location": "westeurope"})
    (tmp_path / "arm" / "faults.json").write_text(json.dumps({"failures": [{"error": "operationFailed"}]}))
    inputs = {"resourceGroupName": "data", "accountName": "models123", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    with pytest.raises(AbortedError) as caught:
        create(provider, ACCOUNT, "models", inputs)
    assert caught.value.status.code == grpc.StatusCode.UNKNOWN
    ((name, content),) = caught.value.status.trailing_metadata
    assert name == "grpc-status-details-bin"
    left = provider_pb2.ErrorResourceInitFailed()
    status_pb2.Status.FromString(content).details[0].Unpack(left)
    assert left.id.endswith("/storageAccounts/models123")
    assert from_struct(left.properties)["provisioningState"] == "Failed"
    assert from_struct(left.inputs) == inputs
    assert left.reasons[0].startswith('Status=200 Code="ResourceDeploymentFailure"')


def test_after_cancel_nothing_is_done_any_more(provider: ArmProvider):
    provider.Cancel(None, CALL)
    with pytest.raises(AbortedError, match=r"^context canceled$"):
        create(provider, GROUP, "data", {"resourceGroupName": "data", "location": "westeurope"})
    assert from_struct(create(provider, GROUP, "data", {"location": "westeurope"}, preview=True).properties)["location"] == "westeurope"


def test_cancel_ends_a_wait():
    cancelled = threading.Event()
    threading.Timer(0.05, cancelled.set).start()
    started = time.monotonic()
    with pytest.raises(PluginError, match="context canceled"):
        Clock(1, cancelled).sleep(60)
    assert time.monotonic() - started < 5
