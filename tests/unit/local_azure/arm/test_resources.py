import json
import multiprocessing
import uuid
from pathlib import Path
from typing import Any

import pytest

from local_azure.arm import behaviour
from local_azure.arm.drift import drift
from local_azure.arm.errors import ArmError, OperationFailedError
from local_azure.arm.resources import Resources
from local_azure.arm.services import Services
from local_azure.arm.spec import Context
from local_azure.arm.state import State
from local_azure.arm.types.authorization import MANAGEMENT_LOCK, ROLE_ASSIGNMENT
from local_azure.arm.types.containerservice import AGENT_POOL, MANAGED_CLUSTER
from local_azure.arm.types.keyvault import VAULT
from local_azure.arm.types.managedidentity import USER_ASSIGNED_IDENTITY
from local_azure.arm.types.resources import RESOURCE_GROUP
from local_azure.arm.types.storage import BLOB_CONTAINER, STORAGE_ACCOUNT

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
OPERATOR = "f1a07417-d97a-45cb-824c-7a7467783830"
NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
GROUP = {"resourceGroupName": "data", "location": "westeurope"}
ACCOUNT = {"resourceGroupName": "data", "accountName": "models123", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}


def resources(folder: Path) -> Resources:
    return Resources(State(folder / "arm"), Context(subscription_id=SUBSCRIPTION, tenant_id="t", services=Services(folder, SUBSCRIPTION)))


