"""Effective rights against the table of calls and roles."""

from typing import Any

import pytest

from components import naming
from delivery.azure.permissions import Permission, allows
from delivery.azure.roles import BuiltIn
from delivery.bootstrap import names
from delivery.doctor import calls, places, rights
from delivery.doctor.calls import Scope, Use
from delivery.doctor.findings import Status
from delivery.doctor.places import Places
from local_azure.arm.types import ALL
from tests.unit.delivery.doctor.stacks import GROUP, SCOPE, context, healthy, stack
from tests.unit.delivery.fake_azure import OBJECT, SUBSCRIPTION, FakeAzure

NOTHING = Places(storage=None, registry=None, cluster=None)
_STORAGE = f"{SCOPE}/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/models"
_EVERYTHING = {
    "protectData": True,
    "network": {"private": True, "outbound": "natGateway"},
    "modelStorage": {"writeOnceDays": 365},
    "monitoring": {"enabled": True},
}
_BOOTSTRAPS = {"Microsoft.KeyVault/vaults", "Microsoft.KeyVault/vaults/keys", "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"}
_PERMISSIONS = "providers/Microsoft.Authorization/permissions"
# As Azure defines them.
_ROLES: dict[BuiltIn, Permission] = {
    BuiltIn.READER: Permission(actions=("*/read",)),
    BuiltIn.CONTRIBUTOR: Permission(
        actions=("*",),
        not_actions=(
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
            "Microsoft.Blueprint/blueprintAssignments/write",
            "Microsoft.Blueprint/blueprintAssignments/delete",
            "Microsoft.Compute/galleries/share/action",
        ),
    ),
    BuiltIn.RBAC_ADMINISTRATOR: Permission(
        actions=("Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete", "*/read", "Microsoft.Support/*")
    ),
    BuiltIn.LOCKS_CONTRIBUTOR: Permission(
        actions=("Microsoft.Authorization/locks/read", "Microsoft.Authorization/locks/write", "Microsoft.Authorization/locks/delete")
    ),
    BuiltIn.AKS_CLUSTER_USER: Permission(
        actions=("Microsoft.ContainerService/managedClusters/listClusterUserCredential/action", "Microsoft.ContainerService/managedClusters/read")
    ),
    BuiltIn.AKS_RBAC_READER: Permission(data_actions=("Microsoft.ContainerService/managedClusters/apps/deployments/read",)),
    BuiltIn.AKS_RBAC_CLUSTER_ADMIN: Permission(data_actions=("Microsoft.ContainerService/managedClusters/*",)),
    BuiltIn.BLOB_DELEGATOR: Permission(actions=("Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",)),
    BuiltIn.BLOB_DATA_READER: Permission(
        actions=(
            "Microsoft.Storage/storageAccounts/blobServices/containers/read",
            "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
        ),
        data_actions=("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",),
    ),
    BuiltIn.BLOB_DATA_CONTRIBUTOR: Permission(
        data_actions=tuple(
            f"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/{verb}" for verb in ("delete", "read", "write", "move/action", "add/action")
        )
    ),
    BuiltIn.ACR_PUSH: Permission(actions=("Microsoft.ContainerRegistry/registries/pull/read", "Microsoft.ContainerRegistry/registries/push/write")),
    BuiltIn.KEY_VAULT_CRYPTO_USER: Permission(
        data_actions=tuple(f"Microsoft.KeyVault/vaults/keys/{verb}" for verb in ("read", "update/action", "backup/action", "encrypt/action", "decrypt/action"))
    ),
}


def granted(azure: FakeAzure, scope: str, *roles: BuiltIn) -> None:
    documents = [
        {
            "actions": _ROLES[role].actions,
            "notActions": _ROLES[role].not_actions,
            "dataActions": _ROLES[role].data_actions,
            "notDataActions": _ROLES[role].not_data_actions,
        }
        for role in roles
    ]
    azure.set(f"{scope}/{_PERMISSIONS}", {"value": documents})


