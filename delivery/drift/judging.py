"""Whose a change is: people's, or Azure's own."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from delivery.drift.activity import Activity
from delivery.drift.report import DriftedResource, DriftedValue, DriftReport
from delivery.drift.resources import Change, Resource, changes_of
from delivery.drift.rules import rule_of
from local_azure.differences import ABSENT

_LONGEST = 200

WhoChanged = Callable[[Resource], Activity | None]


def judged(stack: str, resources: Sequence[Resource], who: WhoChanged, notes: Callable[[], tuple[str, ...]] = tuple) -> DriftReport:
    """The report.

    Args:
        who: asked for each resource that people changed.
        notes: asked last, for what could not be found out on the way.
    """
    people: list[DriftedResource] = []
    azure: list[DriftedResource] = []
    unchanged = 0
    for resource in resources:
        values = [_judged(change, resources) for change in changes_of(resource)]
        theirs, own = [value for value in values if not value.reason], [value for value in values if value.reason]
        if theirs or resource.now is None:
            people.append(_of_people(stack, resource, theirs, who(resource)))
        if own:
            azure.append(_drifted(resource, own))
        unchanged += not values and resource.now is not None
    return DriftReport(stack=stack, people=tuple(people), azure=tuple(azure), unchanged=unchanged, notes=notes())


def _judged(change: Change, resources: Sequence[Resource]) -> DriftedValue:
    rule = rule_of(change, resources)
    owner = change.owners[0] if change.owners else None
    return DriftedValue(
        path=change.path,
        was=_text(change.before),
        now=_text(change.now),
        declared=change.declared,
        by=owner.manager if owner else "",
        at=owner.at if owner else "",
        reason=rule.reason if rule else "",
        source=rule.source if rule else "",
    )


def _of_people(stack: str, resource: Resource, values: list[DriftedValue], activity: Activity | None) -> DriftedResource:
    known = {"by": activity.by, "at": activity.at} if activity else {}
    return _drifted(resource, values).model_copy(update={"gone": resource.now is None, "advice": _advice(stack, resource, values), **known})


def _drifted(resource: Resource, values: list[DriftedValue]) -> DriftedResource:
    return DriftedResource(type=resource.kind, name=resource.name, component=resource.component, id=resource.id, values=tuple(values))


def _advice(stack: str, resource: Resource, values: list[DriftedValue]) -> str:
    again = f"`pulumi up --refresh --stack {stack}`"
    if resource.now is None:
        return f"{again} makes it anew, without what was in it; or take it out of Pulumi.{stack}.yaml"
    if all(value.declared for value in values):
        return f"{again} puts it back; or write it into Pulumi.{stack}.yaml if it is to stay"
    if any(value.declared for value in values):
        return f"{again} puts back what the program sets; undo the rest (marked +) where it was made, or give it a setting"
    return "the program does not set it, so a deployment leaves it; undo it where it was made, or give it a setting"


def _text(value: Any) -> str | None:
    if value is ABSENT:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    # One line, whatever somebody wrote into a tag or an annotation.
    plain = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}..."
