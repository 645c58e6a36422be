"""Who a pipeline is in Azure: an identity without any secret, and what it may do."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import managedidentity

from delivery.azure.roles import BuiltIn
from delivery.bootstrap.grants import grant
from delivery.bootstrap.wanted import AUDIENCE, FederatedCredential


@dataclass(frozen=True, kw_only=True)
class Right:
    """A role at a scope."""

    name: str
    """Last part of the resource's name."""
    role: BuiltIn
    scope: pulumi.Input[str]
    """Azure resource id."""
    limited: bool = False
    """Only under the condition that says which roles may be assigned in turn."""


@dataclass(frozen=True, kw_only=True)
class DeliveryIdentityArgs:
    """What a delivery identity needs to know."""

    identity_name: str
    """3 to 128 letters, digits and hyphens."""
    group_name: pulumi.Input[str]
    """Resource group."""
    location: str
    """Region."""
    credentials: Sequence[FederatedCredential]
    """Whose tokens are taken. Plain, because they decide which resources exist."""
    rights: Sequence[Right]
    """What it may do."""


class DeliveryIdentity(pulumi.ComponentResource):
    """A user-assigned identity that a pipeline becomes by its own token."""

    client_id: pulumi.Output[str]
    """What the pipeline logs in as."""
    principal_id: pulumi.Output[str]
    """Object id in Entra: what a group has as member."""

    def __init__(self, name: str, args: DeliveryIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:bootstrap:DeliveryIdentity", name, None, opts)
        identity = managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_name_=args.identity_name,
            resource_group_name=args.group_name,
            location=args.location,
            opts=pulumi.ResourceOptions(parent=self),
        )
        before: list[pulumi.Resource] = []
        for credential in args.credentials:
            made = managedidentity.FederatedIdentityCredential(
                f"{name}-{credential.name}",
                federated_identity_credential_resource_name=credential.name,
                resource_name_=identity.name,
                resource_group_name=args.group_name,
                issuer=credential.issuer,
                subject=credential.subject,
                audiences=[AUDIENCE],
                # Azure refuses two writes at once below one identity (409 ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity).
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(before)),
            )
            before = [made]
        for right in args.rights:
            grant(
                f"{name}-{right.name}",
                role=right.role,
                scope=right.scope,
                principal_id=identity.principal_id,
                principal_type="ServicePrincipal",
                parent=self,
                limited=right.limited,
            )
        self.client_id = identity.client_id
        self.principal_id = identity.principal_id
        self.register_outputs({"client_id": self.client_id, "principal_id": self.principal_id})
