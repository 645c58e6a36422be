"""The Open Inference Protocol's JSON: from a request's bytes to checked arrays, and from arrays to an answer's bytes.

Pure functions, no HTTP. Nothing a caller sends gets past here unchecked, and whatever is wrong is one sentence.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from .signature import FREE, NUMPY_TYPES, Signature, Tensor

Tensors = dict[str, NDArray[Any]]
Parameters = dict[str, str | int | float | bool]

# What the values of each datatype may be in JSON. Python's bool is an int, hence exact types: true is not the number 1.
_JSON_TYPES: dict[str, tuple[frozenset[type], str]] = {
    datatype: (frozenset({bool}), "true or false")
    if datatype == "BOOL"
    else (frozenset({str}), "text")
    if datatype == "BYTES"
    else (frozenset({int, float}), "numbers")
    if datatype.startswith("FP")
    else (frozenset({int}), "integers")
    for datatype in NUMPY_TYPES
}
_JSON_NAMES = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}
_LONGEST_ECHO = 60


class InvalidRequestError(Exception):
    """The request is wrong; the caller gets a 400 with this text."""


@dataclass(frozen=True)
class InferRequest:
    """A request that has been checked against the model's signature."""

    id: str | None
    inputs: Tensors
    outputs: tuple[str, ...]  # names asked for; all of them when the caller named none


def decode(body: bytes, signature: Signature) -> InferRequest:
    """Reads and checks an infer request. Raises InvalidRequestError."""
    request = _object(_parse(body), "the body", required={"inputs"}, optional={"id", "parameters", "outputs"})
    identifier = request.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise InvalidRequestError(f"'id' must be text, got {_kind(identifier)}")
    _check_parameters(request, "the body")
    return InferRequest(identifier, _inputs(request["inputs"], signature), _outputs(request.get("outputs"), signature))


def _parse(body: bytes) -> object:
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"the body is not UTF-8 text (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise InvalidRequestError(f"the body is not valid JSON: {error}") from None
    except RecursionError:
        raise InvalidRequestError("the body is nested too deeply") from None
    except ValueError:  # Python's own limit on digits, far beyond any datatype
        raise InvalidRequestError("the body holds a number with too many digits") from None


def _refuse_constant(constant: str) -> NoReturn:
    raise InvalidRequestError(f"the body is not valid JSON: {constant} is not a JSON number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        raise InvalidRequestError(f"field {_echo(next(key for key in keys if keys.count(key) > 1))} is given twice")
    return value


def _object(value: object, where: str, required: set[str], optional: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{where} must be a JSON object, got {_kind(value)}")
    allowed = required | optional
    for key in value:
        if key not in allowed:
            raise InvalidRequestError(f"{where} has the unknown field {_echo(key)}; allowed: {', '.join(sorted(allowed))}")
    for key in sorted(required):
        if key not in value:
            raise InvalidRequestError(f"{where} lacks '{key}'")
    return value


def _check_parameters(value: Mapping[str, Any], where: str) -> None:
    """Parameters are allowed everywhere and change nothing here, except those that would change how tensors travel."""
    parameters = value.get("parameters")
    if parameters is None:
        return
    if not isinstance(parameters, dict):
        raise InvalidRequestError(f"{where}: 'parameters' must be a JSON object, got {_kind(parameters)}")
    asks_for_binary = parameters.get("binary_data") or parameters.get("binary_data_output")
    if asks_for_binary or "binary_data_size" in parameters:
        raise InvalidRequestError(f"{where}: the binary tensor extension is not supported; send and ask for JSON data")


def _inputs(value: object, signature: Signature) -> Tensors:
    if not isinstance(value, list):
        raise InvalidRequestError(f"'inputs' must be a list, got {_kind(value)}")
    expected = {tensor.name: tensor for tensor in signature.inputs}
    found: Tensors = {}
    for index, entry in enumerate(value):
        fields = _object(entry, f"inputs[{index}]", {"name", "shape", "datatype", "data"}, {"parameters"})
        tensor = expected.get(fields["name"]) if isinstance(fields["name"], str) else None
        if tensor is None:
            raise InvalidRequestError(f"unknown input {_echo(fields['name'])}; the model takes: {_list(signature.inputs)}")
        if tensor.name in found:
            raise InvalidRequestError(f"input '{tensor.name}' is given twice")
        _check_parameters(fields, f"input '{tensor.name}'")
        found[tensor.name] = _array(fields, tensor)
    for tensor in signature.inputs:
        if tensor.name not in found:
            raise InvalidRequestError(f"input '{tensor.name}' is missing; the model takes: {_list(signature.inputs)}")
    return found


def _outputs(value: object, signature: Signature) -> tuple[str, ...]:
    names = [tensor.name for tensor in signature.outputs]
    if value is None or value == []:
        return tuple(names)
    if not isinstance(value, list):
        raise InvalidRequestError(f"'outputs' must be a list, got {_kind(value)}")
    asked: list[str] = []
    for index, entry in enumerate(value):
        name = _object(entry, f"outputs[{index}]", {"name"}, {"parameters"})["name"]
        if name not in names:
            raise InvalidRequestError(f"unknown output {_echo(name)}; the model gives: {_list(signature.outputs)}")
        if name in asked:
            raise InvalidRequestError(f"output '{name}' is asked for twice")
        _check_parameters(entry, f"output '{name}'")
        asked.append(name)
    return tuple(asked)


def _array(fields: dict[str, Any], tensor: Tensor) -> NDArray[Any]:
    """One input as an array of the tensor's datatype and the request's shape."""
    where = f"input '{tensor.name}'"
    if fields["datatype"] != tensor.datatype:
        raise InvalidRequestError(f"{where}: datatype must be {tensor.datatype}, got {_echo(fields['datatype'])}")
    shape = fields["shape"]
    if not _shape_fits(shape, tensor.shape):
        free = " (-1: any size from 1)" if FREE in tensor.shape else ""
        raise InvalidRequestError(f"{where}: shape must be {list(tensor.shape)}{free}, got {_echo(shape)}")
    values = _flatten(fields["data"], shape, where)
    allowed, name = _JSON_TYPES[tensor.datatype]
    wrong = set(map(type, values)) - allowed
    if wrong:
        raise InvalidRequestError(f"{where}: data must be {name}, found {_list(sorted(_JSON_NAMES.get(t, 'null') for t in wrong))}")
    return _convert(values, tensor.datatype, where).reshape(shape)


def _shape_fits(shape: object, expected: tuple[int, ...]) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) == len(expected)
        and all(type(size) is int and size >= 1 and need in (size, FREE) for size, need in zip(shape, expected, strict=True))
    )


