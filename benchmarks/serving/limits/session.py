"""ONNX Runtime alone: how often a second `session.run` ends, one call after the other, with the rows in memory. Prints it as JSON, by rows."""
# Runs in the environment of the service, which has what is imported here.

import json
import os
import time
from pathlib import Path

import numpy as np
import onnxruntime

_BETWEEN_LOOKS = 200
"""Calls between two looks at the clock."""


def measure(session: onnxruntime.InferenceSession, image: np.ndarray, seconds: float) -> float:
    """Calls per second."""
    outputs, inputs = ["label", "probabilities"], {"image": image}
    calls, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        for _ in range(_BETWEEN_LOOKS):
            session.run(outputs, inputs)
        calls += _BETWEEN_LOOKS
    return calls / elapsed


def main() -> None:
    """Measures each of the saved arrays."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(Path(os.environ["MODEL_DIR"]) / "model.onnx", options, providers=["CPUExecutionProvider"])
    seconds = float(os.environ["SECONDS_EACH"])
    rates: dict[int, float] = {}
    for path in Path(os.environ["WORK_DIR"], "rows").glob("*.npy"):
        image = np.load(path)
        measure(session, image, seconds / 5)
        rates[int(path.stem)] = measure(session, image, seconds)
    print(json.dumps(rates))


if __name__ == "__main__":
    main()
