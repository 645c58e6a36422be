"""Reaching an Azure service through an address in the network instead of its public one."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network


@dataclass(frozen=True, kw_only=True)
class PrivateAccess:
    """Where a private endpoint goes, and which zone gives its address."""

    subnet_id: pulumi.Input[str]
    zone_id: pulumi.Input[str]


def private_endpoint(
    name: str,
    access: PrivateAccess,
    *,
    target: pulumi.Input[str],
    part: str,
    group: pulumi.Input[str],
    tags: Mapping[str, str],
    parent: pulumi.Resource,
) -> network.PrivateDnsZoneGroup:
    """An endpoint for one part of a service (`blob`, `registry`); once the result is there, the service's own name leads to it."""
    endpoint = network.PrivateEndpoint(
        f"{name}-endpoint",
        resource_group_name=group,
        # Not SubnetArgs: the SDK would add policies of a subnet to what only names one.
        subnet={"id": access.subnet_id},
        private_link_service_connections=[network.PrivateLinkServiceConnectionArgs(name=part, private_link_service_id=target, group_ids=[part])],
        tags=tags,
        # Holds no data, so it may be replaced even where data is protected. Azure takes the names away once the zone has them, which is no change of ours.
        opts=pulumi.ResourceOptions(parent=parent, protect=False, ignore_changes=["customDnsConfigs"]),
    )
    return network.PrivateDnsZoneGroup(
        f"{name}-names",
        private_dns_zone_group_name="default",
        private_endpoint_name=endpoint.name,
        resource_group_name=group,
        private_dns_zone_configs=[network.PrivateDnsZoneConfigArgs(name=part, private_dns_zone_id=access.zone_id)],
        opts=pulumi.ResourceOptions(parent=parent, protect=False),
    )
