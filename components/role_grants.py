"""Grants: who may do what, where. One function, so that every assignment is named, typed and replaced in the same way."""

from dataclasses import dataclass
from enum import Enum

import pulumi
from pulumi_azure_native import authorization

from components import azure_ids, naming
from components.patience import AwaitedGrant


class Role(Enum):
    """Azure's built-in roles that the program assigns, by the GUID of their definition."""

    ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
    ACR_PUSH = "8311e382-0749-4cb8-b61a-304f252e45ec"
    STORAGE_BLOB_DELEGATOR = "db58b8e5-c6ad-4a2a-8342-4190687cbf4a"
    STORAGE_BLOB_DATA_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
    STORAGE_BLOB_DATA_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    MANAGED_IDENTITY_OPERATOR = "f1a07417-d97a-45cb-824c-7a7467783830"
    NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
    AKS_RBAC_CLUSTER_ADMIN = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b"
    KEY_VAULT_SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"

    @property
    def title(self) -> str:
        """Azure's own name of the role."""
        return _TITLES.get(self, self.name.replace("_", " ").title())


_TITLES = {
    Role.ACR_PULL: "AcrPull",
    Role.ACR_PUSH: "AcrPush",
    Role.AKS_RBAC_CLUSTER_ADMIN: "Azure Kubernetes Service RBAC Cluster Admin",
}
"""Names that are not just the words."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who gets a right."""

    id: pulumi.Input[str]
    """Object id in Entra."""
    type: str | None = None
    """`ServicePrincipal` for an identity that is being created: Azure then does not look it up, where it may not have arrived. None: Azure looks it up."""


def grant(name: str, *, role: Role, scope: pulumi.Input[str], principal: Principal, parent: pulumi.Resource) -> authorization.RoleAssignment:
    """Assigns a role.

    The name follows from scope, principal and role, because Azure refuses a second assignment of the same three under another name.
    """
    facts = pulumi.Output.all(scope, principal.id)
    return authorization.RoleAssignment(
        name,
        role_assignment_name=facts.apply(lambda known: naming.role_assignment(known[0], known[1], role.value)),
        role_definition_id=facts.apply(lambda known: _definition_id(known[0], role)),
        principal_id=principal.id,
        # The SDK would make `User` of a plain None.
        principal_type=principal.type or pulumi.Output.from_input(None),
        scope=scope,
        opts=pulumi.ResourceOptions(
            parent=parent,
            # Another principal, role or scope is another name, so the new grant can come before the old one goes. The other way round the engine would ask
            # the cluster's provider about all that depends on the grant, which fails in a preview in which the cluster changes.
            delete_before_replace=False,
            # Says only, when the grant is made, what the principal is; which it stays.
            ignore_changes=["principalType"],
            # A grant holds no data: protecting it would only make it impossible to change who deploys.
            protect=False,
        ),
    )


def awaited(role: Role, scope: pulumi.Input[str], principal: Principal, holder: str) -> AwaitedGrant:
    """The same grant as something to wait for: Azure needs minutes to let it count everywhere."""
    return AwaitedGrant(role=role.title, scope=scope, principal_id=principal.id, holder=holder)


def after(value: pulumi.Input[str], *needed: pulumi.CustomResource) -> pulumi.Output[str]:
    """The value, available only once what it takes to use it exists, grants above all: who uses it cannot come too early."""
    return pulumi.Output.all(value, *(resource.id for resource in needed)).apply(lambda known: known[0])


def _definition_id(scope: str, role: Role) -> str:
    """Built from the subscription of the scope itself, never from another."""
    return f"/subscriptions/{azure_ids.subscription(scope)}/providers/Microsoft.Authorization/roleDefinitions/{role.value}"
