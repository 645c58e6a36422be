"""Samples of what was asked and answered, as lines of the log, for those who watch whether inputs and predictions drift.

Off unless SAMPLE_RATE is set. What a tensor holds may be personal, so of each only shape and datatype are written; values only
of those that SAMPLE_TENSORS names. The request's own id is a caller's free text and never written; the trace id stands for it.
"""

import json
import logging
import math
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from .settings import Settings
from .tensors import DATATYPES, InferRequest, Parameters, Tensors

_MOST_CHARACTERS = 4096  # of one tensor's values: containers' logs are cut at 16 KiB
_MOST_ROWS = 1024
log = logging.getLogger("app.sample")


class Sampler:
    """Writes one of so many requests."""

    def __init__(self, rate: float, names: tuple[str, ...]) -> None:
        self._rate = rate
        self._names = frozenset(names)
        self._random = random.Random()  # noqa: S311 - a share, not a secret

    @staticmethod
    def from_settings(settings: Settings) -> "Sampler | None":
        """None if it is off."""
        return Sampler(settings.sample_rate, settings.sample_tensors) if settings.sample_rate > 0 else None

    def wants(self) -> bool:
        """Is the next request one of them?"""
        return self._random.random() < self._rate

    def write(self, model_name: str, model_version: str, request: InferRequest, outputs: Tensors, parameters: Mapping[str, Any], trace_id: str) -> None:
        """One line. Never fails: the answer is more important than its sample."""
        try:
            fields: dict[str, object] = {
                "model": model_name,
                "version": model_version,
                "inputs": [self._tensor(name, array) for name, array in request.inputs.items()],
                "outputs": [self._tensor(name, array) for name, array in outputs.items()],
                "parameters": self._parameters(parameters),
            }
            if trace_id:
                fields["trace_id"] = trace_id
            log.info("sample", extra={"fields": fields})
        except Exception as error:  # noqa: BLE001 - as the docstring says
            log.error("a sample could not be written: %s", type(error).__name__)  # noqa: TRY400 - a traceback could show values

    def _tensor(self, name: str, array: NDArray[Any]) -> dict[str, object]:
        described: dict[str, object] = {"name": name, "datatype": DATATYPES.get(array.dtype, str(array.dtype)), "shape": list(array.shape)}
        if name in self._names:
            described.update(_values(array))
        return described

    def _parameters(self, parameters: Parameters | Mapping[str, Any]) -> dict[str, Any]:
        """What the developer's own code says about an answer; its values, too, only if they are named."""
        return {name: value if name in self._names else None for name, value in parameters.items()}


def _values(array: NDArray[Any]) -> dict[str, object]:
    """The first whole rows that fit into a line, flat, and how many were left out."""
    rows = array.reshape(array.shape[0], math.prod(array.shape[1:])) if array.ndim else array.reshape(1, 1)
    data: list[Any] = []
    room, taken = _MOST_CHARACTERS, 0
    for row in rows[:_MOST_ROWS]:
        values = _plain(row) if len(row) <= _MOST_CHARACTERS else None  # one so large is not even looked at
        room -= len(json.dumps(values)) if values is not None else room + 1
        if values is None or room < 0:
            break
        data += values
        taken += 1
    left = len(rows) - taken
    return {"data": data, **({"rows_left_out": left} if left else {})}


def _plain(row: NDArray[Any]) -> list[Any]:
    """Values as JSON has them: the shortest form of each number, and null for what is no number."""
    if row.dtype == object:
        return [value if isinstance(value, str) else str(value) for value in row.tolist()]
    return orjson.loads(orjson.dumps(np.ascontiguousarray(row), option=orjson.OPT_SERIALIZE_NUMPY))


__all__ = ["Sampler"]
