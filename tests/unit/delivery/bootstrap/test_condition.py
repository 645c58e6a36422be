"""The condition's text, read by a parser of Azure's language and asked about every role."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.role_grants import Role
from delivery.azure.roles import ASSIGNED_BY_STACKS, BuiltIn
from delivery.bootstrap import condition
from tests.unit.delivery.bootstrap.condition_language import NotTheLanguageError, Request, allowed, parse

_KIND = "Microsoft.Authorization/roleAssignments"
_SOURCES = {"write": "Request", "delete": "Resource"}
_OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
_USER_ACCESS_ADMINISTRATOR = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
_REFUSED = [role.id for role in BuiltIn if role not in ASSIGNED_BY_STACKS] + [_OWNER, _USER_ACCESS_ADMINISTRATOR]


def asked(verb: str, role: str, principal_type: str) -> bool:
    source = _SOURCES[verb]
    attributes = {(source, f"{_KIND}:RoleDefinitionId"): role, (source, f"{_KIND}:PrincipalType"): principal_type}
    return allowed(condition.text(), Request(f"{_KIND}/{verb}", attributes))


@pytest.mark.parametrize("verb", _SOURCES)
@pytest.mark.parametrize("principal_type", ["ServicePrincipal", "Group", "group"])
@pytest.mark.parametrize("role", [role.id for role in ASSIGNED_BY_STACKS])
def test_every_role_of_a_stack_may_be_assigned_and_removed(role: str, principal_type: str, verb: str):
    assert asked(verb, role, principal_type)


@pytest.mark.parametrize("verb", _SOURCES)
@pytest.mark.parametrize("role", _REFUSED)
def test_no_role_that_could_give_rights_may(role: str, verb: str):
    assert not asked(verb, role, "ServicePrincipal")


@pytest.mark.parametrize("verb", _SOURCES)
@pytest.mark.parametrize("principal_type", ["User", "ForeignGroup", "Device", ""])
def test_nobody_but_identities_and_groups(principal_type: str, verb: str):
    assert not asked(verb, BuiltIn.ACR_PULL.id, principal_type)


@given(role=st.uuids())
def test_no_other_role_at_all(role: UUID):
    assert asked("write", str(role), "ServicePrincipal") == (str(role) in {known.id for known in ASSIGNED_BY_STACKS})


def test_attributes_of_the_other_source_do_not_count():
    attributes = {("Resource", f"{_KIND}:RoleDefinitionId"): BuiltIn.ACR_PULL.id, ("Resource", f"{_KIND}:PrincipalType"): "ServicePrincipal"}
    assert not allowed(condition.text(), Request(f"{_KIND}/write", attributes))


def test_other_actions_of_the_role_are_not_touched():
    assert allowed(condition.text(), Request(f"{_KIND}/read", {}))


def test_what_the_components_assign_may_be_assigned_and_nothing_that_assigns_roles():
    may = {role.id for role in ASSIGNED_BY_STACKS}
    assert {role.value for role in Role} <= may, (
        "components/role_grants.py assigns a role that the deploying identity may not; add it to delivery/azure/roles.py"
    )
    assert may.isdisjoint({_OWNER, _USER_ACCESS_ADMINISTRATOR, BuiltIn.RBAC_ADMINISTRATOR.id, BuiltIn.CONTRIBUTOR.id, BuiltIn.LOCKS_CONTRIBUTOR.id})


def test_azure_takes_a_condition_of_this_size():
    assert len(condition.text().encode()) < 8 * 1024
    assert condition.VERSION == "2.0"


@pytest.mark.parametrize(
    "text",
    [
        "(ActionMatches{'a'} AND ActionMatches{'b'} OR ActionMatches{'c'})",
        "(ActionMatches{'a'}",
        "@Request[x:Y] ForAnyOfAnyValues:GuidEquals {'no-guid'}",
        "@Request[x:Y] GuidEquals {}",
        "",
    ],
)
def test_the_parser_refuses_what_azure_would(text: str):
    with pytest.raises(NotTheLanguageError):
        parse(text)
