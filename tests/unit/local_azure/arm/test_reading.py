import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from local_azure.arm.behaviour import completed
from local_azure.arm.reading import imported, refreshed
from local_azure.arm.types.containerregistry import REGISTRY
from local_azure.arm.types.containerservice import MANAGED_CLUSTER

POOL = {"name": "system", "count": 1, "vmSize": "Standard_D2ds_v5"}
CLUSTER: dict[str, Any] = {
    "resourceGroupName": "g",
    "resourceName": "aks",
    "kubernetesVersion": "1.34",
    "identity": {"type": "UserAssigned", "userAssignedIdentities": ["/b", "/a"]},
    "networkProfile": {"networkPlugin": "azure"},
    "agentPoolProfiles": [POOL],
}


def answer(inputs: dict[str, Any], **outputs: Any) -> dict[str, Any]:
    return {**completed(MANAGED_CLUSTER.pulumi_type, MANAGED_CLUSTER.respond(copy.deepcopy(inputs))), **outputs}


def test_what_arm_fills_in_stays_out_of_the_inputs():
    before = answer(CLUSTER)
    assert before["networkProfile"]["podCidr"] == "10.244.0.0/16"
    assert refreshed(MANAGED_CLUSTER, CLUSTER, before, before) == CLUSTER
    assert refreshed(MANAGED_CLUSTER, CLUSTER, before, {**before, "currentKubernetesVersion": "1.34.9"}) == CLUSTER


def test_what_changed_in_azure_comes_in_and_nothing_else():
    now = answer(CLUSTER)
    now["kubernetesVersion"] = "1.34.7"
    now["agentPoolProfiles"][0]["count"] = 5
    assert refreshed(MANAGED_CLUSTER, CLUSTER, answer(CLUSTER), now) == {
        **CLUSTER,
        "kubernetesVersion": "1.34.7",
        "agentPoolProfiles": [{**POOL, "count": 5}],
    }


def test_a_default_that_changed_in_azure_is_none_any_more():
    now = answer(CLUSTER)
    now["networkProfile"]["podCidr"] = "10.10.0.0/16"
    assert refreshed(MANAGED_CLUSTER, CLUSTER, answer(CLUSTER), now)["networkProfile"] == {"networkPlugin": "azure", "podCidr": "10.10.0.0/16"}


def test_what_was_removed_in_azure_leaves_the_inputs():
    inputs = {**CLUSTER, "tags": {"team": "ml", "cost": "1"}}
    now = answer({**CLUSTER, "tags": {"team": "ml"}})
    assert refreshed(MANAGED_CLUSTER, inputs, answer(inputs), now)["tags"] == {"team": "ml"}


def test_pools_of_their_own_come_in_as_the_real_plugin_has_it():
    now = answer(CLUSTER)
    now["agentPoolProfiles"].append({"name": "user", "vmSize": "Standard_D4ds_v5"})
    pools = refreshed(MANAGED_CLUSTER, CLUSTER, answer(CLUSTER), now)["agentPoolProfiles"]
    assert pools == [POOL, {"name": "user", "vmSize": "Standard_D4ds_v5"}]


def test_read_only_properties_inside_of_others_never_come_in():
    now = answer(CLUSTER)
    now["agentPoolProfiles"][0]["nodeImageVersion"] = "newer"
    now["agentPoolProfiles"][0]["currentOrchestratorVersion"] = "1.34.9"
    now["oidcIssuerProfile"] = {"issuerURL": "https://issuer/"}
    assert refreshed(MANAGED_CLUSTER, CLUSTER, answer(CLUSTER), now)["agentPoolProfiles"] == [POOL]
    registry = {"registryName": "r", "resourceGroupName": "g", "sku": {"name": "Premium"}, "policies": {"exportPolicy": {"status": "disabled"}}}
    before = completed(REGISTRY.pulumi_type, registry)
    later = copy.deepcopy(before)
    later["policies"]["softDeletePolicy"]["lastUpdatedTime"] = "2026-12-01"
    assert refreshed(REGISTRY, registry, before, later) == registry


def test_an_import_takes_all_that_can_be_written_and_the_names_and_leaves_out_what_is_empty():
    found = imported(MANAGED_CLUSTER, CLUSTER, answer(CLUSTER, provisioningState="Succeeded", fqdn="x"))
    assert found["resourceGroupName"] == "g"
    assert found["resourceName"] == "aks"
    assert found["identity"]["userAssignedIdentities"] == ["/a", "/b"]
    assert found["networkProfile"]["serviceCidr"] == "10.0.0.0/16"
    assert "workloadAutoScalerProfile" not in found
    assert not {"provisioningState", "fqdn"} & found.keys()


_value: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.integers(), st.text(max_size=5), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    max_leaves=8,
)


@given(inputs=_value, before=_value)
def test_nothing_changes_while_azure_answers_the_same(inputs: Any, before: Any):
    assert refreshed(REGISTRY, {"tags": inputs}, {"tags": before}, {"tags": before}) == {"tags": inputs}


@given(before=_value, now=_value)
def test_inputs_that_azure_answered_with_become_what_it_answers_now(before: Any, now: Any):
    assert refreshed(REGISTRY, {"tags": before}, {"tags": before}, {"tags": now}) == {"tags": now}
