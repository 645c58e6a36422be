"""Which actions a set of roles gives."""

import fnmatch
import re

from hypothesis import given
from hypothesis import strategies as st

from delivery.azure.permissions import Permission, allows, at, matches
from tests.unit.delivery.fake_azure import FakeAzure

CONTRIBUTOR = Permission(
    actions=("*",), not_actions=("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action")
)
READER = Permission(actions=("*/read",))
RBAC_ADMINISTRATOR = Permission(actions=("Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete", "*/read"))
BLOB_READER = Permission(
    actions=(
        "Microsoft.Storage/storageAccounts/blobServices/containers/read",
        "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
    ),
    data_actions=("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",),
)
_part = st.text("abcXYZ.", min_size=1, max_size=5)
_action = st.lists(_part, min_size=1, max_size=4).map("/".join)


def test_contributor_may_write_but_neither_grants_nor_locks():
    assert allows([CONTRIBUTOR], "Microsoft.Storage/storageAccounts/write")
    assert not allows([CONTRIBUTOR], "Microsoft.Authorization/roleAssignments/write")
    assert not allows([CONTRIBUTOR], "microsoft.authorization/LOCKS/write")
    assert allows([CONTRIBUTOR], "Microsoft.Authorization/locks/read")


def test_an_exclusion_takes_from_its_own_role_only():
    assert allows([CONTRIBUTOR, RBAC_ADMINISTRATOR], "Microsoft.Authorization/roleAssignments/write")
    assert not allows([CONTRIBUTOR, RBAC_ADMINISTRATOR], "Microsoft.Authorization/locks/write")


def test_actions_are_no_data_actions():
    assert not allows([CONTRIBUTOR], "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", data=True)
    assert allows([BLOB_READER], "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", data=True)
    assert not allows([BLOB_READER], "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read")
    excluded = Permission(data_actions=("*",), not_data_actions=("Microsoft.ContainerService/managedClusters/resourcequotas/write",))
    assert allows([excluded], "Microsoft.ContainerService/managedClusters/namespaces/write", data=True)
    assert not allows([excluded], "Microsoft.ContainerService/managedClusters/resourcequotas/write", data=True)


def test_nobody_may_do_anything():
    assert not allows([], "Microsoft.Storage/storageAccounts/read")
    assert not allows([Permission()], "Microsoft.Storage/storageAccounts/read")


@given(action=_action)
def test_a_name_matches_itself_whatever_its_case(action: str):
    assert matches(action, action.swapcase())
    assert matches("*", action)


@given(action=_action, data=st.data())
def test_a_star_stands_for_any_piece_slashes_included(action: str, data: st.DataObject):
    start = data.draw(st.integers(0, len(action)))
    end = data.draw(st.integers(start, len(action)))
    assert matches(f"{action[:start]}*{action[end:]}", action)


@given(pattern=st.text("aB./*", max_size=12), action=_action)
def test_as_the_shells_matcher_does(pattern: str, action: str):
    """Shell patterns of only stars mean the same; the library is somebody else's and was not asked for the implementation."""
    assert matches(pattern, action) == bool(re.match(fnmatch.translate(pattern.lower()), action.lower()))


@given(action=_action, more=_part)
def test_no_star_no_more_and_no_less(action: str, more: str):
    assert not matches(action, action + more)
    assert not matches(action + more, action)


def test_a_dot_is_a_dot():
    assert not matches("Microsoft.Storage/*", "MicrosoftXStorage/storageAccounts/read")


def test_azures_answer_is_read_with_what_it_leaves_out():
    azure = FakeAzure()
    azure.set("/subscriptions/x/providers/Microsoft.Authorization/permissions", {"value": [{"actions": ["*/read"], "notActions": []}, {"dataActions": None}]})
    assert at(azure.arm, "/subscriptions/x") == [READER, Permission()]
