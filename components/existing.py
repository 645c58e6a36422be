"""Asking Azure about what exists already."""

import pulumi
import pulumi_azure_native as azure

from components import azure_ids


def asking_about(name: str, resource_id: str, parent: pulumi.Resource) -> pulumi.InvokeOutputOptions:
    """Options for functions that take a resource's group and name: they ask in its own subscription, which need not be the stack's."""
    provider = azure.Provider(
        f"{name}-existing", subscription_id=azure_ids.subscription(resource_id), opts=pulumi.ResourceOptions(parent=parent, protect=False)
    )
    return pulumi.InvokeOutputOptions(parent=parent, provider=provider)
