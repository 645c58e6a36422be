"""Paths, patterns and the order of Azure's lists."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.drift.paths import aligned, matches, parts_of, value_at
from local_azure.differences import ABSENT, differences

NAMES = st.text(st.characters(codec="utf-8", exclude_characters='"[]', exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
TREES = st.recursive(st.integers(), lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=3), max_leaves=8)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("sku.name", ("sku", "name")),
        ("spec.containers[0].image", ("spec", "containers", 0, "image")),
        ('metadata.annotations["deployment.kubernetes.io/revision"]', ("metadata", "annotations", "deployment.kubernetes.io/revision")),
        ('tags["a.b"].c[12]', ("tags", "a.b", "c", 12)),
        ("", ()),
    ],
)
def test_parts(path: str, parts: tuple[str | int, ...]):
    assert parts_of(path) == parts


@given(TREES.filter(lambda tree: isinstance(tree, dict)))
def test_every_difference_is_found_again_by_its_path(tree: dict[str, Any]):
    for one in differences({}, tree):
        assert value_at(tree, parts_of(one.path)) == one.after


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("agentPoolProfiles * count", "agentPoolProfiles[3].count", True),
        ("agentPoolProfiles * count", "agentPoolProfiles[3].maxCount", False),
        ("agentPoolProfiles * count", "agentPoolProfiles.count", False),
        ("** etag", "etag", True),
        ("** etag", "subnets[0].etag", True),
        ("** etag", "etag.deep", False),
        ("status **", "status", True),
        ("status **", "status.a.b", True),
        ("status **", "spec.status", False),
        ("tags hidden-*", 'tags["hidden-link:/a.b"]', True),
        ("tags hidden-*", "tags.owner", False),
        ("a b", "a", False),
    ],
)
def test_patterns(pattern: str, path: str, *, fits: bool):
    assert matches(pattern, parts_of(path)) is fits


def test_nothing_lies_where_nothing_is():
    tree = {"a": [{"b": None}]}
    assert value_at(tree, ("a", 0, "b")) is None
    for parts in (("a", 1), ("a", "b"), ("c",), ("a", 0, "b", "c")):
        assert value_at(tree, parts) is ABSENT


@given(st.lists(st.sampled_from("abcdef"), unique=True, min_size=1), st.randoms(use_true_random=False))
def test_named_objects_in_another_order_are_no_difference(names: list[str], order: random.Random):
    before = {"pools": [{"name": name, "count": number} for number, name in enumerate(names)]}
    now = {"pools": order.sample(before["pools"], len(names))}
    assert list(differences(before, aligned(before, now))) == []


def test_what_is_new_comes_last_and_what_is_gone_is_told():
    before = {"pools": [{"name": "a", "count": 1}, {"name": "b", "count": 1}]}
    more = aligned(before, {"pools": [{"name": "x", "count": 9}, {"name": "b", "count": 2}, {"name": "a", "count": 1}]})
    assert [(one.path, one.before, one.after) for one in differences(before, more)] == [
        ("pools[1].count", 1, 2),
        ("pools[2].count", ABSENT, 9),
        ("pools[2].name", ABSENT, "x"),
    ]
    fewer = aligned(before, {"pools": [{"name": "b", "count": 1}]})
    assert list(differences(before, fewer)) != []
