"""The registry: who may pull and push, and what is never deleted."""

from collections.abc import Iterator
from functools import partial

from policies.planned import UNKNOWN, Mark, PlannedResource
from policies.rule import Rule, each, must_be, must_not_be, requires
from policies.rules.kinds import REGISTRY

_registry = partial(Rule, looks_at=frozenset({REGISTRY}))

NO_ADMIN = _registry(
    id="CVG301",
    title="The registry has no admin user",
    severity="critical",
    reason="One password that everybody shares can replace every image, and names nobody.",
    fix="set admin_user_enabled to false; push and pull with Entra tokens.",
    source="checkov CKV_AZURE_137; Azure Policy dc921057-6b28-4fbe-9b83-f7bec05db6c2; pulumi/templates turn it on",
    check=each(requires(adminUserEnabled=(False, None))),
)
NO_ANONYMOUS_PULL = _registry(
    id="CVG302",
    title="Nobody pulls without a name",
    severity="critical",
    reason="Images hold the models.",
    fix="set anonymous_pull_enabled to false.",
    source="checkov CKV_AZURE_138",
    check=each(requires(anonymousPullEnabled=(False, None))),
)


def _deletes_untagged(registry: PlannedResource) -> Iterator[str | Mark]:
    yield from must_not_be(registry.properties, "policies.retentionPolicy.status", ("enabled", "Enabled"))


KEEPS_DIGESTS = _registry(
    id="CVG303",
    title="The registry deletes nothing that runs",
    severity="critical",
    reason="A retention policy deletes what has no tag, and pods here name images by digest: once a tag moves on, a new node cannot pull what runs.",
    fix="leave the retention policy off; delete by release instead.",
    source="Azure documentation, registry retention policy (its own warning); Azure/acr#520, Azure/acr-cli#131",
    check=each(_deletes_untagged),
)


def _tokens(registry: PlannedResource) -> Iterator[str | Mark]:
    sku, zones = registry.at("sku.name"), registry.at("zoneRedundancy")
    if isinstance(sku, Mark) or isinstance(zones, Mark):
        yield UNKNOWN
    elif sku != "Premium":
        yield f"sku.name is {sku}; only Premium has private endpoints and zones"
    else:
        yield from must_be(registry.properties, "zoneRedundancy", "Enabled")


SEVERAL_ZONES = _registry(
    id="CVG304",
    title="The registry outlives a zone",
    severity="high",
    reason="New nodes cannot start pods while it is away: exactly when a zone is lost, they are needed.",
    fix="set converge:registry sku to Premium.",
    source="checkov CKV_AZURE_233; Azure Verified Modules; mspnp/aks-baseline",
    check=each(_tokens),
)
NO_EXPORT = _registry(
    id="CVG305",
    title="Images cannot be exported to other registries",
    severity="medium",
    reason="`az acr import` into somebody else's registry takes the models out, past the network's firewall.",
    fix="set policies export_policy disabled (possible where the public endpoint is off).",
    source="Azure Verified Modules (exportPolicyStatus)",
    check=each(requires(policies__exportPolicy__status="disabled")),
    applies=lambda registry: registry.at("publicNetworkAccess") == "Disabled",
    otherwise="Azure allows it only where the public endpoint is off; CVG108 asks for that",
)
