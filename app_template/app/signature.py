"""What a model takes and gives, in the terms of the Open Inference Protocol: name, datatype, shape (-1 = any size)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from .protocol import Frame

FREE = -1

# Open Inference Protocol datatype -> NumPy type. BYTES travels as text in JSON.
NUMPY_TYPES: dict[str, type] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}
_ONNX_TYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


class SignatureError(Exception):
    """A signature that cannot be read, or two that do not fit; the text says which tensor and how."""


@dataclass(frozen=True)
class Tensor:
    """One input or output of a model."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.datatype} {list(self.shape)}"

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True)
class Signature:
    """All inputs and outputs of a model, in the model's order."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @cached_property
    def inputs_by_name(self) -> dict[str, Tensor]:
        """The inputs; looked up with every request."""
        return {tensor.name: tensor for tensor in self.inputs}

    @cached_property
    def frames(self) -> "dict[bytes, Frame]":
        """What protocol.py has found out about requests that it has read, by how they begin."""
        return {}


class _OnnxTensor(Protocol):
    """What ONNX Runtime tells about an input or output."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def shape(self) -> list[Any]: ...


class OnnxSession(Protocol):
    """The part of onnxruntime.InferenceSession that tells the signature."""

    def get_inputs(self) -> Iterable[_OnnxTensor]: ...
    def get_outputs(self) -> Iterable[_OnnxTensor]: ...


def of_session(session: OnnxSession) -> Signature:
    """The signature of a loaded model. Raises SignatureError for kinds of values that the protocol does not know."""
    return Signature(
        inputs=tuple(_of_onnx(tensor) for tensor in session.get_inputs()),
        outputs=tuple(_of_onnx(tensor) for tensor in session.get_outputs()),
    )


def _of_onnx(tensor: _OnnxTensor) -> Tensor:
    datatype = _ONNX_TYPES.get(tensor.type)
    if datatype is None:
        raise SignatureError(
            f"'{tensor.name}' is a {tensor.type}; only tensors can be served ({', '.join(NUMPY_TYPES)}). "
            "A scikit-learn classifier must be exported with zipmap=False."
        )
    # A free dimension has a symbolic name or None in ONNX.
    return Tensor(tensor.name, datatype, tuple(size if isinstance(size, int) and size >= 0 else FREE for size in tensor.shape))


def from_json(value: object, where: str) -> Signature:
    """Reads {"inputs": [tensor...], "outputs": [tensor...], ...}. `where` names the file in SignatureError."""
    if not isinstance(value, dict):
        raise SignatureError(f"{where} must hold a JSON object")
    return Signature(inputs=_tensors(value, "inputs", where), outputs=_tensors(value, "outputs", where))


def from_file(file: Path) -> Signature:
    """Reads a signature from a JSON file. Raises SignatureError."""
    try:
        value = json.loads(file.read_bytes())
    except OSError as error:
        raise SignatureError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise SignatureError(f"{file} is not valid JSON: {error}") from None
    return from_json(value, str(file))


def _tensors(value: dict[str, Any], key: str, where: str) -> tuple[Tensor, ...]:
    entries = value.get(key)
    if not isinstance(entries, list) or not entries:
        raise SignatureError(f"{where}: '{key}' must be a list of tensors with at least one entry")
    return tuple(_tensor(entry, f"{where}: {key}[{index}]") for index, entry in enumerate(entries))


def _tensor(entry: object, where: str) -> Tensor:
    match entry:
        case {"name": str(name), "datatype": str(datatype), "shape": [*shape]} if name:
            if datatype not in NUMPY_TYPES:
                raise SignatureError(f"{where}: unknown datatype '{datatype}', allowed: {', '.join(NUMPY_TYPES)}")
            if not all(type(size) is int and (size == FREE or size >= 0) for size in shape):
                raise SignatureError(f"{where}: shape must hold integers from 0, or -1 for any size, got {shape}")
            return Tensor(name, datatype, tuple(shape))
    raise SignatureError(f"{where} must have 'name' (text), 'datatype' (text) and 'shape' (list of integers)")


def check_contract(contract: Signature, model: Signature) -> None:
    """Checks that the model can do what the app needs; raises SignatureError with every difference.

    The model must take exactly the contract's inputs and give at least its outputs, with equal datatypes. Sizes are
    equal too, except that the model may take an input in any size, and the app an output in any size.
    """
    problems = [
        *_compare("input", needed=contract.inputs, offered=model.inputs),
        *(
            f"the model needs input {tensor}, the app does not send it"
            for tensor in model.inputs
            if tensor.name not in {needed.name for needed in contract.inputs}
        ),
        *_compare("output", needed=contract.outputs, offered=model.outputs),
    ]
    if problems:
        raise SignatureError("the model does not fit the app's contract: " + "; ".join(problems))


def _compare(kind: str, needed: tuple[Tensor, ...], offered: tuple[Tensor, ...]) -> list[str]:
    by_name = {tensor.name: tensor for tensor in offered}
    problems = []
    for need in needed:
        offer = by_name.get(need.name)
        if offer is None:
            problems.append(f"the app needs {kind} {need}, the model has {', '.join(map(str, offered))}")
        elif offer.datatype != need.datatype or not _shapes_fit(kind, need.shape, offer.shape):
            problems.append(f"the app needs {kind} {need}, the model has {offer}")
    return problems


def _shapes_fit(kind: str, needed: tuple[int, ...], offered: tuple[int, ...]) -> bool:
    wide, narrow = (offered, needed) if kind == "input" else (needed, offered)
    return len(wide) == len(narrow) and all(w in (n, FREE) for w, n in zip(wide, narrow, strict=True))
