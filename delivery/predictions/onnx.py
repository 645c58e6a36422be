"""Runs a model file on ONNX Runtime, without the app around it."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from delivery.errors import DeliveryError
from delivery.predictions.difference import Answer, Output
from delivery.predictions.requests import Request, flat
from model_store import Tensor

_FATAL_ONLY = 4
_NUMPY = {"BOOL": "bool_", "BYTES": "object_", "FP16": "float16", "FP32": "float32", "FP64": "float64"}


def answers(model: Path, outputs: Sequence[Tensor], requests: Sequence[Request]) -> Iterator[Answer | str]:
    """The outputs of each request, or why there are none.

    Args:
        model: a model.onnx.
        outputs: that the model is known to give.

    Raises:
        DeliveryError: ONNX Runtime is not installed, or cannot load the model.
    """
    session = _session(model)
    datatypes = {tensor.name: tensor.datatype for tensor in outputs}
    for request in requests:
        try:
            values = session.run(list(datatypes), {tensor.name: _array(tensor.datatype, tensor.shape, tensor.data) for tensor in request})
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions have no base of their own
            yield _one_line(error)
        else:
            yield {name: Output(datatype, value.ravel().tolist()) for (name, datatype), value in zip(datatypes.items(), values, strict=True)}


def _session(model: Path) -> Any:
    try:
        # A tenth of a second, and only a changed model needs it.
        import onnxruntime  # noqa: PLC0415
    except ImportError as error:
        raise DeliveryError(f"ONNX Runtime is not installed here ({_one_line(error)})") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise DeliveryError(f"ONNX Runtime cannot load {model.name}: {_one_line(error)}") from error


def _array(datatype: str, shape: Sequence[int], data: list[Any]) -> Any:
    import numpy as np  # noqa: PLC0415 - comes with ONNX Runtime

    values = flat(data)
    if len(values) != math.prod(shape):
        raise ValueError(f"shape {list(shape)} needs {math.prod(shape)} values, got {len(values)}")
    return np.array(values, dtype=getattr(np, _NUMPY.get(datatype, datatype.lower()))).reshape(shape)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
