"""Small model folders and documents for the tests of the model store."""

import json
from pathlib import Path
from typing import Any

from model_store import LockedFile, LockedModel, Manifest

DESCRIPTION: dict[str, Any] = {
    "format": "onnx",
    "opset": 17,
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1]}],
    "metrics": {"accuracy": 0.9},
    "training": {"command": "python train.py", "commit": None, "data": {"name": "points", "rows": 4, "sha256": "d" * 64}},
}
GOLDEN: dict[str, Any] = {
    "tolerance": {"rtol": 1e-4, "atol": 1e-5},
    "cases": [
        {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 1]}],
            "outputs": [{"name": "label", "datatype": "INT64", "shape": [1], "data": [3]}],
        }
    ],
}


def write_folder(path: Path, model: bytes = b"model bytes", **changes: Any) -> Path:
    """A complete model folder; `changes` replace keys of model.json."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "model.onnx").write_bytes(model)
    (path / "golden.json").write_text(json.dumps(GOLDEN))
    (path / "model.json").write_text(json.dumps({**DESCRIPTION, **changes}))
    return path


def manifest(version: int = 1, **changes: Any) -> Manifest:
    """A valid manifest of model digits."""
    files = {"model.onnx": {"sha256": "a" * 64, "size": 10}, "golden.json": {"sha256": "b" * 64, "size": 20}}
    made = {"model": "digits", "version": version, "files": files, "created_at": "2026-11-23T20:00:00Z", "created_by": "alice@example.com"}
    return Manifest.model_validate({**DESCRIPTION, **made, **changes})


def locked(version: int = 1, **changes: Any) -> LockedModel:
    """A locked version of model digits."""
    made = LockedModel.of(manifest(version), b"manifest bytes")
    return LockedModel.model_validate({**made.model_dump(), **changes})


def file(letter: str, size: int) -> LockedFile:
    """A file whose hash is one letter."""
    return LockedFile(sha256=letter * 64, size=size)
