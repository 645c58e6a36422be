from typing import Any

import pulumi
import pytest

from components.kubernetes_cluster import KubernetesCluster, KubernetesClusterArgs
from components.role_grants import Principal, Role
from tests.unit.components.recording import CREDENTIALS, KUBECONFIG, SUBSCRIPTION, UNKNOWN, USER_CREDENTIALS, Recording, Secret, consume, record

REGISTRY = f"{SUBSCRIPTION}/resourceGroups/registry-group/providers/Microsoft.ContainerRegistry/registries/convergedev"
_GROUP = f"{SUBSCRIPTION}/resourceGroups/cluster-group"
_KUBELET = f"{_GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cluster-kubelet"
_CONTROL_PLANE = f"{_GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cluster-control-plane"
_CLUSTER = f"{_GROUP}/providers/Microsoft.ContainerService/managedClusters/cluster-aks"
_TYPE = "azure-native:containerservice:ManagedCluster"


def _args(**changes: Any) -> KubernetesClusterArgs:
    return KubernetesClusterArgs(**{"registry_id": REGISTRY, "tenant_id": "our-tenant", "deployer": Principal(id="us", type="Group"), **changes})


def _recorded(*, preview: bool = False, **changes: Any) -> Recording:
    def program() -> None:
        cluster = KubernetesCluster("cluster", _args(**changes))
        consume(kubeconfig=cluster.kubeconfig, id=cluster.cluster_id)

    return record(program, preview=preview, calls={USER_CREDENTIALS: CREDENTIALS})


def _cluster(**changes: Any) -> dict[str, Any]:
    return _recorded(**changes).only(_TYPE).inputs


def _pool(**changes: Any) -> dict[str, Any]:
    (pool,) = _cluster(**changes)["agentPoolProfiles"]
    return pool


def test_every_identity_has_the_one_right_that_it_needs():
    assert _recorded().grants == {
        (Role.MANAGED_IDENTITY_OPERATOR.value, _KUBELET, "cluster-control-plane-principal", "ServicePrincipal"),
        (Role.ACR_PULL.value, REGISTRY, "cluster-kubelet-principal", "ServicePrincipal"),
        (Role.AKS_RBAC_CLUSTER_ADMIN.value, _CLUSTER, "us", "Group"),
    }


def test_the_rights_of_the_clusters_identities_exist_before_it():
    # AKS checks the first when it is created, and starts pods that need the second.
    assert {"cluster-operates-kubelet", "cluster-pull"} <= _recorded().only(_TYPE).dependencies


def test_the_cluster_runs_with_both_identities():
    inputs = _cluster()
    assert inputs["identity"] == {"type": "UserAssigned", "userAssignedIdentities": [_CONTROL_PLANE]}
    assert inputs["identityProfile"] == {
        "kubeletidentity": {"resourceId": _KUBELET, "clientId": "cluster-kubelet-client", "objectId": "cluster-kubelet-principal"}
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("disableLocalAccounts", True),
        ("enableRBAC", True),
        ("aadProfile", {"managed": True, "enableAzureRBAC": True, "tenantID": "our-tenant", "adminGroupObjectIDs": []}),
        ("apiServerAccessProfile", {"authorizedIPRanges": ["0.0.0.0/32"], "disableRunCommand": True}),
        ("oidcIssuerProfile", {"enabled": True}),
        ("securityProfile", {"workloadIdentity": {"enabled": True}, "imageCleaner": {"enabled": True, "intervalHours": 48}}),
        ("storageProfile", {name: {"enabled": False} for name in ("diskCSIDriver", "fileCSIDriver", "snapshotController")}),
        ("dnsPrefix", "converge"),
        ("nodeResourceGroupProfile", {"restrictionLevel": "ReadOnly"}),
        ("autoUpgradeProfile", {"upgradeChannel": "stable", "nodeOSUpgradeChannel": "NodeImage"}),
        ("sku", {"name": "Base", "tier": "Free"}),
        ("kubernetesVersion", "1.34"),
        ("resourceGroupName", "cluster-group"),
    ],
)
def test_only_entra_identities_enter_and_no_address_reaches_the_api_server(key: str, value: object):
    assert _cluster()[key] == value


def test_the_network_can_enforce_the_policies_of_services():
    network = _cluster()["networkProfile"]
    assert network["networkPolicy"] == network["networkDataplane"] == "cilium"
    assert (network["networkPlugin"], network["networkPluginMode"]) == ("azure", "overlay")
    assert (network["outboundType"], network["loadBalancerSku"]) == ("loadBalancer", "standard")


