"""The OpenAPI document of the service: every path that it answers, with the models' own inputs and outputs, and the developer's routes."""

import inspect
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .developer import OwnRoute
from .signature import FREE, NUMPY_TYPES, Signature, Tensor
from .tensors import FLOATS, Ranges

if TYPE_CHECKING:
    from .developer import App
    from .engine import Engine, Served

Json = dict[str, Any]

_LISTED_ROWS = 16
"""JSON Schema cannot say "as many values as the shape multiplies to", so for so many rows it is spelled out."""
_JSON = "application/json"
_TEXT: Json = {"type": "string"}
_PATH_PARAMETERS = {
    "str": {"type": "string", "minLength": 1, "pattern": "^[^/]+$"},
    "int": {"type": "integer", "minimum": 0},
    "float": {"type": "number", "minimum": 0},
}
_PARAMETERS: Json = {"type": ["object", "null"], "additionalProperties": {"type": ["string", "number", "boolean"]}}
_BINARY_NOTE = (
    "The binary tensor extension is understood too: with the header Inference-Header-Content-Length (bytes of JSON) raw tensors follow the JSON, "
    "and an input has parameters.binary_data_size instead of data."
)
_ERRORS = {
    400: "The request is wrong; the text says what is.",
    401: "Authentication is on and nobody knows who calls.",
    403: "Authentication is on and this caller may not.",
    405: "This method is not for this path.",
    408: "The body took too long to arrive.",
    413: "The body is larger than MAX_BODY_BYTES.",
    500: "An error of the service; its log has the details.",
    503: "Not now: too much is waiting, or the service is about to stop. Come again after Retry-After seconds.",
}


def openapi(engine: "Engine", app: "App") -> Json:
    """The document, version 3.1."""
    paths = _server_paths()
    for served in engine.served.values():
        name = served.model.name
        for path, suffix in ((f"/v2/models/{name}", ""), (f"/v2/models/{name}/versions/{served.model.version}", "_version")):
            paths.update(_model_paths(path, f"{_identifier(name)}{suffix}", served, app.ranges_of(name)))
    for route in app.own_routes:
        path, operation = _own(route)
        paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": app.name,
            "version": app.release,
            "description": f"Models behind the Open Inference Protocol. {_BINARY_NOTE} A page for people is at /docs.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(), "responses": {str(status): _error(text) for status, text in _ERRORS.items()}},
    }


def operation_ids(document: Json) -> list[str]:
    """All of them; they must differ."""
    return [operation["operationId"] for path in document["paths"].values() for operation in path.values()]


def _schemas() -> Json:
    return {
        "Error": {"type": "object", "properties": {"error": _TEXT}, "required": ["error"]},
        "Tensor": {
            "type": "object",
            "properties": {
                "name": _TEXT,
                "datatype": {"enum": list(NUMPY_TYPES)},
                "shape": {"type": "array", "items": {"type": "integer"}},
                "data": {"type": "array"},
                "parameters": _PARAMETERS,
            },
            "required": ["name", "datatype", "shape"],
        },
        "TensorDescription": {
            "type": "object",
            "properties": {
                "name": _TEXT,
                "datatype": {"enum": list(NUMPY_TYPES)},
                "shape": {"type": "array", "items": {"type": "integer", "minimum": FREE}, "description": "-1: any size"},
            },
            "required": ["name", "datatype", "shape"],
        },
        "Ready": {
            "type": "object",
            "properties": {"ready": {"type": "boolean"}, "name": _TEXT, "error": _TEXT},
            "required": ["ready"],
        },
    }


def _error(text: str) -> Json:
    return {"description": text, "content": {_JSON: {"schema": _reference("Error")}}}


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _errors(*statuses: int) -> Json:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted((*statuses, 405, 500))}


def _get(identifier: str, summary: str, tag: str, schema: Json, *, errors: Sequence[int] = (), content_types: Sequence[str] = (_JSON,)) -> Json:
    content = {content_type: {"schema": schema} for content_type in content_types}
    return {
        "operationId": identifier,
        "summary": summary,
        "tags": [tag],
        "responses": {"200": {"description": "The answer.", "content": content}, **_errors(*errors)},
    }


def _server_paths() -> dict[str, Json]:
    flag = {"type": "object", "properties": {"live": {"type": "boolean"}}, "required": ["live"]}
    server = {
        "type": "object",
        "properties": {"name": _TEXT, "version": _TEXT, "extensions": {"type": "array", "items": _TEXT}},
        "required": ["name", "version", "extensions"],
    }
    metrics = ("text/plain", "application/openmetrics-text")
    return {
        "/v2": {"get": _get("server_metadata", "The app's name and release", "server", server, errors=(401, 403))},
        "/v2/health/live": {"get": _get("server_live", "Does the process answer?", "server", flag)},
        "/v2/health/ready": {"get": _ready("server_ready", "Should requests be sent here?", "server")},
        "/metrics": {"get": _get("metrics", "What Prometheus reads", "server", _TEXT, content_types=metrics)},
        "/docs": {"get": _get("docs", "A page for people", "server", _TEXT, errors=(401, 403), content_types=("text/html",))},
        "/openapi.json": {"get": _get("openapi", "This document", "server", {"type": "object"}, errors=(401, 403))},
    }


