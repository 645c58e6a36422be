"""What the models of the azure-mgmt packages say of ARM's bodies, from both generations of generated code. Needs the packages of the `dev` extra."""

import datetime
import enum
import inspect
import json
import re
import typing
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import Any

from local_azure.arm.models.sources import Source

_PRIMITIVES = {
    "str": "string",
    "bool": "boolean",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "object": "any",
    "iso-8601": "date-time",
    "rfc-1123": "date-time",
    "date": "date",
    "duration": "duration",
    "bytearray": "base64",
    "base64": "base64url",
    "time": "string",
    "unix-time": "integer",
}
_PYTHON = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    datetime.datetime: "date-time",
    datetime.date: "date",
    datetime.timedelta: "duration",
}
_LIMITS = {
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
    "minimum": "minimum",
    "maximum": "maximum",
    "min_items": "minItems",
    "max_items": "maxItems",
    "unique": "unique",
    "multiple": "multipleOf",
}
_IN_URL = re.compile(r'"(\w+)": _SERIALIZER\.url\(\s*"\w+",\s*\w+,\s*"str"((?:[^()"]|"[^"]*")*)\)')
_RULE = re.compile(r'(max_length|min_length|pattern)=(?:(\d+)|r"([^"]*)")')
_WRITTEN = {"create", "update"}


@dataclass(frozen=True, kw_only=True)
class ModelForm:
    """The form of a value: kind is that of a primitive, `list`, `map` or `model`."""

    kind: str
    inner: "ModelForm | None" = None
    model: type | None = None


@dataclass(frozen=True, kw_only=True)
class ModelProperty:
    """A property of a body.

    Attributes:
        wire: its place in the body, a name per level.
        limits: lengths, pattern and bounds, in JSON schema's words.
    """

    wire: tuple[str, ...]
    form: ModelForm
    required: bool = False
    readonly: bool = False
    choices: tuple[str, ...] = ()
    limits: dict[str, Any] = field(default_factory=dict)


def model_of(source: Source) -> type:
    """The class of a source's body."""
    return resolve_name(f"{source.module}.models:{source.model}")


def api_version(source: Source) -> str:
    """The API version that the operations of the source's module use."""
    folder = Path(str(resolve_name(source.module).__file__)).parent
    found: Counter[str] = Counter()
    for path in (folder / "_configuration.py", *(folder / "operations").glob("*.py")):
        found.update(re.findall(r'"api[-_]version", (?:_params\.pop\("api-version", )?"(\d{4}-\d\d-\d\d(?:-\w+)?)"', path.read_text()))
    if not found:
        raise LookupError(f"{source.module} names no API version")
    return found.most_common(1)[0][0]


def url_limits(source: Source) -> dict[str, dict[str, Any]]:
    """Lengths and patterns of what stands in URLs, by lower-case name; where the operations disagree those that most of them have."""
    found: dict[str, Counter[str]] = {}
    for path in sorted((Path(str(resolve_name(source.module).__file__)).parent / "operations").glob("*.py")):
        for name, rules in _IN_URL.findall(path.read_text()):
            limits = {_LIMITS[rule]: int(number) if number else text for rule, number, text in _RULE.findall(rules)}
            if limits:
                found.setdefault(name.lower(), Counter())[json.dumps(limits, sort_keys=True)] += 1
    return {name: json.loads(counted.most_common(1)[0][0]) for name, counted in found.items()}


def properties(model: type) -> dict[str, ModelProperty]:
    """The properties of a model by attribute name."""
    return _autorest(model) if hasattr(model, "_attribute_map") else _typespec(model)


def subtypes(model: type) -> dict[str, str]:
    """Class names by the value of the discriminator, its own included when the model is one of a family."""
    found: dict[str, str] = {}
    for base in model.__mro__:
        for values in vars(base).get("_subtype_map", {}).values():
            found.update(values)
    return found


def subtype(model: type, name: str) -> type:
    """The member of the model's family with a class name; the model itself when there is none."""
    return getattr(_module(model), name, model)


def _module(model: type) -> ModuleType:
    return resolve_name(model.__module__.rsplit(".", 1)[0])


def _autorest(model: Any) -> dict[str, ModelProperty]:
    hints = _enumerations(model)
    found = {}
    for name, entry in model._attribute_map.items():  # noqa: SLF001 - the generated code tells it nowhere else
        rules = model._validation.get(name, {})  # noqa: SLF001
        # A dot inside a name is escaped in the generated code.
        wire = tuple(part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", entry["key"]))
        found[name] = ModelProperty(
            wire=wire,
            form=_autorest_form(model, entry["type"]),
            required=bool(rules.get("required")),
            readonly=bool(rules.get("readonly")),
            choices=hints.get(name, ()),
            limits={_LIMITS[rule]: value for rule, value in rules.items() if rule in _LIMITS},
        )
    return found


def _autorest_form(model: type, text: str) -> ModelForm:
    if text[0] in "[{":
        return ModelForm(kind="list" if text[0] == "[" else "map", inner=_autorest_form(model, text[1:-1]))
    if text in _PRIMITIVES:
        return ModelForm(kind=_PRIMITIVES[text])
    named = getattr(_module(model), text)
    # Some enumerations are named where others are `str`.
    return ModelForm(kind="string") if issubclass(named, enum.Enum) else ModelForm(kind="model", model=named)


def _enumerations(model: type) -> dict[str, tuple[str, ...]]:
    """The values of every attribute that has an enumeration, from the signature that the generator wrote."""
    found = {}
    for base in reversed(model.__mro__[:-1]):
        namespace = {**vars(resolve_name(base.__module__)), "_models": _module(base), "JSON": Any}
        try:
            hints = typing.get_type_hints(base.__init__, namespace)
        except NameError:
            continue
        found.update({name: values for name, hint in hints.items() if (values := _values(hint))})
    return found


def _values(hint: Any) -> tuple[str, ...]:
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return tuple(sorted(str(member.value) for member in hint))
    return tuple(sorted({value for part in typing.get_args(hint) for value in _values(part)}))


def _typespec(model: Any) -> dict[str, ModelProperty]:
    found = {}
    hints = typing.get_type_hints(model, {**vars(resolve_name(model.__module__)), "_models": _module(model)})
    # The class learns its own fields when the first object is made.
    for name, rest in model({})._attr_to_rest_field.items():  # noqa: SLF001
        hint = hints[name]
        found[name] = ModelProperty(
            wire=(rest._rest_name,),  # noqa: SLF001
            form=_typespec_form(hint),
            required=type(None) not in typing.get_args(hint),
            readonly=not _WRITTEN & set(rest._visibility or _WRITTEN),  # noqa: SLF001
            choices=_values(hint),
        )
    return found


def _typespec_form(hint: Any) -> ModelForm:
    parts = [part for part in typing.get_args(hint) if part is not type(None)] if typing.get_origin(hint) is typing.Union else [hint]
    part = parts[0]
    origin = typing.get_origin(part)
    if origin is list:
        return ModelForm(kind="list", inner=_typespec_form(typing.get_args(part)[0]))
    if origin is dict:
        return ModelForm(kind="map", inner=_typespec_form(typing.get_args(part)[1]))
    if inspect.isclass(part) and hasattr(part, "_calculated"):
        return ModelForm(kind="model", model=part)
    return ModelForm(kind=_PYTHON.get(part, "any"))
