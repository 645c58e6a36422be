"""LitServe with its fast queue (ZeroMQ) between the process that speaks HTTP and the one with the model."""
# Runs in the environment of this folder's requirements.txt; pyright looks into the repository's, where what is imported here is missing.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import os
from pathlib import Path
from typing import Any

import litserve
import numpy as np
import onnxruntime


class Digits(litserve.LitAPI):
    """The digits model."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        """Opens the model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(Path(os.environ["MODEL_DIR"]) / "model.onnx", options, providers=["CPUExecutionProvider"])

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        """The tensor of a request."""
        return np.array(request["image"], dtype=np.float32)

    def predict(self, x: np.ndarray) -> tuple[Any, Any]:
        """Label and probabilities."""
        label, probabilities = self.session.run(["label", "probabilities"], {"image": x})
        return label, probabilities

    def encode_response(self, output: tuple[Any, Any]) -> dict[str, Any]:
        """The answer."""
        return {"label": output[0].tolist(), "probabilities": output[1].tolist()}


if __name__ == "__main__":
    workers = int(os.environ["WORKERS"])
    server = litserve.LitServer(Digits(), accelerator="cpu", devices=1, workers_per_device=workers, fast_queue=True)
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), num_api_servers=workers, log_level="warning", generate_client_file=False, access_log=False)
