"""What ARM takes for each type, as the azure-native SDK and Microsoft's own Python models tell it.

The files `<namespace>.json` beside this module are made by `python -m local_azure.arm.models`, which needs the packages of the `dev` extra; reading them
needs nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Property:
    """One input.

    Attributes:
        type: string, boolean, integer, number, any, or a shape's name; in [] a list and in {} a map of these. Several shapes are apart by |.
        wire: its place in the body, a name per level.
        modelled: whether the azure-mgmt model has it. What only the SDK has is checked against the SDK alone.
        in_url: stands in the URL and not in the body.
        as_map: a list of ids for the SDK, a map of empty objects for ARM.
        discriminator: says which of several shapes an object has.
        format: date-time, date, duration, base64 or base64url.
        limits: lengths, pattern and bounds, in JSON schema's words.
    """

    type: str
    wire: tuple[str, ...]
    modelled: bool
    in_url: bool
    as_map: bool
    discriminator: bool
    required: bool
    readonly: bool
    choices: tuple[str, ...]
    format: str | None
    limits: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """An object: its inputs, and the names that ARM alone writes."""

    properties: Mapping[str, Property]
    readonly: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is known of a type.

    Attributes:
        inputs: the shape of the resource itself.
        outputs: names that ARM adds.
        model: class that the checks come from, in `package`.
    """

    inputs: Shape
    outputs: tuple[str, ...]
    model: str
    package: str
    sdk_api_version: str
    model_api_version: str


def model_of(pulumi_type: str) -> Model:
    """What is known of a type.

    Raises:
        KeyError: there is no file or no entry for it.
    """
    _, namespace, name = pulumi_type.split(":")
    entry = _document(namespace)["types"][name]
    return Model(
        inputs=shape_of(namespace, entry["inputs"]),
        outputs=tuple(entry["outputs"]),
        model=entry["model"],
        package=entry["package"],
        sdk_api_version=entry["sdkApiVersion"],
        model_api_version=entry["modelApiVersion"],
    )


@cache
def shape_of(namespace: str, name: str) -> Shape:
    """A shape by the name that a property's type gives."""
    entry = _document(namespace)["shapes"][name]
    return Shape(properties={key: _property(key, value) for key, value in entry["properties"].items()}, readonly=frozenset(entry.get("readonly", ())))


@cache
def _document(namespace: str) -> dict[str, Any]:
    path = _FOLDER / f"{namespace}.json"
    if not path.is_file():
        raise KeyError(f"{path.name} is missing; `python -m local_azure.arm.models` makes it")
    return json.loads(path.read_text())


_LIMITS = frozenset({"minLength", "maxLength", "pattern", "minimum", "maximum", "minItems", "maxItems", "unique", "multipleOf"})


def _property(name: str, entry: dict[str, Any]) -> Property:
    wire = entry.get("wire", name)
    return Property(
        type=entry["type"],
        wire=tuple(wire) if isinstance(wire, list) else tuple(wire.split(".")),
        modelled=entry.get("modelled", True),
        in_url=entry.get("url", False),
        as_map=entry.get("map", False),
        discriminator=entry.get("discriminator", False),
        required=entry.get("required", False),
        readonly=entry.get("readonly", False),
        choices=tuple(entry.get("choices", ())),
        format=entry.get("format"),
        limits={key: value for key, value in entry.items() if key in _LIMITS},
    )


def chosen_shape(namespace: str, names: str, value: Mapping[str, Any]) -> Shape | None:
    """The shape of an object; of several the one that its discriminator names, None when it names none of them."""
    shapes = [shape_of(namespace, name) for name in names.split("|")]
    if len(shapes) == 1:
        return shapes[0]
    for shape in shapes:
        if all(value.get(name) in declared.choices for name, declared in shape.properties.items() if declared.discriminator):
            return shape
    return None


def discriminator_of(namespace: str, names: str) -> tuple[str, tuple[str, ...]]:
    """The property that says which of several shapes an object has, and its values."""
    found: dict[str, list[str]] = {}
    for shape in (shape_of(namespace, name) for name in names.split("|")):
        for name, declared in shape.properties.items():
            if declared.discriminator:
                found.setdefault(name, []).extend(declared.choices)
    ((name, values),) = found.items()
    return name, tuple(sorted(values))
