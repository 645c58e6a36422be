"""A replacement that only an unknown value asks for is told from one that happens."""

from typing import Any

import pytest

from delivery.plan.changes import infrastructure
from delivery.plan.report import EffectKind, Operation
from tests.unit.delivery.plan.steps import STORAGE, because, step, urn

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
CLUSTER = "azure-native:containerservice:ManagedCluster"
GRANT = "azure-native:authorization:RoleAssignment"


def grant(name: str = "grant", *, of: str, scope: str = UNKNOWN, **differences: str) -> dict[str, Any]:
    """A grant that the engine would replace, made from another resource."""
    one = step("replace", GRANT, name, old={"scope": "a", "more": "x"}, new={"scope": scope, "more": "x"}, propertyDependencies={"scope": [of], "more": []})
    return because(one, **{"scope": "update-replace", **differences})


def operations(*steps: dict[str, Any]) -> dict[str, Operation]:
    return {change.name: change.operation for change in infrastructure(steps).changes}


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (step("update", CLUSTER, "cluster", old={"a": 1}, new={"a": 2}), Operation.MAY_REPLACE),
        (step("same", CLUSTER, "cluster", old={"a": 1}, new={"a": 1}), Operation.MAY_REPLACE),
        (step("replace", CLUSTER, "cluster", old={"a": 1}, new={"a": 2}), Operation.REPLACE),
        (step("create", CLUSTER, "cluster", new={"a": 2}), Operation.REPLACE),
    ],
)
def test_it_depends_on_what_happens_to_the_origin_of_the_value(cause: dict[str, Any], expected: Operation):
    assert operations(cause, grant(of=urn(CLUSTER, "cluster")))["grant"] is expected


def test_a_known_value_that_differs_is_certain():
    update = step("update", CLUSTER, "cluster", old={"a": 1}, new={"a": 2})
    of = urn(CLUSTER, "cluster")
    assert operations(update, grant(of=of, scope="b"))["grant"] is Operation.REPLACE
    assert operations(update, grant(of=of, more="update-replace"))["grant"] is Operation.REPLACE


def test_a_value_that_is_gone_is_certain():
    update = step("update", CLUSTER, "cluster", old={"a": 1}, new={"a": 2})
    gone = step(
        *("replace", GRANT, "grant"),
        old={"scope": "a", "more": "x"},
        new={"scope": UNKNOWN},
        propertyDependencies={"scope": [urn(CLUSTER, "cluster")], "more": []},
    )
    assert operations(update, because(gone, scope="update-replace", more="delete-replace"))["grant"] is Operation.REPLACE


def test_a_replacement_without_a_reason_is_certain():
    assert operations(step("replace", GRANT, "grant", old={"scope": "a"}, new={"scope": UNKNOWN}))["grant"] is Operation.REPLACE


@pytest.mark.parametrize(("first", "expected"), [("update", Operation.MAY_REPLACE), ("replace", Operation.REPLACE)])
def test_it_goes_on_from_one_to_the_next(first: str, expected: Operation):
    steps = [
        grant("c", of=urn(GRANT, "b")),
        grant("b", of=urn(GRANT, "a")),
        grant("a", of=urn(CLUSTER, "cluster")),
        step(first, CLUSTER, "cluster", old={"a": 1}, new={"a": 2}),
    ]
    found = operations(*steps)
    assert {found[name] for name in "abc"} == {expected}


def test_a_list_of_values():
    one = step("replace", GRANT, "grant", old={"ids": ["a"]}, new={"ids": [UNKNOWN]}, propertyDependencies={"ids": [urn(CLUSTER, "cluster")]})
    one["detailedDiff"] = {"ids[0]": {"kind": "update-replace"}}
    assert operations(one)["grant"] is Operation.MAY_REPLACE


def test_what_only_may_happen_is_a_danger_for_data_alone():
    update = step("update", CLUSTER, "cluster", old={"a": 1}, new={"a": 2})
    account = because(
        step("replace", STORAGE, "account", old={"scope": "a"}, new={"scope": UNKNOWN}, propertyDependencies={"scope": [urn(CLUSTER, "cluster")]}),
        scope="update-replace",
    )
    found = infrastructure([update, account, grant(of=urn(CLUSTER, "cluster"))], frozenset({urn(STORAGE, "account")}))
    assert [(change.name, effect.kind) for change, effect in found.dangers] == [("account", EffectKind.REFUSED), ("account", EffectKind.DATA_LOSS)]
