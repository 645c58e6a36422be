"""Grants of what bootstrap makes, named and typed in one way."""

import pulumi
from pulumi_azure_native import authorization

from delivery.azure.roles import BuiltIn
from delivery.bootstrap import condition, names


def grant(
    name: str, *, role: BuiltIn, scope: pulumi.Input[str], principal_id: pulumi.Input[str], principal_type: str, parent: pulumi.Resource, limited: bool = False
) -> None:
    """Assigns a role.

    Args:
        limited: under the condition that says which roles may be assigned in turn.
    """
    facts = pulumi.Output.all(scope, principal_id)
    authorization.RoleAssignment(
        name,
        role_assignment_name=facts.apply(lambda known: names.role_assignment(known[0], known[1], role.id)),
        role_definition_id=facts.apply(lambda known: f"/subscriptions/{known[0].split('/')[2]}/providers/Microsoft.Authorization/roleDefinitions/{role.id}"),
        principal_id=principal_id,
        principal_type=principal_type,
        scope=scope,
        condition=condition.text() if limited else None,
        condition_version=condition.VERSION if limited else None,
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True, protect=False),
    )
