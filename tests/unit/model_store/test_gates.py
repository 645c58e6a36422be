from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store import gates
from model_store.gates import Gate, GateReport, GatesFailedError
from model_store.replay import Replay
from tests.unit.model_store.samples import locked


@dataclass(frozen=True)
class Rule:
    """A metric of a stack's settings."""

    name: str = "accuracy"
    better: Literal["higher", "lower"] = "higher"
    may_worsen_by: float = 0.005


def metric(rule: Rule, old: float | None, new: float | None) -> Gate:
    """The gate of one metric; None for a model that does not have it."""
    running, candidate = (locked(metrics={} if value is None else {rule.name: value}) for value in (old, new))
    (gate,) = gates.metrics([rule], running, candidate)
    return gate


@pytest.mark.parametrize(
    ("rule", "old", "new", "text"),
    [
        (Rule(), 0.98, 0.91, "accuracy 0.98 -> 0.91, may worsen by 0.005: fails"),
        (Rule(), 0.98, 0.99, "accuracy 0.98 -> 0.99, may worsen by 0.005: passes"),
        (Rule(), 0.98, 0.98, "accuracy 0.98 -> 0.98, may worsen by 0.005: passes"),
        # In binary the difference is 0.0050000000000000044.
        (Rule(), 0.98, 0.975, "accuracy 0.98 -> 0.975, may worsen by 0.005: passes"),
        (Rule(), 0.98, 0.9749999, "accuracy 0.98 -> 0.9749999, may worsen by 0.005: fails"),
        (Rule(may_worsen_by=0), 0.98, 0.9799999, "accuracy 0.98 -> 0.9799999, may worsen by 0: fails"),
        (Rule("loss", "lower", 0.01), 0.07, 0.08, "loss 0.07 -> 0.08 (lower is better), may worsen by 0.01: passes"),
        (Rule("loss", "lower", 0.01), 0.07, 0.0801, "loss 0.07 -> 0.0801 (lower is better), may worsen by 0.01: fails"),
        (Rule("loss", "lower", 0.01), 0.07, -1.0, "loss 0.07 -> -1 (lower is better), may worsen by 0.01: passes"),
        (Rule(), 0.98, None, "accuracy 0.98 -> none, the new model must have it: fails"),
        (Rule(), None, None, "accuracy none -> none, the new model must have it: fails"),
        (Rule(), None, 0.5, "accuracy none -> 0.5, the running model does not have it: passes"),
    ],
)
def test_a_metric_says_what_was_compared(rule: Rule, old: float | None, new: float | None, text: str):
    gate = metric(rule, old, new)
    assert str(gate) == text
    assert gate.passed is text.endswith(": passes")


def test_the_first_model_has_nothing_to_be_compared_with():
    assert [str(gate) for gate in gates.metrics([Rule()], None, locked(metrics={"accuracy": 0.5}))] == ["accuracy none -> 0.5, nothing runs yet: passes"]
    assert [gate.passed for gate in gates.metrics([Rule()], None, locked(metrics={}))] == [False]


_METRICS = st.decimals(-1000, 1000, places=4).map(float)


@given(_METRICS, _METRICS, st.decimals(0, 10, places=4).map(float), st.sampled_from(["higher", "lower"]))
def test_a_metric_is_compared_as_it_is_written(old: float, new: float, may: float, better: Literal["higher", "lower"]):
    """In the decimal numbers that people and JSON write, whatever binary makes of them."""
    worse = Decimal(str(old)) - Decimal(str(new)) if better == "higher" else Decimal(str(new)) - Decimal(str(old))
    assert metric(Rule(better=better, may_worsen_by=may), old, new).passed is (worse <= Decimal(str(may)))


@given(_METRICS, _METRICS)
def test_the_numbers_that_are_shown_are_those_that_decide(old: float, new: float):
    shown = metric(Rule(may_worsen_by=0), old, new).compared.removeprefix("accuracy ").partition(",")[0].split(" -> ")
    assert list(map(float, shown)) == [old, new]


def test_the_contract_names_every_misfit():
    assert str(gates.contract([], "app_template", locked(2))) == "contract: digits v2 has what app_template needs: passes"
    assert str(gates.contract(["no input x", "no output y"], "app_template", locked())) == "no input x; no output y: fails"


def test_golden_requests():
    assert str(gates.golden(Replay(wrong=((),)), 3)) == "golden requests: 3 of 3 answered within tolerance: passes"
    wrong = Replay(wrong=(("case 0: label: value 0 is 4, expected 7", "case 2: other"),))
    assert str(gates.golden(wrong, 3)) == "golden requests: 1 of 3 answered within tolerance, case 0: label: value 0 is 4, expected 7: fails"
    broken = gates.golden(Replay(problem="ONNX Runtime cannot load it: it is no model"), 3)
    assert str(broken) == "golden requests cannot be sent: ONNX Runtime cannot load it: it is no model: fails"


def test_a_reason_is_given_or_not():
    assert str(gates.reason("more accurate")) == "reason: more accurate: passes"
    assert str(gates.reason("")) == "reason: none, this stack asks for one with --reason: fails"


_REPORT = GateReport(
    (Gate("accuracy", passed=False, compared="accuracy 0.98 -> 0.91, may worsen by 0.005"), Gate("contract", True, "contract: fits")), ("a note",)
)


def test_a_report_for_people_and_for_programs():
    assert not _REPORT.passed
    assert _REPORT.lines() == ["gate accuracy 0.98 -> 0.91, may worsen by 0.005: fails", "gate contract: fits: passes", "note: a note"]
    assert _REPORT.as_json() == {
        "passed": False,
        "gates": [
            {"name": "accuracy", "passed": False, "compared": "accuracy 0.98 -> 0.91, may worsen by 0.005"},
            {"name": "contract", "passed": True, "compared": "contract: fits"},
        ],
        "notes": ["a note"],
    }
    assert GateReport(()).passed


def test_a_refusal_begins_with_what_failed():
    assert str(GatesFailedError(_REPORT, "digits v3 is not promoted")) == (
        "accuracy 0.98 -> 0.91, may worsen by 0.005: fails. digits v3 is not promoted (passed: contract)"
    )
    alone = GateReport((_REPORT.gates[0], Gate("reason", False, "reason: none")))
    assert str(GatesFailedError(alone, "nothing changed")) == "accuracy 0.98 -> 0.91, may worsen by 0.005: fails; reason: none: fails. nothing changed"
