"""The network that everything private lies in: subnets, the way out, and the names of what is reached privately."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_azure_native import network, privatedns

from components import azure_ids
from components.address_plan import AddressPlan
from components.private_access import PrivateAccess
from components.resource_group import group_name

BLOB_ZONE = "privatelink.blob.core.windows.net"
REGISTRY_ZONE = "privatelink.azurecr.io"
"""Azure's own names; any other would leave the public address in force (learn.microsoft.com/azure/private-link/private-endpoint-dns)."""
_NAT_GATEWAY = "natGateway"


@dataclass(frozen=True, kw_only=True)
class VirtualNetworkArgs:
    """What a network needs to know. Everything is plain, because it decides which resources exist."""

    address_space: str = "10.100.0.0/16"
    """A private range from /8 to /24."""
    outbound: str = "loadBalancer"
    """`loadBalancer`, which AKS brings; `natGateway`, made here; or `userDefinedRouting`, through a route table that an existing subnet has."""
    private: bool = False
    """Are storage and registry reached through endpoints in the network only?"""
    open_to_internet: bool = False
    """May anybody reach port 443 of the nodes' subnet, where a public ingress gateway answers?"""
    resource_group_id: str = ""
    """A resource group that exists already."""
    node_subnet_id: str = ""
    """A subnet that exists already; then the next two do, too."""
    api_server_subnet_id: str = ""
    """Delegated to Microsoft.ContainerService/managedClusters."""
    endpoint_subnet_id: str = ""
    """For private endpoints."""
    blob_zone_id: str = ""
    """Zone privatelink.blob.core.windows.net that exists already."""
    registry_zone_id: str = ""
    """Zone privatelink.azurecr.io that exists already."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of every resource."""

    def __post_init__(self) -> None:
        if self.private and self.node_subnet_id and not self.endpoint_subnet_id:
            raise pulumi.InputPropertyError("endpoint_subnet_id", "is missing; private endpoints need a subnet of the network that exists")

    @property
    def exists(self) -> bool:
        """Is there a network already?"""
        return bool(self.node_subnet_id)


