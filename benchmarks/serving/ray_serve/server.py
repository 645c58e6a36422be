"""Ray Serve with one replica, its throughput settings on, its access log and dashboard off."""
# Runs in the environment of this folder's requirements.txt; pyright looks into the repository's, where what is imported here is missing.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import os

# Read when Ray is imported. https://docs.ray.io/en/latest/serve/advanced-guides/performance.html
os.environ.setdefault("RAY_SERVE_THROUGHPUT_OPTIMIZED", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import signal
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import ray
from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.requests import Request

QUIET = LoggingConfig(enable_access_log=False, log_level="WARNING")


@serve.deployment(num_replicas=int(os.environ["WORKERS"]), max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0}, logging_config=QUIET)
class Digits:
    """The digits model."""

    def __init__(self, folder: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(Path(folder) / "model.onnx", options, providers=["CPUExecutionProvider"])

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Answers with label and probabilities."""
        image = np.array((await request.json())["image"], dtype=np.float32)
        label, probabilities = self.session.run(["label", "probabilities"], {"image": image})
        return {"label": label.tolist(), "probabilities": probabilities.tolist()}


def main() -> None:
    """Serves until it is told to end."""
    ended = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ended)
    ray.init(num_cpus=int(os.environ["WORKERS"]), include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])}, logging_config=QUIET)
    serve.run(Digits.bind(os.environ["MODEL_DIR"]), name="digits")
    signal.sigwait(ended)
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
