"""The Open Inference Protocol over HTTP: from a request's bytes to checked arrays, and from arrays to an answer's bytes.

Pure functions, no HTTP. Nothing a caller sends gets past here unchecked, and whatever is wrong is one sentence. The body
is JSON; with the binary tensor extension tensors follow it as raw bytes.

simdjson reads the body and fills buffers of numbers without making Python objects of them, which is what most of a
request's time would go to. What it does not take - and whatever is wrong - goes through Python's own JSON, which knows
more of it and can say where.
"""

import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import orjson
import simdjson
from numpy.typing import NDArray

from .errors import InvalidRequestError
from .signature import NUMPY_TYPES, Signature, Tensor
from .tensors import (
    FLOATS,
    NUMBERS,
    InferRequest,
    Parameters,
    Tensors,
    check_datatype,
    check_shape,
    datatype_of,
    does_not_fit,
    echo,
    from_raw,
    from_values,
    kind,
    listed,
    to_raw,
)

__all__ = ["InferRequest", "InvalidRequestError", "Parameters", "Tensors", "decode", "encode", "to_json"]

# For each datatype of numbers: simdjson's own type that holds all of its values, NumPy's name for that, and the datatype itself.
_BUFFERS: dict[str, tuple[Any, np.dtype[Any], np.dtype[Any]]] = {
    datatype: (code, np.dtype(wide), np.dtype(NUMPY_TYPES[datatype]))
    for datatype in NUMBERS
    for code, wide in [("d", np.float64) if datatype in FLOATS else ("u", np.uint64) if datatype == "UINT64" else ("i", np.int64)]
}
_LONGEST_FRAME = 1024  # bytes before a request's numbers, and after them
_MOST_FRAMES = 64  # per model
_LARGEST_KEPT = 1 << 18  # bytes of a body; a parser keeps memory for the largest that it has read

# Infinity is looked for after the conversion; a warning on stderr tells nobody anything.
warnings.filterwarnings("ignore", "overflow encountered in (cast|dot)", RuntimeWarning)


_NO_BYTES = memoryview(b"")


@dataclass(frozen=True, slots=True)
class Frame:
    """What a request's text, around its numbers, was found to say."""

    tail: bytes  # what follows the numbers; what comes before them is how a frame is found
    tensor: Tensor
    shape: tuple[int, ...]
    size: int
    id: str | None
    outputs: tuple[str, ...]
    binary: frozenset[str]


@dataclass(slots=True)
class _Reading:
    """How far one request has been read: the bytes after the JSON are taken tensor by tensor, in the order of the inputs."""

    data: memoryview
    taken: int = 0
    buffers: int = 0  # inputs whose values came out of simdjson's buffer
    lists: int = 0  # lists that their data should consist of

    def take(self, size: object, where: str) -> memoryview:
        if type(size) is not int or size < 0:
            raise InvalidRequestError(f"{where}: 'binary_data_size' must be an integer from 0, got {echo(size)}")
        left = len(self.data) - self.taken
        if size > left:
            raise InvalidRequestError(f"{where}: 'binary_data_size' is {size}, but only {left} bytes follow")
        self.taken += size
        return self.data[self.taken - size : self.taken]


def decode(body: bytes, signature: Signature, header_length: int | None = None) -> InferRequest:
    """Reads and checks an infer request. `header_length`: bytes of JSON, when raw tensors follow. Raises InvalidRequestError."""
    reading = _Reading(_NO_BYTES)
    if header_length is None:
        known = _in_known_frame(body, signature)
        if known is not None:
            return known
    else:
        if header_length > len(body):
            raise InvalidRequestError(f"the header 'inference-header-content-length' is {header_length}, but the body has {len(body)} bytes")
        body, reading = body[:header_length], _Reading(memoryview(body)[header_length:])
    # simdjson looks a field up by its name up to the first zero. (Most bodies have no backslash at all, which is found out much faster.)
    # `find`, not `in`: bytes first take what is looked for as an integer, and fail at that, with every request.
    if body.find(b"\\") >= 0 and body.find(b"\\u0000") >= 0:
        return _request(_parse(body), signature, reading)
    parser = _parsers.pop() if _parsers else simdjson.Parser()
    try:
        document = parser.parse(body)
    except (ValueError, RuntimeError):
        return _request(_parse(body), signature, reading)
    try:
        if type(document) is not simdjson.Object:
            return _request(_parse(body), signature, reading)
        fields = _fields(document)
        request = _request(fields, signature, reading)
        if reading.buffers and not _has_lists(body, _lists_meant(fields, reading)):
            return _request(_parse(body), signature, _Reading(reading.data))
        if header_length is None and reading.buffers == reading.lists == len(request.inputs) == 1:
            _remember_frame(body, request, signature)
        return request
    finally:
        fields = None
        del document
        if len(body) <= _LARGEST_KEPT:
            _parsers.append(parser)