class VirtualNetwork(pulumi.ComponentResource):
    """Subnets for nodes, API server and private endpoints, made or adopted."""

    node_subnet_id: pulumi.Output[str]
    """Azure resource id."""
    api_server_subnet_id: pulumi.Output[str]
    """Azure resource id; the subnet is delegated to AKS."""
    blob_access: PrivateAccess | None
    """How a storage account is reached privately. None: publicly."""
    registry_access: PrivateAccess | None
    """The same for a registry."""

    def __init__(self, name: str, args: VirtualNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:index:VirtualNetwork", name, None, opts)
        needs_group = not args.exists or (args.private and not (args.blob_zone_id and args.registry_zone_id))
        group = group_name(f"{name}-group", existing=args.resource_group_id, tags=args.tags, parent=self) if needs_group else pulumi.Output.from_input("")
        made = None if args.exists else _network(name, args, group, self)
        self.node_subnet_id = _subnet(made, "nodes", args.node_subnet_id)
        self.api_server_subnet_id = _subnet(made, "api-server", args.api_server_subnet_id)
        network_id = made.id if made else pulumi.Output.from_input(azure_ids.parent(args.node_subnet_id))
        endpoints = _subnet(made, "private-endpoints", args.endpoint_subnet_id)

        def access(zone: str, existing: str) -> PrivateAccess | None:
            if not args.private:
                return None
            zone_id = pulumi.Output.from_input(existing) if existing else _zone(name, zone, group, network_id, args.tags, self)
            return PrivateAccess(subnet_id=endpoints, zone_id=zone_id)

        self.blob_access = access(BLOB_ZONE, args.blob_zone_id)
        self.registry_access = access(REGISTRY_ZONE, args.registry_zone_id)
        self.register_outputs({"node_subnet_id": self.node_subnet_id, "api_server_subnet_id": self.api_server_subnet_id})


def _subnet(made: network.VirtualNetwork | None, name: str, existing: str) -> pulumi.Output[str]:
    return pulumi.Output.concat(made.id, "/subnets/", name) if made else pulumi.Output.from_input(existing)


def _network(name: str, args: VirtualNetworkArgs, group: pulumi.Output[str], parent: pulumi.Resource) -> network.VirtualNetwork:
    plan = AddressPlan.of(args.address_space)
    rules = _security_group(name, args, group, parent)
    way_out = _nat_gateway(name, args, group, parent).id if args.outbound == _NAT_GATEWAY else None

    def subnet(part: str, addresses: str, **more: Any) -> network.SubnetArgs:
        # Without it every machine in a subnet has a way out that nobody chose (learn.microsoft.com/azure/virtual-network/ip-services/default-outbound-access).
        return network.SubnetArgs(
            name=part, address_prefix=addresses, default_outbound_access=False, network_security_group=network.NetworkSecurityGroupArgs(id=rules.id), **more
        )

    delegation = network.DelegationArgs(name="aks", service_name="Microsoft.ContainerService/managedClusters")
    return network.VirtualNetwork(
        f"{name}-network",
        resource_group_name=group,
        address_space=network.AddressSpaceArgs(address_prefixes=[args.address_space]),
        # Inline: subnets made one by one would be refused while another one of the network is being made.
        subnets=[
            subnet("nodes", plan.nodes, nat_gateway=network.SubResourceArgs(id=way_out) if way_out else None),
            subnet("private-endpoints", plan.endpoints, private_endpoint_network_policies=network.VirtualNetworkPrivateEndpointNetworkPolicies.ENABLED),
            subnet("api-server", plan.api_server, delegations=[delegation]),
        ],
        tags=args.tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _security_group(name: str, args: VirtualNetworkArgs, group: pulumi.Output[str], parent: pulumi.Resource) -> network.NetworkSecurityGroup:
    """Azure's default rules let in what is in the network and the load balancer's probes, and nobody else."""
    public_https = network.SecurityRuleArgs(
        name="AllowHttpsFromInternet",
        priority=100,
        direction=network.SecurityRuleDirection.INBOUND,
        access=network.SecurityRuleAccess.ALLOW,
        protocol=network.SecurityRuleProtocol.TCP,
        source_address_prefix="Internet",
        source_port_range="*",
        destination_address_prefix="*",
        destination_port_range="443",
    )
    return network.NetworkSecurityGroup(
        f"{name}-rules",
        resource_group_name=group,
        security_rules=[public_https] if args.open_to_internet else [],
        tags=args.tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _nat_gateway(name: str, args: VirtualNetworkArgs, group: pulumi.Output[str], parent: pulumi.Resource) -> network.NatGateway:
    child = pulumi.ResourceOptions(parent=parent)
    address = network.PublicIPAddress(
        f"{name}-outbound",
        resource_group_name=group,
        sku=network.PublicIPAddressSkuArgs(name=network.PublicIPAddressSkuName.STANDARD),
        public_ip_allocation_method=network.IPAllocationMethod.STATIC,
        tags=args.tags,
        opts=child,
    )
    return network.NatGateway(
        f"{name}-way-out",
        resource_group_name=group,
        sku=network.NatGatewaySkuArgs(name=network.NatGatewaySkuName.STANDARD),
        public_ip_addresses=[network.SubResourceArgs(id=address.id)],
        tags=args.tags,
        opts=child,
    )


def _zone(
    name: str, zone: str, group: pulumi.Output[str], network_id: pulumi.Output[str], tags: Mapping[str, str], parent: pulumi.Resource
) -> pulumi.Output[str]:
    """Id of a new zone, known once the network asks it."""
    short = zone.split(".")[1]
    made = privatedns.PrivateZone(
        f"{name}-{short}-zone", private_zone_name=zone, resource_group_name=group, location="Global", tags=tags, opts=pulumi.ResourceOptions(parent=parent)
    )
    link = privatedns.VirtualNetworkLink(
        f"{name}-{short}-link",
        private_zone_name=made.name,
        resource_group_name=group,
        location="Global",
        registration_enabled=False,
        virtual_network=privatedns.SubResourceArgs(id=network_id),
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return pulumi.Output.all(made.id, link.id).apply(lambda ids: ids[0])
