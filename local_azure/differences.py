"""The leaves in which two trees of values differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""Stands for a value that is not there; None is a value."""


@dataclass(frozen=True)
class Difference:
    """One leaf, by a path such as `spec.containers[0].image`; a name that holds dots or brackets stands in `["..."]`."""

    path: str
    before: Any
    after: Any


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Every leaf that is not the same on both sides, in the order of names and places. A tree that comes or goes is told by its leaves."""
    if before is ABSENT and isinstance(after, Mapping | list) and after:
        before = type(after)()
    elif after is ABSENT and isinstance(before, Mapping | list) and before:
        after = type(before)()
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted(before.keys() | after.keys()):
            yield from differences(before.get(name, ABSENT), after.get(name, ABSENT), _below(path, name))
    elif isinstance(before, list) and isinstance(after, list):
        for place in range(max(len(before), len(after))):
            yield from differences(_at(before, place), _at(after, place), f"{path}[{place}]")
    elif before != after:
        yield Difference(path, before, after)


def lies_in(path: str, places: tuple[str, ...]) -> bool:
    """Whether a path is one of these places or below one."""
    return any(path == place or path.startswith((f"{place}.", f"{place}[")) for place in places)


def _at(items: list[Any], place: int) -> Any:
    return items[place] if place < len(items) else ABSENT


def _below(path: str, name: str) -> str:
    if any(character in name for character in '.[]"'):
        return f'{path}["{name}"]'
    return f"{path}.{name}" if path else name
