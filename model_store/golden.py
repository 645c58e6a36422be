"""golden.json: requests with the answers that the model must give. Checked before publishing, so that a broken one never is."""

import math
import sys
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any, cast

from pydantic import AfterValidator, Field

from model_store.documents import Document, Number, Text, not_empty, parse
from model_store.errors import DocumentError
from model_store.tensors import FREE, Datatype, Tensor

_LARGEST_FLOAT = {"FP16": 65504.0, "FP32": 3.4028234663852886e38, "FP64": sys.float_info.max}
_NUMBERS_FROM_ZERO = Annotated[Number, Field(ge=0)]


class GoldenTensor(Document):
    """A tensor with its values, flat or nested like its shape, as it goes through the Open Inference Protocol."""

    name: Text
    datatype: Datatype
    shape: tuple[Annotated[int, Field(strict=True, ge=1)], ...]
    data: list[Any]


class GoldenCase(Document):
    """One request and its answer."""

    inputs: Annotated[tuple[GoldenTensor, ...], AfterValidator(not_empty)]
    outputs: Annotated[tuple[GoldenTensor, ...], AfterValidator(not_empty)]


class Tolerance(Document):
    """How far an answer may be off: |actual - expected| <= atol + rtol * |expected|."""

    rtol: _NUMBERS_FROM_ZERO
    atol: _NUMBERS_FROM_ZERO


class Golden(Document):
    """All cases of a model."""

    tolerance: Tolerance
    cases: Annotated[tuple[GoldenCase, ...], AfterValidator(not_empty)]


def check(content: bytes, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], where: str) -> Golden:
    """Reads golden requests and holds them against the declared signature.

    Raises:
        DocumentError: the first tensor that does not fit; the text says which, and what is declared.
    """
    golden = parse(Golden, content, where)
    for number, case in enumerate(golden.cases):
        _check_side(case.inputs, inputs, f"{where}: cases[{number}].inputs", all_needed=True)
        # A case may leave an output out, for instance one that differs from run to run.
        _check_side(case.outputs, outputs, f"{where}: cases[{number}].outputs", all_needed=False)
    return golden


def difference(tensor: GoldenTensor, answered: Sequence[Any], expected: Sequence[Any], tolerance: Tolerance) -> str | None:
    """Where an answer is further off than it may be; None where it is not.

    Args:
        tensor: the expected one, for the words.
        answered: the values, row by row, as many as expected.
        expected: the same of the golden case, as the tensor's datatype can hold them.
    """
    exact = tensor.datatype in ("BOOL", "BYTES")
    for index, (found, wanted) in enumerate(zip(answered, expected, strict=True)):
        if found == wanted:
            continue
        # What is not a number is near to nothing, hence not `>`.
        if exact or not abs(found - wanted) <= tolerance.atol + tolerance.rtol * abs(wanted):
            allowed = f" within {tolerance.atol:g} + {tolerance.rtol:g} of it" if not exact and tolerance.atol + tolerance.rtol else ""
            return f"{tensor.name}: value {index} is {_shown(found)}, expected {_shown(wanted)}{allowed}"
    return None


def _shown(value: object) -> str:
    return f"{value:.7g}" if isinstance(value, float) else repr(value)


def _check_side(found: tuple[GoldenTensor, ...], declared: tuple[Tensor, ...], where: str, *, all_needed: bool) -> None:
    by_name = {tensor.name: tensor for tensor in declared}
    listing = ", ".join(map(str, declared))
    seen: set[str] = set()
    for tensor in found:
        need = by_name.get(tensor.name)
        if need is None:
            raise DocumentError(f"{where}: {tensor.name!r} is not declared in model.json, which has {listing}")
        if tensor.name in seen:
            raise DocumentError(f"{where}: {tensor.name!r} stands twice")
        seen.add(tensor.name)
        _check_tensor(tensor, need, f"{where}: {tensor.name!r}")
    missing = sorted(by_name.keys() - seen)
    if all_needed and missing:
        raise DocumentError(f"{where}: {missing[0]!r} is missing; model.json declares {listing}")


def _check_tensor(tensor: GoldenTensor, declared: Tensor, where: str) -> None:
    fits = len(tensor.shape) == len(declared.shape) and all(need in (FREE, size) for size, need in zip(tensor.shape, declared.shape, strict=True))
    if tensor.datatype != declared.datatype or not fits:
        raise DocumentError(f"{where} is {tensor.datatype} {list(tensor.shape)}, but model.json declares {declared.datatype} {list(declared.shape)}")
    values = _flatten(tensor.data, tensor.shape)
    if values is None or len(values) != math.prod(tensor.shape):
        raise DocumentError(f"{where}: data does not have the {math.prod(tensor.shape)} values of shape {list(tensor.shape)}")
    for index, value in enumerate(values):
        if not _is_value(value, tensor.datatype):
            raise DocumentError(f"{where}: value {index} is {value!r}, which is no {tensor.datatype}")


def _flatten(data: list[Any], shape: tuple[int, ...]) -> list[Any] | None:
    """The values row by row; None when nested lists do not follow the shape."""
    if not data or not isinstance(data[0], list):
        return data
    for size in shape[1:]:
        if not all(isinstance(part, list) and len(part) == size for part in data):
            return None
        data = list(chain.from_iterable(data))
    return data


def _is_value(value: object, datatype: Datatype) -> bool:
    # Python's bool is an int, hence exact types.
    if datatype == "BOOL":
        return type(value) is bool
    if datatype == "BYTES":
        return type(value) is str
    if datatype in _LARGEST_FLOAT:
        # NaN compares with nothing; type and not isinstance again because of bool.
        return type(value) in (int, float) and -_LARGEST_FLOAT[datatype] <= cast("float", value) <= _LARGEST_FLOAT[datatype]
    bits = int(datatype.lstrip("UINT"))
    low, high = (0, 2**bits) if datatype.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    return type(value) is int and low <= value < high
