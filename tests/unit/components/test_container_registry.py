from functools import cache
from typing import Any

import pulumi
import pytest

from components.container_registry import ContainerRegistry, ContainerRegistryArgs
from components.private_access import PrivateAccess
from components.role_grants import Principal, Role
from tests.unit.components.recording import GET_REGISTRY, GROUP, LOCK, SUBSCRIPTION, UNKNOWN, Recording, consume, record

REGISTRY = f"{SUBSCRIPTION}/resourceGroups/registry-group/providers/Microsoft.ContainerRegistry/registries/convergedev"
_ADOPTED = f"{SUBSCRIPTION}/resourceGroups/shared/providers/Microsoft.ContainerRegistry/registries/images"
_WORKSPACE = f"{SUBSCRIPTION}/resourceGroups/monitoring/providers/Microsoft.OperationalInsights/workspaces/logs"
_NETWORK = f"{SUBSCRIPTION}/resourceGroups/network/providers/Microsoft.Network"
_PRIVATELY = PrivateAccess(subnet_id=f"{_NETWORK}/virtualNetworks/hub/subnets/endpoints", zone_id=f"{_NETWORK}/privateDnsZones/privatelink.azurecr.io")
_TYPE = "azure-native:containerregistry:Registry"
_ENDPOINT = "azure-native:network:PrivateEndpoint"
_LOGS = "azure-native:monitor:DiagnosticSetting"
_FOUND = {"loginServer": "images-e7d3hvcqb8d9fgcu.azurecr.io"}
"""A registry whose DNS name is not the usual one."""


def _args(**changes: Any) -> ContainerRegistryArgs:
    return ContainerRegistryArgs(**{"registry_name": "convergedev", "deployer": Principal(id="us", type="Group"), **changes})


def _recorded(opts: pulumi.ResourceOptions | None = None, *, preview: bool = False, **changes: Any) -> Recording:
    def program() -> None:
        registry = ContainerRegistry("registry", _args(**changes), opts)
        consume(id=registry.registry_id, server=registry.login_server)

    return record(program, preview=preview, calls={GET_REGISTRY: _FOUND})


@cache
def _usual() -> Recording:
    """With nothing changed; recorded once for the many tests that look at it."""
    return _recorded()


def test_the_deployer_may_push_and_nobody_may_do_anything_else():
    assert _usual().grants == {(Role.ACR_PUSH.value, REGISTRY, "us", "Group")}


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
    assert _usual().only(_TYPE).inputs[key] == value


@pytest.mark.parametrize(("sku", "spread"), [("Basic", "Disabled"), ("Standard", "Disabled"), ("Premium", "Enabled")])
def test_only_premium_is_spread_over_zones(sku: str, spread: str):
    inputs = _recorded(sku=sku).only(_TYPE).inputs
    assert inputs["sku"] == {"name": sku}
    assert inputs["zoneRedundancy"] == spread
    assert inputs["dataEndpointEnabled"] is (sku == "Premium")


def test_another_tier_later_makes_no_registry_anew():
    # Zones are chosen when a registry is made; the images in it would be gone.
    assert list(_usual().only(_TYPE).request.ignoreChanges) == ["zoneRedundancy"]


def test_who_pushes_is_told_what_to_wait_for():
    told: list[str] = []

    def program() -> None:
        async def tell() -> None:
            told.extend([str(await grant.known()) for grant in ContainerRegistry("registry", _args()).pushing])

        consume(told=pulumi.Output.from_input(tell()))

    record(program)
    assert told == [f"'AcrPush' for the deployer (us) on {REGISTRY}"]


def test_premium_never_deletes_by_itself_and_brings_back_what_was_deleted_by_mistake():
    # Retention deletes what no tag points at, also while pods run it by digest.
    assert _recorded(sku="Premium").only(_TYPE).inputs["policies"] == {
        "retentionPolicy": {"status": "disabled", "days": 7},
        "softDeletePolicy": {"status": "enabled", "retentionDays": 7},
        "azureADAuthenticationAsArmPolicy": {"status": "disabled"},
    }


@pytest.mark.parametrize("sku", ["Basic", "Standard"])
def test_other_tiers_are_not_told_of_what_they_do_not_know(sku: str):
    assert "policies" not in _recorded(sku=sku).only(_TYPE).inputs


