"""What the exported model is worth, on held-out rows: the same as scikit-learn's, its metrics, its golden requests."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

# How far another CPU or another version of ONNX Runtime may be off.
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}
# Golden rows are ones that the model is sure of, so that rounding on another CPU cannot flip a label.
GOLDEN_CONFIDENCE = 0.9

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class TrainingError(Exception):
    """Something that the person who trains can put right; the text says what and how."""


def run(session: onnxruntime.InferenceSession, images: Floats) -> tuple[Integers, Floats]:
    """Runs the exported model: label [rows], probabilities [rows, 10]."""
    label, probabilities = session.run(["label", "probabilities"], {"image": images})
    return np.asarray(label), np.asarray(probabilities)


def check_export(session: onnxruntime.InferenceSession, pipeline: Pipeline, images: Floats) -> None:
    """The ONNX model must say what scikit-learn says, for every held-out row."""
    label, probabilities = run(session, images)
    with threadpool_limits(limits=1):
        expected = pipeline.predict_proba(images)
    worst = float(np.abs(probabilities - expected).max())
    different = int((label != expected.argmax(axis=1)).sum())
    if different or not worst < 1e-4:
        raise TrainingError(f"the exported model differs from scikit-learn: {different} of {len(images)} labels, probabilities by up to {worst:.2g}")


def measure(session: onnxruntime.InferenceSession, images: Floats, labels: Integers) -> dict[str, float]:
    """Held-out metrics of the exported model itself: what is measured is what will be served."""
    label, probabilities = run(session, images)
    metrics = {
        "accuracy": accuracy_score(labels, label),
        "macro_f1": f1_score(labels, label, average="macro"),
        "log_loss": log_loss(labels, _exact(probabilities), labels=list(range(10))),
    }
    return {name: round(float(value), 4) for name, value in metrics.items()}


def _exact(probabilities: Floats) -> NDArray[np.float64]:
    """Rows that sum to one in double precision, as log_loss insists on."""
    wide = probabilities.astype(np.float64)
    return wide / wide.sum(axis=1, keepdims=True)


def golden_requests(session: onnxruntime.InferenceSession, images: Floats, labels: Integers) -> dict[str, Any]:
    """Requests with the expected answers: one held-out picture of each digit, three alone and all ten as one batch."""
    label, probabilities = run(session, images)
    sure = (label == labels) & (probabilities.max(axis=1) > GOLDEN_CONFIDENCE)
    rows = []
    for digit in range(10):
        candidates = np.flatnonzero(sure & (label == digit))
        if not len(candidates):
            raise TrainingError(
                f"no held-out picture of a {digit} is recognised with a probability above {GOLDEN_CONFIDENCE}; "
                "the model is too weak to publish: try a smaller --regularization"
            )
        rows.append(int(candidates[0]))
    batches = [[row] for row in rows[:3]] + [rows]
    return {"tolerance": TOLERANCE, "cases": [_golden_case(session, images[batch]) for batch in batches]}


def _golden_case(session: onnxruntime.InferenceSession, images: Floats) -> dict[str, Any]:
    label, probabilities = run(session, images)
    return {
        "inputs": [_tensor("image", "FP32", images)],
        "outputs": [_tensor("label", "INT64", label), _tensor("probabilities", "FP32", probabilities)],
    }


def _tensor(name: str, datatype: str, values: Floats | Integers) -> dict[str, Any]:
    return {"name": name, "shape": list(values.shape), "datatype": datatype, "data": values.ravel().tolist()}