def found_at(azure: FakeAzure, scope: Scope, places: Places = NOTHING, **more: Any):
    (found,) = (one for one in rights.check(context(azure, **more), places) if one.check == f"rights on {scope.value}")
    return found


@pytest.mark.parametrize("call", list(calls.needed(stack(**_EVERYTHING))), ids=lambda call: f"{call.action} {call.scope.name}")
def test_the_role_of_every_call_gives_it(call: calls.Call):
    assert allows([_ROLES[call.role]], call.action, data=call.data)


def test_every_type_that_the_program_can_declare_is_in_the_table():
    known = {kind.arm_type.replace("Microsoft.Resources/resourceGroups", "Microsoft.Resources/subscriptions/resourceGroups") for kind in ALL.values()}
    in_table = {kind for kind, *_ in calls._RESOURCES}
    assert known - _BOOTSTRAPS == in_table
    actions = {call.action for call in calls.needed(stack(**_EVERYTHING))}
    assert {f"{kind}/{verb}" for kind in in_table for verb in ("read", "write", "delete")} <= actions


def test_what_settings_leave_out_needs_no_right():
    plain = {call.action for call in calls.needed(stack())}
    everything = {call.action for call in calls.needed(stack(**_EVERYTHING))}
    assert plain < everything
    assert not any("Microsoft.Monitor" in action or "locks" in action or "privateEndpoints" in action for action in plain)
    adopted = {call.action for call in calls.needed(stack(modelStorage={"accountId": "/x"}, registry={"registryId": "/x"}, cluster={"clusterId": "/x"}))}
    assert not any(action.startswith("Microsoft.Storage/storageAccounts/write") or "agentPools" in action for action in adopted)
    assert "Microsoft.Authorization/roleAssignments/write" in adopted


def test_the_identity_that_bootstrap_makes_to_deploy_may_do_all_of_it():
    azure = healthy()
    granted(azure, SCOPE, BuiltIn.CONTRIBUTOR, BuiltIn.RBAC_ADMINISTRATOR, BuiltIn.LOCKS_CONTRIBUTOR)
    assert found_at(azure, Scope.SUBSCRIPTION, **_EVERYTHING).status is Status.OK


def test_without_the_third_role_the_locks_are_missing():
    azure = healthy()
    granted(azure, SCOPE, BuiltIn.CONTRIBUTOR, BuiltIn.RBAC_ADMINISTRATOR)
    found = found_at(azure, Scope.SUBSCRIPTION, **_EVERYTHING)
    assert found.status is Status.FAILURE
    assert found.message == "Locks Contributor is missing for Microsoft.Authorization/locks/write, Microsoft.Authorization/locks/delete"
    assert found.command == f'az role assignment create --assignee {OBJECT} --role "Locks Contributor" --scope {SCOPE}'


def test_the_identity_that_plans_may_preview_and_not_update():
    azure = healthy()
    granted(azure, SCOPE, BuiltIn.READER, BuiltIn.AKS_CLUSTER_USER, BuiltIn.AKS_RBAC_READER)
    assert found_at(azure, Scope.SUBSCRIPTION, plans_only=True, **_EVERYTHING).status is Status.OK
    found = found_at(azure, Scope.SUBSCRIPTION)
    assert found.status is Status.FAILURE
    assert "Contributor is missing for Microsoft.Resources/subscriptions/resourceGroups/write" in found.message
    assert " && " in found.command
    assert '--role "Role Based Access Control Administrator"' in found.command


def test_a_preview_needs_no_update_calls():
    assert all(
        call.action.endswith(("/read", "listClusterUserCredential/action", "decrypt/action")) for call in calls.needed(stack()) if Use.PREVIEW in call.use
    )


def test_before_the_first_update_nothing_of_the_stack_is_a_failure():
    found = rights.check(context(healthy()), NOTHING)
    assert {one.status for one in found} == {Status.OK, Status.NOT_YET}
    assert found_at(healthy(), Scope.STATE).message == "`converge bootstrap dev` makes it, unless Pulumi's state is kept elsewhere"


