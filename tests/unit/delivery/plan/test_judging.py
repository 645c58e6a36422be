"""What the policies say about both sides of a plan, with the real rules."""

from typing import Any

import pytest

from delivery.plan.judging import SETTING, judged
from tests.unit.delivery.plan.steps import STORAGE, step, urn

OPEN = {"allowSharedKeyAccess": True, "minimumTlsVersion": "TLS1_2"}
CLOSED = {**OPEN, "allowSharedKeyAccess": False}
URN = urn(STORAGE, "account")


def broken(*steps: dict[str, Any], protected: frozenset[str] = frozenset(), from_nothing: bool = False) -> dict[str, bool]:
    """The rules that are broken after the change, and whether that is new."""
    found = judged({"steps": steps}, protected, from_nothing=from_nothing)
    return {violation.rule: violation.new for violation in found.violations}


def test_what_a_change_breaks_is_new():
    before, after = broken(step("same", old=CLOSED, new=CLOSED)), broken(step("update", old=CLOSED, new=OPEN))
    (rule,) = after.keys() - before.keys()
    assert after[rule]
    assert not any(after[known] for known in before)


def test_what_was_broken_before_is_known():
    found = broken(step("update", old=OPEN, new={**OPEN, "minimumTlsVersion": "TLS1_0"}))
    assert {True, False} == set(found.values())


def test_what_a_change_mends_is_told_by_the_score():
    found = judged({"steps": [step("update", old=OPEN, new=CLOSED)]}, frozenset(), from_nothing=False)
    assert found.score_before is not None
    assert found.score > found.score_before


def test_from_nothing_everything_is_new():
    found = judged({"steps": [step("create", new=OPEN)]}, frozenset(), from_nothing=True)
    assert found.score_before is None
    assert found.violations
    assert all(violation.new for violation in found.violations)


def test_a_deleted_resource_breaks_nothing_any_more():
    assert broken(step("delete", old=OPEN)) == {}


def test_protection_that_the_plan_took_away_counts_for_the_base():
    unchanged = step("same", old=CLOSED, new=CLOSED)
    unchanged["newState"]["protect"] = True
    found = judged({"steps": [unchanged]}, frozenset({URN}), from_nothing=False)
    assert found.score == found.score_before


def test_outputs_that_a_preview_does_not_show_are_no_difference():
    urn = "urn:pulumi:dev::converge::pulumi:pulumi:Stack::converge-dev"
    state = {"urn": urn, "type": "pulumi:pulumi:Stack", "custom": False}
    unchanged = {"op": "same", "urn": urn, "oldState": {**state, "outputs": {"registry": "a.azurecr.io"}}, "newState": state}
    found = judged({"steps": [unchanged, step("same", old=CLOSED, new=CLOSED)]}, frozenset(), from_nothing=False)
    assert found.score == found.score_before


@pytest.mark.parametrize(("config", "refuses"), [({}, False), ({SETTING: "warn"}, False), ({SETTING: "refuse"}, True)])
def test_the_stack_decides_what_a_violation_does(config: dict[str, str], refuses: bool):
    preview = {"steps": [step("create", new=OPEN)], "config": config}
    assert judged(preview, frozenset(), from_nothing=True).refuses is refuses
