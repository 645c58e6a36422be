"""The body that goes to ARM: azure-native gives properties other names, and leaves out the level `properties`, which is put back here."""

from typing import Any

from local_azure.arm.models import Property, Shape, chosen_shape, model_of
from local_azure.arm.wire import UNKNOWN, Secret, has_unknown, plain


def body_of(pulumi_type: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """What a create of a resource sends, without what stands in the URL. Properties that nobody knows are left out."""
    return _object(pulumi_type.split(":")[1], model_of(pulumi_type).inputs, inputs)


def writable(pulumi_type: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The part of an answer that can be sent again: without what only ARM writes, at any depth."""
    return _writable(pulumi_type.split(":")[1], model_of(pulumi_type).inputs, answer)


def _writable(namespace: str, shape: Shape, value: dict[str, Any]) -> dict[str, Any]:
    kept = {name: (shape.properties[name], item) for name, item in value.items() if name in shape.properties and not shape.properties[name].readonly}
    return {name: _writable_value(namespace, declared.type, item) for name, (declared, item) in kept.items()}


def _writable_value(namespace: str, kind: str, value: Any) -> Any:
    if kind.startswith("[") and isinstance(value, list):
        return [_writable_value(namespace, kind[1:-1], item) for item in value]
    if kind.startswith("{") and isinstance(value, dict):
        return {name: _writable_value(namespace, kind[1:-1], item) for name, item in value.items()}
    if kind[0].isupper() and isinstance(value, dict):
        shape = chosen_shape(namespace, kind, value)
        return _writable(namespace, shape, value) if shape else value
    return value


def _object(namespace: str, shape: Shape, value: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name, item in value.items():
        declared = shape.properties.get(name)
        if declared is None or declared.in_url or item is None:
            continue
        place = body
        for level in declared.wire[:-1]:
            place = place.setdefault(level, {})
        place[declared.wire[-1]] = _value(namespace, declared, declared.type, item)
    return body


def _value(namespace: str, declared: Property, kind: str, value: Any) -> Any:
    if isinstance(value, Secret):
        return Secret(_value(namespace, declared, kind, value.value))
    if declared.as_map and isinstance(value, list):
        return UNKNOWN if has_unknown(value) else {plain(one): {} for one in value}
    if kind.startswith("[") and isinstance(value, list):
        return [_value(namespace, declared, kind[1:-1], item) for item in value]
    if kind.startswith("{") and isinstance(value, dict):
        return {name: _value(namespace, declared, kind[1:-1], item) for name, item in value.items()}
    if kind[0].isupper() and isinstance(value, dict):
        shape = chosen_shape(namespace, kind, value)
        return _object(namespace, shape, value) if shape else value
    return value
