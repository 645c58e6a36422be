"""What Microsoft.ContainerRegistry refuses although each property alone is right."""

from collections.abc import Callable

from local_azure.arm.spec import Properties, Rule, at

_TIERS = "https://learn.microsoft.com/azure/container-registry/container-registry-skus"
_EXPORTS = "https://learn.microsoft.com/azure/container-registry/data-loss-prevention"
_SOFT_DELETE = "https://learn.microsoft.com/azure/container-registry/container-registry-soft-delete-policy"


def _is(value: object, wanted: str) -> bool:
    return str(value).lower() == wanted.lower()


def _premium_only(path: str, on: Callable[[object], bool], words: str) -> Rule:
    def broken(inputs: Properties) -> str | None:
        tier = at(inputs, "sku.name")
        return f"{words} is not supported for the SKU {tier}; it needs Premium." if on(at(inputs, path)) and not _is(tier, "Premium") else None

    return Rule(code="BadRequest", property=path, reads=("sku", path), broken=broken, source=_TIERS)


def _closed(inputs: Properties) -> str | None:
    tier = at(inputs, "sku.name")
    if _is(inputs.get("publicNetworkAccess"), "Disabled") and not _is(tier, "Premium"):
        return f"Disabling public network access is not supported for the SKU {tier}. For more information, please visit https://aka.ms/acr/private-link."
    return None


def _exports(inputs: Properties) -> str | None:
    if _is(at(inputs, "policies.exportPolicy.status"), "disabled") and not _is(inputs.get("publicNetworkAccess"), "Disabled"):
        return f"Enabling public network access is not supported because the registry '{inputs.get('registryName')}' has exports disabled."
    return None


def _both(inputs: Properties) -> str | None:
    on = [name for name in ("retentionPolicy", "softDeletePolicy") if _is(at(inputs, f"policies.{name}.status"), "enabled")]
    return "The policies retentionPolicy and softDeletePolicy cannot both be enabled." if len(on) > 1 else None


def _basic_anonymous(inputs: Properties) -> str | None:
    anonymous = inputs.get("anonymousPullEnabled") is True and _is(at(inputs, "sku.name"), "Basic")
    return "Anonymous pull is not supported for the SKU Basic; it needs Standard or Premium." if anonymous else None


REGISTRY_RULES = (
    Rule(
        code="DisablingPublicNetworkAccessNotSupported",
        property="publicNetworkAccess",
        reads=("sku", "publicNetworkAccess"),
        broken=_closed,
        source="https://github.com/hashicorp/terraform-provider-azurerm/pull/26054",
    ),
    Rule(code="BadRequest", property="publicNetworkAccess", reads=("policies", "publicNetworkAccess"), broken=_exports, source=_EXPORTS),
    Rule(code="BadRequest", property="policies", reads=("policies",), broken=_both, source=_SOFT_DELETE),
    Rule(code="BadRequest", property="anonymousPullEnabled", reads=("sku", "anonymousPullEnabled"), broken=_basic_anonymous, source=_TIERS),
    _premium_only("zoneRedundancy", lambda value: _is(value, "Enabled"), "Zone redundancy"),
    _premium_only("dataEndpointEnabled", lambda value: value is True, "A dedicated data endpoint"),
    _premium_only("networkRuleSet", lambda value: value is not None, "A network rule"),
    _premium_only("policies.retentionPolicy.status", lambda value: _is(value, "enabled"), "Retention of untagged manifests"),
    _premium_only("policies.exportPolicy.status", lambda value: _is(value, "disabled"), "Disabling exports"),
)
