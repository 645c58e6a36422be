from functools import cache
from typing import Any

import pulumi
import pytest
import yaml

from components.cluster_args import KubernetesClusterArgs, MaintenanceWindow, NodePool
from components.kubernetes_cluster import KubernetesCluster, portable
from components.role_grants import Principal, Role
from tests.unit.components.recording import (
    CREDENTIALS,
    GET_CLUSTER,
    GRANT,
    GROUP,
    KUBECONFIG,
    SUBSCRIPTION,
    UNKNOWN,
    USER_CREDENTIALS,
    VAULT_READER,
    Recording,
    Secret,
    consume,
    record,
)

REGISTRY = f"{SUBSCRIPTION}/resourceGroups/registry-group/providers/Microsoft.ContainerRegistry/registries/convergedev"
_GROUP = f"{SUBSCRIPTION}/resourceGroups/cluster-group"
_KUBELET = f"{_GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cluster-kubelet"
_CONTROL_PLANE = f"{_GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cluster-control-plane"
_CLUSTER = f"{_GROUP}/providers/Microsoft.ContainerService/managedClusters/cluster-aks"
_SUBNETS = f"{SUBSCRIPTION}/resourceGroups/network-group/providers/Microsoft.Network/virtualNetworks/network/subnets"
_WORKSPACE = f"{SUBSCRIPTION}/resourceGroups/monitoring/providers/Microsoft.OperationalInsights/workspaces/logs"
_VAULT = f"{SUBSCRIPTION}/resourceGroups/certificates/providers/Microsoft.KeyVault/vaults/certificates"
_ADOPTED = f"{SUBSCRIPTION}/resourceGroups/platform/providers/Microsoft.ContainerService/managedClusters/shared"
_TYPE = "azure-native:containerservice:ManagedCluster"
_POOL = "azure-native:containerservice:AgentPool"
_WINDOW = "azure-native:containerservice:MaintenanceConfiguration"
_LOGS = "azure-native:monitor:DiagnosticSetting"
_FOUND = {
    "identityProfile": {"kubeletidentity": {"objectId": "their-kubelet"}},
    "addonProfiles": {"azureKeyvaultSecretsProvider": {"enabled": True, "identity": VAULT_READER}},
}
"""What Azure knows about a cluster that exists already."""


def _args(**changes: Any) -> KubernetesClusterArgs:
    places = {"registry_id": REGISTRY, "node_subnet_id": f"{_SUBNETS}/nodes", "api_server_subnet_id": f"{_SUBNETS}/api-server"}
    return KubernetesClusterArgs(**{**places, "tenant_id": "our-tenant", "deployer": Principal(id="us", type="Group"), **changes})


def _recorded(opts: pulumi.ResourceOptions | None = None, *, preview: bool = False, found: dict[str, Any] = _FOUND, **changes: Any) -> Recording:
    def program() -> None:
        cluster = KubernetesCluster("cluster", _args(**changes), opts)
        consume(kubeconfig=cluster.kubeconfig, id=cluster.cluster_id, reader=cluster.vault_reader)

    return record(program, preview=preview, calls={USER_CREDENTIALS: CREDENTIALS, GET_CLUSTER: found})


@cache
def _usual() -> Recording:
    """With nothing changed; recorded once for the many tests that look at it."""
    return _recorded()


def _cluster(**changes: Any) -> dict[str, Any]:
    return (_recorded(**changes) if changes else _usual()).only(_TYPE).inputs


def _pool(**changes: Any) -> dict[str, Any]:
    (pool,) = _cluster(**changes)["agentPoolProfiles"]
    return pool


def test_every_identity_has_the_one_right_that_it_needs():
    assert _usual().grants == {
        (Role.MANAGED_IDENTITY_OPERATOR.value, _KUBELET, "cluster-control-plane-principal", "ServicePrincipal"),
        (Role.NETWORK_CONTRIBUTOR.value, f"{_SUBNETS}/nodes", "cluster-control-plane-principal", "ServicePrincipal"),
        (Role.NETWORK_CONTRIBUTOR.value, f"{_SUBNETS}/api-server", "cluster-control-plane-principal", "ServicePrincipal"),
        (Role.ACR_PULL.value, REGISTRY, "cluster-kubelet-principal", "ServicePrincipal"),
        (Role.AKS_RBAC_CLUSTER_ADMIN.value, _CLUSTER, "us", "Group"),
    }


