"""Microsoft.OperationalInsights."""

from local_azure.arm.spec import Context, NameRule, Properties, ResourceType, drawn_id


def _workspace(_context: Context, identifier: str, inputs: Properties) -> Properties:
    return {
        "name": inputs["workspaceName"],
        "type": "Microsoft.OperationalInsights/workspaces",
        "provisioningState": "Succeeded",
        "customerId": drawn_id(identifier, "customer"),
        "createdDate": "2026-01-01T00:00:00.0000000Z",
        "modifiedDate": "2026-01-01T00:00:00.0000000Z",
    }


WORKSPACE = ResourceType(
    pulumi_type="azure-native:operationalinsights:Workspace",
    arm_type="Microsoft.OperationalInsights/workspaces",
    identifier="/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.OperationalInsights/workspaces/{workspaceName}",
    name_property="workspaceName",
    name_rule=NameRule(pattern=r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]", words="4 to 63 letters, digits and hyphens, not at either end"),
    immutable=frozenset({"location"}),
    compute=_workspace,
    unchecked="retention that a SKU allows",
    sources=("https://learn.microsoft.com/rest/api/loganalytics/workspaces/create-or-update",),
)

TYPES = (WORKSPACE,)
