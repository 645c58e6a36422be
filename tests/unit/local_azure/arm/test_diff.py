from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_azure.arm import diff
from local_azure.arm.behaviour import completed
from local_azure.arm.types.containerregistry import REGISTRY
from local_azure.arm.types.containerservice import AGENT_POOL, MANAGED_CLUSTER
from local_azure.arm.types.resources import RESOURCE_GROUP
from local_azure.arm.types.storage import STORAGE_ACCOUNT
from local_azure.arm.wire import UNKNOWN, Secret

ACCOUNT: dict[str, Any] = {"accountName": "models123", "resourceGroupName": "data", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "location": "a"}
CLUSTER: dict[str, Any] = {
    "resourceName": "k",
    "resourceGroupName": "g",
    "networkProfile": {"networkPlugin": "azure"},
    "agentPoolProfiles": [{"name": "system", "vmSize": "a"}, {"name": "b", "vmSize": "b"}],
}


def changed(kind: Any, old: dict[str, Any], new: dict[str, Any], answered: dict[str, Any] | None = None) -> dict[str, bool]:
    return {path: diff.replaces(change) for path, change in diff.changes(kind, old, new, answered).items()}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sku": {"name": "Standard_ZRS"}}, {"sku.name": False}),
        ({"location": "b"}, {"location": True}),
        ({"accountName": "other"}, {"accountName": True}),
        ({"isHnsEnabled": True}, {"isHnsEnabled": True}),
        ({"kind": "BlobStorage"}, {"kind": False}),
        ({"encryption": {"requireInfrastructureEncryption": True}}, {"encryption": False}),
    ],
)
def test_a_replacement_is_what_the_plugin_makes_one(change: dict[str, Any], expected: dict[str, bool]):
    assert changed(STORAGE_ACCOUNT, ACCOUNT, {**ACCOUNT, **change}) == expected


@pytest.mark.parametrize(
    ("change", "path", "replaces"),
    [
        ({"dnsPrefix": "x"}, "dnsPrefix", True),
        ({"networkProfile": {"networkPlugin": "azure", "networkPolicy": "cilium"}}, "networkProfile.networkPolicy", True),
        ({"networkProfile": {"networkPlugin": "azure", "outboundType": "none"}}, "networkProfile.outboundType", True),
        ({"networkProfile": {"networkPlugin": "azure", "loadBalancerSku": "standard"}}, "networkProfile.loadBalancerSku", False),
        ({"kubernetesVersion": "1.35"}, "kubernetesVersion", False),
        ({"agentPoolProfiles": [{"name": "system", "vmSize": "c"}, {"name": "b", "vmSize": "b"}]}, "agentPoolProfiles[0].vmSize", False),
    ],
)
def test_of_a_cluster(change: dict[str, Any], path: str, replaces: bool):
    assert changed(MANAGED_CLUSTER, CLUSTER, {**CLUSTER, **change}) == {path: replaces}


def test_what_comes_or_goes_is_one_change_as_for_the_plugin():
    one_pool = {**CLUSTER, "agentPoolProfiles": CLUSTER["agentPoolProfiles"][:1]}
    assert changed(MANAGED_CLUSTER, CLUSTER, one_pool) == {"agentPoolProfiles[1]": False}
    assert changed(MANAGED_CLUSTER, one_pool, CLUSTER) == {"agentPoolProfiles[1]": False}
    without = {name: value for name, value in CLUSTER.items() if name != "networkProfile"}
    assert changed(MANAGED_CLUSTER, without, CLUSTER) == {"networkProfile": False}


def test_a_type_that_the_plugin_does_not_list_is_replaced_for_what_is_immutable():
    registry = {"registryName": "r", "resourceGroupName": "g", "location": "a"}
    assert changed(REGISTRY, registry, {**registry, "location": "b"}) == {"location": True}


def test_azure_writes_locations_and_groups_in_its_own_way():
    old = {**ACCOUNT, "location": "West Europe", "resourceGroupName": "Data"}
    assert changed(STORAGE_ACCOUNT, old, {**old, "location": "westeurope", "resourceGroupName": "data"}) == {}


def test_giving_what_arm_has_already_replaces_nothing():
    new = {**ACCOUNT, "isHnsEnabled": False}
    assert changed(STORAGE_ACCOUNT, ACCOUNT, new, {"isHnsEnabled": False}) == {"isHnsEnabled": False}
    assert changed(STORAGE_ACCOUNT, ACCOUNT, new, {"isHnsEnabled": True}) == {"isHnsEnabled": True}


def test_a_secret_with_the_same_value_is_no_change():
    assert changed(RESOURCE_GROUP, {"location": "a", "tags": {"x": "y"}}, {"location": "a", "tags": Secret({"x": "y"})}) == {}


def test_what_is_not_known_yet_counts_as_changed():
    assert changed(RESOURCE_GROUP, {"location": "a"}, {"location": UNKNOWN}) == {"location": True}


@given(
    st.recursive(st.one_of(st.integers(), st.text(), st.booleans()), lambda x: st.one_of(st.lists(x), st.dictionaries(st.text(min_size=1), x)), max_leaves=10)
)
def test_nothing_differs_from_itself(value: Any):
    assert diff.changes(RESOURCE_GROUP, {"tags": value}, {"tags": value}) == {}
    assert diff.refused(RESOURCE_GROUP, {"tags": value}, {"tags": value}) == []


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"kind": "BlobStorage"}, ["kind"]),
        ({"encryption": {"requireInfrastructureEncryption": True}}, ["encryption.requireInfrastructureEncryption"]),
        ({"encryption": {"requireInfrastructureEncryption": False}}, []),
        ({"sku": {"name": "Standard_ZRS"}}, []),
    ],
)
def test_arm_refuses_what_it_cannot_change_in_place(change: dict[str, Any], refused: list[str]):
    assert diff.refused(STORAGE_ACCOUNT, completed(STORAGE_ACCOUNT.pulumi_type, ACCOUNT), {**ACCOUNT, **change}) == refused


def test_pools_are_told_apart_by_their_name_not_by_their_place():
    swapped = {**CLUSTER, "agentPoolProfiles": CLUSTER["agentPoolProfiles"][::-1]}
    assert diff.refused(MANAGED_CLUSTER, CLUSTER, swapped) == []
    other = {**CLUSTER, "agentPoolProfiles": [{"name": "b", "vmSize": "c"}]}
    assert diff.refused(MANAGED_CLUSTER, CLUSTER, other) == ["agentPoolProfiles[b].vmSize"]


def test_a_property_that_is_left_out_is_not_refused():
    pool = {"agentPoolName": "p", "resourceName": "k", "resourceGroupName": "g", "maxPods": 50}
    assert diff.refused(AGENT_POOL, pool, {name: value for name, value in pool.items() if name != "maxPods"}) == []
    assert diff.refused(AGENT_POOL, pool, {**pool, "maxPods": 60}) == ["maxPods"]
