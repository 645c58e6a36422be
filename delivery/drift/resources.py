"""From the engine's refresh to what differs: per resource, the values that are not as the last deployment left them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from delivery.drift.owners import Owner, owners_of
from delivery.drift.paths import Parts, aligned, parts_of, value_at
from local_azure.differences import ABSENT, differences, lies_in

SECRET = "[secret]"  # noqa: S105 - what the engine writes instead of one
_VERSION = re.compile(r"(azure-native:\w+)/v\w+:")
_FRACTION = re.compile(r"\.\d+")
_OWNERS = ("metadata.managedFields",)
"""Who owns which field; it is read (owners.py), not told."""

_CONTENT = ("data", "stringData", 'metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]')
"""Where a Secret has its content; the annotation is a copy of all of it."""

Values = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource, as the stack's state has it and as it is.

    Attributes:
        kind: type without an API version, such as `azure-native:storage:StorageAccount`.
        modified: when the engine changed it last; None when its state does not say.
        inputs, outputs: as the last deployment left it.
        now: what it answers now; None when it is gone.
        inputs_now: what the engine takes for the program's values after a refresh; it would undo what the program does not give.
        secrets: paths that differ by the engine's word, whose values it does not show.
    """

    urn: str
    kind: str
    name: str
    component: str
    id: str
    modified: datetime | None = None
    inputs: Values = field(default_factory=dict)
    outputs: Values = field(default_factory=dict)
    now: Values | None = None
    inputs_now: Values = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Change:
    """One value that differs.

    Attributes:
        before: ABSENT when it was not there.
        now: ABSENT when it is not there any more.
        declared: a deployment that refreshes first would set it again, or take it away again.
        owners: who set it, as Kubernetes keeps it; nobody for a value that the API server filled in, and for Azure's resources.
    """

    resource: Resource
    path: str
    before: Any
    now: Any
    declared: bool
    owners: tuple[Owner, ...] = ()

    @property
    def parts(self) -> Parts:
        """The path's names and numbers."""
        return parts_of(self.path)

    @property
    def ours(self) -> bool:
        """Whether the program gave the value. What somebody added beside it the engine takes for an input, too, and would take it away again."""
        return value_at(self.resource.inputs, self.parts) is not ABSENT


def resources_of(steps: Sequence[Values]) -> list[Resource]:
    """The real resources among the steps of `pulumi refresh --json --show-sames`: no components, no providers."""
    return [_resource(step) for step in steps if (step.get("oldState") or {}).get("custom") and ":providers:" not in step["urn"]]


def _resource(step: Values) -> Resource:
    old, new, urn = step["oldState"], step.get("newState"), step["urn"]
    component_kind, _, component = str(old.get("parent", "")).split("::", 2)[-1].rpartition("::")
    outputs = old.get("outputs") or {}
    return Resource(
        urn=urn,
        kind=_VERSION.sub(r"\1:", urn.split("::")[2].rpartition("$")[2]),
        name=urn.rpartition("::")[2],
        component="" if component_kind.endswith("pulumi:pulumi:Stack") else component,
        id=str(old.get("id", "")),
        modified=_moment(old.get("modified")),
        inputs=old.get("inputs") or {},
        outputs=outputs,
        now=aligned(outputs, new.get("outputs") or {}) if new else None,
        inputs_now=aligned(outputs, new.get("inputs") or {}) if new else {},
        secrets=tuple(step.get("detailedDiff") or ()),
    )


def changes_of(resource: Resource) -> Iterator[Change]:
    """What differs of a resource that is there, by path."""
    if resource.now is None:
        return
    manager = str(resource.outputs.get("__fieldManager", ""))
    found = [one for one in differences(resource.outputs, resource.now) if not one.path.startswith("__") and not lies_in(one.path, _OWNERS)]
    for one in found:
        secret = _is_secret(resource, one.path)
        before, now = (SECRET if secret and value is not ABSENT else value for value in (one.before, one.after))
        declared = any(value_at(tree, parts_of(one.path)) is not ABSENT for tree in (resource.inputs, resource.inputs_now))
        owners = owners_of(resource.now, parts_of(one.path), manager)
        yield Change(resource=resource, path=one.path, before=before, now=now, declared=declared, owners=owners)
    told = tuple(one.path for one in found)
    for path in resource.secrets:
        if not lies_in(path, told) and not any(lies_in(one, (path,)) for one in told) and _is_secret(resource, path):
            owners = owners_of(resource.now, parts_of(path), manager)
            yield Change(resource=resource, path=path, before=SECRET, now=SECRET, declared=True, owners=owners)


def _is_secret(resource: Resource, path: str) -> bool:
    """A Kubernetes Secret's content is one although nobody marked it."""
    if resource.kind == "kubernetes:core/v1:Secret" and lies_in(path, _CONTENT):
        return True
    parts = parts_of(path)
    return any(value_at(tree, parts[:length]) == SECRET for tree in (resource.outputs, resource.now) for length in range(1, len(parts) + 1))


def _moment(text: str | None) -> datetime | None:
    # The engine writes nanoseconds, which Python does not read.
    return datetime.fromisoformat(_FRACTION.sub("", text)).astimezone(UTC) if text else None
