"""Joins what the SDK and the azure-mgmt models say into the files beside this one."""

import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from importlib.metadata import version
from pathlib import Path
from typing import Any

from local_azure.arm.models import azure_mgmt, sdk
from local_azure.arm.models.azure_mgmt import ModelForm, ModelProperty
from local_azure.arm.models.sdk import Form, SdkProperty
from local_azure.arm.models.sources import EXAMPLES_ONLY, FROM_MODEL, PLACES, SOURCES

FOLDER = Path(__file__).parent
_FORMATS = ("date-time", "date", "duration", "base64", "base64url")


class MismatchError(Exception):
    """SDK and model say different things of one property."""


def documents(in_url: Mapping[str, AbstractSet[str]]) -> dict[str, str]:
    """The text of every file, by namespace.

    Args:
        in_url: for every type the inputs that stand in its URL and not in the body.
    """
    found = {}
    for namespace in sorted({name.split(":")[1] for name in SOURCES}):
        join = _Join()
        types = {name.split(":")[2]: join.resource(name, in_url[name]) for name in sorted(SOURCES) if name.split(":")[1] == namespace}
        found[namespace] = _text({"types": types, "shapes": dict(sorted(join.shapes.items()))})
    return found


def _text(document: dict[str, Any]) -> str:
    """JSON with one line per property, so that a difference reads well."""
    lines = ["{", '"types": {']
    lines.append(",\n".join(f"{json.dumps(name)}: {json.dumps(entry, indent=1)}" for name, entry in document["types"].items()))
    lines += ["},", '"shapes": {']
    shapes = []
    for name, shape in document["shapes"].items():
        properties = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in sorted(shape["properties"].items()))
        readonly = f' "readonly": {json.dumps(shape["readonly"])},\n' if shape["readonly"] else ""
        shapes.append(f'{json.dumps(name)}: {{\n{readonly} "properties": {{\n{properties}\n }}}}')
    lines.append(",\n".join(shapes))
    return "\n".join([*lines, "}", "}", ""])


