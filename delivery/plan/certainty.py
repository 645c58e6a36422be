"""Which replacements only may happen.

While a resource is updated in place the engine takes what the resource answers for unknown. What is made from that looks as if it had to be replaced,
and is not, once the answer turns out to be the old one: an update of a cluster would seem to replace the grants of its identities.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from local_azure.differences import differences, lies_in
from policies.planned import Mark, marked

Step = Mapping[str, Any]
REPLACING = frozenset({"replace", "create-replacement", "delete-replaced"})
"""The engine's steps of a replacement."""


def uncertain(steps: Mapping[str, Sequence[Step]]) -> frozenset[str]:
    """URNs of the resources that are replaced only because of values that are not known, and come from nothing new.

    Args:
        steps: of each resource, by URN.
    """
    new = {urn for urn, its_steps in steps.items() if its_steps[0]["op"] in ("create", "import")}
    replaced = {urn for urn, its_steps in steps.items() if any(step["op"] in REPLACING for step in its_steps)}
    causes = {urn: found for urn in replaced if (found := _causes(steps[urn])) is not None}
    maybe = set(causes)
    while certain := {urn for urn in maybe if causes[urn] & (new | (replaced - maybe))}:
        maybe -= certain
    return frozenset(maybe)


def replacing_paths(steps: Sequence[Step]) -> tuple[str, ...]:
    """The values that the engine says cannot be changed in place."""
    return tuple(path for step in steps for path, change in (step.get("detailedDiff") or {}).items() if change["kind"].endswith("-replace"))


def _causes(steps: Sequence[Step]) -> frozenset[str] | None:
    """The resources that the unknown values come from; None when something else is a reason to replace."""
    paths = replacing_paths(steps)
    state = next((step["newState"] for step in steps if step.get("newState")), {})
    values = differences({}, state.get("inputs") or {})
    unknown = [value.path for value in values if marked(value.after) is Mark.UNKNOWN]
    known = [value.path for value in values if value.path not in unknown]
    # A value that is gone is neither, and a reason like one that is known.
    if not paths or any(_touches(path, known) or not _touches(path, unknown) for path in paths):
        return None
    origins = state.get("propertyDependencies") or {}
    return frozenset(urn for path in paths for urn in origins.get(path.partition(".")[0].partition("[")[0], ()))


def _touches(path: str, places: Sequence[str]) -> bool:
    return any(lies_in(place, (path,)) or lies_in(path, (place,)) for place in places)
