"""What Microsoft.Storage and Microsoft.KeyVault refuse although each property alone is right."""

import re

from local_azure.arm.spec import Lookup, Properties, Relation, Rule, at

_WORM = "https://learn.microsoft.com/azure/storage/blobs/immutable-version-level-worm-policies"
_RESTORE = "https://learn.microsoft.com/azure/storage/blobs/point-in-time-restore-overview"


def _days(path: str) -> Rule:
    def broken(inputs: Properties) -> str | None:
        policy = at(inputs, path)
        missing = isinstance(policy, dict) and policy.get("enabled") is True and policy.get("days") is None
        return f"{path} is enabled without days; allowed are 1 to 365." if missing else None

    source = "https://learn.microsoft.com/rest/api/storagerp/blob-services/set-service-properties"
    return Rule(code="InvalidValuesForRequestParameters", property=path, reads=(path,), broken=broken, source=source)


def _restore(inputs: Properties) -> str | None:
    if at(inputs, "restorePolicy.enabled") is not True:
        return None
    missing = [name for name in ("changeFeed.enabled", "isVersioningEnabled", "deleteRetentionPolicy.enabled") if at(inputs, name) is not True]
    if missing:
        return f"Point-in-time restore needs {', '.join(missing)} true."
    days, kept = at(inputs, "restorePolicy.days") or 0, at(inputs, "deleteRetentionPolicy.days") or 0
    return f"restorePolicy.days is {days}; it must be less than deleteRetentionPolicy.days, which is {kept}." if days >= kept else None


BLOB_SERVICE_RULES = (
    _days("deleteRetentionPolicy"),
    _days("containerDeleteRetentionPolicy"),
    Rule(
        code="BadRequest",
        property="restorePolicy",
        reads=("restorePolicy", "changeFeed", "isVersioningEnabled", "deleteRetentionPolicy"),
        broken=_restore,
        source=_RESTORE,
    ),
)


def _unversioned(identifier: str, inputs: Properties, lookup: Lookup) -> str | None:
    if at(inputs, "immutableStorageWithVersioning.enabled") is not True:
        return None
    service = identifier.split("/containers/", maxsplit=1)[0]
    account = lookup(service.split("/blobServices/", maxsplit=1)[0])
    if account is None or (lookup(service) or {}).get("isVersioningEnabled") is True:
        return None
    return f"Version-level immutability of container '{inputs.get('containerName')}' needs versioning; enable it on the blob service of the account."


CONTAINER_RELATIONS = (Relation(code="BadRequest", broken=_unversioned, source=_WORM),)


def _kind_for_tier(inputs: Properties) -> str | None:
    missing = str(inputs.get("kind")).lower() == "blobstorage" and inputs.get("accessTier") is None
    return "An account of kind BlobStorage needs accessTier." if missing else None


def _sas_period(inputs: Properties) -> str | None:
    period = at(inputs, "sasPolicy.sasExpirationPeriod")
    if isinstance(period, str) and not re.fullmatch(r"\d{1,5}\.([01]\d|2[0-3]):[0-5]\d:[0-5]\d", period):
        return f"sasPolicy.sasExpirationPeriod is {period}; it must be DD.HH:MM:SS."
    return None


ACCOUNT_RULES = (
    Rule(
        code="InvalidValuesForRequestParameters",
        property="sasPolicy",
        reads=("sasPolicy",),
        broken=_sas_period,
        source="https://learn.microsoft.com/azure/storage/common/sas-expiration-policy",
    ),
    Rule(
        code="AccountPropertyIsInvalid",
        property="accessTier",
        reads=("kind", "accessTier"),
        broken=_kind_for_tier,
        source="https://learn.microsoft.com/rest/api/storagerp/storage-accounts/create",
    ),
)


def _unprotected(inputs: Properties) -> str | None:
    if at(inputs, "properties.enablePurgeProtection") is False:
        return 'The property "enablePurgeProtection" cannot be set to false. Enabling the purge protection for a vault is an irreversible action.'
    return None


VAULT_RULES = (
    Rule(
        code="BadRequest",
        property="properties",
        reads=("properties.enablePurgeProtection",),
        broken=_unprotected,
        source="https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview",
    ),
)
