"""Trains the digits model and writes the folder that is published: model.onnx, golden.json, model.json.

    python -m training.train --out training/out

The same arguments on the same machine give the same bytes: a model can be traced to the commit and command behind it.
"""

import argparse
import hashlib
import json
import math
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from app import signature
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler
from threadpoolctl import threadpool_limits

from .evaluate import Floats, Integers, TrainingError, check_export, golden_requests, measure

OPSET = 17
# The same held-out rows for every seed and regularization: otherwise metrics of two versions could not be compared.
SPLIT_SEED = 0
HELD_OUT = 0.25
CONTRACT = Path(__file__).parents[1] / "app" / "contract.json"


@dataclass(frozen=True)
class Digits:
    """Scikit-learn's handwritten digits: 1797 pictures of 8 x 8 pixels from 0 to 16, split once and for all."""

    train_images: Floats  # [1347, 64]
    train_labels: Integers
    held_out_images: Floats  # [450, 64]
    held_out_labels: Integers
    rows: int
    sha256: str  # of all pictures and labels, before the split


def load_data() -> Digits:
    """The data set that comes with scikit-learn, split by a fixed seed so that both parts have as many of each digit."""
    bunch: Any = load_digits()
    images, labels = bunch.data.astype("<f4"), bunch.target.astype("<i8")
    fingerprint = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    rows = np.arange(len(images))
    train, held_out = train_test_split(rows, test_size=HELD_OUT, stratify=labels, random_state=SPLIT_SEED)
    return Digits(images[train], labels[train], images[held_out], labels[held_out], len(rows), fingerprint)


def fit(data: Digits, seed: int, regularization: float) -> Pipeline:
    """One hidden layer. LBFGS suits a set this small: it converges in about a second and without a learning rate."""
    network = MLPClassifier((64,), solver="lbfgs", alpha=regularization, max_iter=500, random_state=seed)
    pipeline = Pipeline([("scale", MinMaxScaler()), ("network", network)])
    # One thread: sums are added in one order, and 1347 rows are too few to share.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopping at max_iter is wanted: the held-out score is what counts
        return pipeline.fit(data.train_images, data.train_labels)


def export(pipeline: Pipeline) -> bytes:
    """The pipeline as ONNX: image FP32 [-1, 64] -> label INT64 [-1], probabilities FP32 [-1, 10]."""
    model: Any = convert_sklearn(
        pipeline,
        name="digits",  # without it the graph is named with a random id
        initial_types=[("image", FloatTensorType([None, 64]))],
        options={id(pipeline): {"zipmap": False}},
        target_opset={"": OPSET, "ai.onnx.ml": 1},
    )
    return model.SerializeToString(deterministic=True)


def commit(folder: Path = Path(__file__).parent) -> str | None:
    """The commit that the training code is at; None without git, or when the code has changes that no commit holds."""
    try:
        changes = _git(folder, "status", "--porcelain", "--", ".")
        return None if changes else _git(folder, "rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def describe(model: signature.Signature, metrics: dict[str, float], data: Digits, command: str) -> dict[str, Any]:
    """model.json: what the model takes and gives, how good it is, and where it comes from."""
    return {
        "format": "onnx",
        "opset": OPSET,
        "inputs": [tensor.as_json() for tensor in model.inputs],
        "outputs": [tensor.as_json() for tensor in model.outputs],
        "metrics": metrics,
        "training": {
            "command": command,
            "commit": commit(),
            "data": {"name": "scikit-learn digits", "rows": data.rows, "sha256": data.sha256},
        },
    }


def prepare_folder(folder: Path) -> None:
    """Makes the folder and proves that it can be written, before any time is spent on training."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / ".write-test", b"")
        (folder / ".write-test").unlink()
    except OSError as error:
        raise TrainingError(f"cannot write to --out {folder}: {error.strerror}; give a folder that you may write to") from None


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all: a training that is cut off leaves no half file behind."""
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(file)


def write_folder(folder: Path, model: bytes, golden: dict[str, Any], description: dict[str, Any]) -> None:
    """The model folder; model.json last, so that a folder that has it is complete. Raises TrainingError."""
    try:
        _write(folder / "model.onnx", model)
        _write(folder / "golden.json", json.dumps(golden, separators=(",", ":")).encode() + b"\n")
        _write(folder / "model.json", json.dumps(description, indent=2).encode() + b"\n")
    except OSError as error:
        raise TrainingError(f"cannot write to --out {folder}: {error.strerror}") from None


def train(out: Path, seed: int, regularization: float) -> dict[str, float]:
    """The whole way; returns the held-out metrics. Raises TrainingError and signature.SignatureError."""
    prepare_folder(out)
    data = load_data()
    pipeline = fit(data, seed, regularization)
    model = export(pipeline)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    check_export(session, pipeline, data.held_out_images)
    model_signature = signature.of_session(session)
    signature.check_contract(signature.from_file(CONTRACT), model_signature)
    metrics = measure(session, data.held_out_images, data.held_out_labels)
    command = f"python -m training.train --seed {seed} --regularization {regularization}"
    golden = golden_requests(session, data.held_out_images, data.held_out_labels)
    write_folder(out, model, golden, describe(model_signature, metrics, data, command))
    return metrics


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"must be an integer from 0 to {2**32 - 1}, got '{text}'")
    return int(text)


def _regularization(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"must be a number from 0, got '{text}'")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description="Train the digits model.")
    parser.add_argument("--out", type=Path, default=Path("training/out"), help="model folder to write (default: %(default)s)")
    parser.add_argument("--seed", type=_seed, default=0, help="start values of the network (default: %(default)s)")
    parser.add_argument("--regularization", type=_regularization, default=1.0, help="L2 penalty (default: %(default)s)")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        metrics = train(options.out, options.seed, options.regularization)
    except (TrainingError, signature.SignatureError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    figures = ", ".join(f"{name} {value:g}" for name, value in metrics.items())
    print(f"wrote {options.out}/model.onnx, golden.json, model.json in {time.monotonic() - started:.1f} s: {figures}")
    if commit() is None:
        print("note: training/ is not committed, so model.json names no commit")
    return 0


if __name__ == "__main__":
    sys.exit(main())
