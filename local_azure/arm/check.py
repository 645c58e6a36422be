"""What ARM would refuse before it does anything: names, and everything in a body that is not as the models say."""

import base64
import binascii
import datetime
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_azure.arm.models import Property, Shape, chosen_shape, discriminator_of
from local_azure.arm.spec import Properties, ResourceType
from local_azure.arm.wire import Secret, Unknown, has_unknown, plain

Problem = tuple[str, str]
"""Property and reason."""

_TYPES: Mapping[str, tuple[type, ...]] = {"string": (str,), "boolean": (bool,), "integer": (int,), "number": (int, float)}
_DURATION = re.compile(r"P(?=\w)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")


@dataclass
class Examination:
    """What looking at the inputs of one resource found.

    Attributes:
        checked: properties of the body that were compared with the azure-mgmt model.
        sdk_only: properties that only the SDK describes: the model's API version does not have them, or says nothing of what is in them.
        unknown: properties whose values a preview does not know.
    """

    problems: list[Problem] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    sdk_only: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def not_checked(self) -> list[str]:
        """What the model was not asked about."""
        return [*self.sdk_only, *self.unknown]


def problems(kind: ResourceType, inputs: Properties) -> list[Problem]:
    """Everything that is wrong with inputs; values that are not known yet are left alone."""
    return examine(kind, inputs).problems


def examine(kind: ResourceType, inputs: Properties) -> Examination:
    """Everything that is wrong with inputs, and what was looked at."""
    walk = _Walk(kind)
    walk.object(kind.model.inputs, inputs, "", hidden=False)
    walk.found.problems += _name_rule(kind, inputs)
    if not walk.found.problems:
        walk.found.problems += _rules(kind, plain(inputs))
    return walk.found


class _Walk:
    """Goes through inputs and shapes together."""

    def __init__(self, kind: ResourceType) -> None:
        self.found = Examination()
        self._arm_type = kind.arm_type
        self._namespace = kind.pulumi_type.split(":")[1]
        # Its own rule says more, in words.
        self._named_by_rule = kind.name_property if kind.name_rule else ""

    def object(self, shape: Shape, value: Mapping[str, Any], where: str, *, hidden: bool) -> None:
        given = {name: item for name, item in value.items() if item is not None}
        for name in sorted(given.keys() - shape.properties.keys()):
            self._stranger(shape, name, _join(where, name))
        for name, declared in shape.properties.items():
            path = _join(where, name)
            if name not in given:
                if declared.required:
                    self._problem(path, f"MissingProperty: {self._arm_type} needs '{path}'")
            elif declared.readonly:
                self._problem(path, f"ReadOnlyProperty: {self._arm_type} sets '{path}' itself; remove it")
            else:
                self._count(declared, given[name], path)
                self._value(declared, declared.type, given[name], path, hidden=hidden)

    def _stranger(self, shape: Shape, name: str, path: str) -> None:
        if name in shape.readonly:
            self._problem(path, f"ReadOnlyProperty: {self._arm_type} sets '{path}' itself; remove it")
        else:
            near = difflib.get_close_matches(name, shape.properties, n=1)
            self._problem(path, f"UnknownProperty: {self._arm_type} has no property '{path}'" + (f"; is it '{near[0]}'?" if near else ""))

    def _count(self, declared: Property, value: Any, path: str) -> None:
        if declared.in_url:
            return
        if isinstance(plain(value), Unknown):
            self.found.unknown.append(path)
        elif declared.modelled and declared.type.strip("[]{}") != "any":
            self.found.checked.append(path)
        else:
            self.found.sdk_only.append(path)

    def _value(self, declared: Property, kind: str, value: Any, where: str, *, hidden: bool) -> None:
        if isinstance(value, Secret):
            value, hidden = value.value, True
        if isinstance(value, Unknown):
            return
        if kind.startswith("["):
            self._list(declared, kind[1:-1], value, where, hidden=hidden)
        elif kind.startswith("{"):
            self._map(declared, kind[1:-1], value, where, hidden=hidden)
        elif kind[0].isupper():
            self._nested(kind, value, where, hidden=hidden)
        elif kind != "any":
            self._problems_of_leaf(declared, kind, value, where, hidden=hidden)

    def _list(self, declared: Property, kind: str, value: Any, where: str, *, hidden: bool) -> None:
        if not isinstance(value, list):
            self._wrong_type(value, "a list", where, hidden=hidden)
            return
        for reason in _items(declared, value):
            self._problem(where, reason)
        for number, item in enumerate(value):
            self._value(declared, kind, item, f"{where}[{number}]", hidden=hidden)

    def _map(self, declared: Property, kind: str, value: Any, where: str, *, hidden: bool) -> None:
        if not isinstance(value, dict):
            self._wrong_type(value, "an object", where, hidden=hidden)
            return
        for name, item in value.items():
            self._value(declared, kind, item, f'{where}["{name}"]', hidden=hidden)

    def _nested(self, kind: str, value: Any, where: str, *, hidden: bool) -> None:
        if not isinstance(value, dict):
            self._wrong_type(value, "an object", where, hidden=hidden)
            return
        shape = chosen_shape(self._namespace, kind, value)
        if shape is not None:
            self.object(shape, value, where, hidden=hidden)
            return
        name, values = discriminator_of(self._namespace, kind)
        given = plain(value.get(name))
        if not isinstance(given, Unknown):
            shown = "a secret" if hidden else f"'{given}'"
            self._problem(_join(where, name), f"InvalidValue: it is {shown}; allowed are {', '.join(values)}")

    def _problems_of_leaf(self, declared: Property, kind: str, value: Any, where: str, *, hidden: bool) -> None:
        if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
            self._wrong_type(value, f"{'an' if kind == 'integer' else 'a'} {kind}", where, hidden=hidden)
            return
        shown = "a secret" if hidden else f"'{value}'"
        limits = () if declared.in_url and where == self._named_by_rule else _limits(declared, value, shown)
        for reason in (*_choice(declared, value, shown), *limits, *_format(declared, value, shown)):
            self._problem(where, reason)

    def _wrong_type(self, value: Any, wanted: str, where: str, *, hidden: bool) -> None:
        shown = "a secret" if hidden or isinstance(value, dict | list) else f"{value!r}"
        self._problem(where, f"InvalidType: it is {_words(value) if shown == 'a secret' else shown}; it must be {wanted}")

    def _problem(self, where: str, reason: str) -> None:
        self.found.problems.append((where, reason))


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _words(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}.get(type(value), "a number")


