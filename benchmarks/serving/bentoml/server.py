"""BentoML's production server with one service, its own metrics, traces and access log off."""
# Runs in the environment of this folder's requirements.txt; pyright looks into the repository's, where what is imported here is missing.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import os
import sys
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(
    workers=int(os.environ["WORKERS"]),
    traffic={"timeout": 30},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"sample_rate": 0.0},
)
class Digits:
    """The digits model."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(Path(os.environ["MODEL_DIR"]) / "model.onnx", options, providers=["CPUExecutionProvider"])

    @bentoml.api
    async def predict(self, image: list[list[float]]) -> dict[str, Any]:
        """Answers with label and probabilities; in the event loop, which is faster for so small a model than a thread."""
        label, probabilities = self.session.run(["label", "probabilities"], {"image": np.array(image, dtype=np.float32)})
        return {"label": label.tolist(), "probabilities": probabilities.tolist()}


if __name__ == "__main__":
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"
    command = [sys.executable, "-m", "bentoml", "serve", "server:Digits", "--host", "127.0.0.1", "--port", os.environ["PORT"]]
    os.execv(command[0], command)  # noqa: S606 - this process becomes the server
