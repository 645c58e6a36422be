"""From a trained and exported model to its folder, the same for every kind: checked, measured, described, with golden requests."""

import argparse
import hashlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from app import signature
from app.tensors import Tensors, datatype_of
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from training.evaluate import TOLERANCE, TrainingError
from training.train import commit, prepare_folder, write_folder

HELD_OUT = 0.25
_LARGEST_DIFFERENCE = 1e-4
_ALONE = 3  # golden requests of one row each; one more has all of them


@dataclass(frozen=True)
class Data:
    """Rows that come with a package, split once and for all, with as many of each class on both sides."""

    name: str
    rows: NDArray[Any]
    labels: NDArray[Any]

    def split(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Rows and labels to train with, rows and labels that are held out."""
        train, held_out = train_test_split(np.arange(len(self.rows)), test_size=HELD_OUT, stratify=self.labels, random_state=0)
        return self.rows[train], self.labels[train], self.rows[held_out], self.labels[held_out]

    @property
    def sha256(self) -> str:
        """Of all rows and labels, before the split."""
        content = hashlib.sha256()
        for array in (self.rows, self.labels):
            content.update(repr(array.tolist()).encode())
        return content.hexdigest()


@dataclass(frozen=True)
class Exported:
    """A model as ONNX with the outputs `label` and `probabilities`, and what the library that trained it says of the held-out rows."""

    model: bytes
    inputs: Tensors  # the held-out rows, as the model takes them
    probabilities: NDArray[Any]


def write(folder: Path, exported: Exported, data: Data, command: str) -> dict[str, float]:
    """Writes the folder and returns the held-out metrics. Raises TrainingError when the export is not the model that was trained."""
    session = onnxruntime.InferenceSession(exported.model, providers=["CPUExecutionProvider"])
    labels = data.split()[3]
    outputs = _run(session, exported.inputs)
    _check(outputs, exported.probabilities)
    right = outputs["label"] == labels
    metrics = {"accuracy": round(float(right.mean()), 4)}
    model_signature = signature.of_session(session)
    description = {
        "format": "onnx",
        "opset": next(opset.version for opset in onnx.load_from_string(exported.model).opset_import if opset.domain in ("", "ai.onnx")),
        "inputs": [tensor.as_json() for tensor in model_signature.inputs],
        "outputs": [tensor.as_json() for tensor in model_signature.outputs],
        "metrics": metrics,
        "training": {"command": command, "commit": commit(Path(__file__).parent), "data": {"name": data.name, "rows": len(data.rows), "sha256": data.sha256}},
    }
    write_folder(folder, exported.model, _golden(session, exported.inputs, _surest(outputs, right)), description)
    return metrics


def _run(session: onnxruntime.InferenceSession, inputs: Tensors) -> Tensors:
    names = [output.name for output in session.get_outputs()]
    return {name: np.asarray(value) for name, value in zip(names, session.run(names, inputs), strict=True)}


def _check(outputs: Tensors, probabilities: NDArray[Any]) -> None:
    worst = float(np.abs(outputs["probabilities"] - probabilities).max())
    if not worst < _LARGEST_DIFFERENCE:
        raise TrainingError(f"the exported model differs from the trained one: probabilities by up to {worst:.2g}")


def _surest(outputs: Tensors, right: NDArray[np.bool_]) -> list[int]:
    """Of each class the row that was recognised best: rounding on another CPU cannot flip its label."""
    confidence = np.where(right, outputs["probabilities"].max(axis=1), 0.0)
    rows = [int(np.where(outputs["label"] == label, confidence, 0.0).argmax()) for label in sorted(set(outputs["label"].tolist()))]
    return [row for row in rows if right[row]]


def _golden(session: onnxruntime.InferenceSession, inputs: Tensors, rows: list[int]) -> dict[str, Any]:
    """The form of training/evaluate.py."""
    cases = []
    for batch in [*([row] for row in rows[:_ALONE]), rows]:
        some = {name: array[batch] for name, array in inputs.items()}
        cases.append({"inputs": _tensors(some), "outputs": _tensors(_run(session, some))})
    return {"tolerance": TOLERANCE, "cases": cases}


def _tensors(tensors: Tensors) -> list[dict[str, Any]]:
    return [{"name": name, "shape": list(array.shape), "datatype": datatype_of(array), "data": array.ravel().tolist()} for name, array in tensors.items()]


def main(kind: str, train: Callable[[Path], dict[str, float]], arguments: list[str] | None = None) -> int:
    """The command of an example. Returns the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m examples.{kind}.train", description=(train.__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("examples/out") / kind, help="model folder to write (default: %(default)s)")
    out = parser.parse_args(arguments).out
    started = time.monotonic()
    try:
        prepare_folder(out)
        metrics = train(out)
    except (TrainingError, signature.SignatureError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    figures = ", ".join(f"{name} {value:g}" for name, value in metrics.items())
    print(f"wrote {out}/model.onnx, golden.json, model.json in {time.monotonic() - started:.1f} s: {figures}")
    return 0
