"""What Microsoft.ContainerService refuses for what the network is."""

from collections.abc import Iterator

from local_azure.arm.spec import Lookup, Properties, Relation, at, objects
from local_azure.arm.types.cluster_rules import API_SERVER, OUTBOUND
from local_azure.arm.types.network_rules import overlap, prefixes_of, range_of, ranges_of

_SERVICES = "https://github.com/Azure/azure-cli/issues/20810"
_PODS = "https://github.com/Azure/AKS-Construction/issues/403"
_SMALLEST_API_SERVER = 28


def _subnets_of(inputs: Properties, lookup: Lookup) -> Iterator[tuple[Properties, Properties]]:
    """The subnets of the pools that can be looked up, each with its network."""
    for pool in objects(inputs, "agentPoolProfiles"):
        network, _, name = str(pool.get("vnetSubnetID", "")).partition("/subnets/")
        found = lookup(network) if network else None
        for subnet in objects(found or {}, "subnets"):
            if found and subnet.get("name") == name:
                yield found, subnet


def _services_in_network(_identifier: str, inputs: Properties, lookup: Lookup) -> str | None:
    services = range_of(at(inputs, "networkProfile.serviceCidr") or "10.0.0.0/16")
    for network, _ in _subnets_of(inputs, lookup):
        for subnet in objects(network, "subnets"):
            for text in ranges_of(subnet):
                if overlap(services, range_of(text)):
                    return f"The specified service CIDR {services} is conflicted with an existing subnet CIDR {text}"
    return None


def _pods_in_network(_identifier: str, inputs: Properties, lookup: Lookup) -> str | None:
    if str(at(inputs, "networkProfile.networkPluginMode")).lower() != "overlay":
        return None
    pods = range_of(at(inputs, "networkProfile.podCidr") or "10.244.0.0/16")
    for network, _ in _subnets_of(inputs, lookup):
        for space in prefixes_of(network):
            if overlap(pods, space):
                return f"NetworkProfile CIDR {pods} overlaps with reserved VNET CIDR {space}"
    return None


def _no_gateway(_identifier: str, inputs: Properties, lookup: Lookup) -> str | None:
    needs = {"userassignednatgateway": ("natGateway", "NAT gateway"), "userdefinedrouting": ("routeTable", "route table")}
    outbound = str(at(inputs, "networkProfile.outboundType"))
    part, words = needs.get(outbound.lower(), ("", ""))
    for network, subnet in _subnets_of(inputs, lookup):
        if part and not at(subnet, f"{part}.id"):
            where = f"subnet '{subnet.get('name')}' of {network.get('virtualNetworkName')}"
            return f"Outbound type is {outbound} but {where} has no {words}."
    return None


def _api_server_place(_identifier: str, inputs: Properties, lookup: Lookup) -> str | None:
    network, _, name = str(at(inputs, "apiServerAccessProfile.subnetId") or "").partition("/subnets/")
    found = (lookup(network) if network else None) or {}
    for subnet in objects(found, "subnets"):
        if subnet.get("name") == name:
            services = [str(one.get("serviceName")).lower() for one in objects(subnet, "delegations")]
            if services != ["microsoft.containerservice/managedclusters"]:
                return f"Subnet '{name}' of the API server must be delegated to Microsoft.ContainerService/managedClusters."
            small = [text for text in ranges_of(subnet) if (size := range_of(text)) and size.prefixlen > _SMALLEST_API_SERVER]
            if small:
                return f"Subnet '{name}' of the API server is {small[0]}; the smallest is /{_SMALLEST_API_SERVER}."
    return None


CLUSTER_RELATIONS = (
    Relation(code="ServiceCidrOverlapExistingSubnetsCidr", broken=_services_in_network, source=_SERVICES),
    Relation(code="NetworkProfileCIDROverlapVNET", broken=_pods_in_network, source=_PODS),
    Relation(code="BadRequest", broken=_no_gateway, source=OUTBOUND),
    Relation(code="BadRequest", broken=_api_server_place, source=API_SERVER),
)
