"""A rule, and short ways to write one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from policies.planned import Mark, PlannedResource, entries, find

Severity = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a rule has to say about a resource that is not simply in order."""

    resource: PlannedResource
    message: str | Mark
    """What is wrong; UNKNOWN if that cannot be told before an update."""


Check = Callable[[Sequence[PlannedResource]], Iterator[Finding]]
Applies = Callable[[PlannedResource], bool]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that every plan must keep to."""

    id: str
    title: str
    severity: Severity
    reason: str
    """What happens to whom if it is not kept."""
    fix: str
    """What to change, in this program's or Azure's words."""
    source: str
    looks_at: frozenset[str]
    """Types of the resources that the rule is about. In a plan without them it does not apply."""
    check: Check
    applies: Applies = lambda _: True
    """Which resources of these types it is about."""
    otherwise: str = ""
    """Why it does not apply to the others."""
    per_resource: bool = True
    """Can it be decided resource by resource, and so before each is created?"""

    def subjects(self, resources: Sequence[PlannedResource]) -> list[PlannedResource]:
        """What the rule is about in a plan."""
        return [resource for resource in resources if resource.kind in self.looks_at and self.applies(resource)]


def each(verdicts: Callable[[PlannedResource], Iterator[str | Mark]]) -> Check:
    """A check that looks at one resource at a time."""

    def check(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
        for resource in resources:
            for message in verdicts(resource):
                yield Finding(resource=resource, message=message)

    return check


def requires(**expected: Any) -> Callable[[PlannedResource], Iterator[str | Mark]]:
    """Values that must be there, by path, with __ for the dot. A tuple: any of these."""

    def verdicts(resource: PlannedResource) -> Iterator[str | Mark]:
        for name, wanted in expected.items():
            yield from must_be(resource.properties, name.replace("__", "."), wanted)

    return verdicts


def must_be(value: Any, path: str, wanted: Any, *, called: str = "") -> Iterator[str | Mark]:
    """Nothing if the value under a path is the wanted one, or any of a tuple of them."""
    allowed = wanted if isinstance(wanted, tuple) else (wanted,)
    found = find(value, path)
    if isinstance(found, Mark):
        yield Mark.UNKNOWN
    elif found not in allowed:
        yield f"{called}{path} is {shown(found)}; it must be {' or '.join(shown(one) for one in allowed)}"


def must_not_be(value: Any, path: str, forbidden: tuple[Any, ...], *, called: str = "") -> Iterator[str | Mark]:
    """Nothing if the value under a path is none of the forbidden ones."""
    found = find(value, path)
    if isinstance(found, Mark):
        yield Mark.UNKNOWN
    elif found in forbidden:
        yield f"{called}{path} is {shown(found)}"


def must_have(value: Any, path: str, wanted: str) -> Iterator[str | Mark]:
    """Nothing if the list under a path has an entry."""
    found = entries(find(value, path))
    if wanted in found:
        return
    yield Mark.UNKNOWN if any(isinstance(entry, Mark) for entry in found) else f"{path} is {shown(found)}; {wanted} must be in it"


def shown(value: Any) -> str:
    """A value as a message shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "not set" if value is None else "empty" if value in ("", [], {}) else str(value)