def _ready(identifier: str, summary: str, tag: str, *, errors: Sequence[int] = ()) -> Json:
    operation = _get(identifier, summary, tag, _reference("Ready"), errors=errors)
    operation["responses"]["503"] = {"description": "Not any more: the service is about to stop.", "content": {_JSON: {"schema": _reference("Ready")}}}
    return operation


def _model_paths(path: str, identifier: str, served: "Served", ranges: Ranges) -> dict[str, Json]:
    tag = served.model.name
    return {
        path: {"get": _get(f"{identifier}_metadata", f"Inputs, outputs and version of {tag}", tag, _metadata(), errors=(401, 403))},
        f"{path}/ready": {"get": _ready(f"{identifier}_ready", f"Can {tag} answer?", tag, errors=(401, 403))},
        f"{path}/infer": {"post": _infer(f"{identifier}_infer", served, ranges)},
    }


def _metadata() -> Json:
    tensors = {"type": "array", "items": _reference("TensorDescription")}
    properties: Json = {
        "name": _TEXT,
        "versions": {"type": "array", "items": _TEXT},
        "platform": _TEXT,
        "inputs": tensors,
        "outputs": tensors,
        "parameters": {"type": "object", "properties": {"sha256": _TEXT, "image_digest": _TEXT}, "required": ["sha256"]},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _infer(identifier: str, served: "Served", ranges: Ranges) -> Json:
    content: Json = {"schema": _request(served.model.signature, ranges)}
    if served.example:
        content["example"] = {"inputs": served.example}
    headers = {name: {"schema": _TEXT, "description": text} for name, text in _HEADERS.items()}
    answer = {_JSON: {"schema": _answer()}, "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {
        "operationId": identifier,
        "summary": f"A prediction of {served.model.name}",
        "description": "More rows than are listed go the same way: data has as many values as shape multiplies to.",
        "tags": [served.model.name],
        "requestBody": {"required": True, "content": {_JSON: content}},
        "responses": {
            "200": {"description": "The prediction.", "headers": headers, "content": answer},
            **_errors(400, 401, 403, 408, 413, 503),
        },
    }


_HEADERS = {"x-model-version": "The model's version.", "x-model-sha256": "Of the model's file.", "x-image-digest": "The image, where it is known."}


def _answer() -> Json:
    return {
        "type": "object",
        "properties": {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "id": _TEXT,
            "parameters": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
            "outputs": {"type": "array", "items": _reference("Tensor")},
        },
        "required": ["model_name", "model_version", "outputs"],
    }


def _request(signature: Signature, ranges: Ranges) -> Json:
    inputs = [_input(tensor, ranges.get(tensor.name)) for tensor in signature.inputs]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["inputs"],
        "properties": {
            "id": {"type": ["string", "null"], "description": "Comes back with the answer."},
            "model_name": {"description": "Not looked at; the path decides."},
            "model_version": {"description": "Likewise."},
            "parameters": {
                "type": ["object", "null"],
                "properties": {"binary_data_output": {"type": "boolean", "description": "All outputs as raw bytes after the JSON."}},
            },
            "inputs": _each_once(inputs, [tensor.name for tensor in signature.inputs]),
            "outputs": _outputs([tensor.name for tensor in signature.outputs]),
        },
    }


def _each_once(schemas: list[Json], names: Sequence[str]) -> Json:
    count = {"type": "array", "minItems": len(names), "maxItems": len(names)}
    if len(names) == 1:
        return {**count, "items": schemas[0]}
    return {**count, "items": {"oneOf": schemas}, "allOf": [{"contains": _named(name)} for name in names]}


def _named(name: str) -> Json:
    return {"type": "object", "properties": {"name": {"const": name}}, "required": ["name"]}


def _outputs(names: Sequence[str]) -> Json:
    parameters = {"type": ["object", "null"], "properties": {"binary_data": {"type": "boolean", "description": "This one as raw bytes."}}}
    entry = {"type": "object", "additionalProperties": False, "required": ["name"], "properties": {"name": {"enum": list(names)}, "parameters": parameters}}
    return {
        "type": ["array", "null"],
        "description": "Which outputs to answer with, each once; all of them when left out.",
        "items": entry,
        "maxItems": len(names),
        "allOf": [{"contains": _named(name), "minContains": 0, "maxContains": 1} for name in names],
    }


