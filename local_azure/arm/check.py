"""What ARM would refuse before it does anything: names, unknown and missing properties, enumerated values."""

import difflib
from collections.abc import Iterator
from typing import Any

from local_azure.arm.spec import Properties, ResourceType
from local_azure.arm.wire import Unknown, plain

Problem = tuple[str, str]
"""Property and reason."""


def problems(kind: ResourceType, inputs: Properties) -> list[Problem]:
    """Everything that is wrong with inputs; values that are not known yet are left alone."""
    return [*_names(kind, inputs), *_required(kind, inputs), *_name_rule(kind, inputs), *_choices(kind, inputs)]


def _names(kind: ResourceType, inputs: Properties) -> Iterator[Problem]:
    for name in inputs.keys() - kind.properties:
        if name in kind.outputs:
            yield name, f"ReadOnlyProperty: {kind.arm_type} sets '{name}' itself; remove it"
        else:
            near = difflib.get_close_matches(name, kind.properties, n=1)
            yield name, f"UnknownProperty: {kind.arm_type} has no property '{name}'" + (f"; is it '{near[0]}'?" if near else "")


def _required(kind: ResourceType, inputs: Properties) -> Iterator[Problem]:
    for name in sorted(kind.required - inputs.keys()):
        yield name, f"MissingProperty: {kind.arm_type} needs '{name}'"


def _name_rule(kind: ResourceType, inputs: Properties) -> Iterator[Problem]:
    name = plain(inputs.get(kind.name_property))
    if kind.fixed_name and isinstance(name, str) and name != kind.fixed_name:
        yield kind.name_property, f"InvalidResourceName: the only name is '{kind.fixed_name}', it is '{name}'"
    elif kind.name_rule and isinstance(name, str) and not kind.name_rule.allows(name):
        yield kind.name_property, f"InvalidResourceName: the name is '{name}'; allowed are {kind.name_rule.words}"


def _choices(kind: ResourceType, inputs: Properties) -> Iterator[Problem]:
    for path, allowed in kind.choices.items():
        lower = {choice.lower() for choice in allowed}
        for where, value in _at(plain(inputs), path.split("."), ""):
            if not isinstance(value, Unknown) and str(value).lower() not in lower:
                yield where, f"InvalidValue: it is '{value}'; allowed are {', '.join(sorted(allowed))}"


def _at(value: Any, path: list[str], where: str) -> Iterator[tuple[str, Any]]:
    """Every value at a dotted path, with where it stands; nothing where a part of the path is missing."""
    if not path:
        yield where, value
        return
    name, rest = path[0], path[1:]
    if not isinstance(value, dict) or name.removesuffix("[]") not in value:
        return
    inner = value[name.removesuffix("[]")]
    here = f"{where}.{name.removesuffix('[]')}".removeprefix(".")
    if name.endswith("[]"):
        for number, item in enumerate(inner if isinstance(inner, list) else []):
            yield from _at(item, rest, f"{here}[{number}]")
    else:
        yield from _at(inner, rest, here)
