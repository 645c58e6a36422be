"""Image builds of an app folder as a stack's program makes them: the same Dockerfile and arguments, against the sandbox's own BuildKit and registry."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from local_azure.sandbox import Sandbox
from local_azure.services.buildkit import socket_of

ROOT = Path(__file__).parents[2]
APP = ROOT / "app_template"
_FILES = ("model.onnx", "golden.json", "manifest.json")
_ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model folder as the store hands it out."""

    folder: Path
    version: int


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer of a pushed image."""

    digest: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Built:
    """A pushed image: seconds from the call to the end of the push."""

    repository: str
    digest: str
    seconds: float
    layers: tuple[Layer, ...]
    config: dict[str, Any]

    @property
    def size(self) -> int:
        """Compressed bytes."""
        return sum(layer.size for layer in self.layers)


@dataclass(frozen=True, kw_only=True)
class Builder:
    """A running BuildKit with a registry beside it."""

    sandbox: Sandbox
    buildctl: Path
    base: str

    def build(self, app: Path, model: Model, *, name: str, no_cache: bool = False) -> Built:
        """Builds and pushes; raises RuntimeError with what BuildKit said."""
        reference = f"{self.sandbox.registry}/{name}"
        with _served(model.folder) as url, tempfile.TemporaryDirectory() as folder:
            metadata = Path(folder) / "metadata.json"
            command = [
                *(str(self.buildctl), "--addr", socket_of(self.sandbox), "build", "--frontend", "dockerfile.v0", "--progress", "plain"),
                *("--local", f"context={app}", "--local", f"dockerfile={app}", "--metadata-file", str(metadata)),
                *("--output", f"type=image,name={reference}:latest,push=true,registry.insecure=true,oci-mediatypes=true"),
                *(part for key, value in _arguments(self.base, model).items() for part in ("--opt", f"build-arg:{key}={value}")),
                *(part for key, value in _secrets(Path(folder), url).items() for part in ("--secret", f"id={key},src={value}")),
                *(["--no-cache"] if no_cache else []),
            ]
            started = time.monotonic()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            seconds = time.monotonic() - started
            if done.returncode:
                raise RuntimeError(f"the image could not be built:\n{done.stderr[-6000:]}")
            digest = str(json.loads(metadata.read_text())["containerimage.digest"])
        return self._pushed(name, digest, seconds)

    def _pushed(self, name: str, digest: str, seconds: float) -> Built:
        with httpx.Client(base_url=f"http://{self.sandbox.registry}/v2/{name}", trust_env=False, headers={"Accept": _ACCEPT}) as client:
            manifest = client.get(f"/manifests/{digest}").raise_for_status().json()
            config = client.get(f"/blobs/{manifest['config']['digest']}").raise_for_status().json()
        layers = tuple(Layer(digest=layer["digest"], size=layer["size"]) for layer in manifest["layers"])
        return Built(repository=f"{self.sandbox.registry}/{name}", digest=digest, seconds=seconds, layers=layers, config=config)


def train(folder: Path, seed: int, version: int) -> Model:
    """The sample model, with a manifest as publishing makes it."""
    command = [sys.executable, "-m", "training.train", "--seed", str(seed), "--out", str(folder)]
    subprocess.run(command, cwd=APP, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(APP)})
    described = json.loads((folder / "model.json").read_bytes())
    files = {name: {"sha256": _sha256(folder / name)} for name in ("model.onnx", "golden.json")}
    manifest = {"model": "digits", "version": version, "files": files, "inputs": described["inputs"], "outputs": described["outputs"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return Model(folder=folder, version=version)


def copy_of_app(folder: Path) -> Path:
    """The app's folder, to be changed."""
    shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _arguments(base: str, model: Model) -> dict[str, str]:
    hashes = {f"{name.partition('.')[0].upper()}_SHA256": _sha256(model.folder / name) for name in _FILES}
    return {"PYTHON_IMAGE": base, "MODEL_NAME": "digits", "MODEL_VERSION": str(model.version), "SOURCE_DATE_EPOCH": "0", **hashes}


def _secrets(folder: Path, url: str) -> dict[str, Path]:
    made: dict[str, Path] = {}
    for name in _FILES:
        made[f"{name.partition('.')[0]}_url"] = folder / name
        (folder / name).write_text(f"{url}/{name}")
    return made


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The folder over plain HTTP on this machine, which is the only way that the build takes without a certificate."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
