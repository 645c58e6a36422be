"""The service under test: a copy of the template, as a developer would make it, with models that give back what they get.

It runs in the environment that it ships with (SERVICE_PYTHON), not in that of the clients.
"""

import hashlib
import json
import os
import queue
import shutil
import subprocess
import threading
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

TEMPLATE = Path(__file__).parents[2] / "app_template"
MODEL, VERSION = "identity", "7"
WITHOUT_FP16 = "without_fp16"
"""The same model without the one datatype that cannot be sent over gRPC but as raw bytes."""
MAX_BODY_BYTES = 200_000
MAX_ROWS = 500
COLUMNS = 2
START_SECONDS = 60

NUMPY: dict[str, Any] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}
"""Every datatype of the protocol that ONNX Runtime takes from Python. The model has an input and an output of each."""

_HOOKS = '''"""The developer's file of this service: nothing around the model."""

from .developer import App

app = App("identity-app", release="1")
'''


def values(datatype: str, rows: int = 3) -> Any:
    """[rows, 2]: the ends of the datatype's range, where it has one, and ordinary values."""
    kind = NUMPY[datatype]
    if datatype == "BYTES":
        found: list[Any] = [b"", "zwölf € 𝄞".encode(), b"null", b'"\\\n\t', b"x" * 300, b"0"]
    elif datatype == "BOOL":
        found = [True, False, False, True, True, False]
    elif datatype.startswith("FP"):
        limits = np.finfo(kind)
        found = [limits.max, limits.min, limits.tiny, -0.0, 0.1, 3.0]
    else:
        limits = np.iinfo(kind)
        found = [limits.max, limits.min, 0, 1, 42, limits.max - 1]
    return np.array((found * rows)[: rows * COLUMNS], dtype=kind).reshape(rows, COLUMNS)


def all_values(rows: int = 3) -> dict[str, Any]:
    """A value for every input."""
    return {input_of(datatype): values(datatype, rows) for datatype in NUMPY}


def input_of(datatype: str) -> str:
    return f"in_{datatype.lower()}"


def output_of(datatype: str) -> str:
    return f"out_{datatype.lower()}"


def assert_same(actual: Any, datatype: str, expected: Any) -> None:
    """Equal to the last bit. Clients give text as bytes or as str, by the way that it came."""
    assert actual.shape == expected.shape
    if datatype == "BYTES":
        assert [value if isinstance(value, bytes) else value.encode() for value in actual.ravel()] == expected.ravel().tolist()
        return
    assert actual.dtype == expected.dtype
    assert actual.tobytes() == expected.tobytes()


def datatypes_of(model: str) -> list[str]:
    return [datatype for datatype in NUMPY if model == MODEL or datatype != "FP16"]


def _signature(model: str) -> dict[str, list[dict[str, Any]]]:
    def tensors(name: Any) -> list[dict[str, Any]]:
        return [{"name": name(datatype), "datatype": datatype, "shape": [-1, COLUMNS]} for datatype in datatypes_of(model)]

    return {"inputs": tensors(input_of), "outputs": tensors(output_of)}


def _write_model(folder: Path, name: str) -> None:
    """A published model, as the model store hands it out."""

    def kind(datatype: str) -> int:
        return TensorProto.STRING if datatype == "BYTES" else helper.np_dtype_to_tensor_dtype(np.dtype(NUMPY[datatype]))

    def tensors(name_of: Any) -> list[Any]:
        return [helper.make_tensor_value_info(name_of(datatype), kind(datatype), ["rows", COLUMNS]) for datatype in datatypes_of(name)]

    nodes = [helper.make_node("Identity", [input_of(datatype)], [output_of(datatype)]) for datatype in datatypes_of(name)]
    graph = helper.make_graph(nodes, name, tensors(input_of), tensors(output_of))
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    manifest = {"model": name, "version": int(VERSION), "files": {"model.onnx": {"sha256": sha256}}, **_signature(name)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def copy_of_template(folder: Path) -> None:
    """The service's code, with the contract and the developer's file of these models."""
    shutil.copytree(TEMPLATE / "app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "app" / "contract.json").write_text(json.dumps({"models": {model: _signature(model) for model in (MODEL, WITHOUT_FP16)}}))
    (folder / "app" / "hooks.py").write_text(_HOOKS)


class RunningService:
    """`python -m app` with HTTP and gRPC on free ports."""

    def __init__(self, folder: Path, **environment: str) -> None:
        copy_of_template(folder)
        for model in (MODEL, WITHOUT_FP16):
            _write_model(folder / "models" / model, model)
        settings = {"HOST": "127.0.0.1", "PORT": "0", "GRPC_PORT": "0", "DRAIN_SECONDS": "0", "WORKERS": "1", "MODEL_DIR": str(folder / "models")}
        limits = {"MAX_BODY_BYTES": str(MAX_BODY_BYTES), "MAX_ROWS": str(MAX_ROWS)}
        self._process = subprocess.Popen(
            [os.environ["SERVICE_PYTHON"], "-m", "app"],
            cwd=folder,
            env={**os.environ, **settings, **limits, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        line = self._wait_until_serving()
        self.http = line["addresses"][0]
        self.grpc = line["grpc_address"]

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append(line)
            self._lines.put(line)

    def _wait_until_serving(self) -> dict[str, Any]:
        try:
            while True:
                line = json.loads(self._lines.get(timeout=START_SECONDS))
                if line["message"] == "serving":
                    return line
                if line["level"] == "error":
                    raise RuntimeError(f"the service did not start: {line['message']}")
        except queue.Empty:
            self.kill()
            raise RuntimeError(f"the service did not start within {START_SECONDS} s; its log: {''.join(self.log)}") from None

    def errors(self) -> list[str]:
        """Lines of the log that say that something failed in the service itself."""
        return [line for line in self.log if '"level": "error"' in line or '"level":"error"' in line]

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://{self.http}{path}", timeout=10) as answer:
            return answer.read()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