def _in_known_frame(body: bytes, signature: Signature) -> InferRequest | None:
    """The request, when all of its text but the numbers has been read and checked before: callers send the same again and again."""
    start = body.rfind(b"[")
    if not 0 < start <= _LONGEST_FRAME:
        return None
    frame = signature.frames.get(body[:start])
    end = body.find(b"]", start) + 1
    if frame is None or body[end:] != frame.tail:
        return None
    parser = _parsers.pop() if _parsers else simdjson.Parser()
    numbers = None
    try:
        # Between the last opening bracket and the next closing one there is no other list.
        numbers = parser.parse(body[start:end])
        array = _numbers(frame.tensor, numbers) if type(numbers) is simdjson.Array else None
    except (ValueError, RuntimeError, InvalidRequestError):
        return None  # read whole, it may have another mistake that is told first
    finally:
        del numbers
        if len(body) <= _LARGEST_KEPT:
            _parsers.append(parser)
    if array is None or array.size != frame.size:
        return None
    return InferRequest({frame.tensor.name: array.reshape(frame.shape)}, frame.id, frame.outputs, frame.binary)


def _remember_frame(body: bytes, request: InferRequest, signature: Signature) -> None:
    """Keeps what stands around the numbers of a request that is right, and has a single input whose numbers are one flat list."""
    start = body.rfind(b"[")
    head, tail = body[:start], body[body.find(b"]", start) + 1 :]
    # It must be the data that comes last of all lists. (Without a backslash there is no other way to read these bytes.)
    if start > _LONGEST_FRAME or len(tail) > _LONGEST_FRAME or not head.rstrip().endswith(b'"data":') or b"\\" in head + tail:
        return
    ((name, array),) = request.inputs.items()
    if len(signature.frames) >= _MOST_FRAMES:
        signature.frames.clear()
    signature.frames[head] = Frame(tail, signature.inputs_by_name[name], array.shape, array.size, request.id, request.outputs, request.binary)


_parsers: list[simdjson.Parser] = []
"""Parsers that nobody uses now: one per thread that decodes, at most."""


def _fields(node: simdjson.Object) -> dict[str, Any]:
    """An object whose values are still simdjson's."""
    keys = list(node)
    # Not `items()`: it makes Python's own objects of all numbers below.
    fields = {key: node[key] for key in keys}
    if len(fields) != len(keys):
        _unique_keys([(key, None) for key in keys])
    return fields


def _plain(value: object) -> Any:
    """A value of simdjson's as Python's own."""
    if type(value) is simdjson.Array:
        return [_plain(item) for item in value]
    if type(value) is simdjson.Object:
        return {key: _plain(item) for key, item in _fields(value).items()}
    return value


def _request(document: object, signature: Signature, reading: _Reading) -> InferRequest:
    request = _object(document, "the body", _BODY_REQUIRED, _BODY_OPTIONAL)
    identifier = request.get("id")
    if identifier is not None and type(identifier) is not str:
        raise InvalidRequestError(f"'id' must be text, got {kind(_plain(identifier))}")
    parameters = _parameters(request, "the body") if "parameters" in request else _NONE
    inputs = _inputs(request["inputs"], signature, reading)
    if reading.taken != len(reading.data):
        raise InvalidRequestError(f"{len(reading.data)} bytes follow the JSON, but the inputs take {reading.taken}")
    if "outputs" not in request and not parameters:
        return InferRequest(inputs, identifier)
    names, raw = _outputs(_plain(request.get("outputs")), signature, all_raw=_flag(parameters, "binary_data_output", "the body"))
    return InferRequest(inputs, identifier, names, raw)


# KServe's own client repeats in the body which model it asks; the path decides.
_BODY_REQUIRED, _BODY_OPTIONAL = frozenset({"inputs"}), frozenset({"id", "parameters", "outputs", "model_name", "model_version"})
_INPUT_REQUIRED, _INPUT_OPTIONAL = frozenset({"name", "shape", "datatype", "data"}), frozenset({"parameters"})
_RAW_REQUIRED, _RAW_OPTIONAL = frozenset({"name", "shape", "datatype", "parameters"}), frozenset[str]()
_NONE: dict[str, Any] = {}


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
        raise InvalidRequestError(f"field {echo(next(key for key in keys if keys.count(key) > 1))} is given twice")
    return value


def _object(value: object, where: str, required: frozenset[str], optional: frozenset[str]) -> dict[str, Any]:
    if type(value) is simdjson.Object:
        value = _fields(value)
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{where} must be a JSON object, got {kind(_plain(value))}")
    if value.keys() == required:
        return value
    allowed = required | optional
    for key in value:
        if key not in allowed:
            raise InvalidRequestError(f"{where} has the unknown field {echo(key)}; allowed: {', '.join(sorted(allowed))}")
    for key in sorted(required):
        if key not in value:
            raise InvalidRequestError(f"{where} lacks '{key}'")
    return value


