"""What an update would change, leaf by leaf, and what ARM can only do by making the resource anew."""

from collections.abc import Iterator
from typing import Any

from pulumi.runtime.proto import provider_pb2

from local_azure.arm.spec import Properties, ResourceType
from local_azure.arm.wire import plain

_Kind = provider_pb2.PropertyDiff.Kind
_ABSENT = object()


def changes(kind: ResourceType, old: Properties, new: Properties) -> dict[str, "provider_pb2.PropertyDiff.Kind.ValueType"]:
    """The changed properties by path, each with what it means."""
    found = {}
    for path, before, after in _leaves(plain(old), plain(new), ""):
        replace = any(_covers(immutable, path) for immutable in (*kind.immutable, *_in_identifier(kind)))
        if before is _ABSENT:
            found[path] = _Kind.ADD_REPLACE if replace else _Kind.ADD
        elif after is _ABSENT:
            found[path] = _Kind.DELETE_REPLACE if replace else _Kind.DELETE
        else:
            found[path] = _Kind.UPDATE_REPLACE if replace else _Kind.UPDATE
    return found


def replaces(difference: "provider_pb2.PropertyDiff.Kind.ValueType") -> bool:
    """Whether a change means a new resource."""
    return difference in (_Kind.ADD_REPLACE, _Kind.DELETE_REPLACE, _Kind.UPDATE_REPLACE)


def _in_identifier(kind: ResourceType) -> list[str]:
    """Properties that are part of the id: another value is another resource."""
    return [name for name in kind.properties if f"{{{name}}}" in kind.identifier]


def _covers(immutable: str, path: str) -> bool:
    return path == immutable or path.startswith((f"{immutable}.", f"{immutable}["))


def _leaves(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    # An object that comes or goes is told by its leaves: one of them may be what ARM cannot change.
    if old is _ABSENT and isinstance(new, dict) and new:
        old = {}
    elif new is _ABSENT and isinstance(old, dict) and old:
        new = {}
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _leaves(old.get(name, _ABSENT), new.get(name, _ABSENT), f"{path}.{name}".removeprefix("."))
    elif isinstance(old, list) and isinstance(new, list):
        for number in range(max(len(old), len(new))):
            before = old[number] if number < len(old) else _ABSENT
            after = new[number] if number < len(new) else _ABSENT
            yield from _leaves(before, after, f"{path}[{number}]")
    elif old is not new and old != new:
        yield path, old, new
