"""Microsoft.Storage."""

from local_azure.arm.spec import Context, NameRule, Properties, ResourceType, chosen

_ACCOUNT_ID = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.Storage/storageAccounts/{accountName}"
_CREATED = "2026-01-01T00:00:00.0000000Z"
"""A fixed time: an output that changed by itself would be drift."""


def _account(context: Context, _identifier: str, inputs: Properties) -> Properties:
    name = inputs["accountName"]
    blob = context.services.blob_endpoint(name) or f"https://{name}.blob.core.windows.net/"
    others = {kind: f"https://{name}.{kind}.core.windows.net/" for kind in ("dfs", "file", "queue", "table", "web")}
    return {
        "name": name,
        "type": "Microsoft.Storage/storageAccounts",
        "provisioningState": "Succeeded",
        "creationTime": _CREATED,
        "primaryLocation": inputs["location"],
        "statusOfPrimary": "available",
        "primaryEndpoints": {"blob": blob, **others},
    }


def _service(_context: Context, _identifier: str, _inputs: Properties) -> Properties:
    return {"name": "default", "type": "Microsoft.Storage/storageAccounts/blobServices"}


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
    properties=frozenset(
        [
            "accessTier",
            "accountName",
            "allowBlobPublicAccess",
            "allowCrossTenantReplication",
            "allowSharedKeyAccess",
            "allowedCopyScope",
            "azureFilesIdentityBasedAuthentication",
            "customDomain",
            "defaultToOAuthAuthentication",
            "dnsEndpointType",
            "enableExtendedGroups",
            "enableHttpsTrafficOnly",
            "enableNfsV3",
            "encryption",
            "extendedLocation",
            "identity",
            "immutableStorageWithVersioning",
            "isHnsEnabled",
            "isLocalUserEnabled",
            "isSftpEnabled",
            "keyPolicy",
            "kind",
            "largeFileSharesState",
            "location",
            "minimumTlsVersion",
            "networkRuleSet",
            "publicNetworkAccess",
            "resourceGroupName",
            "routingPreference",
            "sasPolicy",
            "sku",
            "tags",
        ]
    ),
    required=frozenset({"kind", "resourceGroupName", "sku"}),
    choices={
        "kind": chosen("BlobStorage", "BlockBlobStorage", "FileStorage", "Storage", "StorageV2"),
        "sku.name": chosen("Standard_LRS", "Standard_GRS", "Standard_RAGRS", "Standard_ZRS", "Premium_LRS", "Premium_ZRS", "Standard_GZRS", "Standard_RAGZRS"),
        "minimumTlsVersion": chosen("TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3"),
        "publicNetworkAccess": chosen("Enabled", "Disabled", "SecuredByPerimeter"),
        "allowedCopyScope": chosen("PrivateLink", "AAD"),
        "networkRuleSet.defaultAction": chosen("Allow", "Deny"),
    },
    immutable=frozenset({"location", "kind", "isHnsEnabled", "encryption.requireInfrastructureEncryption", "dnsEndpointType", "extendedLocation"}),
    outputs=("azureApiVersion", "creationTime", "name", "primaryEndpoints", "primaryLocation", "provisioningState", "statusOfPrimary", "type"),
    compute=_account,
    unique=lambda inputs: (inputs["accountName"],),
    conflict_code="StorageAccountAlreadyTaken",
)

BLOB_SERVICE = ResourceType(
    pulumi_type="azure-native:storage:BlobServiceProperties",
    arm_type="Microsoft.Storage/storageAccounts/blobServices",
    identifier=f"{_ACCOUNT_ID}/blobServices/default",
    name_property="blobServicesName",
    fixed_name="default",
    properties=frozenset(
        [
            "accountName",
            "automaticSnapshotPolicyEnabled",
            "blobServicesName",
            "changeFeed",
            "containerDeleteRetentionPolicy",
            "cors",
            "defaultServiceVersion",
            "deleteRetentionPolicy",
            "isVersioningEnabled",
            "lastAccessTimeTrackingPolicy",
            "resourceGroupName",
            "restorePolicy",
        ]
    ),
    required=frozenset({"accountName", "resourceGroupName"}),
    immutable=frozenset({"accountName"}),
    outputs=("azureApiVersion", "name", "sku", "type"),
    compute=_service,
)

BLOB_CONTAINER = ResourceType(
    pulumi_type="azure-native:storage:BlobContainer",
    arm_type="Microsoft.Storage/storageAccounts/blobServices/containers",
    identifier=f"{_ACCOUNT_ID}/blobServices/default/containers/{{containerName}}",
    name_property="containerName",
    name_rule=NameRule(pattern=r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", words="3 to 63 lower-case letters, digits and single hyphens, not at either end"),
    properties=frozenset(
        [
            "accountName",
            "containerName",
            "defaultEncryptionScope",
            "denyEncryptionScopeOverride",
            "enableNfsV3AllSquash",
            "enableNfsV3RootSquash",
            "immutableStorageWithVersioning",
            "metadata",
            "publicAccess",
            "resourceGroupName",
        ]
    ),
    required=frozenset({"accountName", "resourceGroupName"}),
    choices={"publicAccess": chosen("None", "Blob", "Container")},
    immutable=frozenset({"accountName", "defaultEncryptionScope"}),
    outputs=("azureApiVersion", "etag", "hasImmutabilityPolicy", "hasLegalHold", "leaseState", "leaseStatus", "name", "type"),
    compute=_container,
    apply=lambda context, inputs: context.services.create_container(inputs["accountName"], inputs["containerName"]),
    remove=lambda context, inputs: context.services.delete_container(inputs["accountName"], inputs["containerName"]),
)

TYPES = (STORAGE_ACCOUNT, BLOB_SERVICE, BLOB_CONTAINER)