def _flatten(data: object, shape: list[int], where: str) -> list[Any]:
    """The values row by row. The protocol allows data both flat and nested like the shape."""
    if not isinstance(data, list):
        raise InvalidRequestError(f"{where}: 'data' must be a list, got {_kind(data)}")
    values: list[Any] = data
    if data and isinstance(data[0], list):
        # Each pass takes one level of lists off; all lists of a level must have the length that the shape says.
        for depth, size in enumerate(shape[1:], start=1):
            if not all(isinstance(part, list) and len(part) == size for part in values):
                raise InvalidRequestError(f"{where}: nested data must follow shape {shape}; every list at depth {depth} needs {size} values")
            values = list(chain.from_iterable(values))
    if len(values) != math.prod(shape):
        raise InvalidRequestError(f"{where}: shape {shape} needs {math.prod(shape)} values, got {len(values)}")
    return values


def _convert(values: list[Any], datatype: str, where: str) -> NDArray[Any]:
    target = NUMPY_TYPES[datatype]
    try:
        with np.errstate(over="ignore"):
            array = np.array(values, dtype=target)
    except OverflowError:
        array = None
    # 1e999 is a valid JSON number but no float; 1e39 is no FP32. Both would reach the model as infinity.
    if array is None or (datatype.startswith("FP") and not np.isfinite(array).all()):
        raise InvalidRequestError(f"{where}: data holds a number that does not fit {datatype}")
    return array


def encode(request: InferRequest, outputs: Tensors, parameters: Parameters, *, model_name: str, model_version: str) -> bytes:
    """The answer's bytes. Raises ValueError when the model gave a value that JSON cannot carry (NaN, infinity)."""
    answer: dict[str, Any] = {"model_name": model_name, "model_version": model_version}
    if request.id is not None:
        answer["id"] = request.id
    if parameters:
        answer["parameters"] = parameters
    answer["outputs"] = [_output(name, outputs[name]) for name in request.outputs]
    return to_json(answer)


def _output(name: str, array: NDArray[Any]) -> dict[str, Any]:
    datatype = next(key for key, target in NUMPY_TYPES.items() if array.dtype == target)
    if datatype.startswith("FP") and not np.isfinite(array).all():
        raise ValueError(f"output '{name}' holds NaN or infinity")
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": array.ravel().tolist()}


def to_json(value: Mapping[str, Any]) -> bytes:
    """Compact JSON in ASCII, so that no text a caller sent can fail to be sent back."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _kind(value: object) -> str:
    return "null" if value is None else _JSON_NAMES.get(type(value), type(value).__name__)


def _echo(value: object) -> str:
    """What the caller sent, short enough for a message."""
    text = f"'{value}'" if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= _LONGEST_ECHO else text[: _LONGEST_ECHO - 3] + "..."


def _list(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))
