"""Microsoft.Resources."""

from local_azure.arm.spec import Context, NameRule, Properties, ResourceType


def _group(_context: Context, _identifier: str, inputs: Properties) -> Properties:
    return {"name": inputs["resourceGroupName"], "type": "Microsoft.Resources/resourceGroups", "properties": {"provisioningState": "Succeeded"}}


RESOURCE_GROUP = ResourceType(
    pulumi_type="azure-native:resources:ResourceGroup",
    arm_type="Microsoft.Resources/resourceGroups",
    identifier="/subscriptions/{subscription}/resourceGroups/{resourceGroupName}",
    name_property="resourceGroupName",
    name_rule=NameRule(
        pattern=r"[\w.()-]{0,89}[\w()-]", words="1 to 90 letters, digits, underscores, parentheses, hyphens and periods, not ending with a period"
    ),
    properties=frozenset({"location", "managedBy", "resourceGroupName", "tags"}),
    required=frozenset({"location"}),
    immutable=frozenset({"location", "managedBy"}),
    outputs=("azureApiVersion", "name", "properties", "type"),
    compute=_group,
)

TYPES = (RESOURCE_GROUP,)