def test_the_rights_of_the_clusters_identities_exist_before_it():
    # AKS checks the first three when it is created, and starts pods that need the last.
    needed = {"cluster-operates-kubelet", "cluster-joins-nodes", "cluster-joins-api-server", "cluster-pull"}
    assert needed <= _usual().only(_TYPE).dependencies


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
        (
            "apiServerAccessProfile",
            {
                "authorizedIPRanges": ["0.0.0.0/32"],
                "disableRunCommand": True,
                "enablePrivateCluster": False,
                "enableVnetIntegration": True,
                "subnetId": f"{_SUBNETS}/api-server",
            },
        ),
        ("publicNetworkAccess", "Enabled"),
        ("addonProfiles", {"azurepolicy": {"enabled": False}}),
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
        ("upgradeSettings", {"maxSurge": "33%", "undrainableNodeBehavior": "Cordon"}),
        ("vnetSubnetID", f"{_SUBNETS}/nodes"),
        ("enableEncryptionAtHost", False),
        ("nodeTaints", []),
        ("type", "VirtualMachineScaleSets"),
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
    nodes = NodePool(node_size="Standard_D4ds_v5", min_nodes=3, max_nodes=9)
    changes: dict[str, Any] = {"tier": "Standard", "system_pool": nodes, "zones": ("1", "2", "3")}
    pool = _pool(**changes)
    assert {key: pool[key] for key in ("vmSize", "count", "minCount", "maxCount", "availabilityZones")} == {
        "vmSize": "Standard_D4ds_v5", "count": 3, "minCount": 3, "maxCount": 9, "availabilityZones": ["1", "2", "3"],
    }  # fmt: skip
    assert _cluster(**changes)["sku"]["tier"] == "Standard"


def test_what_azure_changes_by_itself_is_no_difference():
    # camelCase paths: Pulumi does not translate them, and one that it does not know has no effect without a word.
    assert list(_usual().only(_TYPE).request.ignoreChanges) == [
        "kubernetesVersion", "agentPoolProfiles[*].count", "agentPoolProfiles[*].orchestratorVersion",
    ]  # fmt: skip


_FIXED = {"vmSize", "availabilityZones", "enableEncryptionAtHost", "osDiskType", "osDiskSizeGB", "vnetSubnetID"}
"""What Azure never changes in a pool that exists."""


def test_what_azure_cannot_change_is_planned_as_a_replacement():
    # Otherwise Azure would refuse it half-way through an update.
    assert set(_usual().only(_TYPE).request.replaceOnChanges) == {f"agentPoolProfiles[*].{name}" for name in _FIXED}
    pool = _recorded(pulumi.ResourceOptions(protect=True), user_pools=[NodePool(name="apps")]).only(_POOL)
    assert set(pool.request.replaceOnChanges) == _FIXED
    # Its name is taken while the old one is there, and it holds nothing that is worth protecting.
    assert pool.request.deleteBeforeReplace
    assert not pool.protected


def test_a_cluster_can_be_protected_and_its_grants_never_are():
    recording = _recorded(pulumi.ResourceOptions(protect=True))
    assert recording.only(_TYPE).protected
    assert not any(grant.protected for grant in recording.of(GRANT))


@pytest.mark.parametrize("resource", ["cluster-aks", "cluster-apps"])
def test_what_azure_refuses_because_a_grant_still_spreads_is_tried_again(resource: str):
    made = _recorded(user_pools=[NodePool(name="apps")]).named(resource)
    assert list(made.request.hooks.on_error) == [f"{resource}-spreading-grants"]


def test_the_right_to_deploy_is_proven_before_anybody_gets_the_kubeconfig():
    assert _usual().probes == [("may deploy", KUBECONFIG)]
    assert _recorded(preview=True).probes == []


