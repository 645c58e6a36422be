"""Microsoft.ManagedIdentity."""

from local_azure.arm.spec import Context, NameRule, Properties, ResourceType, drawn_id


def _identity(context: Context, identifier: str, inputs: Properties) -> Properties:
    return {
        "name": inputs["resourceName"],
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
        "principalId": drawn_id(identifier, "principal"),
        "clientId": drawn_id(identifier, "client"),
        "tenantId": context.tenant_id,
    }


USER_ASSIGNED_IDENTITY = ResourceType(
    pulumi_type="azure-native:managedidentity:UserAssignedIdentity",
    arm_type="Microsoft.ManagedIdentity/userAssignedIdentities",
    identifier="/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}",
    name_property="resourceName",
    name_rule=NameRule(pattern=r"[a-zA-Z0-9][\w-]{2,127}", words="3 to 128 letters, digits, hyphens and underscores, starting with a letter or digit"),
    properties=frozenset({"isolationScope", "location", "resourceGroupName", "resourceName", "tags"}),
    required=frozenset({"resourceGroupName"}),
    immutable=frozenset({"location"}),
    outputs=("azureApiVersion", "clientId", "name", "principalId", "tenantId", "type"),
    compute=_identity,
)

TYPES = (USER_ASSIGNED_IDENTITY,)
