"""Microsoft.Resources."""

from local_azure.arm.spec import NameRule, ResourceType, basics

RESOURCE_GROUP = ResourceType(
    pulumi_type="azure-native:resources:ResourceGroup",
    arm_type="Microsoft.Resources/resourceGroups",
    identifier="/subscriptions/{subscription}/resourceGroups/{resourceGroupName}",
    name_property="resourceGroupName",
    name_rule=NameRule(
        pattern=r"(?u:[\w.()-]{0,89}[\w()-])", words="1 to 90 letters, digits, underscores, parentheses, hyphens and periods, not ending with a period"
    ),
    immutable=frozenset({"location", "managedBy"}),
    compute=basics("Microsoft.Resources/resourceGroups", "resourceGroupName", properties={"provisioningState": "Succeeded"}),
    sources=("https://learn.microsoft.com/rest/api/resources/resource-groups/create-or-update",),
)

TYPES = (RESOURCE_GROUP,)
