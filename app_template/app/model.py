"""From model folders to models that are ready to answer: bytes checked, signature checked, warmed up.

A folder from the model store has manifest.json (name, version, sha256). A folder straight from training has only
model.json; it is served as version "local", so that nobody takes it for a published one.

Several models are a folder of such folders. A published one keeps its name, one straight from training is called like its
folder. The contract then says which models the app needs: {"models": {"NAME": {"inputs": [...], "outputs": [...]}}}.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from . import signature
from .signature import FREE, NUMPY_TYPES, Signature, SignatureError
from .tensors import Tensors

LOCAL_VERSION = "local"
_FATAL_ONLY = 4  # ONNX Runtime's own log lines are not JSON; its errors come to us as exceptions anyway
_DESCRIPTIONS = ("manifest.json", "model.json")

_MEASURED_ROWS = (1, 2, 4, 8, 32)
_RUNS = 15  # of each number of rows; the middle one counts
_MEASURING_SECONDS = 0.45  # for all of them


class ModelError(Exception):
    """The model folder cannot be served; the text names the file and what to do."""


@dataclass(frozen=True)
class Cost:
    """What one run takes: the same for any number of rows, and more for each of them."""

    fixed_seconds: float
    row_seconds: float


@dataclass(frozen=True)
class Model:
    """A loaded model. `run` may be called from several threads at once."""

    name: str
    version: str
    sha256: str
    signature: Signature
    session: onnxruntime.InferenceSession
    folder: Path | None = None  # where it came from
    cost: Cost | None = None  # None: its rows cannot be varied, or one run takes too long to find out

    @cached_property
    def _outputs(self) -> list[str]:
        return [tensor.name for tensor in self.signature.outputs]

    def run(self, inputs: Tensors) -> Tensors:
        """All outputs, by name. Raises whatever ONNX Runtime does."""
        return {name: np.asarray(value) for name, value in zip(self._outputs, self.session.run(self._outputs, inputs), strict=True)}


@dataclass(frozen=True)
class _Description:
    name: str
    version: str
    sha256: str | None  # None: nothing to check against
    signature: Signature
    folder: Path


def load(folder: Path, contract: Path, *, local_name: str, intra_op_threads: int = 1) -> Model:
    """Loads, checks and warms up the model of a folder. Raises ModelError."""
    models = load_all(folder, contract, local_name=local_name, intra_op_threads=intra_op_threads)
    if len(models) > 1:
        raise ModelError(f"{folder} holds several models ({_listed(models)}), not one")
    return next(iter(models.values()))


def load_all(folder: Path, contract: Path, *, local_name: str, intra_op_threads: int = 1) -> dict[str, Model]:
    """The models of a folder by name: of one that is a model folder, or holds several. Raises ModelError.

    Args:
        folder: MODEL_DIR.
        contract: what the app needs, of its only model or of each.
        local_name: of a model straight from training whose folder is MODEL_DIR itself.
        intra_op_threads: threads of ONNX Runtime within one run.
    """
    try:
        described = _describe_all(folder, local_name)
        needed = _needed(contract, folder, described)
        return {name: _load(one, needed[name], intra_op_threads, alone=len(described) == 1) for name, one in described.items()}
    except SignatureError as error:
        raise ModelError(str(error)) from None


def _load(described: _Description, needed: Signature, intra_op_threads: int, *, alone: bool) -> Model:
    folder = described.folder
    content = _read(folder / "model.onnx")
    sha256 = hashlib.sha256(content).hexdigest()
    if described.sha256 not in (None, sha256):
        raise ModelError(f"{folder / 'model.onnx'} is not the model of manifest.json: expected sha256 {described.sha256}, got {sha256}")
    session = _session(content, folder / "model.onnx", intra_op_threads)
    actual = signature.of_session(session)
    if (actual.inputs, actual.outputs) != (described.signature.inputs, described.signature.outputs):
        raise ModelError(f"{folder}: the model's inputs and outputs are not those that its description names: {_differences(described.signature, actual)}")
    try:
        signature.check_contract(needed, actual)
    except SignatureError as error:
        raise ModelError(str(error) if alone else f"model '{described.name}': {error}") from None
    model = Model(described.name, described.version, sha256, actual, session, folder)
    seconds = _warm_up(model)
    return replace(model, cost=_cost(model) if seconds < _MEASURING_SECONDS / 2 else None)


def _describe_all(folder: Path, local_name: str) -> dict[str, _Description]:
    if not folder.is_dir():
        raise ModelError(f"there is no model folder {folder}; name one with MODEL_DIR, or make one: python -m training.train --out training/out")
    inside = [] if _is_model(folder) else sorted(entry for entry in folder.iterdir() if not entry.name.startswith(".") and _is_model(entry))
    described: dict[str, _Description] = {}
    for one in [_describe(entry, entry.name) for entry in inside] or [_describe(folder, local_name)]:
        other = described.setdefault(one.name, one)
        if other is not one:
            raise ModelError(f"two models are called '{one.name}': {other.folder} and {one.folder}; one service has one version of a model, remove a folder")
    return described


def _is_model(folder: Path) -> bool:
    """Also one that lacks its description: it must be said, and not passed over."""
    return any((folder / name).exists() for name in (*_DESCRIPTIONS, "model.onnx"))


def _needed(contract: Path, folder: Path, described: Mapping[str, _Description]) -> dict[str, Signature]:
    """What the app needs of each model. Raises ModelError when these are not the models that it needs."""
    value = _read_json(contract)
    if not isinstance(value, dict) or "models" not in value:
        single = signature.from_json(value, str(contract))
        if len(described) > 1:
            raise ModelError(
                f"{folder} holds several models ({_listed(described)}), but {contract} has the inputs and outputs of one; "
                'with several it is {"models": {"NAME": {"inputs": [...], "outputs": [...]}, ...}}'
            )
        return dict.fromkeys(described, single)
    models = value["models"]
    if len(value) > 1 or not isinstance(models, dict) or not models:
        raise ModelError(f"{contract}: 'models' must be an object with at least one model, and nothing stands beside it")
    needed = {name: signature.from_json(one, f"{contract}: model '{name}'") for name, one in models.items()}
    problems = [f"the app needs model '{name}', but there is only {_listed(described)}" for name in needed if name not in described]
    problems += [f"there is model '{name}', but the app needs only {_listed(needed)}" for name in described if name not in needed]
    if problems:
        local = [one.folder for one in described.values() if one.version == LOCAL_VERSION]
        hint = (
            ""
            if not local
            else " (MODEL_NAME names a model straight from training)"
            if folder in local
            else " (a model straight from training is called like its folder)"
        )
        raise ModelError(f"{folder} does not fit {contract}: {'; '.join(problems)}{hint}")
    return needed


def _describe(folder: Path, local_name: str) -> _Description:
    manifest = folder / "manifest.json"
    if manifest.exists():
        value = _read_json(manifest)
        match value:
            case {"model": str(name), "version": int(version), "files": {"model.onnx": {"sha256": str(sha256)}}}:
                return _Description(name, str(version), sha256, signature.from_json(value, str(manifest)), folder)
        raise ModelError(f"{manifest} must have 'model' (text), 'version' (integer) and the sha256 of model.onnx under 'files'")
    described = folder / "model.json"
    if not described.exists():
        raise ModelError(f"{folder} has neither manifest.json (from the model store) nor model.json (from training)")
    return _Description(local_name, LOCAL_VERSION, None, signature.from_json(_read_json(described), str(described)), folder)


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
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Threads that wait for work would burn the CPU that the next request, or another container, needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = _FATAL_ONLY
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions have no base of their own
        raise ModelError(f"ONNX Runtime cannot load {file}: {_one_line(error)}") from None


def _differences(described: Signature, actual: Signature) -> str:
    def text(tensors: tuple[signature.Tensor, ...]) -> str:
        return ", ".join(map(str, tensors))

    return f"described {text(described.inputs)} -> {text(described.outputs)}, actual {text(actual.inputs)} -> {text(actual.outputs)}"


def _warm_up(model: Model) -> float:
    """One inference with zeros: the first use is slow, and a model that cannot run is found before traffic is. Returns how long it took."""
    started = time.perf_counter()
    try:
        model.run(_zeros(model.signature, 1))
    except Exception as error:  # noqa: BLE001 - as above; whatever it is, the model is not to be served
        raise ModelError(f"the warm-up of model {model.name} version {model.version} failed: {_one_line(error)}") from None
    return time.perf_counter() - started


def _zeros(needed: Signature, rows: int) -> Tensors:
    """Inputs of zeros; a first size that is free becomes `rows`, any other 1."""
    inputs: Tensors = {}
    for tensor in needed.inputs:
        shape = [size if size != FREE else 1 if index else rows for index, size in enumerate(tensor.shape)]
        inputs[tensor.name] = np.full(shape, "" if tensor.datatype == "BYTES" else 0, dtype=NUMPY_TYPES[tensor.datatype])
    return inputs


def _cost(model: Model) -> Cost | None:
    """Measured with zeros of several numbers of rows; None where rows cannot be varied."""
    if not all(tensor.shape[:1] == (FREE,) for tensor in (*model.signature.inputs, *model.signature.outputs)):
        return None
    left = _MEASURING_SECONDS
    measured: dict[int, float] = {}
    for index, rows in enumerate(_MEASURED_ROWS):
        # As if time grew with the rows, and two runs at least: what would not be over in time is not begun.
        if 2 * max((seconds * rows / known for known, seconds in measured.items()), default=0.0) > left:
            break
        started = time.perf_counter()
        seconds = _middle_seconds(model, rows, left / (len(_MEASURED_ROWS) - index))
        if seconds is None:
            return None
        measured[rows] = seconds
        left -= time.perf_counter() - started
    if len(measured) < 2:
        return None
    row_seconds, fixed_seconds = np.polyfit(list(measured), list(measured.values()), 1)
    return Cost(max(0.0, float(fixed_seconds)), max(0.0, float(row_seconds)))


def _middle_seconds(model: Model, rows: int, seconds: float) -> float | None:
    """Of as many runs as fit; None: the model does not take so many rows, or does not give as many."""
    inputs = _zeros(model.signature, rows)
    until = time.perf_counter() + seconds
    times: list[float] = []
    try:
        outputs = model.run(inputs)  # the first with a new shape makes room for it
        while len(times) < _RUNS and (not times or time.perf_counter() < until):
            started = time.perf_counter()
            model.run(inputs)
            times.append(time.perf_counter() - started)
    except Exception:  # noqa: BLE001 - such a model takes one row, as the warm-up showed, and is served so
        return None
    return float(np.median(times)) if all(array.shape[:1] == (rows,) for array in outputs.values()) else None


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
