"""What Microsoft.Network refuses although each property alone is right."""

import ipaddress
from typing import Any

from local_azure.arm.spec import Properties, Rule, at, elements, objects

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SUBNETS = "https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq"
_SUBNET_CODES = "https://github.com/MicrosoftDocs/azure-docs/pull/123869"
_SMALLEST = 29


def prefixes_of(network: Properties) -> list[Network]:
    """The address ranges of a virtual network that can be read."""
    return [found for text in elements(at(network, "addressSpace.addressPrefixes")) if (found := range_of(text))]


def ranges_of(subnet: Properties) -> list[str]:
    """The address ranges of a subnet, as they were written."""
    return [text for text in [subnet.get("addressPrefix"), *elements(subnet.get("addressPrefixes"))] if isinstance(text, str)]


def range_of(text: Any) -> Network | None:
    """A range of addresses; None when it is none or its address has bits behind the prefix."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def overlap(one: Network | None, other: Network | None) -> bool:
    """Whether two ranges share an address."""
    return one is not None and other is not None and one.version == other.version and one.overlaps(other)


def _all_ranges(network: Properties) -> list[str]:
    inside = [text for subnet in objects(network, "subnets") for text in ranges_of(subnet)]
    return [*(text for text in elements(at(network, "addressSpace.addressPrefixes")) if isinstance(text, str)), *inside]


def _unreadable(network: Properties) -> str | None:
    for text in _all_ranges(network):
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            name = network.get("virtualNetworkName")
            return f"Address prefix {text} of resource {name} is not formatted correctly. It should follow CIDR notation, for example 10.0.0.0/24."
    return None


def _unaligned(network: Properties) -> str | None:
    for text in _all_ranges(network):
        try:
            wanted = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        if range_of(text) is None:
            name = network.get("virtualNetworkName")
            return (
                f"The address prefix {text} in resource {name} has an invalid CIDR notation. "
                f"For the given prefix length, the address prefix should be {wanted}."
            )
    return None


def _outside(network: Properties) -> str | None:
    space = prefixes_of(network)
    for subnet in objects(network, "subnets"):
        for text in ranges_of(subnet):
            mine = range_of(text)
            if mine and not any(mine.version == whole.version and mine.subnet_of(whole) for whole in space):  # pyright: ignore[reportArgumentType] - one version
                return (
                    f"Subnet '{subnet.get('name')}' is not valid because its IP address range is outside the IP address range of virtual network "
                    f"'{network.get('virtualNetworkName')}'."
                )
    return None


def _overlapping(network: Properties) -> str | None:
    seen: list[Network] = []
    for subnet in objects(network, "subnets"):
        mine = [found for text in ranges_of(subnet) if (found := range_of(text))]
        if any(overlap(one, other) for one in mine for other in seen):
            return (
                f"Subnet '{subnet.get('name')}' is not valid because its IP address range overlaps with that of an existing subnet in virtual network "
                f"'{network.get('virtualNetworkName')}'."
            )
        seen += mine
    return None


def _too_small(network: Properties) -> str | None:
    for subnet in objects(network, "subnets"):
        for text in ranges_of(subnet):
            found = range_of(text)
            if found and found.version == 4 and found.prefixlen > _SMALLEST:
                return f"Subnet '{subnet.get('name')}' is {text}; the smallest is /{_SMALLEST}, since Azure keeps five addresses of each."
    return None


NETWORK_RULES = (
    Rule(code="InvalidAddressPrefixFormat", property="addressSpace", reads=("addressSpace",), broken=_unreadable, source=_SUBNETS),
    Rule(code="InvalidCIDRNotation", property="addressSpace", reads=("addressSpace",), broken=_unaligned, source=_SUBNETS),
    Rule(code="NetcfgSubnetRangeOutsideVnet", property="subnets", reads=("addressSpace",), broken=_outside, source=_SUBNET_CODES),
    Rule(code="NetcfgSubnetRangesOverlap", property="subnets", reads=("addressSpace",), broken=_overlapping, source=_SUBNET_CODES),
    Rule(code="NetcfgInvalidSubnet", property="subnets", reads=("addressSpace",), broken=_too_small, source=_SUBNETS),
)


def _same_priority(group: Properties) -> str | None:
    taken: dict[tuple[Any, str], Any] = {}
    for rule in objects(group, "securityRules"):
        place = (rule.get("priority"), str(rule.get("direction")).lower())
        if place in taken:
            return f"Security rule {rule.get('name')} conflicts with rule {taken[place]}. Rules cannot have the same Priority and Direction."
        taken[place] = rule.get("name")
    return None


def _priority_range(group: Properties) -> str | None:
    for rule in objects(group, "securityRules"):
        priority = rule.get("priority")
        if isinstance(priority, int) and not 100 <= priority <= 4096:
            return f"Security rule {rule.get('name')} has invalid priority. Value provided: {priority} Allowed range 100-4096."
    return None


_NSG = "https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview"

SECURITY_GROUP_RULES = (
    Rule(code="SecurityRuleConflict", property="securityRules", reads=("securityRules",), broken=_same_priority, source=_NSG),
    Rule(code="SecurityRuleInvalidPriority", property="securityRules", reads=("securityRules",), broken=_priority_range, source=_NSG),
)


def _dynamic(address: Properties) -> str | None:
    standard = str(at(address, "sku.name")).lower().startswith("standard")
    dynamic = str(address.get("publicIPAllocationMethod", "Dynamic")).lower() == "dynamic"
    return "A public IP address of SKU Standard must have publicIPAllocationMethod Static." if standard and dynamic else None


PUBLIC_ADDRESS_RULES = (
    Rule(
        code="BadRequest",
        property="publicIPAllocationMethod",
        reads=("sku", "publicIPAllocationMethod"),
        broken=_dynamic,
        source="https://learn.microsoft.com/azure/virtual-network/ip-services/public-ip-addresses",
    ),
)


_PARTS = {
    "microsoft.storage/storageaccounts": (
        "blob",
        "blob_secondary",
        "dfs",
        "dfs_secondary",
        "file",
        "queue",
        "queue_secondary",
        "table",
        "table_secondary",
        "web",
        "web_secondary",
    ),
    "microsoft.containerregistry/registries": ("registry",),
    "microsoft.containerservice/managedclusters": ("management",),
    "microsoft.keyvault/vaults": ("vault",),
}
"""What of a service a private endpoint can lead to."""


def _no_such_part(endpoint: Properties) -> str | None:
    for connection in objects(endpoint, "privateLinkServiceConnections"):
        target = connection.get("privateLinkServiceId")
        kind = "/".join(target.split("/")[-3:-1]).lower() if isinstance(target, str) else ""
        for part in elements(connection.get("groupIds")):
            if isinstance(part, str) and part.lower() not in _PARTS.get(kind, (part.lower(),)):
                return f"The group {part} is none of {target}; allowed are {', '.join(_PARTS[kind])}."
    return None


ENDPOINT_RULES = (
    Rule(
        code="BadRequest",
        property="privateLinkServiceConnections",
        reads=(),
        broken=_no_such_part,
        source="https://learn.microsoft.com/azure/private-link/private-endpoint-overview",
    ),
)
