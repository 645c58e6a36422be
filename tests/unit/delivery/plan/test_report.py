"""The report as data."""

from delivery.plan.report import Effect, EffectKind, Operation, PlanReport
from tests.unit.delivery.plan.reports import BROKEN, LOST, change, report

ROLLS = Effect(kind=EffectKind.ROLL_OUT, reason="pods")
REFUSED = Effect(kind=EffectKind.REFUSED, reason="protected")


def test_json_can_be_read_back():
    whole = report(change(Operation.DELETE, effects=(LOST,)), violations=(BROKEN,))
    assert PlanReport.model_validate_json(whole.model_dump_json()) == whole


def test_the_worst_danger_comes_first_and_a_roll_out_is_none():
    found = report(
        change(Operation.UPDATE, "b", effects=(ROLLS,)), change(Operation.DELETE, "c", effects=(LOST,)), change(Operation.DELETE, "d", effects=(REFUSED,))
    )
    assert [(one.name, effect.kind) for one, effect in found.infrastructure.dangers] == [("d", EffectKind.REFUSED), ("c", EffectKind.DATA_LOSS)]


def test_empty():
    assert report().empty
    assert not report(change(Operation.FORGET)).empty
