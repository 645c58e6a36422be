"""The Open Inference Protocol over HTTP: which path does what, and which status an error has.

Decoding, inference and encoding run in a thread of their own, so a slow model never keeps a health check waiting; ONNX
Runtime lets go of Python's lock while it computes.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from . import hooks, protocol
from .model import Model


class Service:
    """One model behind the protocol."""

    def __init__(self, model: Model, *, max_body_bytes: int, worker_threads: int, image_digest: str = "") -> None:
        self.model = model
        self.draining = False  # set once the process has been asked to stop
        self._max_body_bytes = max_body_bytes
        self._threads = ThreadPoolExecutor(worker_threads, thread_name_prefix="infer")
        self._image_digest = image_digest
        self._model_headers = {"x-model-version": model.version, "x-model-sha256": model.sha256}
        if image_digest:
            self._model_headers["x-image-digest"] = image_digest

    def app(self) -> Starlette:
        model = "/v2/models/{model}"
        version = model + "/versions/{version}"
        routes = [
            Route("/v2", self.server_metadata),
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
            *(Route(path, self.model_metadata) for path in (model, version)),
            *(Route(path + "/ready", self.model_ready) for path in (model, version)),
            *(Route(path + "/infer", self.infer, methods=["POST"]) for path in (model, version)),
        ]
        app = Starlette(
            routes=routes,
            exception_handlers={HTTPException: self._http_error, Exception: self._unexpected_error},
        )
        app.router.redirect_slashes = False
        return app

    def close(self) -> None:
        self._threads.shutdown()

    async def server_metadata(self, _: Request) -> Response:
        return self._answer({"name": hooks.APP_NAME, "version": hooks.APP_RELEASE, "extensions": []})

    async def live(self, _: Request) -> Response:
        return self._answer({"live": True})

    async def ready(self, _: Request) -> Response:
        if self.draining:
            return self._answer({"ready": False, "error": "the server is shutting down"}, status=503)
        return self._answer({"ready": True})

    async def model_ready(self, request: Request) -> Response:
        self._check_model(request)
        if self.draining:
            return self._answer({"name": self.model.name, "ready": False, "error": "the server is shutting down"}, status=503)
        return self._answer({"name": self.model.name, "ready": True})

    async def model_metadata(self, request: Request) -> Response:
        self._check_model(request)
        metadata = {
            "name": self.model.name,
            "versions": [self.model.version],
            "platform": "onnxruntime_onnx",
            "inputs": [tensor.as_json() for tensor in self.model.signature.inputs],
            "outputs": [tensor.as_json() for tensor in self.model.signature.outputs],
            "parameters": {"sha256": self.model.sha256, **({"image_digest": self._image_digest} if self._image_digest else {})},
        }
        return self._answer(metadata, headers=self._model_headers)

    async def infer(self, request: Request) -> Response:
        self._check_model(request)
        if "inference-header-content-length" in request.headers:
            raise HTTPException(400, "the binary tensor extension is not supported; send and ask for JSON data")
        try:
            body = await self._read(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._threads, self._predict, body)
        except protocol.InvalidRequestError as error:
            raise HTTPException(400, str(error)) from None
        return self._answer(answer, headers=self._model_headers)

    def _predict(self, body: bytes) -> bytes:
        """The whole way of one request, from bytes to bytes. Runs in a worker thread."""
        request = protocol.decode(body, self.model.signature)
        try:
            raw = self.model.run(hooks.preprocess(request.inputs))
        except InvalidArgument as error:  # each input fits the signature, but they do not fit together
            raise protocol.InvalidRequestError(f"the model refuses these inputs: {' '.join(str(error).split())}") from None
        outputs, parameters = hooks.postprocess(raw)
        return protocol.encode(request, outputs, parameters, model_name=self.model.name, model_version=self.model.version)

    async def _read(self, request: Request) -> bytes:
        """The body; refused as soon as it is known to be too large, at the latest when the limit has been read."""
        limit = self._max_body_bytes
        declared = request.headers.get("content-length", "")
        body = bytearray()
        if not declared.isdigit() or int(declared) <= limit:
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    break
            else:
                return bytes(body)
        raise HTTPException(413, f"the body is larger than {limit} bytes; send fewer rows per request")

    def _check_model(self, request: Request) -> None:
        name, version = request.path_params["model"], request.path_params.get("version", self.model.version)
        if name != self.model.name:
            raise HTTPException(404, f"there is no model '{name}' here, only '{self.model.name}'")
        if version != self.model.version:
            raise HTTPException(404, f"there is no version '{version}' of model '{name}' here, only '{self.model.version}'")

    async def _http_error(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):  # Starlette's type for handlers is wider than what it calls this one with
            raise error
        message = error.detail
        if error.status_code == 405:
            message = f"{request.method} is not allowed for {request.url.path}, only {(error.headers or {}).get('Allow')}"
        elif error.status_code == 404 and "model" not in request.path_params:
            message = f"there is nothing at {request.url.path}; see GET /v2/models/{self.model.name}"
        return self._answer({"error": message}, error.status_code, dict(error.headers or {}))

    async def _unexpected_error(self, _: Request, __: Exception) -> Response:
        """Our own fault: the details are in the log and nowhere else."""
        return self._answer({"error": "internal error; the server's log has the details"}, status=500)

    def _answer(self, content: dict[str, object] | bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        body = content if isinstance(content, bytes) else protocol.to_json(content)
        response = Response(body, status, headers, media_type="application/json")
        if self.draining:
            # The client's next request must go to a connection of its own, to a server that stays.
            response.headers["connection"] = "close"
        return response