def test_a_right_that_the_update_gives_is_not_there_yet():
    azure = healthy()
    granted(azure, _STORAGE, BuiltIn.READER)
    found = found_at(azure, Scope.STORAGE, Places(storage={"id": _STORAGE}, registry=None, cluster=None))
    assert found.status is Status.NOT_YET
    assert found.message.startswith(
        "Storage Blob Delegator is missing for Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action; an update"
    )
    assert f"az ad group member check --group {GROUP['principalId']} --member-id {OBJECT}" in found.message


def test_what_the_update_does_not_give_is_a_failure_and_only_that_is_asked_for():
    azure = healthy()
    cluster = f"{SCOPE}/resourceGroups/run/providers/Microsoft.ContainerService/managedClusters/c"
    granted(azure, cluster, BuiltIn.READER)
    found = found_at(azure, Scope.CLUSTER, Places(storage=None, registry=None, cluster={"id": cluster}))
    assert found.status is Status.FAILURE
    assert "Azure Kubernetes Service RBAC Cluster Admin is missing for" in found.message
    assert found.command == f'az role assignment create --assignee {OBJECT} --role "Azure Kubernetes Service Cluster User Role" --scope {cluster}'


def test_a_state_that_one_may_not_read_is_a_failure():
    azure = healthy()
    state = (
        f"{SCOPE}/resourceGroups/converge-bootstrap-dev/providers/Microsoft.Storage/storageAccounts/{names.storage_account(SUBSCRIPTION, 'dev')}"
        "/blobServices/default/containers/state"
    )
    azure.set(state, {"id": state})
    granted(azure, state, BuiltIn.BLOB_DATA_READER)
    found = found_at(azure, Scope.STATE)
    assert found.status is Status.FAILURE
    assert found.command == f'az role assignment create --assignee {OBJECT} --role "Storage Blob Data Contributor" --scope {state}'
    assert found_at(azure, Scope.STATE, plans_only=True).status is Status.OK


def test_the_stacks_own_resources_are_found_by_their_names_and_tags():
    azure = healthy()
    unique = f"{SUBSCRIPTION}/converge/dev"
    account, registry = naming.storage_account("converge", unique), naming.registry("converge", unique)
    azure.set(f"{SCOPE}/providers/Microsoft.Storage/storageAccounts", {"value": [{"id": "/other", "name": "other"}, {"id": "/mine", "name": account}]})
    azure.set(f"{SCOPE}/providers/Microsoft.ContainerRegistry/registries", {"value": [{"id": "/registry", "name": registry.upper()}]})
    clusters = [
        {"id": "/prod", "name": "converge-cluster-aks1234abcd", "tags": {"environment": "prod"}},
        {"id": "/dev", "name": "converge-cluster-aks0a0a0a0a", "tags": {"environment": "dev", "more": "x"}},
        {"id": "/other", "name": "somebodys", "tags": {"environment": "dev"}},
    ]
    azure.set(f"{SCOPE}/providers/Microsoft.ContainerService/managedClusters", {"value": clusters})
    found = places.find(context(azure, tags={"environment": "dev"}))
    assert [(one or {}).get("id") for one in (found.storage, found.registry, found.cluster)] == ["/mine", "/registry", "/dev"]


def test_adopted_resources_are_found_by_their_ids():
    azure = FakeAzure()
    azure.set("/the/account", {"id": "/the/account", "properties": {"primaryEndpoints": {"blob": "https://a.blob.core.windows.net/"}}})
    azure.set("/the/registry", {"id": "/the/registry", "properties": {"loginServer": "a.azurecr.io"}})
    azure.set("/the/cluster", {"id": "/the/cluster", "properties": {"fqdn": "a.hcp.westeurope.azmk8s.io", "privateFQDN": "a.private"}})
    adopted: dict[str, Any] = {
        "modelStorage": {"accountId": "/the/account"},
        "registry": {"registryId": "/the/registry"},
        "cluster": {"clusterId": "/the/cluster"},
    }
    found = places.find(context(azure, **adopted))
    assert found.hosts == {"storage": "a.blob.core.windows.net", "registry": "a.azurecr.io", "API server": "a.private"}
