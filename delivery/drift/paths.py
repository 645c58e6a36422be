"""Places in a resource: paths as people read them, the names and numbers that they consist of, and patterns for many of them."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from local_azure.differences import ABSENT

_PART = re.compile(r'\["(.*?)"\](?=$|[.\[])|\[(\d+)\]|\.?([^.\[\]]+)')

Parts = tuple[str | int, ...]


def parts_of(path: str) -> Parts:
    """The names and numbers of a path such as `spec.containers[0].image` or `tags["a.b"]`."""
    return tuple(int(found[2]) if found[2] is not None else found[1] or found[3] or "" for found in _PART.finditer(path))


def matches(pattern: str, parts: Parts) -> bool:
    """Whether a place is meant by a pattern: names with a space between them, `*` for anything within one, `**` for any number of them."""
    return _matches(pattern.split(), [str(part) for part in parts])


def _matches(patterns: Sequence[str], names: Sequence[str]) -> bool:
    if not patterns:
        return not names
    if patterns[0] == "**":
        return any(_matches(patterns[1:], names[skipped:]) for skipped in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], patterns[0]) and _matches(patterns[1:], names[1:])


def value_at(tree: Any, parts: Parts) -> Any:
    """What lies there; ABSENT when nothing does."""
    for part in parts:
        tree = _below(tree, part)
    return tree


def _below(tree: Any, part: str | int) -> Any:
    if isinstance(tree, Mapping):
        return tree.get(part, ABSENT) if isinstance(part, str) else ABSENT
    return tree[part] if isinstance(tree, list) and isinstance(part, int) and part < len(tree) else ABSENT


def aligned(before: Any, now: Any) -> Any:
    """`now` with every list of named objects in the order of `before`, new ones last: Azure answers them in any order."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        return {name: aligned(before[name], value) if name in before else value for name, value in now.items()}
    if isinstance(before, list) and isinstance(now, list):
        old, new = _by_name(before), _by_name(now)
        if old is not None and new is not None and len(old.keys() - new.keys()) == 0:
            return [*(aligned(old[name], new[name]) for name in old), *(item for name, item in new.items() if name not in old)]
        return [aligned(before[place], item) if place < len(before) else item for place, item in enumerate(now)]
    return now


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    """A list of objects with different names by these names; None when it is none."""
    named = {item["name"]: item for item in items if isinstance(item, Mapping) and isinstance(item.get("name"), str)}
    return named if len(named) == len(items) else None
