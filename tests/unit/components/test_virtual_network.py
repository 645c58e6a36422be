from typing import Any

import pulumi
import pytest

from components.private_access import PrivateAccess
from components.virtual_network import VirtualNetwork, VirtualNetworkArgs
from tests.unit.components.recording import GROUP, SUBSCRIPTION, UNKNOWN, Recording, consume, record

_MADE = f"{SUBSCRIPTION}/resourceGroups/network-group/providers/Microsoft.Network"
_NETWORK = f"{_MADE}/virtualNetworks/network-network"
_RULES = f"{_MADE}/networkSecurityGroups/network-rules"
_HUB = f"{SUBSCRIPTION}/resourceGroups/hub/providers/Microsoft.Network"
_HUB_NETWORK = f"{_HUB}/virtualNetworks/hub"
_SUBNETS: dict[str, Any] = {f"{name.replace('-', '_')}_subnet_id": f"{_HUB_NETWORK}/subnets/{name}" for name in ("node", "api-server", "endpoint")}
_BLOB_ZONE, _REGISTRY_ZONE = (f"{_HUB}/privateDnsZones/privatelink.{zone}" for zone in ("blob.core.windows.net", "azurecr.io"))
_TYPE = "azure-native:network:VirtualNetwork"
_GATEWAY = "azure-native:network:NatGateway"
_ADDRESS = "azure-native:network:PublicIPAddress"
_SECURITY_GROUP = "azure-native:network:NetworkSecurityGroup"
_ZONE = "azure-native:privatedns:PrivateZone"
_LINK = "azure-native:privatedns:VirtualNetworkLink"


def _recorded(*, preview: bool = False, **changes: Any) -> Recording:
    def program() -> None:
        network = VirtualNetwork("network", VirtualNetworkArgs(**changes))
        consume(
            nodes=network.node_subnet_id, api=network.api_server_subnet_id, **_ways("blob", network.blob_access), **_ways("registry", network.registry_access)
        )

    return record(program, preview=preview)


def _ways(name: str, access: PrivateAccess | None) -> dict[str, Any]:
    return {f"{name}Subnet": access.subnet_id, f"{name}Zone": access.zone_id} if access else {}


def _subnets(**changes: Any) -> dict[str, dict[str, Any]]:
    return {subnet["name"]: subnet for subnet in _recorded(**changes).only(_TYPE).inputs["subnets"]}


def _own(recording: Recording) -> set[str]:
    return {resource.name for resource in recording.resources if resource.parent == "network"}


def test_a_public_stack_has_a_network_for_its_nodes_and_api_server():
    recording = _recorded()
    assert _own(recording) == {"network-group", "network-rules", "network-network"}
    assert recording.only(_TYPE).inputs["addressSpace"] == {"addressPrefixes": ["10.100.0.0/16"]}
    # No private way: storage and registry are reached publicly.
    assert recording.named("consumer").inputs == {"nodes": f"{_NETWORK}/subnets/nodes", "api": f"{_NETWORK}/subnets/api-server"}
    assert recording.outputs_of("network") == {
        "node_subnet_id": f"{_NETWORK}/subnets/nodes", "api_server_subnet_id": f"{_NETWORK}/subnets/api-server",
    }  # fmt: skip


def test_subnets_are_cut_from_the_given_addresses():
    addresses = {name: subnet["addressPrefix"] for name, subnet in _subnets(address_space="10.7.0.0/20").items()}
    assert addresses == {"nodes": "10.7.0.0/21", "private-endpoints": "10.7.8.0/27", "api-server": "10.7.8.32/28"}


@pytest.mark.parametrize("outbound", ["loadBalancer", "natGateway"])
def test_no_subnet_has_a_way_out_that_nobody_chose_and_rules_hold_everywhere(outbound: str):
    for subnet in _subnets(outbound=outbound).values():
        assert subnet["defaultOutboundAccess"] is False
        assert subnet["networkSecurityGroup"] == {"id": _RULES}


def test_the_api_servers_subnet_is_given_to_aks_and_rules_reach_private_endpoints():
    subnets = _subnets()
    assert subnets["api-server"]["delegations"] == [{"name": "aks", "serviceName": "Microsoft.ContainerService/managedClusters"}]
    assert not any("delegations" in subnets[name] for name in ("nodes", "private-endpoints"))
    assert subnets["private-endpoints"]["privateEndpointNetworkPolicies"] == "Enabled"


def test_with_a_gateway_nodes_leave_by_one_address_that_stays():
    recording = _recorded(outbound="natGateway")
    address = recording.only(_ADDRESS).inputs
    assert (address["sku"], address["publicIPAllocationMethod"]) == ({"name": "Standard"}, "Static")
    gateway = recording.only(_GATEWAY).inputs
    assert (gateway["sku"], gateway["publicIpAddresses"]) == ({"name": "Standard"}, [{"id": f"{_MADE}/publicIPAddresses/network-outbound"}])
    ways = {name: subnet.get("natGateway") for name, subnet in _subnets(outbound="natGateway").items()}
    assert ways == {"nodes": {"id": f"{_MADE}/natGateways/network-way-out"}, "private-endpoints": None, "api-server": None}


