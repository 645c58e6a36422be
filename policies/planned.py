"""What a plan says about a resource: the inputs that the program gave it, before anything is created."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the engine's sign for a secret
_HIDDEN = "[secret]"
"""What the engine prints instead of a secret."""
_NOT_KNOWN = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
    }
)
"""The engine's own words for a text, truth value, number, list, object, asset or archive that only an update will know."""
STACK = "pulumi:pulumi:Stack"
_API_VERSION = re.compile(r"^(azure-native:[a-z]+)/v[0-9a-z]+:")


class Mark(Enum):
    """What stands in the place of a value that a rule must not or cannot see."""

    UNKNOWN = "not known yet"
    SECRET = "secret"  # noqa: S105 - says that there is one, and is none


UNKNOWN = Mark.UNKNOWN
"""A value that only an update will know."""
SECRET = Mark.SECRET
"""A value that is marked secret. Rules see that there is one, never what it is, so no message can tell it."""


@dataclass(frozen=True, kw_only=True)
class PlannedResource:
    """One resource of a plan."""

    urn: str
    type: str
    name: str
    properties: Mapping[str, Any]
    """Inputs in the provider's own names (camelCase), with UNKNOWN and SECRET in them; of the stack itself, its outputs."""
    protect: bool = False
    parent: str = ""
    """URN of the parent."""
    retain_on_delete: bool | Mark = False
    """UNKNOWN where the engine does not say, as it does not to a policy pack."""

    @property
    def kind(self) -> str:
        """The type without the API version that a program may choose: `azure-native:storage/v20240101:StorageAccount` is a storage account like any other."""
        return _API_VERSION.sub(r"\1:", self.type)

    def at(self, path: str) -> Any:
        """The value under a dotted path; None where there is nothing."""
        return find(self.properties, path)


def find(value: Any, path: str) -> Any:
    """The value under a dotted path; UNKNOWN below something unknown or secret, None where there is nothing."""
    for key in path.split("."):
        if isinstance(value, Mark):
            return UNKNOWN
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def entries(value: Any) -> list[Any]:
    """The entries of a list; one UNKNOWN if the list itself is not known, nothing if there is none."""
    if isinstance(value, Mark):
        return [UNKNOWN]
    return list(value) if isinstance(value, list | tuple) else []


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in a value that is neither list nor object, with the dotted path that leads there."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from leaves(entry, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, entry in enumerate(value):
            yield from leaves(entry, f"{path}[{index}]")
    else:
        yield path, value


def marked(value: Any) -> Any:
    """A value as the engine writes it, with its signs for what is secret or not known replaced by SECRET and UNKNOWN."""
    if isinstance(value, Mapping):
        if value.get(_SIGNATURE) == _SECRET_SIGNATURE:
            return SECRET
        return {str(key): marked(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [marked(entry) for entry in value]
    if isinstance(value, str):
        return SECRET if value == _HIDDEN else UNKNOWN if value in _NOT_KNOWN else value
    # On their way through the engine all numbers become floats; messages show 5 as 5.
    return int(value) if isinstance(value, float) and value.is_integer() else value
