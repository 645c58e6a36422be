"""`mlflow models serve` of the model in MLflow's own format, its ONNX flavour: uvicorn without a virtual environment of its own."""
# Runs in the environment of this folder's requirements.txt; pyright looks into the repository's, where what is imported here is missing.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import os
import sys
from pathlib import Path

import mlflow.onnx
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

SIGNATURE = ModelSignature(
    inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, 64), "image")]),
    outputs=Schema([TensorSpec(np.dtype(np.int64), (-1,), "label"), TensorSpec(np.dtype(np.float32), (-1, 10), "probabilities")]),
)


def save(target: Path) -> None:
    """Writes the model in MLflow's format; once, as `mlflow models build-docker` would."""
    mlflow.onnx.save_model(
        onnx.load(Path(os.environ["MODEL_DIR"]) / "model.onnx"),
        target,
        signature=SIGNATURE,
        pip_requirements=[],
        onnx_execution_providers=["CPUExecutionProvider"],
        onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1},
        save_as_external_data=False,
    )


if __name__ == "__main__":
    saved = Path(os.environ["WORK_DIR"]) / "mlflow-model"
    if not saved.exists():
        save(saved)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    # Also for the command itself, which starts `uvicorn` by its name.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(saved), "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", os.environ["PORT"], "--workers", os.environ["WORKERS"]]
    os.execv(command[0], command)  # noqa: S606 - this process becomes the server
