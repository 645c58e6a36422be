"""Finding what an earlier run made and no state knows of: one that was cut off on another machine, or somebody else's at the same moment."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from delivery.azure.arm import Arm


class _Kind(NamedTuple):
    """How a resource's id is made of the names among its inputs, and how Azure is asked for it."""

    path: str
    api_version: str


_IN_GROUP = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}"
_ACCOUNT = f"{_IN_GROUP}/providers/Microsoft.Storage/storageAccounts/{{accountName}}"
_VAULT = f"{_IN_GROUP}/providers/Microsoft.KeyVault/vaults/{{vaultName}}"
_IDENTITY = f"{_IN_GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{{resourceName}}"
_KINDS = {
    "azure-native:resources:ResourceGroup": _Kind(_IN_GROUP, "2024-03-01"),
    "azure-native:storage:StorageAccount": _Kind(_ACCOUNT, "2024-01-01"),
    "azure-native:storage:BlobServiceProperties": _Kind(f"{_ACCOUNT}/blobServices/default", "2024-01-01"),
    "azure-native:storage:BlobContainer": _Kind(f"{_ACCOUNT}/blobServices/default/containers/{{containerName}}", "2024-01-01"),
    "azure-native:keyvault:Vault": _Kind(_VAULT, "2024-11-01"),
    "azure-native:keyvault:Key": _Kind(f"{_VAULT}/keys/{{keyName}}", "2024-11-01"),
    "azure-native:managedidentity:UserAssignedIdentity": _Kind(_IDENTITY, "2024-11-30"),
    "azure-native:managedidentity:FederatedIdentityCredential": _Kind(
        f"{_IDENTITY}/federatedIdentityCredentials/{{federatedIdentityCredentialResourceName}}", "2024-11-30"
    ),
    "azure-native:authorization:ManagementLockByScope": _Kind("{scope}/providers/Microsoft.Authorization/locks/{lockName}", "2020-05-01"),
    "azure-native:authorization:RoleAssignment": _Kind("{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}", "2022-04-01"),
}
Exists = Callable[[str, str], bool]
"""Whether a resource is there, by its id and the API version to ask with."""


def in_azure(arm: Arm) -> Exists:
    """Asks Azure itself."""
    return lambda identifier, api_version: arm.get(identifier, api_version) is not None


def id_of(kind: str, inputs: Mapping[str, Any], subscription_id: str) -> str:
    """The id that a planned resource will have; empty while one of its names is not known yet."""
    if kind not in _KINDS:
        return ""
    path = _KINDS[kind].path
    known = {name: value for name, value in inputs.items() if isinstance(value, str)}
    try:
        return path.format_map({**known, "subscription": subscription_id})
    except KeyError:
        return ""


def is_there(kind: str, identifier: str, exists: Exists) -> bool:
    """Whether Azure has it already."""
    return exists(identifier, _KINDS[kind].api_version)
