"""A service on the wire that plays digits v2, and plays it wrong where a test says so; the API server's path lies before its own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx

from delivery.smoke.deployed import Deployed
from model_store import LockedModel
from model_store.golden import Golden

SHA256, OTHER_SHA256 = "a" * 64, "b" * 64
DIGEST, OTHER_DIGEST = f"sha256:{'d' * 64}", f"sha256:{'e' * 64}"
PROXY = "/api/v1/namespaces/digits/services/http:digits:80/proxy"
SERVICE = Deployed.model_validate(
    {"namespace": "digits", "service": "digits", "port": 80, "image": f"registry/digits@{DIGEST}", "model": {"name": "digits", "version": 2, "sha256": SHA256}}
)
MODEL = LockedModel.model_validate(
    {
        "name": "digits",
        "version": 2,
        "files": {
            "model.onnx": {"sha256": SHA256, "size": 10},
            "golden.json": {"sha256": "c" * 64, "size": 10},
            "manifest.json": {"sha256": "f" * 64, "size": 10},
        },
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1]}, {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}],
        "metrics": {"accuracy": 0.9},
        "published_at": "2026-11-01T00:00:00Z",
        "published_by": "ada",
    }
)


def _case(first: float) -> dict[str, Any]:
    """The answer of the fake: the label is the larger of two numbers, and they are its probabilities."""
    data = [first, 1 - first]
    return {
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 2], "data": data}],
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [1], "data": [data.index(max(data))]},
            {"name": "probabilities", "datatype": "FP32", "shape": [1, 2], "data": data},
        ],
    }


GOLDEN = Golden.model_validate({"tolerance": {"rtol": 0.0, "atol": 0.01}, "cases": [_case(0.75), _case(0.25)]})


@dataclass
class FakeService:
    """What it says.

    Attributes:
        off_by: what the first probability is wrong by.
        before: so many times it answers as a pod of the version before.
        before_infer: the same, of predictions only, and these wrongly.
        not_yet: so many times it has no pod.
        answers: by path, status and content instead of its own.
        api_key: without it nothing is answered but health; empty: it asks for none.
    """

    ready: int = 200
    sha256: str = SHA256
    digest: str | None = DIGEST
    version: str = "2"
    off_by: float = 0.0
    seconds: float = 0.0
    infer: int = 200
    before: int = 0
    before_infer: int = 0
    not_yet: int = 0
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    api_key: str = ""

    def answer(self, path: str, body: dict[str, Any] | None) -> tuple[int, Any, dict[str, str]]:
        self.asked.append(path)
        if self.not_yet > 0:
            self.not_yet -= 1
            return 503, {"kind": "Status", "message": "no endpoints available"}, {}
        old = self.before > 0 and ("infer" in path or path == "/v2/models/digits")
        self.before -= old
        if self.before_infer > 0 and "infer" in path:
            self.before_infer -= 1
            return 200, {"outputs": []}, {"x-model-sha256": self.sha256, "x-image-digest": OTHER_DIGEST}
        sha256, digest, version = (OTHER_SHA256, OTHER_DIGEST, "1") if old else (self.sha256, self.digest, self.version)
        headers = {"x-model-sha256": sha256, **({"x-image-digest": digest} if digest else {})}
        if path in self.answers:
            return *self.answers[path], headers
        if path.endswith("/ready"):
            return self.ready, {"ready": self.ready == httpx.codes.OK}, {}
        if path == "/v2/models/digits":
            signature = {side: [tensor.model_dump(mode="json") for tensor in getattr(MODEL, side)] for side in ("inputs", "outputs")}
            parameters = {"sha256": sha256, **({"image_digest": digest} if digest else {})}
            return 200, {"name": "digits", "versions": [version], **signature, "parameters": parameters}, headers
        assert body is not None
        threading.Event().wait(self.seconds)
        case = _case(body["inputs"][0]["data"][0])
        case["outputs"][1]["data"][0] += self.off_by
        return self.infer, {"outputs": case["outputs"]} if self.infer == httpx.codes.OK else {"error": "the model refuses"}, headers


class _Handler(BaseHTTPRequestHandler):
    service: ClassVar[FakeService]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _answer(self, body: dict[str, Any] | None) -> None:
        assert self.path.startswith(PROXY), self.path
        path = self.path.removeprefix(PROXY)
        let_in = self.headers.get("x-api-key", "") == self.service.api_key or path.startswith("/v2/health/")
        status, content, headers = self.service.answer(path, body) if let_in else (401, {"error": "a valid API key is needed"}, {})
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@contextmanager
def running(service: FakeService, timeout: float = 5.0) -> Iterator[httpx.Client]:
    """The service, and a client that leads to it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"service": service}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}{PROXY}", trust_env=False, timeout=timeout) as client:
            yield client
    finally:
        server.shutdown()
        server.server_close()
