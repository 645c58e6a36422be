"""Microsoft.Storage."""

from local_azure.arm.spec import NOWHERE, Context, NameRule, Properties, ResourceType, basics, short_hash
from local_azure.arm.types.storage_rules import ACCOUNT_RULES, BLOB_SERVICE_RULES, CONTAINER_RELATIONS

_ACCOUNT_ID = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.Storage/storageAccounts/{accountName}"
_CREATED = "2026-01-01T00:00:00.0000000Z"
"""A fixed time: an output that changed by itself would be drift."""


def _account(context: Context, _identifier: str, inputs: Properties) -> Properties:
    name = inputs["accountName"]
    blob = context.services.blob_endpoint(name) or f"https://{name}.blob.core.windows.net{NOWHERE}/"
    others = {kind: f"https://{name}.{kind}.core.windows.net{NOWHERE}/" for kind in ("dfs", "file", "queue", "table", "web")}
    return {
        "name": name,
        "type": "Microsoft.Storage/storageAccounts",
        "provisioningState": "Succeeded",
        "creationTime": _CREATED,
        "primaryLocation": inputs["location"],
        "statusOfPrimary": "available",
        "primaryEndpoints": {"blob": blob, **others},
    }


def _container(_context: Context, _identifier: str, inputs: Properties) -> Properties:
    return {
        "name": inputs["containerName"],
        "type": "Microsoft.Storage/storageAccounts/blobServices/containers",
        "hasImmutabilityPolicy": False,
        "hasLegalHold": False,
        "leaseState": "Available",
        "leaseStatus": "Unlocked",
    }


STORAGE_ACCOUNT = ResourceType(
    pulumi_type="azure-native:storage:StorageAccount",
    arm_type="Microsoft.Storage/storageAccounts",
    identifier=_ACCOUNT_ID,
    name_property="accountName",
    name_rule=NameRule(pattern=r"[a-z0-9]{3,24}", words="3 to 24 lower-case letters and digits"),
    immutable=frozenset(
        [
            *("location", "kind", "isHnsEnabled", "encryption.requireInfrastructureEncryption", "dnsEndpointType", "extendedLocation"),
            *("enableNfsV3", "immutableStorageWithVersioning.enabled"),
        ]
    ),
    compute=_account,
    unique=lambda inputs: (inputs["accountName"],),
    conflict_code="StorageAccountAlreadyTaken",
    rules=ACCOUNT_RULES,
    unchecked="SKUs that a region has; most combinations with isHnsEnabled",
    sources=(
        "https://learn.microsoft.com/rest/api/storagerp/storage-accounts/update",
        "https://learn.microsoft.com/azure/storage/common/infrastructure-encryption-enable",
        "https://learn.microsoft.com/azure/storage/blobs/immutable-policy-configure-version-scope",
    ),
)

BLOB_SERVICE = ResourceType(
    pulumi_type="azure-native:storage:BlobServiceProperties",
    arm_type="Microsoft.Storage/storageAccounts/blobServices",
    identifier=f"{_ACCOUNT_ID}/blobServices/default",
    name_property="blobServicesName",
    fixed_name="default",
    immutable=frozenset({"accountName"}),
    compute=basics("Microsoft.Storage/storageAccounts/blobServices", "blobServicesName"),
    rules=BLOB_SERVICE_RULES,
    sources=("https://learn.microsoft.com/rest/api/storagerp/blob-services/set-service-properties",),
)

BLOB_CONTAINER = ResourceType(
    pulumi_type="azure-native:storage:BlobContainer",
    arm_type="Microsoft.Storage/storageAccounts/blobServices/containers",
    identifier=f"{_ACCOUNT_ID}/blobServices/default/containers/{{containerName}}",
    name_property="containerName",
    name_rule=NameRule(pattern=r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", words="3 to 63 lower-case letters, digits and single hyphens, not at either end"),
    immutable=frozenset({"accountName", "defaultEncryptionScope", "denyEncryptionScopeOverride"}),
    compute=_container,
    apply=lambda context, inputs: context.services.create_container(inputs["accountName"], inputs["containerName"]),
    remove=lambda context, inputs: context.services.delete_container(inputs["accountName"], inputs["containerName"]),
    relations=CONTAINER_RELATIONS,
    sources=(
        "https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata",
        "https://learn.microsoft.com/azure/storage/blobs/encryption-scope-manage",
    ),
)

IMMUTABILITY_POLICY = ResourceType(
    pulumi_type="azure-native:storage:BlobContainerImmutabilityPolicy",
    arm_type="Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies",
    identifier=f"{_ACCOUNT_ID}/blobServices/default/containers/{{containerName}}/immutabilityPolicies/default",
    name_property="immutabilityPolicyName",
    fixed_name="default",
    compute=lambda _context, identifier, _inputs: {
        "name": "default",
        "type": "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies",
        "state": "Unlocked",
        "etag": f'"{short_hash(identifier)}"',
    },
    sources=("https://learn.microsoft.com/azure/storage/blobs/immutable-time-based-retention-policy-overview",),
    unchecked="that a locked policy is never shortened",
)

MANAGEMENT_POLICY = ResourceType(
    pulumi_type="azure-native:storage:ManagementPolicy",
    arm_type="Microsoft.Storage/storageAccounts/managementPolicies",
    identifier=f"{_ACCOUNT_ID}/managementPolicies/default",
    name_property="managementPolicyName",
    fixed_name="default",
    compute=lambda _context, _identifier, _inputs: {
        "name": "DefaultManagementPolicy",
        "type": "Microsoft.Storage/storageAccounts/managementPolicies",
        "lastModifiedTime": _CREATED,
    },
    sources=("https://learn.microsoft.com/azure/storage/blobs/lifecycle-management-policy-structure",),
    unchecked="which actions fit which blob types",
)

TYPES = (STORAGE_ACCOUNT, BLOB_SERVICE, BLOB_CONTAINER, IMMUTABILITY_POLICY, MANAGEMENT_POLICY)