def test_services_have_pools_apart_from_the_clusters_own_pods():
    recording = _recorded(user_pools=[NodePool(name="apps", node_size="Standard_D8ds_v5", min_nodes=2, max_nodes=9)], zones=("1", "2"), encryption_at_host=True)
    (system,) = recording.only(_TYPE).inputs["agentPoolProfiles"]
    assert (system["name"], system["nodeTaints"]) == ("system", ["CriticalAddonsOnly=true:NoSchedule"])
    pool = recording.only(_POOL)
    mine = {"agentPoolName": "apps", "mode": "User", "vmSize": "Standard_D8ds_v5", "count": 2, "minCount": 2, "maxCount": 9}
    assert {key: pool.inputs[key] for key in mine} == mine
    assert (pool.inputs["resourceGroupName"], pool.inputs["resourceName"]) == ("cluster-group", "cluster-aks")
    # Otherwise services would have nowhere to run.
    assert "nodeTaints" not in pool.inputs
    # Everything else is like the system pool's.
    others = set(system) - set(mine) - {"name", "nodeTaints"}
    assert {key: pool.inputs[key] for key in others} == {key: system[key] for key in others}
    assert (system["enableEncryptionAtHost"], system["availabilityZones"]) == (True, ["1", "2"])
    assert list(pool.request.ignoreChanges) == ["count", "orchestratorVersion"]


def test_who_gets_the_kubeconfig_finds_nodes_for_services():
    recording = _recorded(user_pools=[NodePool(name="apps"), NodePool(name="gpu")])
    assert {"cluster-apps", "cluster-gpu"} <= recording.named("consumer").dependencies_of("kubeconfig")


def test_a_private_cluster_is_reached_from_its_network_only():
    inputs = _cluster(private=True)
    assert inputs["publicNetworkAccess"] == "Disabled"
    assert inputs["apiServerAccessProfile"] == {
        "enablePrivateCluster": True,
        "privateDNSZone": "system",
        "enableVnetIntegration": True,
        "subnetId": f"{_SUBNETS}/api-server",
        "disableRunCommand": True,
    }


@pytest.mark.parametrize(
    ("outbound", "in_azure"), [("loadBalancer", "loadBalancer"), ("natGateway", "userAssignedNATGateway"), ("userDefinedRouting", "userDefinedRouting")]
)
def test_nodes_leave_the_network_as_the_subnet_has_it(outbound: str, in_azure: str):
    assert _cluster(outbound=outbound)["networkProfile"]["outboundType"] == in_azure


def test_azure_upgrades_when_it_suits():
    recording = _recorded(maintenance=MaintenanceWindow(day="Saturday", start="22:30", hours=6, utc_offset="+01:00"), upgrade_channel="patch")
    window = {
        "schedule": {"weekly": {"dayOfWeek": "Saturday", "intervalWeeks": 1}}, "durationHours": 6, "startTime": "22:30", "utcOffset": "+01:00",
    }  # fmt: skip
    made = {resource.inputs["configName"]: resource.inputs for resource in recording.of(_WINDOW)}
    assert set(made) == {"aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"}
    for inputs in made.values():
        assert inputs["maintenanceWindow"] == window
        assert (inputs["resourceGroupName"], inputs["resourceName"]) == ("cluster-group", "cluster-aks")
    assert recording.only(_TYPE).inputs["autoUpgradeProfile"]["upgradeChannel"] == "patch"


def test_logs_metrics_and_alarms_of_defender_go_to_the_workspace():
    recording = _recorded(log_workspace_id=_WORKSPACE, defender=True, azure_policy=True)
    inputs = recording.only(_TYPE).inputs
    assert inputs["addonProfiles"] == {
        "azurepolicy": {"enabled": True, "config": {"version": "v2"}},
        "omsagent": {"enabled": True, "config": {"logAnalyticsWorkspaceResourceID": _WORKSPACE, "useAADAuth": "true"}},
    }
    assert inputs["azureMonitorProfile"] == {"metrics": {"enabled": True}}
    assert inputs["securityProfile"]["defender"] == {"logAnalyticsWorkspaceResourceId": _WORKSPACE, "securityMonitoring": {"enabled": True}}
    logs = recording.only(_LOGS).inputs
    assert (logs["resourceUri"], logs["workspaceId"], logs["logAnalyticsDestinationType"]) == (_CLUSTER, _WORKSPACE, "Dedicated")
    assert [log["category"] for log in logs["logs"]] == ["kube-audit-admin", "guard", "cluster-autoscaler", "kube-controller-manager"]