def _input(tensor: Tensor, range_: tuple[float, float] | None) -> Json:
    value = _value(tensor.datatype, range_)
    base: Json = {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "datatype", "shape", "data"],
        "properties": {
            "name": {"const": tensor.name},
            "datatype": {"const": tensor.datatype},
            "shape": _shape(tensor.shape),
            "data": {"type": "array", "description": f"{tensor.datatype} {list(tensor.shape)}, flat or nested like the shape."},
            "parameters": {"type": ["object", "null"]},
        },
    }
    if sum(size == FREE for size in tensor.shape) > 1:
        return base
    listed = _listed(tensor.shape)
    exactly = [_exactly(shape, value) for shape in listed]
    return {**base, "anyOf": exactly if FREE not in tensor.shape else [*exactly, _more(tensor.shape, listed, value)]}


def _shape(shape: Sequence[int]) -> Json:
    count: Json = {"type": "array", "minItems": len(shape), "maxItems": len(shape)}
    sizes = [{"type": "integer", "minimum": 1} if size == FREE else {"const": size} for size in shape]
    return {**count, "prefixItems": sizes} if sizes else count


def _listed(shape: Sequence[int]) -> list[list[int]]:
    if FREE not in shape:
        return [list(shape)]
    return [[rows if size == FREE else size for size in shape] for rows in range(1, _LISTED_ROWS + 1)]


def _exactly(shape: Sequence[int], value: Json) -> Json:
    count = int(np.prod(shape))
    flat = {"type": "array", "items": value, "minItems": count, "maxItems": count}
    nested = value
    for size in reversed(shape):
        nested = {"type": "array", "items": nested, "minItems": size, "maxItems": size}
    data = flat if len(shape) < 2 else {"anyOf": [flat, nested]}
    return {"properties": {"shape": {"const": list(shape)}, "data": data}}


def _more(shape: Sequence[int], listed: Sequence[Sequence[int]], value: Json) -> Json:
    """More rows than are listed: that it is more, and no more than that.

    In the negative, so that tools that make up requests do not choose it: they could not know how many values belong to it.
    """
    at = list(shape).index(FREE)
    larger = [{"type": "integer", "not": {"maximum": _LISTED_ROWS}} if index == at else {} for index in range(len(shape))]
    most = int(np.prod(listed[-1]))
    row = value
    for size in reversed(shape[1:]):
        row = {"type": "array", "items": row, "minItems": size, "maxItems": size}
    flat = {"items": value, "not": {"maxItems": most}}
    data = flat if at or len(shape) < 2 else {"anyOf": [{"items": row, "not": {"maxItems": _LISTED_ROWS}}, flat]}
    return {"properties": {"shape": {"prefixItems": larger}, "data": data}}


def _value(datatype: str, range_: tuple[float, float] | None) -> Json:
    if datatype == "BYTES":
        return {"type": "string"}
    if datatype == "BOOL":
        return {"type": "boolean"}
    if datatype in FLOATS:
        limit = np.finfo(NUMPY_TYPES[datatype])
        lowest, highest = float(limit.min), float(limit.max)
    else:
        whole = np.iinfo(NUMPY_TYPES[datatype])
        lowest, highest = int(whole.min), int(whole.max)
    lowest, highest = range_ or (lowest, highest)
    return {"type": "number" if datatype in FLOATS else "integer", "minimum": lowest, "maximum": highest}


def _own(route: OwnRoute) -> tuple[str, Json]:
    """A route of the developer's: what its docstring, its path and its schemas say."""
    summary, _, rest = (inspect.getdoc(route.handler) or route.path).partition("\n")
    statuses = (400, 401, 403, 404, 408, 413, 503)
    operation: Json = {
        "operationId": f"{route.method.lower()}_{_identifier(route.path)}",
        "summary": summary,
        "tags": ["app"],
        "responses": {
            "200": {"description": "The answer.", "content": {_JSON: {"schema": dict(route.answer or {})}}},
            **_errors(*(status for status in statuses if status in _ERRORS)),
        },
    }
    if rest.strip():
        operation["description"] = rest.strip()
    parameters = [_parameter(name, kind or "str") for name, kind in _IN_PATH.findall(route.path)]
    if parameters:
        operation["parameters"] = parameters
        operation["responses"]["404"] = _error("There is no such thing.")
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": dict(route.body)}}}
    return _IN_PATH.sub(r"{\1}", route.path), operation


_IN_PATH = re.compile(r"{(\w+)(?::(\w+))?}")


def _parameter(name: str, kind: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETERS.get(kind, _TEXT)}


def _identifier(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_") or "root"


__all__ = ["openapi", "operation_ids"]
