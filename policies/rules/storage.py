"""Storage of models and whatever else must not get lost."""

import re
from collections.abc import Iterator, Sequence
from functools import partial

from policies.planned import UNKNOWN, Mark, PlannedResource, entries
from policies.rule import Finding, Rule, each, must_be, requires
from policies.rules.kinds import ACCOUNT, BLOB, BLOB_SERVICE, CONTAINER, LOCK, REGISTRY, VAULT

_account = partial(Rule, looks_at=frozenset({ACCOUNT}))
_PERIOD = re.compile(r"^(\d+)\.(\d+):(\d+):(\d+)$")
_LONGEST_SAS_HOURS = 24
_LEAST_DAYS = 7

NO_SHARED_KEYS = _account(
    id="CVG201",
    title="The account has no keys",
    severity="critical",
    reason="A key opens everything, names nobody, and is in somebody's shell history.",
    fix="set allow_shared_key_access to false; every access is by identity.",
    source="checkov CKV2_AZURE_40; Azure Verified Modules leave keys on",
    check=each(requires(allowSharedKeyAccess=False)),
)
NO_PUBLIC_BLOBS = _account(
    id="CVG202",
    title="Nothing in the account can be read by everybody",
    severity="critical",
    reason="One container that is made public by hand publishes its models.",
    fix="set allow_blob_public_access to false.",
    source="checkov CKV_AZURE_190; Azure Verified Modules",
    check=each(requires(allowBlobPublicAccess=False)),
)
PRIVATE_CONTAINER = Rule(
    id="CVG203",
    title="A container is not public",
    severity="critical",
    reason="Anybody can download what is in it.",
    fix="set public_access None.",
    source="checkov CKV_AZURE_34",
    looks_at=frozenset({CONTAINER}),
    check=each(requires(publicAccess=("None", None))),
)


def _encrypted(account: PlannedResource) -> Iterator[str | Mark]:
    yield from must_be(account.properties, "enableHttpsTrafficOnly", True)
    yield from must_be(account.properties, "minimumTlsVersion", ("TLS1_2", "TLS1_3"))


MODERN_TLS = _account(
    id="CVG204",
    title="The account answers over TLS 1.2 or newer only",
    severity="high",
    reason="Azure's own default is TLS 1.0, whose traffic can be read.",
    fix="set enable_https_traffic_only and minimum_tls_version TLS1_2.",
    source="checkov CKV_AZURE_3, CKV_AZURE_44",
    check=each(_encrypted),
)
DENY_BY_DEFAULT = _account(
    id="CVG205",
    title="The account's firewall refuses by default",
    severity="high",
    reason="Otherwise its rules are decoration: every address may come.",
    fix="set network_rule_set default_action Deny.",
    source="checkov CKV_AZURE_35; Azure Verified Modules",
    check=each(requires(networkRuleSet__defaultAction="Deny")),
)


def _restorable(service: PlannedResource) -> Iterator[str | Mark]:
    yield from must_be(service.properties, "isVersioningEnabled", True)
    for what in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
        yield from must_be(service.properties, f"{what}.enabled", True)
        days = service.at(f"{what}.days")
        if isinstance(days, Mark):
            yield UNKNOWN
        elif days is not None and days < _LEAST_DAYS:
            yield f"{what}.days is {days}; it must be {_LEAST_DAYS} or more"


RESTORABLE = Rule(
    id="CVG206",
    title="What was overwritten or deleted can be restored for a week",
    severity="high",
    reason="A model that was deleted on Friday is missed on Monday, and cannot be trained again bit by bit.",
    fix="turn versioning and both retention policies on, with 7 days or more.",
    source="Azure Verified Modules (waf-aligned); checkov CKV2_AZURE_38",
    looks_at=frozenset({BLOB_SERVICE}),
    check=each(_restorable),
)
WRITE_ONCE = Rule(
    id="CVG207",
    title="A published model cannot be changed",
    severity="medium",
    reason="Whoever may publish could otherwise put another model under a version that is trusted.",
    fix="set immutable_storage_with_versioning enabled, with a policy.",
    source="Azure documentation, immutable blob storage",
    looks_at=frozenset({CONTAINER}),
    check=each(requires(immutableStorageWithVersioning__enabled=True)),
)
SEVERAL_ZONES = _account(
    id="CVG208",
    title="Data lies in more than one zone",
    severity="high",
    reason="With LRS all copies are in one building.",
    fix="set the SKU Standard_ZRS or Standard_GZRS.",
    source="checkov CKV_AZURE_206; Azure Verified Modules (waf-aligned)",
    check=each(requires(sku__name=("Standard_ZRS", "Standard_GZRS", "Standard_RAGZRS", "Premium_ZRS"))),
)


def _short_signatures(account: PlannedResource) -> Iterator[str | Mark]:
    period = account.at("sasPolicy.sasExpirationPeriod")
    if isinstance(period, Mark):
        yield UNKNOWN
        return
    parts = _PERIOD.match(str(period))
    if not parts or int(parts[1]) * 24 + int(parts[2]) + (int(parts[3]) or int(parts[4])) / 60 > _LONGEST_SAS_HOURS:
        yield f"sasPolicy.sasExpirationPeriod is {'not set' if period is None else period}; it must be a day (1.00:00:00) or less"


