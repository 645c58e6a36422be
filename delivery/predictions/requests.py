"""The inputs that go through both sides: golden requests, and samples from a file."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from delivery.errors import DeliveryError
from model_store import Tensor
from model_store.golden import Golden, GoldenTensor
from model_store.tensors import FREE

_ROWS = 100
"""At most so many rows go into one request."""
_LARGEST_FILE = 64 * 2**20
_FORM = 'a list of requests {"inputs": [{"name", "datatype", "shape", "data"}]}, of such lists of inputs, or of rows of numbers'

Request = tuple[GoldenTensor, ...]


@dataclass(frozen=True)
class Samples:
    """What a file of samples holds.

    Attributes:
        requests: as they stand there.
        rows: of a model with one input.
        where: the file, for messages.
    """

    requests: tuple[Request, ...] = ()
    rows: tuple[list[Any], ...] = field(default=())
    where: str = ""


def read_samples(path: Path) -> Samples:
    """Reads a file of samples; raises DeliveryError that says what is wrong where."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise DeliveryError(f"{path} has more than {_LARGEST_FILE >> 20} MiB; take fewer samples")
        document: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise DeliveryError(f"the samples {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DeliveryError(f"the samples {path} are not JSON: {error}") from error
    if not isinstance(document, list) or not document:
        raise DeliveryError(f"the samples {path} must be {_FORM}")
    requests: list[Request] = []
    rows: list[list[Any]] = []
    for index, entry in enumerate(document):
        inputs = entry.get("inputs") if isinstance(entry, dict) else entry
        if not isinstance(inputs, list) or not inputs:
            raise DeliveryError(f"{path}: sample {index} is neither a request nor a row; it must be {_FORM}")
        if isinstance(inputs[0], dict):
            requests.append(_request(inputs, f"{path}: sample {index}"))
        else:
            rows.append(inputs)
    return Samples(requests=tuple(requests), rows=tuple(rows), where=str(path))


def _request(inputs: list[Any], where: str) -> Request:
    try:
        return tuple(GoldenTensor.model_validate_json(json.dumps(entry)) for entry in inputs)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise DeliveryError(f"{where}: {place}: {first['msg'].lower()}; a request's inputs have name, datatype, shape and data") from error


def requests_of(golden: Iterable[Golden], samples: Samples | None, inputs: Sequence[Tensor]) -> list[Request]:
    """Every request once: the golden ones, then the samples.

    Args:
        inputs: of the model, which rows are made into.

    Raises:
        DeliveryError: there are rows, and the model has no input for them.
    """
    found = [case.inputs for one in golden for case in one.cases]
    if samples:
        found += [*samples.requests, *_batches(samples, inputs)]
    once: dict[str, Request] = {}
    for request in found:
        once.setdefault(json.dumps([tensor.model_dump(mode="json") for tensor in request], sort_keys=True), request)
    return list(once.values())


def fits(request: Request, inputs: Sequence[Tensor]) -> bool:
    """Whether a model with these inputs takes the request."""
    declared = {tensor.name: tensor for tensor in inputs}
    return {tensor.name for tensor in request} == declared.keys() and all(_one_fits(tensor, declared[tensor.name]) for tensor in request)


def is_batched(inputs: Sequence[Tensor]) -> bool:
    """Whether a request may have any number of rows, so that each of them is a prediction."""
    return all(tensor.shape and tensor.shape[0] == FREE for tensor in inputs)


def _one_fits(tensor: GoldenTensor, declared: Tensor) -> bool:
    sizes = len(tensor.shape) == len(declared.shape) and all(need in (FREE, size) for size, need in zip(tensor.shape, declared.shape, strict=True))
    return tensor.datatype == declared.datatype and sizes


def _batches(samples: Samples, inputs: Sequence[Tensor]) -> Iterator[Request]:
    if not samples.rows:
        return
    if len(inputs) != 1 or not is_batched(inputs) or FREE in inputs[0].shape[1:]:
        listed = ", ".join(map(str, inputs))
        raise DeliveryError(f"{samples.where} has rows, and the model takes {listed}; rows need one input of shape [-1, n], so give requests instead")
    (tensor,) = inputs
    width = math.prod(tensor.shape[1:])
    rows = [flat(row) for row in samples.rows]
    for index, row in enumerate(rows):
        if len(row) != width:
            raise DeliveryError(f"{samples.where}: row {index} has {len(row)} values, and the model's input {tensor} takes {width}")
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        yield (GoldenTensor(name=tensor.name, datatype=tensor.datatype, shape=(len(some), *tensor.shape[1:]), data=list(chain.from_iterable(some))),)


def flat(values: Iterable[Any]) -> list[Any]:
    """The values of nested lists, row by row."""
    found: list[Any] = []
    for value in values:
        if isinstance(value, list):
            found += flat(value)
        else:
            found.append(value)
    return found
