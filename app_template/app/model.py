"""From a model folder to a model that is ready to answer: bytes checked, signature checked, warmed up.

A folder from the model store has manifest.json (name, version, sha256). A folder straight from training has only
model.json; it is served as version "local", so that nobody takes it for a published one.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from . import signature
from .protocol import Tensors
from .signature import FREE, NUMPY_TYPES, Signature, SignatureError

LOCAL_VERSION = "local"
_FATAL_ONLY = 4  # ONNX Runtime's own log lines are not JSON; its errors come to us as exceptions anyway


class ModelError(Exception):
    """The model folder cannot be served; the text names the file and what to do."""


@dataclass(frozen=True)
class Model:
    """A loaded model. `run` may be called from several threads at once."""

    name: str
    version: str
    sha256: str
    signature: Signature
    session: onnxruntime.InferenceSession
    cost: Any = None

    def run(self, inputs: Tensors) -> Tensors:
        names = [tensor.name for tensor in self.signature.outputs]
        return {name: np.asarray(value) for name, value in zip(names, self.session.run(names, inputs), strict=True)}


@dataclass(frozen=True)
class _Description:
    name: str
    version: str
    sha256: str | None  # None: nothing to check against
    signature: Signature


def load(folder: Path, contract: Path, *, local_name: str, intra_op_threads: int = 1) -> Model:
    """Loads, checks and warms up the model of a folder. Raises ModelError."""
    if not folder.is_dir():
        raise ModelError(f"there is no model folder {folder}; name one with MODEL_DIR, or make one: python -m training.train --out training/out")
    try:
        described = _describe(folder, local_name)
        content = _read(folder / "model.onnx")
        sha256 = hashlib.sha256(content).hexdigest()
        if described.sha256 not in (None, sha256):
            raise ModelError(f"{folder / 'model.onnx'} is not the model of manifest.json: expected sha256 {described.sha256}, got {sha256}")
        session = _session(content, folder / "model.onnx", intra_op_threads)
        actual = signature.of_session(session)
        if (actual.inputs, actual.outputs) != (described.signature.inputs, described.signature.outputs):
            raise ModelError(f"{folder}: the model's inputs and outputs are not those that its description names: {_differences(described.signature, actual)}")
        signature.check_contract(signature.from_file(contract), actual)
    except SignatureError as error:
        raise ModelError(str(error)) from None
    model = Model(described.name, described.version, sha256, actual, session)
    _warm_up(model)
    return model


def _describe(folder: Path, local_name: str) -> _Description:
    manifest = folder / "manifest.json"
    if manifest.exists():
        value = _read_json(manifest)
        match value:
            case {"model": str(name), "version": int(version), "files": {"model.onnx": {"sha256": str(sha256)}}}:
                return _Description(name, str(version), sha256, signature.from_json(value, str(manifest)))
        raise ModelError(f"{manifest} must have 'model' (text), 'version' (integer) and the sha256 of model.onnx under 'files'")
    described = folder / "model.json"
    if not described.exists():
        raise ModelError(f"{folder} has neither manifest.json (from the model store) nor model.json (from training)")
    return _Description(local_name, LOCAL_VERSION, None, signature.from_json(_read_json(described), str(described)))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {file}: {error.strerror}") from None


def _read_json(file: Path) -> Any:
    try:
        return json.loads(_read(file))
    except ValueError as error:
        raise ModelError(f"{file} is not valid JSON: {error}") from None


def _session(content: bytes, file: Path, intra_op_threads: int) -> onnxruntime.InferenceSession:
    """Loads the very bytes whose sha256 was checked."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions have no base of their own
        raise ModelError(f"ONNX Runtime cannot load {file}: {_one_line(error)}") from None


def _differences(described: Signature, actual: Signature) -> str:
    def text(tensors: tuple[signature.Tensor, ...]) -> str:
        return ", ".join(map(str, tensors))

    return f"described {text(described.inputs)} -> {text(described.outputs)}, actual {text(actual.inputs)} -> {text(actual.outputs)}"


def _warm_up(model: Model) -> None:
    """One inference with zeros: the first use is slow, and a model that cannot run is found before traffic is."""
    inputs: Tensors = {}
    for tensor in model.signature.inputs:
        shape = [1 if size == FREE else size for size in tensor.shape]
        empty = "" if tensor.datatype == "BYTES" else 0
        inputs[tensor.name] = np.full(shape, empty, dtype=NUMPY_TYPES[tensor.datatype])
    try:
        model.run(inputs)
    except Exception as error:  # noqa: BLE001 - as above; whatever it is, the model is not to be served
        raise ModelError(f"the warm-up of model {model.name} version {model.version} failed: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def load_all(folder: Path, contract: Path, *, local_name: str, intra_op_threads: int = 1) -> dict[str, Model]:
    """All models of a folder, by name. Raises ModelError."""
    model = load(folder, contract, local_name=local_name, intra_op_threads=intra_op_threads)
    return {model.name: model}