def test_admins_and_addresses_are_those_that_are_named():
    inputs = _cluster(admin_group_ids=("admins",), allowed_ip_ranges=("203.0.113.0/24",))
    assert inputs["aadProfile"]["adminGroupObjectIDs"] == ["admins"]
    assert inputs["apiServerAccessProfile"]["authorizedIPRanges"] == ["203.0.113.0/24"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mode", "System"),
        ("osSKU", "AzureLinux3"),
        ("osDiskType", "Ephemeral"),
        ("osDiskSizeGB", 64),
        ("enableNodePublicIP", False),
        ("upgradeSettings", {"maxSurge": "33%"}),
        ("securityProfile", {"sshAccess": "Disabled"}),
        ("enableAutoScaling", True),
        ("count", 1),
        ("minCount", 1),
        ("maxCount", 3),
        ("vmSize", "Standard_D2ds_v5"),
        ("availabilityZones", []),
    ],
)
def test_nodes_cannot_be_reached_from_outside_and_the_autoscaler_decides_their_number(key: str, value: object):
    assert _pool()[key] == value


def test_the_cluster_is_as_large_as_asked_for():
    changes: dict[str, Any] = {"tier": "Standard", "node_size": "Standard_D4ds_v5", "min_nodes": 3, "max_nodes": 9, "zones": ("1", "2", "3")}
    pool = _pool(**changes)
    assert {key: pool[key] for key in ("vmSize", "count", "minCount", "maxCount", "availabilityZones")} == {
        "vmSize": "Standard_D4ds_v5", "count": 3, "minCount": 3, "maxCount": 9, "availabilityZones": ["1", "2", "3"],
    }  # fmt: skip
    assert _cluster(**changes)["sku"]["tier"] == "Standard"


def test_what_azure_changes_by_itself_is_no_difference():
    # camelCase paths: Pulumi does not translate them, and one that it does not know has no effect without a word.
    assert list(_recorded().only(_TYPE).request.ignoreChanges) == [
        "kubernetesVersion", "agentPoolProfiles[*].count", "agentPoolProfiles[*].orchestratorVersion",
    ]  # fmt: skip


def test_tags_are_everywhere():
    recording = _recorded(tags={"application": "converge"})
    tagged = [recording.named(f"cluster-{name}").inputs for name in ("group", "control-plane", "kubelet", "aks")]
    for inputs in (*tagged, *recording.only(_TYPE).inputs["agentPoolProfiles"]):
        assert inputs["tags"] == {"application": "converge"}


def test_the_kubeconfig_is_the_users_one_and_secret():
    recording = _recorded()
    assert recording.calls == [(USER_CREDENTIALS, {"resourceGroupName": "cluster-group", "resourceName": "cluster-aks", "format": "exec"})]
    assert recording.outputs_of("cluster") == {
        "resource_group_name": "cluster-group",
        "cluster_name": "cluster-aks",
        "cluster_id": _CLUSTER,
        "kubeconfig": Secret(KUBECONFIG),
    }
    assert recording.named("consumer").inputs["kubeconfig"] == Secret(KUBECONFIG)


def test_who_gets_the_kubeconfig_may_deploy_and_its_pods_may_pull():
    consumer = _recorded().named("consumer")
    assert {"cluster-deployer", "cluster-pull", "cluster-aks"} <= consumer.dependencies_of("kubeconfig")


def test_before_the_cluster_exists_nobody_is_asked_for_a_kubeconfig():
    recording = _recorded(preview=True)
    assert recording.calls == []
    assert recording.outputs_of("cluster")["kubeconfig"] == Secret(UNKNOWN)
    assert recording.outputs_of("cluster")["cluster_id"] is UNKNOWN


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"min_nodes": 4, "max_nodes": 3}, "max_nodes", "is 3, fewer than min_nodes, which is 4"),
        (
            {"allowed_ip_ranges": ["203.0.113.0/24", "0.0.0.0/0"]},
            "allowed_ip_ranges",
            "has 0.0.0.0/0, which is everybody; name the addresses that deploy",
        ),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(changes: dict[str, Any], field: str, reason: str):
    with pytest.raises(pulumi.InputPropertyError) as error:
        _args(**changes)
    assert (error.value.property_path, error.value.reason) == (field, reason)


def test_as_many_nodes_at_most_as_at_least_are_allowed():
    assert _args(min_nodes=3, max_nodes=3).max_nodes == 3