def _parameters(value: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Parameters are allowed everywhere; only those of the binary tensor extension mean something here."""
    parameters = _plain(value.get("parameters"))
    if parameters is None:
        return _NONE
    if not isinstance(parameters, dict):
        raise InvalidRequestError(f"{where}: 'parameters' must be a JSON object, got {kind(parameters)}")
    return parameters


def _flag(parameters: Mapping[str, Any], name: str, where: str) -> bool:
    value = parameters.get(name, False)
    if type(value) is not bool:
        raise InvalidRequestError(f"{where}: '{name}' must be true or false, got {echo(value)}")
    return value


def _inputs(value: object, signature: Signature, reading: _Reading) -> Tensors:
    if type(value) is not simdjson.Array and not isinstance(value, list):
        raise InvalidRequestError(f"'inputs' must be a list, got {kind(_plain(value))}")
    expected = signature.inputs_by_name
    found: Tensors = {}
    entries: Any = value
    for index, entry in enumerate(entries):
        name, array = _input(entry, index, signature, found, reading)
        found[name] = array
    if len(found) != len(expected):
        missing = next(name for name in expected if name not in found)
        raise InvalidRequestError(f"input '{missing}' is missing; the model takes: {listed(signature.inputs)}")
    return found


def _input(entry: object, index: int, signature: Signature, found: Tensors, reading: _Reading) -> tuple[str, NDArray[Any]]:
    fields: Any = _fields(entry) if type(entry) is simdjson.Object else entry
    raw = False
    if type(fields) is not dict or fields.keys() != _INPUT_REQUIRED:
        raw = type(fields) is dict and "data" not in fields and "binary_data_size" in _parameters(fields, f"inputs[{index}]")
        fields = _object(fields, f"inputs[{index}]", *((_RAW_REQUIRED, _RAW_OPTIONAL) if raw else (_INPUT_REQUIRED, _INPUT_OPTIONAL)))
    name = fields["name"]
    tensor = signature.inputs_by_name.get(name) if type(name) is str else None
    if tensor is None:
        raise InvalidRequestError(f"unknown input {echo(_plain(name))}; the model takes: {listed(signature.inputs)}")
    if tensor.name in found:
        raise InvalidRequestError(f"input '{tensor.name}' is given twice")
    if fields["datatype"] != tensor.datatype:
        check_datatype(tensor, _plain(fields["datatype"]))
    given = fields["shape"]
    shape: Any = given.as_list() if type(given) is simdjson.Array else _plain(given)
    check_shape(tensor, shape)
    if raw:
        where = f"input '{tensor.name}'"
        return tensor.name, from_raw(tensor, shape, reading.take(_parameters(fields, where)["binary_data_size"], where))
    if "parameters" in fields and "binary_data_size" in _parameters(fields, f"input '{tensor.name}'"):
        raise InvalidRequestError(f"input '{tensor.name}' has both 'data' and 'binary_data_size'; send one of them")
    return tensor.name, _values(tensor, shape, fields["data"], reading)


def _values(tensor: Tensor, shape: list[int], data: object, reading: _Reading) -> NDArray[Any]:
    if type(data) is simdjson.Array:
        array = _from_buffer(tensor, shape, data, reading)
        if array is not None:
            return array
    return from_values(tensor, shape, _plain(data))


def _from_buffer(tensor: Tensor, shape: list[int], data: simdjson.Array, reading: _Reading) -> NDArray[Any] | None:
    """The array straight from simdjson's buffer; None where the data is not simply numbers in the right shape."""
    lists = _lists_of(shape, data)
    if tensor.datatype not in _BUFFERS or lists == 0:
        return None
    reading.buffers += 1
    reading.lists += lists
    array = _numbers(tensor, data)
    return None if array is None or array.size != math.prod(shape) else array.reshape(shape)


def _numbers(tensor: Tensor, data: simdjson.Array) -> NDArray[Any] | None:
    """The numbers of the list, and of the lists in it, one after the other; None if there is anything else among them."""
    code, wide, narrow = _BUFFERS[tensor.datatype]
    try:
        values = np.frombuffer(data.as_buffer(of_type=code), wide)
    except (TypeError, ValueError):  # text, true, null; a number beyond 64 bits; also no values at all
        return None
    array = values.astype(narrow)
    if wide is not narrow:
        if code == "d":
            # One pass that ends in infinity or NaN where a value is infinite; large but finite ones are looked at again.
            if not math.isfinite(array.dot(array)) and not np.isfinite(array).all():
                raise does_not_fit(tensor)
        elif not np.array_equal(array, values):
            raise does_not_fit(tensor)
    return array


def _lists_of(shape: list[int], data: simdjson.Array) -> int:
    """How many lists the data consists of: 1 when flat, 1 more per row when nested; 0 when it is anything else."""
    count = len(data)
    if count == 0:
        return 0
    if type(data[0]) is not simdjson.Array:
        return 1 if count == math.prod(shape) else 0
    if len(shape) != 2 or count != shape[0] or not all(type(row) is simdjson.Array and len(row) == shape[1] for row in data):
        return 0
    return 1 + count


def _lists_meant(fields: dict[str, Any], reading: _Reading) -> int:
    """How many lists a body has whose tensors are nested as they seem to be.

    The buffer forgets how values were nested, so [1, [2, 3], []] would pass for three numbers. Counting is much cheaper
    than looking at every value; a body that differs, for whatever reason, is read once more by Python's own JSON.
    """
    return 1 + len(fields["inputs"]) + reading.lists + ("outputs" in fields)


def _has_lists(body: bytes, count: int) -> bool:
    """Are there just so many opening brackets? Finding a few in a long body is much faster than counting."""
    position = 0
    for _ in range(count):
        position = body.find(b"[", position) + 1
        if position == 0:
            return False
    return body.find(b"[", position) < 0


def _outputs(value: object, signature: Signature, *, all_raw: bool) -> tuple[tuple[str, ...], frozenset[str]]:
    """Names of the outputs asked for, and of those that are to come as raw bytes."""
    names = [tensor.name for tensor in signature.outputs]
    if value is None or value == []:
        return (), frozenset(names) if all_raw else frozenset()
    if not isinstance(value, list):
        raise InvalidRequestError(f"'outputs' must be a list, got {kind(value)}")
    asked: list[str] = []
    raw: set[str] = set()
    for index, entry in enumerate(value):
        name = _object(entry, f"outputs[{index}]", frozenset({"name"}), frozenset({"parameters"}))["name"]
        if name not in names:
            raise InvalidRequestError(f"unknown output {echo(name)}; the model gives: {listed(signature.outputs)}")
        if name in asked:
            raise InvalidRequestError(f"output '{name}' is asked for twice")
        parameters = _parameters(entry, f"output '{name}'")
        if _flag(parameters, "binary_data", f"output '{name}'") or (all_raw and "binary_data" not in parameters):
            raw.add(name)
        asked.append(name)
    return tuple(asked), frozenset(raw)


@dataclass(slots=True)
class Answer:
    """An answer's bytes: JSON, then raw tensors if some were asked for."""

    body: bytes
    header_length: int | None = None  # bytes of JSON, when raw tensors follow


def encode(request: InferRequest, outputs: Tensors, parameters: Parameters, *, model_name: str, model_version: str) -> bytes:
    """The answer as JSON. Raises InvalidRequestError when the model gave a value that JSON cannot carry (NaN, infinity)."""
    return encode_answer(request, outputs, parameters, model_name=model_name, model_version=model_version).body


def encode_answer(request: InferRequest, outputs: Tensors, parameters: Parameters, *, model_name: str, model_version: str) -> Answer:
    """The answer, with the outputs as raw bytes for which that was asked. Raises InvalidRequestError."""
    answer: dict[str, Any] = {"model_name": model_name, "model_version": model_version}
    if request.id is not None:
        answer["id"] = request.id
    if parameters:
        answer["parameters"] = parameters
    raw: list[bytes] = []
    answer["outputs"] = [_output(name, outputs[name], raw if name in request.binary else None) for name in request.outputs or outputs]
    content = to_json(answer)
    if content.find(b"null") >= 0:  # how NaN and infinity are written; rarely, a text that says so
        _check_finite(request, outputs)
    return Answer(content + b"".join(raw), len(content)) if raw else Answer(content)


def _output(name: str, array: NDArray[Any], raw: list[bytes] | None) -> dict[str, Any]:
    output: dict[str, Any] = {"name": name, "shape": array.shape, "datatype": datatype_of(array)}
    if raw is not None:
        raw.append(to_raw(array))
        output["parameters"] = {"binary_data_size": len(raw[-1])}
    else:
        output["data"] = array.ravel().tolist() if array.dtype == np.object_ else array.ravel()
    return output


def _check_finite(request: InferRequest, outputs: Tensors) -> None:
    for name in request.outputs or outputs:
        array = outputs[name]
        if name not in request.binary and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InvalidRequestError(f"output '{name}' holds NaN or infinity for these inputs, which JSON cannot carry; ask for it as binary data")


def to_json(value: Mapping[str, Any]) -> bytes:
    """Compact JSON."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:
        # Text that is no valid Unicode: a caller may send it, so it must be possible to send it back. In ASCII it is.
        return json.dumps(value, separators=(",", ":"), default=_as_list).encode()


def _as_list(value: object) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")