def test_without_a_gateway_there_is_no_public_address():
    recording = _recorded()
    assert recording.of(_ADDRESS) == recording.of(_GATEWAY) == []
    assert not any("natGateway" in subnet for subnet in _subnets().values())


def test_from_the_internet_nobody_gets_in():
    assert _recorded().only(_SECURITY_GROUP).inputs["securityRules"] == []


def test_but_to_port_443_where_a_service_is_for_everybody():
    (rule,) = _recorded(open_to_internet=True).only(_SECURITY_GROUP).inputs["securityRules"]
    wanted = {"direction": "Inbound", "access": "Allow", "protocol": "Tcp", "sourceAddressPrefix": "Internet", "destinationPortRange": "443"}
    assert {key: rule[key] for key in wanted} == wanted


def test_a_private_stack_finds_storage_and_registry_in_its_network():
    recording = _recorded(private=True)
    zones = {zone.inputs["privateZoneName"]: zone for zone in recording.of(_ZONE)}
    # Azure's own names; with any other the public address would stay in force.
    assert set(zones) == {"privatelink.blob.core.windows.net", "privatelink.azurecr.io"}
    for link in recording.of(_LINK):
        assert link.inputs["virtualNetwork"] == {"id": _NETWORK}
        assert link.inputs["registrationEnabled"] is False
    assert {link.inputs["privateZoneName"] for link in recording.of(_LINK)} == set(zones)
    assert {resource.inputs["location"] for resource in (*recording.of(_ZONE), *recording.of(_LINK))} == {"Global"}
    consumer = recording.named("consumer")
    assert consumer.inputs == {
        "nodes": f"{_NETWORK}/subnets/nodes",
        "api": f"{_NETWORK}/subnets/api-server",
        "blobSubnet": f"{_NETWORK}/subnets/private-endpoints",
        "blobZone": f"{_MADE}/privateDnsZones/privatelink.blob.core.windows.net",
        "registrySubnet": f"{_NETWORK}/subnets/private-endpoints",
        "registryZone": f"{_MADE}/privateDnsZones/privatelink.azurecr.io",
    }
    # Who uses a zone can rely on it: the network asks it.
    assert {"network-blob-zone", "network-blob-link"} <= consumer.dependencies_of("blobZone")
    assert {"network-azurecr-zone", "network-azurecr-link"} <= consumer.dependencies_of("registryZone")


def test_before_it_exists_everything_about_it_is_unknown():
    inputs = _recorded(preview=True, private=True).named("consumer").inputs
    assert set(inputs) == {"nodes", "api", "blobSubnet", "blobZone", "registrySubnet", "registryZone"}
    assert set(inputs.values()) == {UNKNOWN}


@pytest.mark.parametrize("preview", [True, False])
def test_of_a_network_that_exists_nothing_is_declared(preview: bool):
    recording = _recorded(preview=preview, private=True, blob_zone_id=_BLOB_ZONE, registry_zone_id=_REGISTRY_ZONE, **_SUBNETS)
    assert _own(recording) == set()
    assert recording.named("consumer").inputs == {
        "nodes": _SUBNETS["node_subnet_id"],
        "api": _SUBNETS["api_server_subnet_id"],
        "blobSubnet": _SUBNETS["endpoint_subnet_id"],
        "blobZone": _BLOB_ZONE,
        "registrySubnet": _SUBNETS["endpoint_subnet_id"],
        "registryZone": _REGISTRY_ZONE,
    }


def test_a_public_stack_in_a_network_that_exists_needs_no_group():
    assert _own(_recorded(**{**_SUBNETS, "endpoint_subnet_id": ""})) == set()


def test_zones_that_are_missing_beside_a_network_that_exists_are_made_for_it():
    recording = _recorded(private=True, registry_zone_id=_REGISTRY_ZONE, **_SUBNETS)
    assert _own(recording) == {"network-group", "network-blob-zone", "network-blob-link"}
    assert recording.only(_LINK).inputs["virtualNetwork"] == {"id": _HUB_NETWORK}


def test_the_group_can_be_one_that_exists():
    recording = _recorded(private=True, outbound="natGateway", resource_group_id=f"{SUBSCRIPTION}/resourceGroups/ours")
    assert recording.of(GROUP) == []
    assert {resource.inputs["resourceGroupName"] for resource in recording.resources if "resourceGroupName" in resource.inputs} == {"ours"}


def test_tags_are_everywhere():
    tags = {"application": "converge"}
    recording = _recorded(private=True, outbound="natGateway", tags=tags)
    made = [resource for resource in recording.resources if resource.parent == "network"]
    assert len(made) == 9
    assert all(resource.inputs["tags"] == tags for resource in made)


def test_private_endpoints_need_a_subnet_of_the_network_that_exists():
    nodes, api_server = _SUBNETS["node_subnet_id"], _SUBNETS["api_server_subnet_id"]
    with pytest.raises(pulumi.InputPropertyError) as error:
        VirtualNetworkArgs(private=True, node_subnet_id=nodes, api_server_subnet_id=api_server)
    assert (error.value.property_path, error.value.reason) == ("endpoint_subnet_id", "is missing; private endpoints need a subnet of the network that exists")
