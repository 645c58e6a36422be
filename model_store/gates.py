"""The gates of a promotion: what a model is asked before a lock may name it, what was compared, and what failed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol

from model_store.errors import ModelStoreError
from model_store.lock import LockedModel
from model_store.replay import Replay

CONTRACT = "contract"
GOLDEN = "golden requests"
REASON = "reason"


class MetricRule(Protocol):
    """A metric that must not worsen, as a stack's settings have it."""

    @property
    def name(self) -> str: ...
    @property
    def better(self) -> Literal["higher", "lower"]: ...
    @property
    def may_worsen_by(self) -> float: ...


@dataclass(frozen=True)
class Gate:
    """One gate.

    Attributes:
        name: the metric's, or contract, golden requests, reason.
        compared: what was held against what, for people.
    """

    name: str
    passed: bool
    compared: str

    def __str__(self) -> str:
        return f"{self.compared}: {'passes' if self.passed else 'fails'}"


@dataclass(frozen=True)
class GateReport:
    """All gates of one promotion.

    Attributes:
        notes: what else is worth knowing; nothing depends on it.
    """

    gates: tuple[Gate, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all of them passed."""
        return all(gate.passed for gate in self.gates)

    @property
    def failed(self) -> tuple[Gate, ...]:
        """Those that did not."""
        return tuple(gate for gate in self.gates if not gate.passed)

    def lines(self) -> list[str]:
        """One line per gate, then the notes."""
        return [*(f"gate {gate}" for gate in self.gates), *(f"note: {note}" for note in self.notes)]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "passed": self.passed,
            "gates": [{"name": gate.name, "passed": gate.passed, "compared": gate.compared} for gate in self.gates],
            "notes": list(self.notes),
        }


class GatesFailedError(ModelStoreError):
    """A model that a gate refused; the text begins with what failed."""

    def __init__(self, report: GateReport, consequence: str) -> None:
        passed = ", ".join(gate.name for gate in report.gates if gate.passed)
        failed = "; ".join(map(str, report.failed))
        super().__init__(f"{failed}. {consequence}" + (f" (passed: {passed})" if passed else ""))
        self.report = report


def metrics(rules: Sequence[MetricRule], running: LockedModel | None, candidate: LockedModel) -> Iterator[Gate]:
    """A gate per metric. What the candidate does not have fails; what the running model does not have cannot be compared, and passes."""
    for rule in rules:
        old = running.metrics.get(rule.name) if running else None
        new = candidate.metrics.get(rule.name)
        direction = "" if rule.better == "higher" else " (lower is better)"
        if new is None:
            yield Gate(rule.name, passed=False, compared=f"{rule.name} {_shown(old)} -> none{direction}, the new model must have it")
        elif old is None:
            why = "the running model does not have it" if running else "nothing runs yet"
            yield Gate(rule.name, passed=True, compared=f"{rule.name} {_shown(old)} -> {_shown(new)}{direction}, {why}")
        else:
            text = f"{rule.name} {_shown(old)} -> {_shown(new)}{direction}, may worsen by {_shown(rule.may_worsen_by)}"
            yield Gate(rule.name, _worsening(rule, old, new) <= _exact(rule.may_worsen_by), text)


def contract(problems: Sequence[str], app: str, candidate: LockedModel) -> Gate:
    """Whether the app can use the model.

    Args:
        problems: what does not fit, from those who know the app's contract.
        app: folder of the app.
    """
    model = f"{candidate.name} v{candidate.version}"
    return Gate(CONTRACT, not problems, "; ".join(problems) or f"contract: {model} has what {app} needs")


def golden(replay: Replay, cases: int) -> Gate:
    """Whether the model answers its own golden requests, of which there are so many."""
    wrong = replay.wrong[0] if replay.wrong else ()
    if replay.problem:
        return Gate(GOLDEN, passed=False, compared=f"golden requests cannot be sent: {replay.problem}")
    return Gate(GOLDEN, not wrong, f"golden requests: {cases - len(wrong)} of {cases} answered within tolerance" + (f", {wrong[0]}" if wrong else ""))


def reason(text: str) -> Gate:
    """Whether somebody said why."""
    return Gate(REASON, bool(text), f"reason: {text}" if text else "reason: none, this stack asks for one with --reason")


def _worsening(rule: MetricRule, old: float, new: float) -> Decimal:
    return _exact(old) - _exact(new) if rule.better == "higher" else _exact(new) - _exact(old)


def _exact(value: float) -> Decimal:
    """The number as people and JSON write it: in binary, 0.98 - 0.975 is more than 0.005."""
    return Decimal(repr(float(value)))


def _shown(value: float | None) -> str:
    """Every digit that decides, and no more."""
    if value is None:
        return "none"
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
