"""What an update would change, leaf by leaf, and what means a new resource, as the azure-native plugin tells it (provider/pkg/provider/diff.go)."""

from collections.abc import Iterator
from typing import Any

from pulumi.runtime.proto import provider_pb2

from local_azure.arm.behaviour import FORCES_NEW, REFUSED
from local_azure.arm.spec import Properties, ResourceType
from local_azure.arm.wire import plain

_Kind = provider_pb2.PropertyDiff.Kind
_ABSENT = object()
_NOTHING = (_ABSENT, None, False, "", [], {})
"""What a property that was never set means as well as any of these."""


def changes(kind: ResourceType, old: Properties, new: Properties, answered: Properties | None = None) -> dict[str, "provider_pb2.PropertyDiff.Kind.ValueType"]:
    """The changed properties by path, each with what it means.

    Args:
        answered: what ARM answered last. A property that is given for the first time, as ARM has it anyway, replaces nothing.
    """
    found = {}
    forces_new = (*FORCES_NEW.get(kind.pulumi_type, kind.immutable), *_in_identifier(kind))
    # An object that comes or goes is one change, whatever is in it, as for the plugin.
    for path, before, after in _leaves(plain(old), plain(new), ""):
        if _same_to_azure(path, before, after):
            continue
        replace = any(_covers(immutable, path) for immutable in forces_new)
        if before is _ABSENT:
            known = path in (answered or {}) and (answered or {})[path] == after
            found[path] = _Kind.ADD_REPLACE if replace and not known else _Kind.ADD
        elif after is _ABSENT:
            found[path] = _Kind.DELETE_REPLACE if replace else _Kind.DELETE
        else:
            found[path] = _Kind.UPDATE_REPLACE if replace else _Kind.UPDATE
    return found


def replaces(difference: "provider_pb2.PropertyDiff.Kind.ValueType") -> bool:
    """Whether a change means a new resource."""
    return difference in (_Kind.ADD_REPLACE, _Kind.DELETE_REPLACE, _Kind.UPDATE_REPLACE)


def refused(kind: ResourceType, answered: Properties, new: Properties) -> list[str]:
    """Properties that an update would change although ARM cannot change them in place. What is left out stays as it is."""
    fixed = (*kind.immutable, *REFUSED.get(kind.pulumi_type, ()))
    return [
        path
        for path, before, after in _leaves(_by_name(plain(answered)), _by_name(plain(new)), "", into_new=True)
        if after is not _ABSENT and not (before is _ABSENT and after in _NOTHING) and not _same_to_azure(path, before, after)
        if any(_covers(one, path) for one in fixed)
    ]


def _in_identifier(kind: ResourceType) -> list[str]:
    """Properties that are part of the id: another value is another resource."""
    return [name for name in kind.properties if f"{{{name}}}" in kind.identifier]


def _covers(immutable: str, path: str) -> bool:
    """Whether a path is the immutable one or lies below it; `[]` stands for any element."""
    pattern, rest = immutable, path
    while "[]" in pattern:
        before, pattern = pattern.split("[]", 1)
        if not rest.startswith(f"{before}["):
            return False
        rest = rest.split("]", 1)[1]
    return rest == pattern or rest.startswith((f"{pattern}.", f"{pattern}["))


def _same_to_azure(path: str, before: Any, after: Any) -> bool:
    """Values that differ and yet mean the same to Azure."""
    if not (isinstance(before, str) and isinstance(after, str)):
        return False
    if path == "location":
        return before.replace(" ", "").lower() == after.replace(" ", "").lower()
    return path == "resourceGroupName" and before.lower() == after.lower()


def _by_name(value: Any) -> Any:
    """Lists of named objects as objects by name, so that order does not matter."""
    if isinstance(value, dict):
        return {name: _by_name(item) for name, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        return {f"[{item['name']}]": _by_name(item) for item in value}
    return value


def _leaves(old: Any, new: Any, path: str, *, into_new: bool = False) -> Iterator[tuple[str, Any, Any]]:
    """What differs, by its path.

    Args:
        into_new: whether an object that comes is told by its leaves: one of them may be what ARM cannot change.
    """
    if into_new and old is _ABSENT and isinstance(new, dict) and new:
        old = {}
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            if not name.startswith("__"):
                below = f"{path}{name}" if name.startswith("[") else f"{path}.{name}".removeprefix(".")
                yield from _leaves(old.get(name, _ABSENT), new.get(name, _ABSENT), below, into_new=into_new)
    elif isinstance(old, list) and isinstance(new, list):
        for number in range(max(len(old), len(new))):
            before = old[number] if number < len(old) else _ABSENT
            after = new[number] if number < len(new) else _ABSENT
            yield from _leaves(before, after, f"{path}[{number}]", into_new=into_new)
    elif old is not new and old != new:
        yield path, old, new
