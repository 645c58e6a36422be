"""Microsoft.Network."""

import hashlib

from local_azure.arm.spec import Context, NameRule, Properties, ResourceType, basics, drawn_id
from local_azure.arm.types.network_relations import ENDPOINT_RELATIONS, NAT_GATEWAY_RELATIONS, NETWORK_RELATIONS
from local_azure.arm.types.network_rules import ENDPOINT_RULES, NETWORK_RULES, PUBLIC_ADDRESS_RULES, SECURITY_GROUP_RULES
from local_azure.arm.wire import UNKNOWN

_NETWORK = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.Network"
_NAME_WORDS = "letters, digits, underscores, periods and hyphens, starting with a letter or digit and ending with one or an underscore"
_NAME = NameRule(pattern=r"[a-zA-Z0-9]([\w.-]{0,78}\w)?", words=f"1 to 80 {_NAME_WORDS}")
_LONGER_NAME = NameRule(pattern=r"[a-zA-Z0-9][\w.-]{0,62}\w", words=f"2 to 64 {_NAME_WORDS}")


def _address(_context: Context, identifier: str, inputs: Properties) -> Properties:
    # 203.0.113.0/24 is kept for documentation: nobody can take it for an address that answers.
    last = hashlib.sha256(identifier.lower().encode()).digest()[0] % 254 + 1
    return {
        "name": inputs["publicIpAddressName"],
        "type": "Microsoft.Network/publicIPAddresses",
        "provisioningState": "Succeeded",
        "resourceGuid": drawn_id(identifier),
        "ipAddress": inputs.get("ipAddress") or f"203.0.113.{last}",
    }


def _network(_context: Context, identifier: str, inputs: Properties) -> Properties:
    subnets = [{**subnet, "id": f"{identifier}/subnets/{subnet.get('name')}", "provisioningState": "Succeeded"} for subnet in inputs.get("subnets", ())]
    return {
        "name": inputs["virtualNetworkName"],
        "type": "Microsoft.Network/virtualNetworks",
        "provisioningState": "Succeeded",
        "resourceGuid": drawn_id(identifier),
        "subnets": subnets,
    }


def _answered_network(inputs: Properties) -> Properties:
    subnets = inputs.get("subnets")
    return {**inputs, "subnets": [{**one, "id": UNKNOWN} if isinstance(one, dict) else one for one in subnets]} if isinstance(subnets, list) else inputs


def _endpoint(_context: Context, identifier: str, inputs: Properties) -> Properties:
    group = identifier.split("/providers/", maxsplit=1)[0]
    card = inputs.get("customNetworkInterfaceName") or f"{inputs['privateEndpointName']}.nic.{drawn_id(identifier, 'nic')}"
    return {
        "name": inputs["privateEndpointName"],
        "type": "Microsoft.Network/privateEndpoints",
        "provisioningState": "Succeeded",
        "networkInterfaces": [{"id": f"{group}/providers/Microsoft.Network/networkInterfaces/{card}"}],
    }


SECURITY_GROUP = ResourceType(
    pulumi_type="azure-native:network:NetworkSecurityGroup",
    arm_type="Microsoft.Network/networkSecurityGroups",
    identifier=f"{_NETWORK}/networkSecurityGroups/{{networkSecurityGroupName}}",
    name_property="networkSecurityGroupName",
    name_rule=_NAME,
    immutable=frozenset({"location"}),
    compute=basics("Microsoft.Network/networkSecurityGroups", "networkSecurityGroupName", provisioningState="Succeeded"),
    rules=SECURITY_GROUP_RULES,
    unchecked="address prefixes, ports and service tags of a rule",
    sources=("https://learn.microsoft.com/rest/api/virtualnetwork/network-security-groups/create-or-update",),
)

PUBLIC_ADDRESS = ResourceType(
    pulumi_type="azure-native:network:PublicIPAddress",
    arm_type="Microsoft.Network/publicIPAddresses",
    identifier=f"{_NETWORK}/publicIPAddresses/{{publicIpAddressName}}",
    name_property="publicIpAddressName",
    name_rule=_NAME,
    immutable=frozenset({"location", "extendedLocation", "publicIPAddressVersion", "publicIPPrefix", "sku", "zones"}),
    filled_in=("ipAddress",),
    compute=_address,
    sources=("https://learn.microsoft.com/azure/virtual-network/ip-services/public-ip-addresses",),
    rules=PUBLIC_ADDRESS_RULES,
    unchecked="zones that a region has; quota",
)

NAT_GATEWAY = ResourceType(
    pulumi_type="azure-native:network:NatGateway",
    arm_type="Microsoft.Network/natGateways",
    identifier=f"{_NETWORK}/natGateways/{{natGatewayName}}",
    name_property="natGatewayName",
    name_rule=_NAME,
    immutable=frozenset({"location", "sku", "zones"}),
    compute=basics("Microsoft.Network/natGateways", "natGatewayName", provisioningState="Succeeded"),
    sources=("https://learn.microsoft.com/azure/nat-gateway/nat-availability-zones",),
    relations=NAT_GATEWAY_RELATIONS,
    unchecked="zones that a region has",
)

VIRTUAL_NETWORK = ResourceType(
    pulumi_type="azure-native:network:VirtualNetwork",
    arm_type="Microsoft.Network/virtualNetworks",
    identifier=f"{_NETWORK}/virtualNetworks/{{virtualNetworkName}}",
    name_property="virtualNetworkName",
    name_rule=_LONGER_NAME,
    immutable=frozenset({"location", "extendedLocation"}),
    compute=_network,
    respond=_answered_network,
    rules=NETWORK_RULES,
    relations=NETWORK_RELATIONS,
    unchecked="peerings; that a subnet in use is not removed",
    sources=("https://learn.microsoft.com/rest/api/virtualnetwork/virtual-networks/create-or-update",),
)

PRIVATE_ENDPOINT = ResourceType(
    pulumi_type="azure-native:network:PrivateEndpoint",
    arm_type="Microsoft.Network/privateEndpoints",
    identifier=f"{_NETWORK}/privateEndpoints/{{privateEndpointName}}",
    name_property="privateEndpointName",
    name_rule=_LONGER_NAME,
    immutable=frozenset({"location", "extendedLocation", "subnet", "customNetworkInterfaceName"}),
    compute=_endpoint,
    sources=("https://learn.microsoft.com/azure/private-link/manage-private-endpoint",),
    rules=ENDPOINT_RULES,
    relations=ENDPOINT_RELATIONS,
    unchecked="the target's approval, network policies",
)

PRIVATE_DNS_ZONE_GROUP = ResourceType(
    pulumi_type="azure-native:network:PrivateDnsZoneGroup",
    arm_type="Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    identifier=f"{_NETWORK}/privateEndpoints/{{privateEndpointName}}/privateDnsZoneGroups/{{privateDnsZoneGroupName}}",
    name_property="privateDnsZoneGroupName",
    name_rule=_NAME,
    compute=lambda _context, _identifier, inputs: {"name": inputs["privateDnsZoneGroupName"], "provisioningState": "Succeeded"},
    unchecked="whether the zone fits the endpoint",
    sources=("https://learn.microsoft.com/rest/api/virtualnetwork/private-dns-zone-groups/create-or-update",),
)

TYPES = (SECURITY_GROUP, PUBLIC_ADDRESS, NAT_GATEWAY, VIRTUAL_NETWORK, PRIVATE_ENDPOINT, PRIVATE_DNS_ZONE_GROUP)
