"""Microsoft.Authorization."""

from local_azure.arm.spec import NameRule, ResourceType, basics

ROLE_ASSIGNMENT = ResourceType(
    pulumi_type="azure-native:authorization:RoleAssignment",
    arm_type="Microsoft.Authorization/roleAssignments",
    identifier="{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
    name_property="roleAssignmentName",
    name_rule=NameRule(pattern=r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", words="a GUID"),
    # ARM knows no update of an assignment but of its condition and description.
    immutable=frozenset({"principalId", "principalType", "roleDefinitionId", "scope", "delegatedManagedIdentityResourceId"}),
    compute=basics("Microsoft.Authorization/roleAssignments", "roleAssignmentName", createdOn="2026-01-01T00:00:00.0000000Z"),
    unique=lambda inputs: (inputs["scope"].lower(), inputs["principalId"].lower(), inputs["roleDefinitionId"].rsplit("/", 1)[-1].lower()),
    conflict_code="RoleAssignmentExists",
    sources=("https://learn.microsoft.com/azure/role-based-access-control/troubleshooting",),
    unchecked="whether principal and role exist, and the condition's language",
)

MANAGEMENT_LOCK = ResourceType(
    pulumi_type="azure-native:authorization:ManagementLockByScope",
    arm_type="Microsoft.Authorization/locks",
    identifier="{scope}/providers/Microsoft.Authorization/locks/{lockName}",
    name_property="lockName",
    name_rule=NameRule(
        pattern=r"[\w.()-]{0,89}[\w()-]", words="1 to 90 letters, digits, periods, underscores, hyphens and parentheses, not ending with a period"
    ),
    compute=basics("Microsoft.Authorization/locks", "lockName"),
    sources=("https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources",),
)

TYPES = (ROLE_ASSIGNMENT, MANAGEMENT_LOCK)
