"""Fixtures. With MODEL_DIR set (the image's test stage) everything runs on that model, else on one trained for the run."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before any test imports ONNX Runtime: nothing is to be reported
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from serving_process import IMAGE_DIGEST, ServingProcess  # noqa: E402 - found only now


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as the model store hands it out: model.onnx, golden.json, manifest.json."""
    given = os.environ.get("MODEL_DIR")
    if given and (Path(given) / "manifest.json").exists():
        return Path(given)
    return _published(Path(given) if given else _train(tmp_path_factory.mktemp("trained")), tmp_path_factory.mktemp("published"))


def _train(folder: Path) -> Path:
    """Trains the digits model as its command does."""
    pytest.importorskip("training.train", reason="training's packages are not installed", exc_type=ImportError).train(folder, seed=0, regularization=1.0)
    return folder


def _published(source: Path, folder: Path) -> Path:
    """What publishing makes of a folder straight from training, as far as the service reads it."""
    for file in ("model.onnx", "golden.json"):
        shutil.copyfile(source / file, folder / file)
    described = json.loads((source / "model.json").read_bytes())
    manifest = {
        "model": "digits",
        "version": 7,
        "files": {"model.onnx": {"sha256": hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()}},
        "inputs": described["inputs"],
        "outputs": described["outputs"],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="session")
def manifest(model_dir: Path) -> dict[str, Any]:
    return json.loads((model_dir / "manifest.json").read_bytes())


@pytest.fixture(scope="session")
def golden(model_dir: Path) -> dict[str, Any]:
    return json.loads((model_dir / "golden.json").read_bytes())


@pytest.fixture(scope="session")
def golden_input(golden: dict[str, Any]) -> dict[str, Any]:
    """One input of one row that the model answers."""
    return golden["cases"][0]["inputs"][0]


@pytest.fixture
def model_copy(model_dir: Path, tmp_path: Path) -> Path:
    """The model folder, to be broken by a test."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in ("model.onnx", "golden.json", "manifest.json"):
        shutil.copyfile(model_dir / file, folder / file)
    return folder


@pytest.fixture
def start_server(model_dir: Path) -> Iterator[Callable[..., ServingProcess]]:
    """Starts servers of a test's own, and ends them with the test."""
    started: list[ServingProcess] = []

    def start(**environment: str) -> ServingProcess:
        started.append(ServingProcess({"MODEL_DIR": str(model_dir), **environment}))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="session")
def client(model_dir: Path) -> Iterator[httpx.Client]:
    """A client of one server that all tests share."""
    server = ServingProcess({"MODEL_DIR": str(model_dir), "MAX_BODY_BYTES": "100000", "IMAGE_DIGEST": IMAGE_DIGEST})
    try:
        with httpx.Client(base_url=server.wait_until_serving(), timeout=30, trust_env=False) as client:
            yield client
    finally:
        server.kill()


@pytest.fixture(scope="session")
def infer_path(manifest: dict[str, Any]) -> str:
    return f"/v2/models/{manifest['model']}/infer"
