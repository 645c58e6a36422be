"""The plan of a real stack: what an update would change of what is deployed, and whether that is still what was approved."""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from delivery.deploy.engine import Engine
from delivery.errors import DeliveryError
from delivery.plan.changes import infrastructure
from delivery.plan.judging import judged
from delivery.plan.making import check_stack
from delivery.plan.report import Operation, PlanReport, ResourceChange, ValueChange
from local_azure.progress import Progress

DEPLOYED = "what is deployed"
"""The base of a live plan; another plan starts from a commit."""
_ENDING = r"-?[0-9a-f]{7,8}"
"""Of a name that a provider makes up; it makes another one for every preview."""
_MADE_UP = "(made up)"
_MADE = (Operation.CREATE, Operation.REPLACE, Operation.MAY_REPLACE)
_LONGEST_VALUE = 160

_Content = dict[tuple[str, str, str], tuple[str, tuple[ValueChange, ...]]]


def live_plan(checkout: Path, stack: str, progress: Progress) -> PlanReport:
    """What `pulumi up` would change of the stack, asked with the caller's own login and backend.

    Args:
        checkout: folder with the Pulumi.yaml.

    Raises:
        DeliveryError: there is no Pulumi or no such stack, or the engine refuses; in its own words.
    """
    check_stack(checkout, stack)
    engine = Engine(checkout, stack)
    with progress.phase(f"preview of {stack}, against {DEPLOYED}") as phase:
        run = engine.preview(phase.detail)
    document = json.loads(run.answer)
    before = [state for step in document["steps"] if (state := step.get("oldState"))]
    protected = frozenset(state["urn"] for state in before if state.get("protect"))
    return PlanReport(
        stack=stack,
        base=DEPLOYED,
        infrastructure=infrastructure(document["steps"], protected),
        policies=judged(document, protected, from_nothing=not before),
        hints=run.hints,
    )


def plan_sha256(report: PlanReport) -> str:
    """Stands for what a plan changes: the same on every machine and in every run until something else would change."""
    changes = [
        [*key, operation, [[value.path, value.before, value.after] for value in values]] for key, (operation, values) in sorted(_content(report).items())
    ]
    return sha256(json.dumps([report.stack, changes], sort_keys=True).encode()).hexdigest()


def read_plan(path: Path, stack: str | None = None) -> PlanReport:
    """A plan that was saved to be approved.

    Args:
        stack: the stack that it must be of.

    Raises:
        DeliveryError: the file is no such plan; says what it is and how to make one.
    """
    try:
        document: Any = json.loads(path.read_text())
    except OSError as error:
        raise DeliveryError(f"the plan {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DeliveryError(f"{path} is no plan, because it is not JSON: {error}") from error
    again = f"make one with `converge plan {stack or 'STACK'} --live --save {path}`"
    expected = PlanReport.model_fields["schema_version"].default
    found = document.get("schema_version") if isinstance(document, dict) else None
    if found != expected:
        raise DeliveryError(f"{path} is no plan that this version can read: its schema_version is {found!r}, needed is {expected}; {again}")
    try:
        report = PlanReport.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise DeliveryError(f"{path} is no plan: {place}: {first['msg'].lower()}; {again}") from error
    if report.base != DEPLOYED:
        start = f"starts from {report.base}" if report.base else "starts from nothing"
        raise DeliveryError(f"the plan {path} {start}, and one to approve from {DEPLOYED}; {again}")
    if stack is not None and report.stack != stack:
        raise DeliveryError(f"the plan {path} is of the stack {report.stack!r}, and {stack!r} is to be deployed; {again}")
    if report.plan_sha256 and report.plan_sha256 != plan_sha256(report):
        raise DeliveryError(f"the plan {path} was changed after it was made: what it changes is not what its plan_sha256 stands for; {again}")
    return report


def differences(approved: PlanReport, now: PlanReport) -> list[str]:
    """What the two plans do not have in common, a line each; empty when the hashes are equal."""
    one, other = _content(approved), _content(now)
    kinds = {change.type: change.kind for report in (approved, now) for change in report.infrastructure.changes}
    stacks = [] if approved.stack == now.stack else [f"the approved plan is of the stack {approved.stack}, this one of {now.stack}"]
    return [*stacks, *(line for key in sorted(one.keys() | other.keys()) for line in _compared(f"{kinds[key[0]]} {key[1]}", key, one, other))]


def _compared(resource: str, key: tuple[str, str, str], one: _Content, other: _Content) -> Iterator[str]:
    if key not in one:
        yield f"{resource}: {other[key][0]} now, and not in the approved plan"
    elif key not in other:
        yield f"{resource}: {one[key][0]} in the approved plan, and nothing now"
    else:
        (approved, before), (now, after) = one[key], other[key]
        if approved != now:
            yield f"{resource}: {approved} in the approved plan, {now} now"
        old, new = ({value.path: value for value in values} for values in (before, after))
        for path in sorted(old.keys() | new.keys()):
            if old.get(path) != new.get(path):
                yield f"{resource}: {path}: {_told(old.get(path))} in the approved plan, {_told(new.get(path))} now"


def _told(value: ValueChange | None) -> str:
    return f"{_text(value.before)} => {_text(value.after)}" if value else "not changed"


def _text(text: str | None) -> str:
    if text is None:
        return "(nothing)"
    quoted = text if text and text.isprintable() and text == text.strip() else json.dumps(text)
    return quoted if len(quoted) <= _LONGEST_VALUE else f"{quoted[: _LONGEST_VALUE - 3]}..."


def _content(report: PlanReport) -> _Content:
    """What a plan changes, by type, name and component, without names that are made up anew for every preview."""
    made_up = {text for change in report.infrastructure.changes for text in _made_up_names(change)}
    pattern = re.compile("|".join(map(re.escape, sorted(made_up, key=len, reverse=True)))) if made_up else None

    def settled(text: str | None) -> str | None:
        return pattern.sub(_MADE_UP, text) if pattern and text is not None else text

    return {
        (change.type, change.name, change.component): (
            str(change.operation),
            tuple(value.model_copy(update={"after": settled(value.after)}) for value in sorted(change.values, key=lambda value: value.path)),
        )
        for change in report.infrastructure.changes
    }


def _made_up_names(change: ResourceChange) -> Iterator[str]:
    if change.operation in _MADE:
        whole = re.compile(f"{re.escape(change.name)}{_ENDING}")
        yield from (value.after for value in change.values if value.after and "." not in value.path and whole.fullmatch(value.after))