def test_an_account_inherits_the_groups_location_and_answers_like_azure(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(RESOURCE_GROUP, dict(GROUP))
    identifier, outputs = arm.put(STORAGE_ACCOUNT, dict(ACCOUNT))
    assert identifier == f"/subscriptions/{SUBSCRIPTION}/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/models123"
    assert outputs["primaryLocation"] == "westeurope"
    assert outputs["primaryEndpoints"]["blob"] == "https://models123.blob.core.windows.net.invalid/"


def test_a_resource_without_its_group_or_parent_is_refused(tmp_path: Path):
    arm = resources(tmp_path)
    with pytest.raises(ArmError) as caught:
        arm.put(STORAGE_ACCOUNT, dict(ACCOUNT))
    assert str(caught.value) == 'Status=404 Code="ResourceGroupNotFound" Message="Resource group \'data\' could not be found."'
    arm.put(RESOURCE_GROUP, dict(GROUP))
    with pytest.raises(ArmError, match="ParentResourceNotFound"):
        arm.put(BLOB_CONTAINER, {"resourceGroupName": "data", "accountName": "models123", "containerName": "models"})


def test_putting_again_changes_and_never_doubles(tmp_path: Path):
    arm = resources(tmp_path)
    first = arm.put(RESOURCE_GROUP, dict(GROUP))
    assert arm.put(RESOURCE_GROUP, {**GROUP, "tags": {"a": "b"}})[0] == first[0]
    stored = json.loads((tmp_path / "arm" / "resources.json").read_text())["resources"]
    assert len(stored) == 1


def test_a_storage_accounts_name_is_taken_in_the_whole_world(tmp_path: Path):
    arm = resources(tmp_path)
    for group in ("data", "other"):
        arm.put(RESOURCE_GROUP, {**GROUP, "resourceGroupName": group})
    arm.put(STORAGE_ACCOUNT, dict(ACCOUNT))
    with pytest.raises(ArmError, match=r'"StorageAccountAlreadyTaken" Message="The storage account named models123 is already taken\."'):
        arm.put(STORAGE_ACCOUNT, {**ACCOUNT, "resourceGroupName": "other"})


def test_one_assignment_per_scope_principal_and_role(tmp_path: Path):
    arm = resources(tmp_path)
    inputs = {"scope": "/subscriptions/x", "principalId": "p", "roleDefinitionId": "/a/b/role", "roleAssignmentName": "11111111-1111-1111-1111-111111111111"}
    arm.put(ROLE_ASSIGNMENT, dict(inputs))
    with pytest.raises(ArmError, match="RoleAssignmentExists"):
        arm.put(ROLE_ASSIGNMENT, {**inputs, "roleAssignmentName": "22222222-2222-2222-2222-222222222222"})


def test_deleting_a_group_deletes_what_is_in_it_and_twice_is_no_error(tmp_path: Path):
    arm = resources(tmp_path)
    group, _ = arm.put(RESOURCE_GROUP, dict(GROUP))
    arm.put(RESOURCE_GROUP, {**GROUP, "resourceGroupName": "data2"})
    account, _ = arm.put(STORAGE_ACCOUNT, dict(ACCOUNT))
    arm.delete(group.upper())
    arm.delete(group)
    state = State(tmp_path / "arm")
    assert state.find(account) is None
    assert list(state.read()) == [f"/subscriptions/{SUBSCRIPTION}/resourcegroups/data2"]


def _put_many(folder: Path, start: int) -> None:
    for number in range(start, start + 20):
        resources(folder).put(RESOURCE_GROUP, {"resourceGroupName": f"group{number}", "location": "westeurope"})


def test_two_engines_at_once_lose_nothing(tmp_path: Path):
    engines = [multiprocessing.get_context("spawn").Process(target=_put_many, args=(tmp_path, start)) for start in (0, 100)]
    for engine in engines:
        engine.start()
    for engine in engines:
        engine.join(60)
    assert len(State(tmp_path / "arm").read()) == 40


def test_a_write_that_was_cut_off_leaves_the_old_state(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(RESOURCE_GROUP, dict(GROUP))
    (tmp_path / "arm" / "resources.tmp").write_text('{"schema": 1, "resou')
    assert len(State(tmp_path / "arm").read()) == 1
    arm.put(RESOURCE_GROUP, {**GROUP, "resourceGroupName": "second"})
    assert len(State(tmp_path / "arm").read()) == 2


def test_a_failed_change_writes_nothing(tmp_path: Path):
    state = State(tmp_path / "arm")

    def edit(all_resources: dict[str, dict[str, Any]]) -> None:
        all_resources["x"] = {}
        raise ArmError("Conflict", "no")

    with pytest.raises(ArmError):
        state.change(edit)
    assert state.read() == {}


def test_services_stand_behind_the_sandboxs_subscription_only(tmp_path: Path):
    endpoints = {"subscription_id": "sandbox", "blob_accounts": {"models123": "https://127.0.0.1:1/models123/"}, "registry": "localhost:2", "kubeconfig": "/x"}
    (tmp_path / "endpoints.json").write_text(json.dumps(endpoints))
    assert Services(tmp_path, "sandbox").registry == "localhost:2"
    assert Services(tmp_path, SUBSCRIPTION).registry is None
    assert Services(tmp_path, "sandbox").blob_endpoint("models123") == "https://127.0.0.1:1/models123/"
    assert Services(tmp_path, SUBSCRIPTION).blob_endpoint("other") is None
    with pytest.raises(ArmError, match="has the accounts models123 and none named other"):
        Services(tmp_path, "sandbox").blob_endpoint("other")


def faults(folder: Path, **asked: Any) -> None:
    (folder / "arm" / "faults.json").write_text(json.dumps(asked))


def identity(arm: Resources, name: str) -> tuple[str, str]:
    """Its id, and its principal's."""
    identifier, answer = arm.put(USER_ASSIGNED_IDENTITY, {"resourceGroupName": "data", "resourceName": name, "location": "westeurope"})
    return identifier, answer["principalId"]


def assign(arm: Resources, principal: str, role: str, scope: str) -> None:
    definition = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{principal}{role}{scope}"))
    arm.put(ROLE_ASSIGNMENT, {"scope": scope, "principalId": principal, "roleDefinitionId": definition, "roleAssignmentName": name})


def test_a_create_of_what_another_one_made_is_refused_as_the_plugin_refuses_it(tmp_path: Path):
    arm = resources(tmp_path)
    identifier, _ = arm.put(RESOURCE_GROUP, dict(GROUP), operation="create", urn="urn:a")
    arm.put(RESOURCE_GROUP, dict(GROUP), operation="create", urn="urn:a")
    with pytest.raises(ArmError) as caught:
        arm.put(RESOURCE_GROUP, dict(GROUP), operation="create", urn="urn:b")
    assert str(caught.value) == f"cannot create already existing resource '{identifier}'"
    faults(tmp_path, refuseExisting=True)
    with pytest.raises(ArmError, match="cannot create already existing resource"):
        arm.put(RESOURCE_GROUP, dict(GROUP), operation="create", urn="urn:a")
    arm.put(RESOURCE_GROUP, dict(GROUP), operation="update")


def test_an_update_of_what_arm_cannot_change_is_refused(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(RESOURCE_GROUP, dict(GROUP))
    arm.put(STORAGE_ACCOUNT, dict(ACCOUNT))
    with pytest.raises(ArmError) as caught:
        arm.put(STORAGE_ACCOUNT, {**ACCOUNT, "kind": "BlobStorage"}, operation="update")
    assert str(caught.value) == 'Status=400 Code="PropertyChangeNotAllowed" Message="Changing property \'properties.kind\' is not allowed."'


def test_a_failed_operation_leaves_the_resource(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(RESOURCE_GROUP, dict(GROUP))
    faults(tmp_path, failures=[{"error": "operationFailed", "type": "Microsoft.Storage/storageAccounts"}])
    with pytest.raises(OperationFailedError) as caught:
        arm.put(STORAGE_ACCOUNT, dict(ACCOUNT))
    assert caught.value.identifier.endswith("/models123")
    assert caught.value.outputs["provisioningState"] == "Failed"
    found = arm.read(caught.value.identifier)
    assert found
    assert found[1]["provisioningState"] == "Failed"
    assert arm.put(STORAGE_ACCOUNT, dict(ACCOUNT), operation="update")[1]["provisioningState"] == "Succeeded"


def test_a_call_that_fails_changes_nothing(tmp_path: Path):
    arm = resources(tmp_path)
    group, _ = arm.put(RESOURCE_GROUP, dict(GROUP))
    faults(tmp_path, failures=[{"error": "internal", "on": ["create", "update", "read", "delete"], "times": "always"}])
    with pytest.raises(ArmError, match="InternalServerError"):
        arm.put(STORAGE_ACCOUNT, dict(ACCOUNT))
    with pytest.raises(ArmError, match="InternalServerError"):
        arm.delete(group)
    with pytest.raises(ArmError, match="InternalServerError"):
        arm.read(group)
    assert [record["id"] for record in State(tmp_path / "arm").read().values()] == [group]


def cluster(control_plane: str, kubelet: str, subnet: str | None = None) -> dict[str, Any]:
    return {
        "resourceGroupName": "data",
        "resourceName": "aks",
        "location": "westeurope",
        "dnsPrefix": "x",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [control_plane]},
        "identityProfile": {"kubeletidentity": {"resourceId": kubelet}},
        "agentPoolProfiles": [{"name": "system", "vmSize": "Standard_D2ds_v5", "count": 1, **({"vnetSubnetID": subnet} if subnet else {})}],
    }


def test_a_cluster_waits_for_its_grants_to_take_effect(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(RESOURCE_GROUP, dict(GROUP))
    (control_plane, principal), (kubelet, _) = identity(arm, "control-plane"), identity(arm, "kubelet")
    network = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/data/providers/Microsoft.Network/virtualNetworks/net"
    inputs = cluster(control_plane, kubelet, f"{network}/subnets/nodes")
    with pytest.raises(ArmError) as caught:
        arm.put(MANAGED_CLUSTER, inputs)
    assert caught.value.code == "CustomKubeletIdentityMissingPermissionError"
    assert "must be granted 'Managed Identity Operator' role to assign kubelet identity" in str(caught.value)

    assign(arm, principal, OPERATOR, kubelet)
    with pytest.raises(ArmError) as caught:
        arm.put(MANAGED_CLUSTER, inputs)
    assert str(caught.value).startswith(f"Status=403 Code=\"LinkedAuthorizationFailed\" Message=\"The client '{principal}' with object id '{principal}'")
    assert f"'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked scope(s) '{network}/subnets/nodes' (respectively)" in str(caught.value)

    # A grant above does as well; and none does before it is in effect.
    assign(arm, principal, NETWORK_CONTRIBUTOR, network)
    faults(tmp_path, grants=[{"role": "Network Contributor", "late": 3600}])
    with pytest.raises(ArmError, match="LinkedAuthorizationFailed"):
        arm.put(MANAGED_CLUSTER, inputs)
    faults(tmp_path, clock=1e9, grants=[{"role": "Network Contributor", "late": 3600}])
    arm.put(MANAGED_CLUSTER, inputs)
    faults(tmp_path, clock=1e9, grants=[{"late": "never"}])
    with pytest.raises(ArmError, match="CustomKubeletIdentityMissingPermissionError"):
        arm.put(MANAGED_CLUSTER, inputs)


def test_a_zone_of_ones_own_and_the_api_servers_subnet_need_grants_too(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(RESOURCE_GROUP, dict(GROUP))
    (control_plane, principal), (kubelet, _) = identity(arm, "control-plane"), identity(arm, "kubelet")
    assign(arm, principal, OPERATOR, kubelet)
    subnet, zone = f"/subscriptions/{SUBSCRIPTION}/net/subnets/api", f"/subscriptions/{SUBSCRIPTION}/zones/privatelink.westeurope.azmk8s.io"
    inputs = {**cluster(control_plane, kubelet), "apiServerAccessProfile": {"subnetId": subnet, "privateDNSZone": zone}}
    with pytest.raises(ArmError, match="subnets/joinLoadBalancer/action"):
        arm.put(MANAGED_CLUSTER, inputs)
    assign(arm, principal, NETWORK_CONTRIBUTOR, subnet)
    with pytest.raises(ArmError, match=f'"CustomPrivateDNSZoneMissingPermissionError" Message="Service principal .* custom private dns zone {zone}'):
        arm.put(MANAGED_CLUSTER, inputs)
    arm.put(MANAGED_CLUSTER, {**inputs, "apiServerAccessProfile": {"subnetId": subnet, "privateDNSZone": "system"}})


def test_adopted_identities_may_have_any_grant(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(RESOURCE_GROUP, dict(GROUP))
    arm.put(MANAGED_CLUSTER, cluster("/elsewhere/control-plane", "/elsewhere/kubelet"))


def test_a_cluster_answers_with_every_pool_and_takes_no_new_ones(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(RESOURCE_GROUP, dict(GROUP))
    inputs = cluster("/elsewhere/control-plane", "/elsewhere/kubelet")
    identifier, _ = arm.put(MANAGED_CLUSTER, inputs)
    arm.put(AGENT_POOL, {"resourceGroupName": "data", "resourceName": "aks", "agentPoolName": "user", "vmSize": "Standard_D4ds_v5", "count": 2})
    found = arm.read(identifier)
    assert found
    assert [pool["name"] for pool in found[1]["agentPoolProfiles"]] == ["system", "user"]
    arm.put(MANAGED_CLUSTER, {**inputs, "tags": {"a": "b"}}, operation="update")
    with pytest.raises(ArmError, match="A new agent pool was introduced"):
        arm.put(MANAGED_CLUSTER, {**inputs, "agentPoolProfiles": [*inputs["agentPoolProfiles"], {"name": "third"}]}, operation="update")


def test_what_azure_keeps_in_a_body_stays_when_it_is_put_again(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(RESOURCE_GROUP, dict(GROUP))
    inputs = cluster("/elsewhere/control-plane", "/elsewhere/kubelet")
    identifier, _ = arm.put(MANAGED_CLUSTER, inputs)
    drift(tmp_path)
    _, answer = arm.put(MANAGED_CLUSTER, {**inputs, "tags": {"a": "b"}}, operation="update")
    assert answer["agentPoolProfiles"][0]["nodeImageVersion"]
    found = arm.read(identifier)
    assert found
    assert found[1] == answer


def test_the_issuer_of_a_clusters_tokens_is_known_when_it_exists(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(RESOURCE_GROUP, dict(GROUP))
    _, answer = arm.put(MANAGED_CLUSTER, {**cluster("/e/c", "/e/k"), "oidcIssuerProfile": {"enabled": True}})
    assert answer["oidcIssuerProfile"]["issuerURL"].startswith("https://westeurope.oic.prod-aks.azure.com/t/")


def test_a_deleted_vaults_name_stays_taken_until_it_is_recovered(tmp_path: Path):
    arm = resources(tmp_path)
    for group in ("data", "other"):
        arm.put(RESOURCE_GROUP, {**GROUP, "resourceGroupName": group})
    vault = {
        "resourceGroupName": "data",
        "vaultName": "keys1",
        "location": "westeurope",
        "properties": {"tenantId": "t", "sku": {"family": "A", "name": "standard"}},
    }
    identifier, _ = arm.put(VAULT, vault)
    arm.delete(identifier)
    assert arm.read(identifier) is None
    with pytest.raises(ArmError, match='Status=409 Code="ConflictError" Message="A vault with the same name already exists in deleted state'):
        arm.put(VAULT, {**vault, "resourceGroupName": "other"})
    arm.put(VAULT, {**vault, "properties": {**vault["properties"], "createMode": "recover"}})
    arm.put(VAULT, vault, operation="update")


def test_a_locked_resource_stays_and_so_does_what_is_in_it(tmp_path: Path):
    arm = resources(tmp_path)
    group, _ = arm.put(RESOURCE_GROUP, dict(GROUP))
    account, _ = arm.put(STORAGE_ACCOUNT, dict(ACCOUNT))
    lock, _ = arm.put(MANAGEMENT_LOCK, {"scope": account, "lockName": "data", "level": "CanNotDelete"})
    for identifier in (account, group):
        with pytest.raises(ArmError, match="ScopeLocked"):
            arm.delete(identifier)
    assert arm.read(account)
    arm.delete(lock)
    arm.delete(group)
    assert State(tmp_path / "arm").read() == {}


def test_a_private_endpoint_gives_its_names_away_to_a_group_of_zones(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(RESOURCE_GROUP, dict(GROUP))
    account, _ = arm.put(STORAGE_ACCOUNT, dict(ACCOUNT))
    record = {
        "id": f"{account}/pe",
        "token": "azure-native:network:PrivateEndpoint",
        "inputs": {"privateLinkServiceConnections": [{"privateLinkServiceId": account}]},
    }
    assert behaviour.related(record, {}) == {"customDnsConfigs": [{"fqdn": "models123", "ipAddresses": ["10.0.0.4"]}]}
    assert behaviour.related(record, {f"{account}/pe/privateDnsZoneGroups/default".lower(): {}}) == {"customDnsConfigs": []}
    assert behaviour.related({**record, "inputs": {"customDnsConfigs": [{"fqdn": "own"}]}}, {}) == {}
