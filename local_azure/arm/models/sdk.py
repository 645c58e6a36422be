"""What the azure-native SDK says of its resources: every property's name, type and enumeration. Needs the SDK, takes seconds to import."""

import enum
import inspect
import re
import typing
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

import pulumi
from pulumi import _types

_PRIMITIVES = {str: "string", bool: "boolean", int: "integer", float: "number", Any: "any"}


@dataclass(frozen=True, kw_only=True)
class Form:
    """The form of a value.

    Attributes:
        kind: string, boolean, integer, number, any, list, map or object.
        choices: of an enumeration.
        inner: of a list's or map's elements.
        classes: of an object; more than one when a discriminator chooses.
    """

    kind: str
    choices: tuple[str, ...] = ()
    inner: "Form | None" = None
    classes: tuple[type, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SdkProperty:
    """An input as the SDK declares it."""

    form: Form
    required: bool


def arguments_of(pulumi_type: str) -> type:
    """The class with all inputs of a resource."""
    _, namespace, name = pulumi_type.split(":")
    # A nested object of the same name takes the plain one.
    module = resolve_name(f"pulumi_azure_native.{namespace}")
    return getattr(module, f"{name}InitArgs", None) or getattr(module, f"{name}Args")


def resource_of(pulumi_type: str) -> type:
    """The resource's own class."""
    _, namespace, name = pulumi_type.split(":")
    return resolve_name(f"pulumi_azure_native.{namespace}:{name}")


def api_version(pulumi_type: str) -> str:
    """The REST API version that the SDK says it uses for the type."""
    found = re.search(r"REST API version (\d{4}-\d\d-\d\d(?:-\w+)?)", inspect.getsource(resource_of(pulumi_type)))
    if found is None:
        raise LookupError(f"the SDK's text about {pulumi_type} names no REST API version")
    return found[1]


def inputs(arguments: type) -> dict[str, SdkProperty]:
    """The inputs of a class of arguments, nested ones alike, by the name in Pulumi's own form."""
    names = _types.input_type_py_to_pulumi_names(arguments)
    types = _types.input_type_types(arguments)
    parameters = inspect.signature(arguments.__init__).parameters
    return {
        pulumi_name: SdkProperty(form=_form(types[pulumi_name]), required=parameters[python_name].default is inspect.Parameter.empty)
        for python_name, pulumi_name in names.items()
    }


def outputs(resource: type) -> set[str]:
    """The names of all that a resource has once it exists."""
    return set(_types.resource_py_to_pulumi_names(resource).values())


def answered(arguments: type) -> set[str]:
    """The names that ARM answers for a nested object; empty when the SDK has no such class."""
    module = arguments.__module__.rsplit(".", 1)[0]
    try:
        response = resolve_name(f"{module}.outputs:{arguments.__name__.removesuffix('Args')}Response")
    except AttributeError:
        return set()
    return set(_types._py_to_pulumi_names_from_py_properties(response).values())  # noqa: SLF001 - the SDK's own reading of its classes


def _form(declared: Any) -> Form:
    parts = _alternatives(declared)
    if Any in parts:
        return Form(kind="any")
    enums = [part for part in parts if isinstance(part, type) and issubclass(part, enum.Enum)]
    if enums:
        values = [member.value for one in enums for member in one]
        return Form(kind=_PRIMITIVES[type(values[0])], choices=tuple(sorted(values)))
    objects = tuple(part for part in parts if isinstance(part, type) and _types.is_input_type(part))
    if objects:
        return Form(kind="object", classes=objects)
    (part,) = parts
    origin = typing.get_origin(part)
    if origin in (Sequence, list):
        return Form(kind="list", inner=_form(typing.get_args(part)[0]))
    if origin in (Mapping, dict):
        return Form(kind="map", inner=_form(typing.get_args(part)[1]))
    return Form(kind=_PRIMITIVES[part])


def _alternatives(declared: Any) -> list[Any]:
    """The members of a union that a value can have; what Pulumi adds around every input is left out."""
    if typing.get_origin(declared) is not typing.Union:
        return [declared]
    found: list[Any] = []
    for part in typing.get_args(declared):
        plumbing = part is type(None) or typing.get_origin(part) in (Awaitable, pulumi.Output) or part is pulumi.Output
        found.extend(one for one in ([] if plumbing else _alternatives(part)) if one not in found)
    return found