def test_a_private_registry_is_reached_through_its_endpoint_only_and_nothing_leaves_it():
    recording = _recorded(sku="Premium", access=_PRIVATELY)
    inputs = recording.only(_TYPE).inputs
    assert (inputs["publicNetworkAccess"], inputs["networkRuleSet"]) == ("Disabled", {"defaultAction": "Deny"})
    assert inputs["policies"]["exportPolicy"] == {"status": "disabled"}
    endpoint = recording.only(_ENDPOINT).inputs
    assert endpoint["subnet"] == {"id": _PRIVATELY.subnet_id}
    assert endpoint["privateLinkServiceConnections"] == [{"name": "registry", "privateLinkServiceId": REGISTRY, "groupIds": ["registry"]}]
    # Earlier, the name would lead to the public address, where nobody is let in.
    assert "registry-names" in recording.named("consumer").dependencies_of("server")


def test_a_public_registry_has_no_endpoint():
    recording = _recorded(sku="Premium")
    assert recording.of(_ENDPOINT) == []
    assert "networkRuleSet" not in recording.only(_TYPE).inputs


def test_only_premium_can_be_private():
    with pytest.raises(pulumi.InputPropertyError) as error:
        _args(sku="Standard", access=_PRIVATELY)
    assert (error.value.property_path, error.value.reason) == ("sku", "is Standard; only Premium has private endpoints")
    assert _args(sku="Standard", access=_PRIVATELY, registry_id=_ADOPTED).registry_id == _ADOPTED


def test_azure_refuses_to_delete_a_registry_that_is_locked():
    lock = _recorded(locked=True).only(LOCK).inputs
    assert (lock["scope"], lock["level"]) == (REGISTRY, "CanNotDelete")
    assert _usual().of(LOCK) == []


def test_pushes_pulls_and_logins_are_recorded_where_there_is_a_workspace():
    logs = _recorded(log_workspace_id=_WORKSPACE).only(_LOGS).inputs
    assert (logs["resourceUri"], logs["workspaceId"]) == (REGISTRY, _WORKSPACE)
    assert {log["category"] for log in logs["logs"]} == {"ContainerRegistryRepositoryEvents", "ContainerRegistryLoginEvents"}
    assert _usual().of(_LOGS) == []


def test_protection_reaches_everything_that_holds_images():
    recording = _recorded(pulumi.ResourceOptions(protect=True), sku="Premium", access=_PRIVATELY, log_workspace_id=_WORKSPACE, locked=True)
    assert {resource.name for resource in recording.resources if resource.protected} == {
        "registry", "registry-group", "registry-registry",
    }  # fmt: skip


def test_the_group_can_be_one_that_exists():
    recording = _recorded(resource_group_id=f"{SUBSCRIPTION}/resourceGroups/ours", sku="Premium", access=_PRIVATELY)
    assert recording.of(GROUP) == []
    assert {resource.inputs["resourceGroupName"] for resource in recording.resources if "resourceGroupName" in resource.inputs} == {"ours"}


@pytest.mark.parametrize("preview", [True, False])
def test_of_a_registry_that_exists_nothing_is_declared_but_a_grant(preview: bool):
    recording = _recorded(preview=preview, registry_id=_ADOPTED, access=_PRIVATELY, log_workspace_id=_WORKSPACE, locked=True)
    assert {resource.name for resource in recording.resources if resource.parent == "registry"} == {"registry-push", "registry-existing"}
    # In its own subscription, which need not be ours.
    assert recording.named("registry-existing").inputs["subscriptionId"] == _ADOPTED.split("/")[2]
    assert recording.calls == [(GET_REGISTRY, {"registryName": "images", "resourceGroupName": "shared"})]
    assert recording.grants == {(Role.ACR_PUSH.value, _ADOPTED, "us", "Group")}
    server = UNKNOWN if preview else "images-e7d3hvcqb8d9fgcu.azurecr.io"
    assert recording.outputs_of("registry") == {"registry_id": _ADOPTED, "login_server": server}
    assert "registry-push" in recording.named("consumer").dependencies_of("server")


def test_tags_are_on_group_and_registry():
    recording = _recorded(tags={"application": "converge"})
    for kind in (_TYPE, GROUP):
        assert recording.only(kind).inputs["tags"] == {"application": "converge"}
        assert recording.only(kind).parent == "registry"


def test_who_gets_the_login_server_may_push_there():
    consumer = _usual().named("consumer")
    assert consumer.inputs == {"id": REGISTRY, "server": "convergedev.azurecr.io"}
    assert "registry-push" in consumer.dependencies_of("server")
    # Whoever only pulls has no reason to wait for it.
    assert "registry-push" not in consumer.dependencies_of("id")


def test_before_the_registry_exists_its_outputs_are_unknown():
    assert _recorded(preview=True).outputs_of("registry") == {"registry_id": UNKNOWN, "login_server": UNKNOWN}
