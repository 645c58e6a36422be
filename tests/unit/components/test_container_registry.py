from typing import Any

import pytest

from components.container_registry import ContainerRegistry, ContainerRegistryArgs
from components.role_grants import Principal, Role
from tests.unit.components.recording import SUBSCRIPTION, UNKNOWN, Recording, consume, record

REGISTRY = f"{SUBSCRIPTION}/resourceGroups/registry-group/providers/Microsoft.ContainerRegistry/registries/convergedev"
_TYPE = "azure-native:containerregistry:Registry"


def _recorded(*, preview: bool = False, **changes: Any) -> Recording:
    def program() -> None:
        args = ContainerRegistryArgs(**{"registry_name": "convergedev", "deployer": Principal(id="us", type="Group"), **changes})
        registry = ContainerRegistry("registry", args)
        consume(id=registry.registry_id, server=registry.login_server)

    return record(program, preview=preview)


def test_the_deployer_may_push_and_nobody_may_do_anything_else():
    assert _recorded().grants == {(Role.ACR_PUSH.value, REGISTRY, "us", "Group")}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("registryName", "convergedev"),
        ("adminUserEnabled", False),
        ("anonymousPullEnabled", False),
        ("publicNetworkAccess", "Enabled"),
        ("networkRuleBypassOptions", "AzureServices"),
        ("resourceGroupName", "registry-group"),
    ],
)
def test_the_registry_has_no_password_and_lets_nobody_pull_anonymously(key: str, value: object):
    assert _recorded().only(_TYPE).inputs[key] == value


@pytest.mark.parametrize(("sku", "spread"), [("Basic", "Disabled"), ("Standard", "Disabled"), ("Premium", "Enabled")])
def test_only_premium_is_spread_over_zones(sku: str, spread: str):
    inputs = _recorded(sku=sku).only(_TYPE).inputs
    assert inputs["sku"] == {"name": sku}
    assert inputs["zoneRedundancy"] == spread


def test_tags_are_on_group_and_registry():
    recording = _recorded(tags={"application": "converge"})
    for kind in (_TYPE, "azure-native:resources:ResourceGroup"):
        assert recording.only(kind).inputs["tags"] == {"application": "converge"}
        assert recording.only(kind).parent == "registry"


def test_who_gets_the_login_server_may_push_there():
    consumer = _recorded().named("consumer")
    assert consumer.inputs == {"id": REGISTRY, "server": "convergedev.azurecr.io"}
    assert "registry-push" in consumer.dependencies_of("server")
    # Whoever only pulls has no reason to wait for it.
    assert "registry-push" not in consumer.dependencies_of("id")


def test_before_the_registry_exists_its_outputs_are_unknown():
    assert _recorded(preview=True).outputs_of("registry") == {"registry_id": UNKNOWN, "login_server": UNKNOWN}
