"""Before the port opens: each model answers as it will answer callers, so that no caller pays for a first time, and it is known how long an answer takes."""

import json
import logging
import time
from pathlib import Path
from typing import Any

from . import protocol
from .developer import AppError
from .engine import Engine, Served
from .errors import RequestError
from .http_app import HttpJob
from .signature import FREE

_SECONDS = 0.3  # at most, per model
_ROUNDS = 50
log = logging.getLogger("app")


def warm_up(engine: Engine) -> None:
    """Answers each model's first golden request, or one of zeros, a few times. Raises AppError."""
    for name, served in engine.served.items():
        folder = served.model.folder
        golden = folder / "golden.json" if folder and (folder / "golden.json").exists() else None
        served.example = _golden(golden) if golden else _zeros(served)
        try:
            _rehearse(served, served.example)
        except Exception as error:
            log.exception("the rehearsal of model %s failed", name)
            if golden:  # zeros may be nothing that a model can do anything with
                raise AppError(f"hooks.py or the model fails on the first golden request of model {name}; the log's line before has the exception") from error


def _rehearse(served: Served, inputs: list[dict[str, Any]]) -> None:
    body = protocol.to_json({"inputs": inputs})
    until = time.perf_counter() + _SECONDS
    try:
        for _ in range(_ROUNDS):
            served.rehearse(HttpJob(body, None, time.perf_counter()))
            if time.perf_counter() > until:
                break
    except RequestError as error:  # a request of zeros may be nothing that the developer's code takes
        log.info("the rehearsal of model %s was refused: %s", served.model.name, error)


def _golden(file: Path) -> list[dict[str, Any]]:
    return json.loads(file.read_bytes())["cases"][0]["inputs"]


def _zeros(served: Served) -> list[dict[str, Any]]:
    inputs: list[dict[str, Any]] = []
    for tensor in served.model.signature.inputs:
        shape = [1 if size == FREE else size for size in tensor.shape]
        count = 1
        for size in shape:
            count *= size
        empty = "" if tensor.datatype == "BYTES" else tensor.datatype != "BOOL" and 0
        inputs.append({"name": tensor.name, "shape": shape, "datatype": tensor.datatype, "data": [empty] * count})
    return inputs