def test_without_a_workspace_nothing_is_collected():
    recording = _usual()
    assert recording.of(_LOGS) == []
    assert not {"azureMonitorProfile", "serviceMeshProfile"} & set(recording.only(_TYPE).inputs)


@pytest.mark.parametrize("gateways", [["External"], ["Internal"], ["External", "Internal"]])
def test_gateways_are_made_as_asked_for_and_may_read_the_certificates(gateways: list[str]):
    recording = _recorded(gateways=gateways, key_vault_id=_VAULT, istio_revision="asm-1-30")
    inputs = recording.only(_TYPE).inputs
    assert inputs["serviceMeshProfile"] == {
        "mode": "Istio",
        "istio": {"revisions": ["asm-1-30"], "components": {"ingressGateways": [{"enabled": True, "mode": mode} for mode in gateways]}},
    }
    assert inputs["addonProfiles"]["azureKeyvaultSecretsProvider"] == {
        "enabled": True, "config": {"enableSecretRotation": "true", "rotationPollInterval": "2m"},
    }  # fmt: skip
    assert recording.grants - _usual().grants == {(Role.KEY_VAULT_SECRETS_USER.value, _VAULT, VAULT_READER["objectId"], "ServicePrincipal")}
    consumer = recording.named("consumer")
    assert consumer.inputs["reader"] == VAULT_READER["clientId"]
    # Who is told of the reader can rely on its right.
    assert "cluster-certificates" in consumer.dependencies_of("reader")


def test_before_the_cluster_exists_its_reader_of_certificates_is_unknown():
    recording = _recorded(preview=True, gateways=["External"], key_vault_id=_VAULT)
    assert recording.outputs_of("cluster")["vault_reader"] is UNKNOWN
    assert recording.named("cluster-certificates").inputs["principalId"] is UNKNOWN


def test_the_group_can_be_one_that_exists():
    recording = _recorded(resource_group_id=f"{SUBSCRIPTION}/resourceGroups/ours", user_pools=[NodePool(name="apps")])
    assert recording.of(GROUP) == []
    assert {resource.inputs["resourceGroupName"] for resource in recording.resources if "resourceGroupName" in resource.inputs} == {"ours"}
    assert recording.outputs_of("cluster")["resource_group_name"] == "ours"


@pytest.mark.parametrize("preview", [True, False])
def test_of_a_cluster_that_exists_nothing_is_declared_but_grants(preview: bool):
    recording = _recorded(preview=preview, cluster_id=_ADOPTED)
    assert {resource.name for resource in recording.resources if resource.parent == "cluster"} == {"cluster-pull", "cluster-deployer", "cluster-existing"}
    assert recording.named("cluster-existing").inputs["subscriptionId"] == _ADOPTED.split("/")[2]
    # Azure can be asked about it at once, in a preview, too.
    place = {"resourceGroupName": "platform", "resourceName": "shared"}
    assert sorted(recording.calls, key=str) == [(GET_CLUSTER, place), (USER_CREDENTIALS, {**place, "format": "exec"})]
    assert recording.grants == {
        (Role.ACR_PULL.value, REGISTRY, "their-kubelet", "ServicePrincipal"),
        (Role.AKS_RBAC_CLUSTER_ADMIN.value, _ADOPTED, "us", "Group"),
    }
    known = {"resource_group_name": "platform", "cluster_name": "shared", "cluster_id": _ADOPTED, "vault_reader": ""}
    assert recording.outputs_of("cluster") == {**known, "kubeconfig": Secret(UNKNOWN if preview else KUBECONFIG)}
    assert {"cluster-pull", "cluster-deployer"} <= recording.named("consumer").dependencies_of("kubeconfig")


