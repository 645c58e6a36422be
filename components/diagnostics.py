"""What a resource says about itself: its logs, sent to the workspace where the team reads them."""

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import monitor


def diagnostics(
    name: str,
    *,
    resource: pulumi.Input[str],
    workspace: pulumi.Input[str],
    categories: Sequence[str] = (),
    category_groups: Sequence[str] = (),
    metrics: bool = False,
    resource_specific: bool = False,
    parent: pulumi.Resource,
) -> monitor.DiagnosticSetting:
    """Sends a resource's logs to a Log Analytics workspace.

    Args:
        name: logical name; Azure's name gets a random end, so that two stacks can each watch an adopted resource.
        resource: Azure resource id of what is watched. The blob service of a storage account has an id of its own: `<account id>/blobServices/default`.
        workspace: Azure resource id of the Log Analytics workspace.
        categories: log categories by name.
        category_groups: `audit` or `allLogs`, instead of categories.
        metrics: also copies the platform metrics into the workspace. Azure keeps them for 93 days without it, and for nothing.
        resource_specific: writes each category into a table of its own. Only for a resource type that lets one choose, which AKS does: others answer
            without the choice, and every refresh would show a change.
        parent: the component that owns the resource.
    """
    if categories and category_groups:
        raise pulumi.InputPropertyError("categories", f"are {list(categories)} beside category_groups {list(category_groups)}; Azure takes one or the other")
    if not (categories or category_groups or metrics):
        raise pulumi.InputPropertyError("categories", "are empty, and so are category_groups and metrics; Azure refuses a setting that sends nothing")
    logs = [monitor.DiagnosticsLogSettingsArgs(category=category, enabled=True) for category in categories]
    logs += [monitor.DiagnosticsLogSettingsArgs(category_group=group, enabled=True) for group in category_groups]
    return monitor.DiagnosticSetting(
        name,
        resource_uri=resource,
        workspace_id=workspace,
        logs=logs,
        metrics=[monitor.DiagnosticsMetricSettingsArgs(category="AllMetrics", enabled=True)] if metrics else None,
        log_analytics_destination_type="Dedicated" if resource_specific else None,
        # It holds no data: protecting it would only make it impossible to change what is watched.
        opts=pulumi.ResourceOptions(parent=parent, protect=False),
    )