SHORT_SIGNATURES = _account(
    id="CVG209",
    title="Signed URLs live for a day at most",
    severity="medium",
    reason="A signature in a log or a chat opens the file for whoever finds it.",
    fix="set sas_policy sas_expiration_period.",
    source="checkov CKV2_AZURE_41",
    check=each(_short_signatures),
)
NO_LOCAL_USERS = _account(
    id="CVG210",
    title="The account has no users and no tenants of its own",
    severity="medium",
    reason="SFTP users have passwords that Entra does not know, and replication to another tenant takes the data out.",
    fix="set is_local_user_enabled, is_sftp_enabled and allow_cross_tenant_replication to false.",
    source="Azure Verified Modules",
    check=each(requires(isLocalUserEnabled=(False, None), isSftpEnabled=(False, None), allowCrossTenantReplication=False)),
)


def _uses_keys(blob: PlannedResource) -> Iterator[str | Mark]:
    name = blob.at("blobName")
    yield f"uploads {name if isinstance(name, str) else blob.name} with the account's key"


NO_BLOB_RESOURCES = Rule(
    id="CVG211",
    title="Files are not uploaded by the program",
    severity="high",
    reason="azure-native's Blob asks for the account's keys, so it needs them to exist, and a model would be in the state's diff.",
    fix="publish with `converge model publish`.",
    source="pulumi/pulumi-azure-native#2015, #2948",
    looks_at=frozenset({BLOB}),
    check=each(_uses_keys),
)


def _protected(resource: PlannedResource) -> Iterator[str | Mark]:
    if not resource.protect:
        yield "is not protected"


PROTECTED = Rule(
    id="CVG212",
    title="The program cannot delete models and images",
    severity="critical",
    reason="A renamed component deletes them all, with one `--yes`.",
    fix="set converge:protectData to true.",
    source="Pulumi documentation, protect",
    looks_at=frozenset({ACCOUNT, CONTAINER, REGISTRY}),
    check=each(_protected),
)


def _unlocked(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    locks = [resource for resource in resources if resource.kind == LOCK]
    for held in (resource for resource in resources if resource.kind in (ACCOUNT, REGISTRY)):
        levels = {lock.at("level") for lock in locks if _about(lock, held)}
        if not levels & {"CanNotDelete", "ReadOnly"}:
            yield Finding(resource=held, message=UNKNOWN if UNKNOWN in levels else "has no lock CanNotDelete")


def _about(lock: PlannedResource, held: PlannedResource) -> bool:
    """A lock on the resource or on its group. Scopes are often not known yet; the component that made the resource then made the lock for it."""
    scope = lock.at("scope")
    if isinstance(scope, Mark):
        return lock.parent in (held.parent, held.urn)
    name = held.at("accountName" if held.kind == ACCOUNT else "registryName")
    group = held.at("resourceGroupName")
    return str(scope).endswith((f"/storageAccounts/{name}", f"/registries/{name}", f"/resourceGroups/{group}"))


LOCKED = Rule(
    id="CVG213",
    title="Nobody deletes models and images by hand",
    severity="high",
    reason="`protect` holds for Pulumi only; the portal's Delete asks for a name and then deletes.",
    fix="set converge:protectData to true.",
    source="Azure Verified Modules (lock)",
    looks_at=frozenset({ACCOUNT, REGISTRY}),
    check=_unlocked,
    per_resource=False,
)


def _purgeable(vault: PlannedResource) -> Iterator[str | Mark]:
    yield from must_be(vault.properties, "properties.enablePurgeProtection", True)
    yield from must_be(vault.properties, "properties.enableSoftDelete", (True, None))


NOT_PURGEABLE = Rule(
    id="CVG214",
    title="A deleted key vault can be restored",
    severity="critical",
    reason="Whoever deletes and purges the vault makes everything unreadable that its keys encrypt: the stack's secrets first.",
    fix="set enable_purge_protection.",
    source="checkov CKV_AZURE_42, CKV_AZURE_110",
    looks_at=frozenset({VAULT}),
    check=each(_purgeable),
)


def _with_policies(vault: PlannedResource) -> Iterator[str | Mark]:
    yield from must_be(vault.properties, "properties.enableRbacAuthorization", True)
    policies = entries(vault.at("properties.accessPolicies"))
    if policies:
        yield UNKNOWN if policies == [UNKNOWN] else "properties.accessPolicies is not empty"


VAULT_RBAC = Rule(
    id="CVG215",
    title="Who may use a key vault is a grant in Azure",
    severity="high",
    reason="Access policies are seen by no access review, and whoever may write the vault may give themselves any.",
    fix="set enable_rbac_authorization.",
    source="Azure documentation, Key Vault RBAC",
    looks_at=frozenset({VAULT}),
    check=each(_with_policies),
)