def test_gateways_of_a_cluster_that_exists_get_at_the_certificates():
    recording = _recorded(cluster_id=_ADOPTED, gateways=["Internal"], key_vault_id=_VAULT)
    assert (Role.KEY_VAULT_SECRETS_USER.value, _VAULT, VAULT_READER["objectId"], "ServicePrincipal") in recording.grants
    assert recording.outputs_of("cluster")["vault_reader"] == VAULT_READER["clientId"]


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("addonProfiles", "the cluster has no add-on that reads certificates; enable it with `az aks enable-addons --addons azure-keyvault-secrets-provider "),
        ("identityProfile", "the cluster has no kubelet identity that could pull images; move it from its service principal with `az aks update "),
    ],
)
def test_a_cluster_that_exists_but_lacks_something_is_told_what_to_do(missing: str, message: str):
    for nothing in ({}, None):
        with pytest.raises(pulumi.RunError) as error:
            _recorded(cluster_id=_ADOPTED, gateways=["Internal"], key_vault_id=_VAULT, found={**_FOUND, missing: nothing})
        assert str(error.value).startswith(message)


def _kubeconfig(*arguments: str) -> str:
    users: list[dict[str, Any]] = [{"name": "clusterUser", "user": {"exec": {"command": "kubelogin", "args": list(arguments), "env": None}}}]
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "users": users}, sort_keys=False)


@pytest.mark.parametrize("login", [("--login", "devicecode"), ("--login", "azurecli"), ()])
def test_the_environment_decides_how_to_log_in(login: tuple[str, ...]):
    # A browser's code, as AKS writes it, would wait for ever in a pipeline; and another way on another machine would be a change.
    found = portable(_kubeconfig("get-token", *login, "--server-id", "server"))
    assert found == _kubeconfig("get-token", "--server-id", "server")
    assert portable(found) == found


@pytest.mark.parametrize("text", [KUBECONFIG, "users:\n- name: admin\n  user:\n    client-certificate-data: c\n"])
def test_a_kubeconfig_without_kubelogin_stays_as_it_is(text: str):
    assert portable(text) == text


def test_tags_are_everywhere():
    recording = _recorded(tags={"application": "converge"}, user_pools=[NodePool(name="apps")])
    tagged = [recording.named(f"cluster-{name}").inputs for name in ("group", "control-plane", "kubelet", "aks", "apps")]
    for inputs in (*tagged, *recording.only(_TYPE).inputs["agentPoolProfiles"]):
        assert inputs["tags"] == {"application": "converge"}


def test_the_kubeconfig_is_the_users_one_and_secret():
    recording = _usual()
    assert recording.calls == [(USER_CREDENTIALS, {"resourceGroupName": "cluster-group", "resourceName": "cluster-aks", "format": "exec"})]
    assert recording.outputs_of("cluster") == {
        "resource_group_name": "cluster-group",
        "cluster_name": "cluster-aks",
        "cluster_id": _CLUSTER,
        "vault_reader": "",
        "kubeconfig": Secret(KUBECONFIG),
    }
    assert recording.named("consumer").inputs["kubeconfig"] == Secret(KUBECONFIG)


def test_who_gets_the_kubeconfig_may_deploy_and_its_pods_may_pull():
    consumer = _usual().named("consumer")
    assert {"cluster-deployer", "cluster-pull", "cluster-aks"} <= consumer.dependencies_of("kubeconfig")


def test_before_the_cluster_exists_nobody_is_asked_for_a_kubeconfig():
    recording = _recorded(preview=True)
    assert recording.calls == []
    assert recording.outputs_of("cluster")["kubeconfig"] == Secret(UNKNOWN)
    assert recording.outputs_of("cluster")["cluster_id"] is UNKNOWN


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"gateways": ["External"]}, "key_vault_id", "is missing; gateways need certificates"),
        ({"defender": True}, "defender", "is True, but there is no log_workspace_id to report to"),
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


def test_a_pool_with_fewer_nodes_at_most_than_at_least_is_refused():
    with pytest.raises(pulumi.InputPropertyError) as error:
        NodePool(name="apps", min_nodes=4, max_nodes=3)
    assert (error.value.property_path, error.value.reason) == ("max_nodes", "is 3 in pool apps, fewer than min_nodes, which is 4")


def test_as_many_nodes_at_most_as_at_least_are_allowed():
    assert NodePool(min_nodes=3, max_nodes=3).max_nodes == 3
