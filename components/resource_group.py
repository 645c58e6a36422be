"""The resource group that a component's resources lie in."""

from collections.abc import Mapping

import pulumi
from pulumi_azure_native import resources

from components import azure_ids


def group_name(name: str, *, existing: str, tags: Mapping[str, str], parent: pulumi.Resource) -> pulumi.Output[str]:
    """Name of a new resource group, or of the one that exists already.

    Args:
        name: Pulumi's name of the group, when one is made.
        existing: Azure resource id, or nothing. Plain, because it decides whether a group is made.
        tags: of the new group.
        parent: the component.
    """
    if existing:
        return pulumi.Output.from_input(azure_ids.resource_group(existing))
    return resources.ResourceGroup(name, tags=tags, opts=pulumi.ResourceOptions(parent=parent)).name
