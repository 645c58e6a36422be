"""Who set a field of a Kubernetes object: the API server keeps it (kubernetes.io/docs/reference/using-api/server-side-apply/#field-management)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from delivery.drift.paths import Parts


@dataclass(frozen=True, kw_only=True)
class Owner:
    """One who set a field.

    Attributes:
        manager: name that the program gave itself, such as `kubectl-edit`.
        at: when it changed any of its fields last; empty when that was not kept.
    """

    manager: str
    at: str = ""


def owners_of(live: Mapping[str, Any], parts: Parts, ours: str) -> tuple[Owner, ...]:
    """Who owns a field of an object, the newest first.

    Args:
        ours: the manager that deployments use; it is left out.
    """
    metadata = live.get("metadata")
    entries = metadata.get("managedFields") if isinstance(metadata, Mapping) else None
    found = [
        Owner(manager=str(entry.get("manager", "")), at=str(entry.get("time", "")))
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, Mapping) and entry.get("manager") != ours and _owns(entry.get("fieldsV1"), live, parts)
    ]
    return tuple(sorted(found, key=lambda owner: owner.at, reverse=True))


def _owns(fields: Any, live: Any, parts: Parts) -> bool:
    for place, part in enumerate(parts):
        if not isinstance(fields, Mapping):
            return False
        if not fields and place:
            # Nothing below: the whole of what lies there is meant.
            return True
        name = next(_names(part, live, fields), None)
        if name is None:
            return False
        fields = fields[name]
        live = _below(live, part)
    return isinstance(fields, Mapping)


def _names(part: str | int, live: Any, fields: Mapping[str, Any]) -> Iterator[str]:
    """What managedFields call it: `f:image`, `k:{"name":"app"}` for an item of a list with keys, `v:"x"` for one of a set."""
    if isinstance(part, str):
        yield from (name for name in (f"f:{part}",) if name in fields)
        return
    item = _below(live, part)
    yield from (name for name in fields if _means(name, part, item))


def _means(name: str, place: int, item: Any) -> bool:
    """Whether a name of managedFields is that of an item of a list."""
    kind, _, text = name.partition(":")
    if kind == "k":
        return isinstance(item, Mapping) and all(item.get(key) == value for key, value in json.loads(text).items())
    return (kind == "v" and json.loads(text) == item) or (kind == "i" and text == str(place))


def _below(live: Any, part: str | int) -> Any:
    if isinstance(live, Mapping):
        return live.get(str(part))
    return live[part] if isinstance(live, list) and isinstance(part, int) and part < len(live) else None