def _choice(declared: Property, value: Any, shown: str) -> Iterator[str]:
    # ARM compares enumerated values without regard to case.
    if declared.choices and str(value).lower() not in {str(choice).lower() for choice in declared.choices}:
        yield f"InvalidValue: it is {shown}; allowed are {', '.join(map(str, declared.choices))}"


def _limits(declared: Property, value: Any, shown: str) -> Iterator[str]:
    limits = declared.limits
    if isinstance(value, str):
        low, high = limits.get("minLength", 0), limits.get("maxLength")
        if len(value) < low or (high is not None and len(value) > high):
            yield f"InvalidLength: it is {shown}, {len(value)} characters; allowed are {_range(low, high)}"
        if "pattern" in limits and not re.search(limits["pattern"], value):
            yield f"InvalidPattern: it is {shown}; it must match {limits['pattern']}"
    elif not isinstance(value, bool):
        low, high = limits.get("minimum"), limits.get("maximum")
        if (low is not None and value < low) or (high is not None and value > high):
            yield f"ValueOutOfRange: it is {shown}; allowed are {_range(low, high)}"
        if "multipleOf" in limits and value % limits["multipleOf"]:
            yield f"InvalidValue: it is {shown}; allowed are multiples of {limits['multipleOf']}"


def _items(declared: Property, value: list[Any]) -> Iterator[str]:
    low, high = declared.limits.get("minItems", 0), declared.limits.get("maxItems")
    if len(value) < low or (high is not None and len(value) > high):
        yield f"InvalidLength: it has {len(value)} elements; allowed are {_range(low, high)}"
    if declared.limits.get("unique") and not has_unknown(value) and len({str(item) for item in value}) < len(value):
        yield "InvalidValue: it has an element twice; each is allowed once"


def _range(low: Any, high: Any) -> str:
    if high is None:
        return f"{low} or more"
    return f"{high} or less" if low is None else f"{low} to {high}"


def _format(declared: Property, value: Any, shown: str) -> Iterator[str]:
    right = {
        "date-time": _is_time,
        "date": _is_time,
        "duration": lambda text: _DURATION.fullmatch(text) is not None,
        "base64": _is_base64,
        "base64url": _is_base64,
    }
    if declared.format and isinstance(value, str) and not right[declared.format](value):
        yield f"InvalidFormat: it is {shown}; it must be {'an ISO 8601 ' if declared.format in ('date-time', 'date', 'duration') else ''}{declared.format}"


def _is_time(text: str) -> bool:
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return False
    return True


def _name_rule(kind: ResourceType, inputs: Properties) -> Iterator[Problem]:
    name = plain(inputs.get(kind.name_property))
    if kind.fixed_name and isinstance(name, str) and name != kind.fixed_name:
        yield kind.name_property, f"InvalidResourceName: the only name is '{kind.fixed_name}', it is '{name}'"
    elif kind.name_rule and isinstance(name, str) and not kind.name_rule.allows(name):
        yield kind.name_property, f"InvalidResourceName: the name is '{name}'; allowed are {kind.name_rule.words}"


def _rules(kind: ResourceType, inputs: Properties) -> Iterator[Problem]:
    for rule in kind.rules:
        if all(_known(inputs, path) for path in rule.reads) and (wrong := rule.broken(inputs)):
            yield rule.property, f"{rule.code}: {wrong}"


def _known(inputs: Any, path: str) -> bool:
    for name in path.split("."):
        if isinstance(inputs, Unknown):
            return False
        if not isinstance(inputs, Mapping):
            return True
        inputs = inputs.get(name)
    return not has_unknown(inputs)
