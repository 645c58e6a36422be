import pulumi
import pytest

from components import naming
from components.role_grants import Principal, Role, after, grant
from tests.unit.components.recording import GRANT, SUBSCRIPTION, UNKNOWN, Recording, consume, record

_SCOPE = f"{SUBSCRIPTION}/resourceGroups/group/providers/Microsoft.Storage/storageAccounts/account"


class _Parent(pulumi.ComponentResource):
    def __init__(self, *, protect: bool | None = None) -> None:
        super().__init__("converge:index:Parent", "parent", None, pulumi.ResourceOptions(protect=protect))


def _granted(scope: str = _SCOPE, principal: Principal | None = None, *, preview: bool = False, protect: bool | None = None) -> Recording:
    def program() -> None:
        who = principal or Principal(id="somebody", type="Group")
        made = grant("right", role=Role.ACR_PULL, scope=scope, principal=who, parent=_Parent(protect=protect))
        consume(value=after("hello", made), known=after(pulumi.Output.from_input("world")))

    return record(program, preview=preview)


def test_the_roles_are_azures_own():
    # From "Azure built-in roles": a GUID that is wrong would give another right, or none.
    assert {role.name: role.value for role in Role} == {
        "ACR_PULL": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
        "ACR_PUSH": "8311e382-0749-4cb8-b61a-304f252e45ec",
        "STORAGE_BLOB_DELEGATOR": "db58b8e5-c6ad-4a2a-8342-4190687cbf4a",
        "STORAGE_BLOB_DATA_READER": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        "STORAGE_BLOB_DATA_CONTRIBUTOR": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "MANAGED_IDENTITY_OPERATOR": "f1a07417-d97a-45cb-824c-7a7467783830",
        "NETWORK_CONTRIBUTOR": "4d97b98b-1d4f-4787-a291-c67834d212e7",
        "AKS_RBAC_CLUSTER_ADMIN": "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b",
        "KEY_VAULT_SECRETS_USER": "4633458b-17de-408a-b874-0445c86b69e6",
    }


def test_roles_have_azures_names():
    # People look for them in Azure when one is missing.
    assert {role.name: role.title for role in Role} == {
        "ACR_PULL": "AcrPull",
        "ACR_PUSH": "AcrPush",
        "STORAGE_BLOB_DELEGATOR": "Storage Blob Delegator",
        "STORAGE_BLOB_DATA_READER": "Storage Blob Data Reader",
        "STORAGE_BLOB_DATA_CONTRIBUTOR": "Storage Blob Data Contributor",
        "MANAGED_IDENTITY_OPERATOR": "Managed Identity Operator",
        "NETWORK_CONTRIBUTOR": "Network Contributor",
        "AKS_RBAC_CLUSTER_ADMIN": "Azure Kubernetes Service RBAC Cluster Admin",
        "KEY_VAULT_SECRETS_USER": "Key Vault Secrets User",
    }


@pytest.mark.parametrize("kind", ["User", "Group", "ServicePrincipal"])
def test_a_grant_says_who_what_and_where(kind: str):
    assert _granted(principal=Principal(id="somebody", type=kind)).only(GRANT).inputs == {
        "scope": _SCOPE,
        "principalId": "somebody",
        "principalType": kind,
        "roleDefinitionId": f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{Role.ACR_PULL.value}",
        "roleAssignmentName": naming.role_assignment(_SCOPE, "somebody", Role.ACR_PULL.value),
    }


def test_without_a_kind_azure_looks_the_principal_up():
    """The SDK's own default would call a group or a pipeline a User, and Azure would refuse it."""
    assert "principalType" not in _granted(principal=Principal(id="somebody")).only(GRANT).inputs


def test_the_role_is_taken_from_the_subscription_of_the_scope():
    elsewhere = "/subscriptions/99999999-0000-0000-0000-000000000000"
    made = _granted(f"{elsewhere}/resourceGroups/group").only(GRANT).inputs["roleDefinitionId"]
    assert made == f"{elsewhere}/providers/Microsoft.Authorization/roleDefinitions/{Role.ACR_PULL.value}"


def test_a_changed_grant_comes_before_the_old_one_goes():
    # Its name is another, since scope, principal and role make it; and what a principal is never changes.
    request = _granted().only(GRANT).request
    assert request.deleteBeforeReplaceDefined
    assert not request.deleteBeforeReplace
    assert list(request.ignoreChanges) == ["principalType"]


@pytest.mark.parametrize("protect", [None, True])
def test_a_grant_is_never_protected(protect: bool | None):
    recording = _granted(protect=protect)
    assert recording.named("parent").protected is bool(protect)
    assert not recording.only(GRANT).protected
    assert recording.only(GRANT).parent == "parent"


def test_a_value_after_a_grant_waits_for_it():
    consumer = _granted().named("consumer")
    assert consumer.inputs == {"value": "hello", "known": "world"}
    assert consumer.dependencies_of("value") == {"right"}
    assert consumer.dependencies_of("known") == set()


def test_before_the_grant_exists_the_value_is_unknown():
    assert _granted(preview=True).named("consumer").inputs == {"value": UNKNOWN, "known": "world"}
