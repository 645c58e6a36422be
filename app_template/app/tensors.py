"""Tensors as they travel: datatype, shape and values of one tensor, checked, from JSON's values or from raw bytes to a NumPy array and back.

Both transports use it, so that a wrong tensor is refused with the same words over HTTP and gRPC.
"""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidRequestError
from .signature import FREE, NUMPY_TYPES, Tensor

Tensors = dict[str, NDArray[Any]]
Parameters = dict[str, str | int | float | bool]
Ranges = Mapping[str, tuple[float, float]]

DATATYPES: dict[np.dtype[Any], str] = {np.dtype(target): datatype for datatype, target in NUMPY_TYPES.items()}
FLOATS = frozenset({"FP16", "FP32", "FP64"})
NUMBERS = frozenset(NUMPY_TYPES) - {"BOOL", "BYTES"}
_LENGTH = struct.Struct("<I")  # before each element of a BYTES tensor
_LONGEST_ECHO = 60

# What the values of each datatype may be in JSON. Python's bool is an int, hence exact types: true is not the number 1.
_JSON_TYPES: dict[str, tuple[frozenset[type], str]] = {
    datatype: (frozenset({bool}), "true or false")
    if datatype == "BOOL"
    else (frozenset({str}), "text")
    if datatype == "BYTES"
    else (frozenset({int, float}), "numbers")
    if datatype in FLOATS
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


@dataclass(slots=True)
class InferRequest:
    """A request that has been checked against the model's signature."""

    inputs: Tensors
    id: str | None = None
    outputs: tuple[str, ...] = ()  # names asked for; empty: all of them
    binary: frozenset[str] = frozenset()  # outputs that are to travel as raw bytes


def check_datatype(tensor: Tensor, datatype: object) -> None:
    """Raises InvalidRequestError."""
    if datatype != tensor.datatype:
        raise InvalidRequestError(f"input '{tensor.name}': datatype must be {tensor.datatype}, got {echo(datatype)}")


def check_shape(tensor: Tensor, shape: object) -> None:
    """Every size is at least 1 and that of the signature, where that has one. Raises InvalidRequestError."""
    expected = tensor.shape
    if isinstance(shape, list) and len(shape) == len(expected):
        for size, need in zip(shape, expected, strict=True):
            if type(size) is not int or size < 1 or need not in (FREE, size):
                break
        else:
            return
    free = " (-1: any size from 1)" if FREE in expected else ""
    raise InvalidRequestError(f"input '{tensor.name}': shape must be {list(expected)}{free}, got {echo(shape)}")


def check_ranges(inputs: Tensors, ranges: Ranges) -> None:
    """All numbers of each input lie between its lowest and its highest. Raises InvalidRequestError."""
    for name, (lowest, highest) in ranges.items():
        array = inputs[name]
        # Finding where the lowest is takes a third of the time of min(). NaN counts as lowest and highest, and lies between nothing.
        low, high = array.item(array.argmin()), array.item(array.argmax())
        if not (low >= lowest and high <= highest):
            raise InvalidRequestError(f"input '{name}': values must lie between {lowest:g} and {highest:g}, got {low:g} to {high:g}")


def from_values(tensor: Tensor, shape: Sequence[int], data: object) -> NDArray[Any]:
    """The array of values that came as JSON, flat or nested like the shape. Raises InvalidRequestError."""
    where = f"input '{tensor.name}'"
    values = _flatten(data, shape, where)
    allowed, name = _JSON_TYPES[tensor.datatype]
    wrong = set(map(type, values)) - allowed
    if wrong:
        raise InvalidRequestError(f"{where}: data must be {name}, found {listed(sorted(_JSON_NAMES.get(t, 'null') for t in wrong))}")
    return converted(tensor, values).reshape(shape)


def _flatten(data: object, shape: Sequence[int], where: str) -> list[Any]:
    """The values row by row. The protocol allows data both flat and nested like the shape."""
    if not isinstance(data, list):
        raise InvalidRequestError(f"{where}: 'data' must be a list, got {kind(data)}")
    values: list[Any] = data
    if data and isinstance(data[0], list):
        # Each pass takes one level of lists off; all lists of a level must have the length that the shape says.
        for depth, size in enumerate(shape[1:], start=1):
            if not all(isinstance(part, list) and len(part) == size for part in values):
                raise InvalidRequestError(f"{where}: nested data must follow shape {list(shape)}; every list at depth {depth} needs {size} values")
            values = list(chain.from_iterable(values))
    check_count(len(values), shape, where)
    return values


def check_count(count: int, shape: Sequence[int], where: str) -> None:
    """Are there as many values as the shape needs? Raises InvalidRequestError."""
    needed = math.prod(shape)
    if count != needed:
        raise InvalidRequestError(f"{where}: shape {list(shape)} needs {needed} values, got {count}")


def converted(tensor: Tensor, values: Sequence[Any]) -> NDArray[Any]:
    """Values of the right kind as an array of the datatype; refuses numbers that it cannot hold. Raises InvalidRequestError."""
    try:
        with np.errstate(over="ignore"):
            array = np.array(values, dtype=NUMPY_TYPES[tensor.datatype])
    except OverflowError:
        array = None
    # 1e999 is a valid JSON number but no float; 1e39 is no FP32. Both would reach the model as infinity.
    if array is None or (tensor.datatype in FLOATS and not np.isfinite(array).all()):
        raise does_not_fit(tensor)
    return array


def does_not_fit(tensor: Tensor) -> InvalidRequestError:
    """A number is too large, or too exact, for its datatype."""
    return InvalidRequestError(f"input '{tensor.name}': data holds a number that does not fit {tensor.datatype}")


def from_raw(tensor: Tensor, shape: Sequence[int], data: bytes | memoryview) -> NDArray[Any]:
    """The array whose values came as bytes: little-endian, row by row. Raises InvalidRequestError.

    BYTES: each element after its length, 4 bytes. Text is UTF-8, because ONNX's strings are.
    """
    where = f"input '{tensor.name}'"
    if tensor.datatype == "BYTES":
        texts = _texts(bytes(data), where)
        check_count(len(texts), shape, where)
        return np.array(texts, dtype=np.object_).reshape(shape)
    target = np.dtype(NUMPY_TYPES[tensor.datatype])
    needed = math.prod(shape) * target.itemsize
    if len(data) != needed:
        raise InvalidRequestError(f"{where}: shape {list(shape)} of {tensor.datatype} needs {needed} bytes, got {len(data)}")
    if tensor.datatype == "BOOL":
        return (np.frombuffer(data, np.uint8) != 0).reshape(shape)
    # A copy, because the developer's code may write into its inputs.
    return np.frombuffer(data, target.newbyteorder("<")).astype(target).reshape(shape)


def _texts(data: bytes, where: str) -> list[str]:
    texts: list[str] = []
    position = 0
    while position < len(data):
        end = position + _LENGTH.size
        length = _LENGTH.unpack_from(data, position)[0] if end <= len(data) else len(data)
        if end + length > len(data):
            raise InvalidRequestError(f"{where}: element {len(texts)} of the BYTES data is longer than what was sent")
        texts.append(as_text(data[end : end + length], where))
        position = end + length
    return texts


def as_text(value: bytes, where: str) -> str:
    """One element of a BYTES tensor. Raises InvalidRequestError."""
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{where}: BYTES must hold UTF-8 text (byte {error.start} is not)") from None


def to_raw(array: NDArray[Any]) -> bytes:
    """The reverse of `from_raw`."""
    if array.dtype == np.object_:
        encoded = [value if isinstance(value, bytes) else str(value).encode() for value in array.ravel()]
        return b"".join(chain.from_iterable((_LENGTH.pack(len(value)), value) for value in encoded))
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def datatype_of(array: NDArray[Any]) -> str:
    """The protocol's name for an array's type. Raises ValueError for one that it does not have."""
    try:
        return DATATYPES[array.dtype]
    except KeyError:
        raise ValueError(f"an array of type {array.dtype} has no datatype in the protocol; there are {', '.join(NUMPY_TYPES)}") from None


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    return "null" if value is None else _JSON_NAMES.get(type(value), type(value).__name__)


def echo(value: object) -> str:
    """What the caller sent, short enough for a message."""
    text = f"'{value}'" if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= _LONGEST_ECHO else text[: _LONGEST_ECHO - 3] + "..."


def listed(items: Iterable[object]) -> str:
    """Names, with commas between them."""
    return ", ".join(map(str, items))
