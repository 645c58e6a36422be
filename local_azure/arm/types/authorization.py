"""Microsoft.Authorization."""

from local_azure.arm.spec import Context, NameRule, Properties, ResourceType, chosen


def _assignment(_context: Context, _identifier: str, inputs: Properties) -> Properties:
    return {"name": inputs["roleAssignmentName"], "type": "Microsoft.Authorization/roleAssignments", "createdOn": "2026-01-01T00:00:00.0000000Z"}


ROLE_ASSIGNMENT = ResourceType(
    pulumi_type="azure-native:authorization:RoleAssignment",
    arm_type="Microsoft.Authorization/roleAssignments",
    identifier="{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
    name_property="roleAssignmentName",
    name_rule=NameRule(pattern=r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", words="a GUID"),
    properties=frozenset(
        [
            "condition",
            "conditionVersion",
            "delegatedManagedIdentityResourceId",
            "description",
            "principalId",
            "principalType",
            "roleAssignmentName",
            "roleDefinitionId",
            "scope",
        ]
    ),
    required=frozenset({"principalId", "roleDefinitionId", "scope"}),
    choices={"principalType": chosen("User", "Group", "ServicePrincipal", "ForeignGroup", "Device")},
    # ARM knows no update of an assignment but of its condition and description.
    immutable=frozenset({"principalId", "principalType", "roleDefinitionId", "scope", "delegatedManagedIdentityResourceId"}),
    outputs=("azureApiVersion", "createdOn", "name", "type"),
    compute=_assignment,
    unique=lambda inputs: (inputs["scope"].lower(), inputs["principalId"].lower(), inputs["roleDefinitionId"].rsplit("/", 1)[-1].lower()),
    conflict_code="RoleAssignmentExists",
)

TYPES = (ROLE_ASSIGNMENT,)
