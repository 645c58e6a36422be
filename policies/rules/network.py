"""The network: who can reach what."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from policies.planned import UNKNOWN, Mark, PlannedResource, entries, find
from policies.rule import Finding, Rule, each
from policies.rules.kinds import (
    ACCOUNT,
    CLUSTER,
    NETWORK,
    PRIVATE_ENDPOINT,
    PRIVATE_ZONE,
    REGISTRY,
    SECURITY_GROUP,
    SECURITY_RULE,
    SERVICE,
    SUBNET,
    VAULT,
    ZONE_GROUP,
    ZONE_LINK,
)
from policies.rules.relations import unpaired

_RANGES = {
    CLUSTER: ("apiServerAccessProfile.authorizedIPRanges", ""),
    ACCOUNT: ("networkRuleSet.ipRules", "iPAddressOrRange"),
    REGISTRY: ("networkRuleSet.ipRules", "iPAddressOrRange"),
    VAULT: ("properties.networkAcls.ipRules", "value"),
    SERVICE: ("spec.loadBalancerSourceRanges", ""),
}
"""Where a resource says which addresses may come, and the key of the address where an entry is an object."""
_EVERYBODY = {"*", "0.0.0.0", "0.0.0.0/0", "::/0", "Internet", "Any"}  # noqa: S104 - what is looked for


def _open_ranges(resource: PlannedResource) -> Iterator[str | Mark]:
    path, key = _RANGES[resource.kind]
    for entry in entries(resource.at(path)):
        found = find(entry, key) if key else entry
        if isinstance(found, Mark):
            yield UNKNOWN
        elif str(found).endswith("/0") or found in _EVERYBODY:
            yield f"{path} has {found}, which is everybody"


NOT_EVERYBODY = Rule(
    id="CVG101",
    title="No list of addresses lets everybody in",
    severity="critical",
    reason="A list with 0.0.0.0/0 is no list, and reviewers take it for one.",
    fix="name the addresses that need it; an empty list where nobody does.",
    source="checkov CKV_AZURE_6; Azure's own quick starts",
    looks_at=frozenset(_RANGES),
    check=each(_open_ranges),
)


def _security_rules(resource: PlannedResource) -> list[Any]:
    return [resource.properties] if resource.kind == SECURITY_RULE else entries(resource.at("securityRules"))


def _open_rules(resource: PlannedResource) -> Iterator[str | Mark]:
    for rule in _security_rules(resource):
        sources, ports = (_one_and_many(rule, what) for what in ("sourceAddressPrefix", "destinationPortRange"))
        if isinstance(rule, Mark) or UNKNOWN in (*sources, find(rule, "direction"), find(rule, "access")):
            yield UNKNOWN
        elif rule.get("direction") == "Inbound" and rule.get("access") == "Allow" and _EVERYBODY & set(sources) and ports != ["443"]:
            yield UNKNOWN if UNKNOWN in ports else f"the rule {rule.get('name') or resource.name} lets everybody in to port {', '.join(ports)}"


def _one_and_many(rule: Any, what: str) -> list[Any]:
    """Values that ARM takes under a name for one and a name for several."""
    one = find(rule, what)
    return [*([one] if one else []), *entries(find(rule, f"{what}s" if what.endswith("Range") else f"{what}es"))]


CLOSED_GROUPS = Rule(
    id="CVG102",
    title="No security group lets the internet in, except to HTTPS",
    severity="critical",
    reason="Ports that are open to everybody are tried by everybody within minutes.",
    fix="name the source, or close the port.",
    source="checkov CKV_AZURE_9, CKV_AZURE_10, CKV_AZURE_77",
    looks_at=frozenset({SECURITY_GROUP, SECURITY_RULE}),
    check=each(_open_rules),
)


def _subnets(resource: PlannedResource) -> list[Any]:
    return [resource.properties] if resource.kind == SUBNET else entries(resource.at("subnets"))


def _unguarded(resource: PlannedResource) -> Iterator[str | Mark]:
    for subnet in _subnets(resource):
        if isinstance(subnet, Mark):
            yield UNKNOWN
        elif subnet.get("networkSecurityGroup") is None:
            yield f"the subnet {subnet.get('name') or subnet.get('subnetName') or resource.name} has no network security group"


GUARDED_SUBNETS = Rule(
    id="CVG103",
    title="Every subnet has a security group",
    severity="medium",
    reason="Without one everything in the network and whatever is peered with it may come in.",
    fix="set network_security_group.",
    source="checkov CKV2_AZURE_31; Azure Verified Modules",
    looks_at=frozenset({NETWORK, SUBNET}),
    check=each(_unguarded),
)


def _default_way_out(resource: PlannedResource) -> Iterator[str | Mark]:
    for subnet in _subnets(resource):
        if isinstance(subnet, Mark) or isinstance(subnet.get("defaultOutboundAccess"), Mark):
            yield UNKNOWN
        elif subnet.get("defaultOutboundAccess") is not False:
            yield f"the subnet {subnet.get('name') or subnet.get('subnetName') or resource.name} has default outbound access"


NO_DEFAULT_WAY_OUT = Rule(
    id="CVG104",
    title="Nothing leaves through an address that Azure lends",
    severity="medium",
    reason="Default outbound access has addresses that change and belong to others, and Azure is retiring it.",
    fix="set default_outbound_access to false; give the subnet a NAT gateway.",
    source="Azure documentation, default outbound access",
    looks_at=frozenset({NETWORK, SUBNET}),
    check=each(_default_way_out),
)


def _without_zone(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    endpoints = [resource for resource in resources if resource.kind == PRIVATE_ENDPOINT]
    groups = [resource for resource in resources if resource.kind == ZONE_GROUP]
    for endpoint, doubt in unpaired(endpoints, "privateEndpointName", groups, "privateEndpointName"):
        yield Finding(resource=endpoint, message=doubt or "has no private DNS zone group")


HAS_ZONE = Rule(
    id="CVG105",
    title="A private endpoint is found by name",
    severity="high",
    reason="Without a zone the name leads to the public address, which is closed: everything looks broken, nothing is.",
    fix="add a PrivateDnsZoneGroup to the endpoint.",
    source="Azure documentation, private endpoint DNS; pulumi-azure-native examples leave it out",
    looks_at=frozenset({PRIVATE_ENDPOINT}),
    check=_without_zone,
    per_resource=False,
)


def _unlinked(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    zones = [resource for resource in resources if resource.kind == PRIVATE_ZONE]
    links = [resource for resource in resources if resource.kind == ZONE_LINK]
    for zone, doubt in unpaired(zones, "privateZoneName", links, "privateZoneName"):
        yield Finding(resource=zone, message=doubt or "is linked to no network")


LINKED_ZONE = Rule(
    id="CVG106",
    title="A private DNS zone is linked to a network",
    severity="high",
    reason="An unlinked zone answers nobody.",
    fix="add a VirtualNetworkLink.",
    source="Azure documentation, private DNS zones",
    looks_at=frozenset({PRIVATE_ZONE}),
    check=_unlinked,
    per_resource=False,
)

_endpoint = partial(
    Rule,
    severity="high",
    reason="A public endpoint is one stolen token away from the internet, and every firewall rule on it is one mistake away from nothing.",
    fix="set public_network_access Disabled and reach it through a private endpoint.",
)


def _public(resource: PlannedResource) -> Iterator[str | Mark]:
    found = resource.at("properties.publicNetworkAccess" if resource.kind == VAULT else "publicNetworkAccess")
    if isinstance(found, Mark):
        yield UNKNOWN
    elif str(found).lower() not in ("disabled", "securedbyperimeter"):
        yield f"publicNetworkAccess is {'not set, which means Enabled' if found is None else found}"


PRIVATE_STORAGE = _endpoint(
    id="CVG107",
    title="Storage has no public endpoint",
    source="checkov CKV_AZURE_59, CKV2_AZURE_33; Azure Verified Modules",
    looks_at=frozenset({ACCOUNT}),
    check=each(_public),
)
PRIVATE_REGISTRY = _endpoint(
    id="CVG108",
    title="The registry has no public endpoint",
    source="checkov CKV_AZURE_139; mspnp/aks-baseline",
    looks_at=frozenset({REGISTRY}),
    check=each(_public),
)
PRIVATE_VAULT = _endpoint(
    id="CVG109", title="Key Vault has no public endpoint", source="checkov CKV_AZURE_189; mspnp/aks-baseline", looks_at=frozenset({VAULT}), check=each(_public)
)
