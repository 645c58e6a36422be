"""Microsoft.ManagedIdentity."""

from local_azure.arm.spec import Context, NameRule, Properties, ResourceType, basics, drawn_id

_IDENTITY_ID = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}"


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
    identifier=_IDENTITY_ID,
    name_property="resourceName",
    name_rule=NameRule(pattern=r"[a-zA-Z0-9][\w-]{2,127}", words="3 to 128 letters, digits, hyphens and underscores, starting with a letter or digit"),
    immutable=frozenset({"location"}),
    compute=_identity,
    sources=("https://learn.microsoft.com/rest/api/managedidentity/user-assigned-identities/create-or-update",),
)

FEDERATED_IDENTITY_CREDENTIAL = ResourceType(
    pulumi_type="azure-native:managedidentity:FederatedIdentityCredential",
    arm_type="Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
    identifier=f"{_IDENTITY_ID}/federatedIdentityCredentials/{{federatedIdentityCredentialResourceName}}",
    name_property="federatedIdentityCredentialResourceName",
    name_rule=NameRule(pattern=r"[a-zA-Z0-9][\w-]{2,119}", words="3 to 120 letters, digits, hyphens and underscores, starting with a letter or digit"),
    compute=basics("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials", "federatedIdentityCredentialResourceName"),
    # One identity trusts an issuer's subject once.
    unique=lambda inputs: (inputs["resourceGroupName"].lower(), inputs["resourceName"].lower(), inputs["issuer"], inputs["subject"]),
    conflict_code="FederatedIdentityCredentialAlreadyExists",
    sources=("https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations",),
    unchecked="at most 20 per identity; whether the issuer answers",
)

TYPES = (USER_ASSIGNED_IDENTITY, FEDERATED_IDENTITY_CREDENTIAL)
