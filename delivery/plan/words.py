"""The words of a plan that terminal and Markdown share."""

import json
import re
from collections.abc import Iterator
from itertools import groupby

from delivery.plan.report import Operation, PlanReport, Policies, ResourceChange, ValueChange

_OPERATIONS = {
    Operation.CREATE: ("+", "created"),
    Operation.UPDATE: ("!", "updated in place"),
    Operation.REPLACE: ("-+", "replaced"),
    Operation.MAY_REPLACE: ("!?", "replaced only if a value turns out to be another"),
    Operation.DELETE: ("-", "deleted"),
    Operation.FORGET: ("=", "kept, but no longer managed"),
}
_NO_COMPONENT = "without component"
_LONGEST_VALUE = 160
_HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_SHORT_HASH = 12
_MOST_VALUES = 30


def title(report: PlanReport) -> str:
    """What is planned, against what."""
    return f"Plan of {report.stack} " + (f"against {report.base}" if report.base else "from nothing")


def summary(report: PlanReport) -> str:
    """How many resources change in which way."""
    counts = [f"{count} {words}" for operation, (_, words) in _OPERATIONS.items() if (count := report.infrastructure.count(operation))]
    return f"{', '.join(counts) or 'nothing changes'}; {report.infrastructure.unchanged} unchanged"


def verdict(policies: Policies) -> str:
    """The score, and how it came about; of one that stays as it is, no more than that."""
    if policies.score_before == policies.score and not policies.new_violations and not policies.refuses:
        return f"{policies.score} of 100, as before"
    before = "" if policies.score_before in (None, policies.score) else f" (it was {policies.score_before})"
    return (
        f"{policies.score} of 100{before}: {policies.passed} rules passed, {policies.failed} failed, "
        f"{policies.undecided} cannot be told before an update, {policies.not_applicable} do not apply"
        f"{'; the stack refuses an update that breaks one' if policies.refuses else ''}"
    )


def by_component(report: PlanReport) -> Iterator[tuple[str, list[ResourceChange]]]:
    """The changes of each component."""
    for component, changes in groupby(report.infrastructure.changes, key=lambda change: change.component):
        yield component or _NO_COMPONENT, list(changes)


def sign(operation: Operation) -> str:
    """One or two characters; a `diff` block colours lines by the first."""
    return _OPERATIONS[operation][0]


def heading(change: ResourceChange) -> str:
    """The resource, and what happens to it."""
    return f"{sign(change.operation):<2} {change.kind} {change.name}"


def value_lines(change: ResourceChange, *, full: bool) -> list[str]:
    """A line per value: `path: old => new`.

    Args:
        full: every value, in all its length.
    """
    shown = change.values if full else change.values[:_MOST_VALUES]
    more = len(change.values) - len(shown)
    return [_value_line(change, value, full=full) for value in shown] + ([f"and {more} more"] if more else [])


def _value_line(change: ResourceChange, value: ValueChange, *, full: bool) -> str:
    before, after = (_one_line(text, full=full) for text in (value.before, value.after))
    path = _one_line(value.path, full=True)
    text = f"{path}: {after}" if change.operation is Operation.CREATE else f"{path}: {before} => {after}"
    return f"{text}   (cannot be changed in place)" if value.replaces else text


def _one_line(text: str | None, *, full: bool) -> str:
    if text is None:
        return "(nothing)"
    if not full:
        text = _HASH.sub(lambda found: f"{found[0][:_SHORT_HASH]}...", text)
    quoted = text if text and text.isprintable() and text == text.strip() else json.dumps(text)
    return quoted if full or len(quoted) <= _LONGEST_VALUE else f"{quoted[: _LONGEST_VALUE - 3]}..."
