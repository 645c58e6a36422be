"""Leaves that differ."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from local_azure.differences import ABSENT, Difference, differences, lies_in

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
TREES = st.dictionaries(
    st.text(max_size=4),
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=8),
    max_size=4,
)


def found(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    return [(one.path, one.before, one.after) for one in differences(before, after)]


def test_paths_lead_to_the_leaves():
    before = {"a": {"b": [1, {"c": 2}], "d": 4}}
    after = {"a": {"b": [1, {"c": 3}, 5]}, "e.f": {"g": True}}
    assert found(before, after) == [
        ("a.b[1].c", 2, 3),
        ("a.b[2]", ABSENT, 5),
        ("a.d", 4, ABSENT),
        ('["e.f"].g', ABSENT, True),
    ]


def test_null_is_a_value_and_an_empty_tree_is_one_too():
    assert found({"a": None}, {}) == [("a", None, ABSENT)]
    assert found({}, {"a": {}, "b": []}) == [("a", ABSENT, {}), ("b", ABSENT, [])]
    assert found({"a": {"b": 1}}, {"a": 1}) == [("a", {"b": 1}, 1)]


@given(TREES)
def test_a_tree_does_not_differ_from_itself(tree: dict[str, Any]):
    assert found(tree, copy.deepcopy(tree)) == []


@given(TREES, TREES)
def test_the_other_way_round_it_is_the_same_the_other_way_round(one: dict[str, Any], other: dict[str, Any]):
    assert list(differences(one, other)) == [Difference(back.path, back.after, back.before) for back in differences(other, one)]


@given(TREES, TREES)
def test_equal_means_no_difference(one: dict[str, Any], other: dict[str, Any]):
    assert (one == other) == (not found(one, other))


def test_places():
    assert lies_in("spec.selector.matchLabels.a", ("spec.selector",))
    assert lies_in("spec.selector", ("spec.selector",))
    assert lies_in("spec.list[0]", ("spec.list",))
    assert not lies_in("spec.selectors", ("spec.selector",))
    assert not lies_in("spec", ("spec.selector",))
