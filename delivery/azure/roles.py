"""Azure's built-in roles that delivery names, and which of them a stack assigns."""

from enum import Enum


class BuiltIn(Enum):
    """A role by its name in Azure and the GUID of its definition."""

    READER = ("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7")
    CONTRIBUTOR = ("Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c")
    RBAC_ADMINISTRATOR = ("Role Based Access Control Administrator", "f58310d9-a9f6-439a-9e8d-f62e7b41a168")
    LOCKS_CONTRIBUTOR = ("Locks Contributor", "28bf596f-4eb7-45ce-b5bc-6cf482fec137")
    KEY_VAULT_CRYPTO_USER = ("Key Vault Crypto User", "12338af0-0e69-4776-bea7-57ae8d297424")
    AKS_RBAC_READER = ("Azure Kubernetes Service RBAC Reader", "7f6c6a51-bcf8-42ba-9220-52d62157d7db")
    AKS_RBAC_WRITER = ("Azure Kubernetes Service RBAC Writer", "a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb")
    AKS_RBAC_CLUSTER_ADMIN = ("Azure Kubernetes Service RBAC Cluster Admin", "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b")
    AKS_CLUSTER_USER = ("Azure Kubernetes Service Cluster User Role", "4abbcc35-e782-43d8-92c5-2d3f1bd2253f")
    ACR_PULL = ("AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d")
    ACR_PUSH = ("AcrPush", "8311e382-0749-4cb8-b61a-304f252e45ec")
    REPOSITORY_READER = ("Container Registry Repository Reader", "b93aa761-3e63-49ed-ac28-beffa264f7ac")
    REPOSITORY_WRITER = ("Container Registry Repository Writer", "2a1e307c-b015-4ebd-883e-5b7698a07328")
    BLOB_DELEGATOR = ("Storage Blob Delegator", "db58b8e5-c6ad-4a2a-8342-4190687cbf4a")
    BLOB_DATA_READER = ("Storage Blob Data Reader", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1")
    BLOB_DATA_CONTRIBUTOR = ("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe")
    NETWORK_CONTRIBUTOR = ("Network Contributor", "4d97b98b-1d4f-4787-a291-c67834d212e7")
    KEY_VAULT_SECRETS_USER = ("Key Vault Secrets User", "4633458b-17de-408a-b874-0445c86b69e6")
    MANAGED_IDENTITY_OPERATOR = ("Managed Identity Operator", "f1a07417-d97a-45cb-824c-7a7467783830")

    @property
    def title(self) -> str:
        """What Azure calls it."""
        return self.value[0]

    @property
    def id(self) -> str:
        """GUID of the definition, the same in every tenant."""
        return self.value[1]


ASSIGNED_BY_STACKS = (
    BuiltIn.ACR_PULL,
    BuiltIn.ACR_PUSH,
    BuiltIn.REPOSITORY_READER,
    BuiltIn.REPOSITORY_WRITER,
    BuiltIn.BLOB_DELEGATOR,
    BuiltIn.BLOB_DATA_READER,
    BuiltIn.BLOB_DATA_CONTRIBUTOR,
    BuiltIn.AKS_CLUSTER_USER,
    BuiltIn.AKS_RBAC_WRITER,
    BuiltIn.AKS_RBAC_CLUSTER_ADMIN,
    BuiltIn.NETWORK_CONTRIBUTOR,
    BuiltIn.MANAGED_IDENTITY_OPERATOR,
    BuiltIn.KEY_VAULT_SECRETS_USER,
)
"""The roles that a stack's components assign, and so all that who deploys may assign. None of them lets its holder assign roles.
A test compares this with components/role_grants.py, which this room may not import."""
