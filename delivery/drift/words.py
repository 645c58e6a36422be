"""What was found, in words that the terminal and the Markdown share."""

from collections import defaultdict
from collections.abc import Iterator

from delivery.drift.report import DriftedResource, DriftedValue, DriftReport

_MANY = 12
"""Values of one resource that are shown; a tree that comes or goes has hundreds."""


def title(report: DriftReport) -> str:
    """The one line that says it all."""
    if report.people:
        return f"{report.stack}: people changed {_count(len(report.people), 'resource')} since the last deployment"
    if report.azure:
        return f"{report.stack}: as the last deployment left it, but for what Azure changes by itself"
    return f"{report.stack}: as the last deployment left it"


def summary(report: DriftReport) -> str:
    """How many resources there are of each kind."""
    own = f", {_count(len(report.azure), 'resource')} with changes of Azure's own" if report.azure else ""
    return f"{_count(report.unchanged, 'resource')} unchanged{own}"


def heading(resource: DriftedResource) -> str:
    """Type and name, and who and when where that is known."""
    kind = resource.type.partition(":")[2] or resource.type
    gone = " is gone" if resource.gone else ""
    who = f" ({by(resource.by, resource.at)})" if resource.by else ""
    return f"{kind} {resource.name}{gone}{who}"


def by(who: str, at: str) -> str:
    """Who and when, as in `kubectl-edit, 2026-11-24 23:36 UTC`."""
    moment = f"{at[:10]} {at[11:16]} UTC" if len(at) >= len("2026-11-24T23:36") else at
    return f"{who}, {moment}" if moment else who


def values_of(resource: DriftedResource) -> Iterator[str]:
    """A line per value; `+` marks one that the program does not set."""
    for value in resource.values[:_MANY]:
        who = f" ({by(value.by, value.at)})" if value.by and not value.reason else ""
        yield f"{' ' if value.declared else '+'} {value.path}: {change(value)}{who}"
    if (more := len(resource.values) - _MANY) > 0:
        yield f"  and {more} more; --json has all"


def change(value: DriftedValue) -> str:
    """`was -> is`."""
    if value.was == value.now:
        return "another secret value"
    return f"{_or_nothing(value.was)} -> {_or_nothing(value.now)}"


def azures_own(report: DriftReport) -> Iterator[tuple[str, str, str]]:
    """What Azure changed by itself: resource, paths, reason; what has one reason in one resource is one line."""
    for resource in report.azure:
        reasons: defaultdict[str, list[DriftedValue]] = defaultdict(list)
        for value in resource.values:
            reasons[value.reason].append(value)
        for reason, values in reasons.items():
            first = f"{values[0].path}: {change(values[0])}"
            yield resource.name, f"{first}, and {len(values) - 1} more" if len(values) > 1 else first, reason


def _or_nothing(text: str | None) -> str:
    return "(nothing)" if text is None else text or '""'


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
