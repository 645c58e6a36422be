import re
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from components import naming
from settings.schema import AccountName, RegistryName

_TEXTS = st.text(max_size=80)
_ID = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"


@given(_TEXTS, _TEXTS)
@settings(deadline=None)
def test_a_storage_account_name_is_always_within_azures_limits(prefix: str, unique: str):
    name = naming.storage_account(prefix, unique)
    assert re.fullmatch(r"[a-z0-9]{3,24}", name)
    assert TypeAdapter(AccountName).validate_python(name) == name
    assert naming.storage_account(prefix, unique) == name


@given(_TEXTS, _TEXTS)
@settings(deadline=None)
def test_a_registry_name_is_always_within_azures_limits(prefix: str, unique: str):
    name = naming.registry(prefix, unique)
    assert re.fullmatch(r"[a-z0-9]{5,50}", name)
    assert TypeAdapter(RegistryName).validate_python(name) == name
    assert naming.registry(prefix, unique) == name


@given(_TEXTS, _TEXTS, _TEXTS)
@settings(deadline=None)
def test_whoever_differs_gets_another_name(prefix: str, one: str, other: str):
    assume(one != other)
    assert naming.storage_account(prefix, one) != naming.storage_account(prefix, other)
    assert naming.registry(prefix, one) != naming.registry(prefix, other)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", max_size=80), _TEXTS)
@settings(deadline=None)
def test_a_name_starts_with_as_much_of_the_prefix_as_fits(prefix: str, unique: str):
    assert naming.storage_account(prefix, unique)[:-13] == prefix[:11]
    assert naming.registry(prefix, unique)[:-13] == prefix[:37]


@pytest.mark.parametrize("name", [naming.storage_account, naming.registry])
def test_derived_names_never_change(name: Callable[[str, str], str]):
    # Another name is another account: a change here would replace every stack's storage and registry.
    assert name("converge", "11111111-2222-3333-4444-555555555555/converge/dev") == "convergew35erbbg5yynb"


@pytest.mark.parametrize(("prefix", "kept"), [("Converge-Models_2", "convergemod"), ("été", "t"), ("---", ""), ("İx", "ix")])
def test_what_azure_does_not_allow_in_a_name_is_left_out(prefix: str, kept: str):
    assert naming.storage_account(prefix, "unique")[:-13] == kept


@given(_TEXTS, _TEXTS, _TEXTS)
@settings(deadline=None)
def test_a_grant_is_named_by_a_guid_that_its_three_facts_decide(scope: str, principal: str, role: str):
    name = naming.role_assignment(scope, principal, role)
    assert str(UUID(name)) == name
    assert naming.role_assignment(scope, principal, role) == name
    assert len({name, naming.role_assignment(f"{scope}x", principal, role), naming.role_assignment(scope, f"{principal}x", role)}) == 3


def test_a_grants_name_differs_by_role_too_and_never_by_case():
    name = naming.role_assignment(_ID, "p", "r")
    assert name == "aa2dbc0f-03bc-54a0-bc5a-8a7960d3f852"
    assert naming.role_assignment(_ID, "p", "s") != name
    assert naming.role_assignment(_ID.upper(), "P", "R") == name


@given(st.lists(_TEXTS, max_size=4), st.lists(_TEXTS, max_size=4))
@settings(deadline=None)
def test_a_tag_stands_for_its_content_and_for_nothing_else(one: list[str], other: list[str]):
    tag = naming.image_tag(*one)
    assert re.fullmatch(r"[0-9a-f]{20}", tag)
    assert (naming.image_tag(*other) == tag) == (one == other)


def test_a_tag_keeps_parts_apart():
    assert len({naming.image_tag("ab", "c"), naming.image_tag("a", "bc"), naming.image_tag("abc"), naming.image_tag("abc", ""), naming.image_tag("1:a")}) == 5