class _Join:
    """The shapes that the types of one namespace reach."""

    def __init__(self) -> None:
        self.shapes: dict[str, dict[str, Any]] = {}
        self._known: dict[str, tuple[type, type | None]] = {}

    def resource(self, pulumi_type: str, in_url: AbstractSet[str]) -> dict[str, Any]:
        source = SOURCES[pulumi_type]
        arguments = sdk.arguments_of(pulumi_type)
        shape = self._shape(arguments, azure_mgmt.model_of(source), in_url)
        limits = azure_mgmt.url_limits(source)
        for name in in_url & self.shapes[shape]["properties"].keys():
            self.shapes[shape]["properties"][name].update(limits.get(name.lower(), {}))
        outputs = sdk.outputs(sdk.resource_of(pulumi_type)) - set(sdk.inputs(arguments)) - {"id"}
        self.shapes[shape]["readonly"] = sorted({*self.shapes[shape]["readonly"], *outputs})
        return {
            "inputs": shape,
            "sdkApiVersion": sdk.api_version(pulumi_type),
            "model": source.model,
            "modelApiVersion": azure_mgmt.api_version(source),
            "package": f"{source.package} {version(source.package)}",
            "outputs": sorted(outputs),
        }

    def _shape(self, arguments: type, model: type | None, in_url: AbstractSet[str] = frozenset()) -> str:
        name = re.sub(r"(Init)?Args$", "", arguments.__name__)
        if self._known.get(name, (arguments, model)) != (arguments, model):
            # One class of the SDK can stand for several models that look alike.
            name = f"{name}~{model.__name__ if model else 'none'}"
        if name in self._known:
            return name
        self._known[name] = (arguments, model)
        known = azure_mgmt.properties(model) if model else {}
        inputs = sdk.inputs(arguments)
        self.shapes[name] = {"readonly": [], "properties": {}}
        for key, declared in inputs.items():
            in_body = key not in in_url
            entry = self._property(key, declared, model, known) if in_body else {"type": self._type(declared.form, None), "url": True, **_flags(declared, None)}
            if f"{name}.{key}" in EXAMPLES_ONLY:
                del entry["choices"]
            elif f"{name}.{key}" in PLACES:
                entry["wire"] = PLACES[f"{name}.{key}"]
            elif f"{name}.{key}" in FROM_MODEL and (found := _find(key, known)):
                entry["choices"] = list(found.choices)
            self.shapes[name]["properties"][key] = entry
        self.shapes[name]["readonly"] = sorted((sdk.answered(arguments) | _readonly(known)) - set(inputs))
        return name

    def _property(self, name: str, declared: SdkProperty, model: type | None, known: dict[str, ModelProperty]) -> dict[str, Any]:
        found = _find(name, known)
        entry: dict[str, Any] = {"type": self._type(declared.form, found.form if found else None)}
        if found is None:
            return {**entry, "modelled": False, **_flags(declared, None)}
        if ".".join(found.wire) != name:
            entry["wire"] = list(found.wire) if any("." in part for part in found.wire) else ".".join(found.wire)
        if declared.form.kind == "list" and found.form.kind == "map":
            entry["map"] = True
        if (innermost := _innermost(found.form).kind) in _FORMATS:
            entry["format"] = innermost
        entry |= {**_flags(declared, found), **found.limits}
        if model and (values := azure_mgmt.subtypes(model)) and name in _discriminators(model):
            entry["choices"] = sorted(value for value, member in values.items() if member == model.__name__) or entry.get("choices", [])
            entry["discriminator"] = True
        return entry

    def _type(self, form: Form, model: ModelForm | None) -> str:
        if form.inner is not None:
            inner = self._type(form.inner, model.inner if model else None)
            return f"[{inner}]" if form.kind == "list" else f"{{{inner}}}"
        if form.kind == "object":
            base = model.model if model else None
            pairs = [(one, azure_mgmt.subtype(base, one.__name__.removesuffix("Args")) if base and azure_mgmt.subtypes(base) else base) for one in form.classes]
            return "|".join(sorted(self._shape(one, found) for one, found in pairs))
        return form.kind


def _flags(declared: SdkProperty, found: ModelProperty | None) -> dict[str, Any]:
    form = declared.form
    while form.inner is not None:
        form = form.inner
    choices = form.choices or (found.choices if found else ())
    flags: dict[str, Any] = {"choices": list(choices)} if choices else {}
    # The real plugin fills in a location that is left out.
    if declared.required or (found and found.required and found.wire != ("location",)):
        flags["required"] = True
    if found and found.readonly:
        flags["readonly"] = True
    return flags


def _find(name: str, known: dict[str, ModelProperty]) -> ModelProperty | None:
    """The model's property for a name of the SDK, which is the model's own name for it or the one on the wire, at most one level down."""
    alike = [found for attribute, found in known.items() if attribute.replace("_", "").lower() == name.lower()]
    alike += [found for found in known.values() if found.wire[-1].lower() == name.lower()]
    if alike:
        # What only ARM writes can have the name of something that one sets: a resource's `type`, and a pool's.
        return next((found for found in alike if not found.readonly), alike[0])
    inner = known.get("properties")
    if inner is None or inner.form.model is None:
        return None
    below = _find(name, azure_mgmt.properties(inner.form.model))
    return below and ModelProperty(
        wire=(*inner.wire, *below.wire), form=below.form, required=below.required, readonly=below.readonly, choices=below.choices, limits=below.limits
    )


def _innermost(form: ModelForm) -> ModelForm:
    while form.inner is not None:
        form = form.inner
    return form


def _readonly(known: dict[str, ModelProperty]) -> set[str]:
    """Names of what only ARM writes."""
    return {re.sub(r"_(\w)", lambda match: match[1].upper(), attribute) for attribute, found in known.items() if found.readonly}


def _discriminators(model: type) -> set[str]:
    """Names of the properties that say which member of its family an object is."""
    return {re.sub(r"_(\w)", lambda match: match[1].upper(), name) for base in model.__mro__ for name in vars(base).get("_subtype_map", {})}
