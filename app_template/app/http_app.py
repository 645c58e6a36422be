"""The Open Inference Protocol over HTTP, as an ASGI application: which path does what, and which status an error has.

Every request can be answered here. Plain infer requests of fast models do not get this far: http_protocol.py answers them
with the same parts, a layer below.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import logs, protocol
from .developer import App
from .engine import SECONDS, Engine, Job, Served
from .errors import InvalidRequestError, NotFoundError, RequestError, TimedOutError, TooLargeError
from .metrics import Histogram, Metrics
from .model import Model
from .settings import Settings
from .signature import Signature
from .tensors import InferRequest, Parameters, Tensors

if TYPE_CHECKING:
    from .auth import Authenticator
    from .tracing import Tracer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Headers = dict[bytes, bytes]

EXTENSIONS = ("binary_tensor_data",)
HEADER_LENGTH = b"inference-header-content-length"
INTERNAL = "internal error; the server's log has the details"
_JSON = "application/json"
_MODEL = "/v2/models/{model_name}"
_VERSION = f"{_MODEL}/versions/{{model_version}}"
_STATUSES = (200, 400, 401, 403, 404, 405, 408, 413, 500, 503)
_OPEN = frozenset({"/v2/health/live", "/v2/health/ready", "/metrics"})  # whoever asks these has no key
OTHER = "other"
_ROUTES = {
    "/v2": "GET",
    "/v2/health/live": "GET",
    "/v2/health/ready": "GET",
    **{f"{path}{end}": method for path in (_MODEL, _VERSION) for end, method in (("", "GET"), ("/ready", "GET"), ("/infer", "POST"))},
    "/metrics": "GET",
    "/docs": "GET",
    "/openapi.json": "GET",
}
"""Paths that we answer, as they stand in metrics, with their methods."""

log = logging.getLogger("app")


@dataclass(slots=True)
class Reply:
    """A whole answer."""

    body: bytes
    status: int = 200
    content_type: str = _JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class HttpJob(Job):
    """An infer request that came over HTTP."""

    __slots__ = ("_header_length", "body")

    def __init__(self, body: bytes, header_length: int | None, arrived: float, trace_id: str = "") -> None:
        super().__init__(len(body), arrived, trace_id)
        self.body = body
        self._header_length = header_length

    def decode(self, signature: Signature) -> InferRequest:
        return protocol.decode(self.body, signature, self._header_length)

    def encode(self, model: Model, outputs: Tensors, parameters: Parameters) -> protocol.Answer:
        return protocol.encode_answer(self.request, outputs, parameters, model_name=model.name, model_version=model.version)


class HttpMetrics:
    """`http.server.request.duration` of OpenTelemetry's semantic conventions, by its Prometheus name."""

    def __init__(self, metrics: Metrics) -> None:
        def histogram(method: str, route: str, status: int) -> Histogram:
            labels = {"http_request_method": method, "http_route": route, "http_response_status_code": str(status)}
            return metrics.histogram("http_server_request_duration_seconds", "From the request's head to its answer.", SECONDS, labels, when_used=True)

        # All of them from the start, since workers share a fixed set; but most never have a value, and each series that is read costs.
        # That one which begins at 1 hides its first event does no harm: errors are counted from 0 in inference_requests_total.
        self._series = {(route, status): histogram(method, route, status) for route, method in {**_ROUTES, OTHER: "_OTHER"}.items() for status in _STATUSES}

    def of(self, route: str, status: int) -> Histogram:
        """The series of a route and a status; of a status that we never send ourselves, that of its class."""
        return self._series.get((route, status)) or self._series[(route, status // 100 * 100 if status >= 400 else 200)]


class HttpApp:
    """ASGI application: the protocol's paths, the pages, and the developer's own routes."""

    def __init__(
        self,
        engine: Engine,
        app: App,
        settings: Settings,
        metrics: Metrics,
        *,
        authenticator: "Authenticator | None" = None,
        tracer: "Tracer | None" = None,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.measured = HttpMetrics(metrics)
        self.authenticator = authenticator
        self.tracer = tracer
        self._app = app
        self._metrics = metrics
        self._headers = {name: model_headers(served.model, settings.image_digest) for name, served in engine.served.items()}
        self._extra = Starlette(routes=app.routes, exception_handlers=_OWN_REFUSALS) if app.routes else None
        self._pages: dict[str, Reply] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        headers: Headers = dict(scope["headers"])
        traceparent = headers.get(b"traceparent", b"").decode("latin-1")
        path, method = scope["path"], scope["method"]
        route, values = _match(path)
        attributes = {"http.request.method": method, "http.route": route, "url.path": path, "url.scheme": scope["scheme"]}
        span = self.tracer.start(f"{method} {route}", traceparent or None, attributes) if self.tracer else None
        trace_id = span.trace_id if span else logs.trace_id(traceparent or None)
        caller = ""
        try:
            if self.authenticator is not None and path not in _OPEN:
                caller = await self.authenticator.check(_text(headers, b"authorization"), _text(headers, b"x-api-key"))
            if route == OTHER and self._extra is not None and self._is_developers(scope):
                status = await self._pass_on(self._extra, scope, receive, send)
            else:
                reply = await self._reply(route, values, scope, headers, receive, trace_id)
                status = await self._send(reply, scope, send)
        except RequestError as error:
            status = await self._send(refusal(error), scope, send)
        except ConnectionError:
            if span:
                span.end("the caller is gone")
            return  # nobody is there to read an answer
        except Exception as error:
            log.exception("the request failed", extra={"fields": {"trace_id": trace_id} if trace_id else {}})
            if span:
                span.end(str(error))
                span = None
            status = await self._send(refusal(RequestError(INTERNAL)), scope, send)
        seconds = time.perf_counter() - started
        self.measured.of(route, status).observe(seconds)
        if span:
            span.set("http.response.status_code", status)
            span.end(None if status < 500 else str(status))
        self.tell(method, path, status, seconds, model=values.get("model_name", ""), trace_id=trace_id, caller=caller)

    def tell(self, method: str, path: str, status: int, seconds: float, *, model: str, trace_id: str, caller: str = "") -> None:
        """A line about the request, if that is wanted."""
        wanted = self.settings.access_log
        if wanted == "all" or (wanted == "errors" and status >= 500 and status != 503):
            logs.access(method, path, status, seconds, model=model if model in self.engine.served else "", trace_id=trace_id, caller=caller)

    async def _reply(self, route: str, values: Mapping[str, str], scope: Scope, headers: Headers, receive: Receive, trace_id: str) -> Reply:
        served = self.engine.find(values["model_name"], values.get("model_version")) if values else None
        if route == OTHER:
            raise self._nothing(scope["path"])
        allowed = _ROUTES[route]
        if scope["method"] != allowed and not (allowed == "GET" and scope["method"] == "HEAD"):
            names = "GET, HEAD" if allowed == "GET" else allowed
            text = f"{scope['method']} is not allowed for {scope['path']}, only {names}"
            return Reply(protocol.to_json({"error": text}), 405, headers=((b"allow", names.encode()),))
        if served is None:
            return self._page(route, headers)
        if route.endswith("/infer"):
            return await self._infer(served, headers, receive, trace_id)
        if route.endswith("/ready"):
            return self._ready({"name": served.model.name, "ready": True})
        return self._model_metadata(served)

    def _nothing(self, path: str) -> NotFoundError:
        names = " or ".join(f"/v2/models/{name}" for name in self.engine.served)
        return NotFoundError(f"there is nothing at {path}; see GET {names}")

    def _page(self, route: str, headers: Headers) -> Reply:
        match route:
            case "/v2":
                return Reply(protocol.to_json({"name": self._app.name, "version": self._app.release, "extensions": list(EXTENSIONS)}))
            case "/v2/health/live":
                return Reply(protocol.to_json({"live": True}))
            case "/v2/health/ready":
                return self._ready({"ready": True})
            case "/metrics":
                body, content_type = self._metrics.exposition(_text(headers, b"accept") or "")
                return Reply(body, content_type=content_type)
            case _:
                return self._made_once(route)

    def _made_once(self, route: str) -> Reply:
        from . import pages  # noqa: PLC0415 - most services are never looked at in a browser

        if route not in self._pages:
            if route == "/docs":
                self._pages[route] = Reply(pages.docs_page(self.engine, self._app).encode(), content_type="text/html; charset=utf-8")
            else:
                self._pages[route] = Reply(protocol.to_json(pages.openapi(self.engine, self._app)))
        return self._pages[route]

    def _ready(self, content: dict[str, Any]) -> Reply:
        if self.engine.draining:
            return Reply(protocol.to_json({**content, "ready": False, "error": "the server is shutting down"}), 503)
        return Reply(protocol.to_json(content))

    def _model_metadata(self, served: Served) -> Reply:
        model, digest = served.model, self.settings.image_digest
        metadata = {
            "name": model.name,
            "versions": [model.version],
            "platform": "onnxruntime_onnx",
            "inputs": [tensor.as_json() for tensor in model.signature.inputs],
            "outputs": [tensor.as_json() for tensor in model.signature.outputs],
            "parameters": {"sha256": model.sha256, **({"image_digest": digest} if digest else {})},
        }
        return Reply(protocol.to_json(metadata), headers=self._headers[model.name])

    async def _infer(self, served: Served, headers: Headers, receive: Receive, trace_id: str) -> Reply:
        header_length = _header_length(headers)
        body = await self._read(headers, receive)
        # It waits from here on: how long its body took to arrive is not for the queue to count.
        answer: protocol.Answer = await self.engine.answer(served, HttpJob(body, header_length, time.perf_counter(), trace_id))
        model_headers = self._headers[served.model.name]
        if answer.header_length is None:
            return Reply(answer.body, headers=model_headers)
        length = (HEADER_LENGTH, b"%d" % answer.header_length)
        return Reply(answer.body, content_type="application/octet-stream", headers=(*model_headers, length))

    async def _read(self, headers: Headers, receive: Receive) -> bytes:
        """The body; refused as soon as it is known to be too large, at the latest when the limit has been read."""
        too_large = self._too_large(headers)
        body = bytearray()
        try:
            async with asyncio.timeout(self.settings.request_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ConnectionError
                    body += message.get("body", b"")
                    if len(body) > self.settings.max_body_bytes:
                        raise too_large
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise self._late() from None

    def _too_large(self, headers: Headers) -> TooLargeError:
        """What is raised when the body turns out to be too large; raises it at once when the caller says so beforehand."""
        limit = self.settings.max_body_bytes
        error = TooLargeError(f"the body is larger than {limit} bytes; send fewer rows per request")
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limit:
            raise error
        return error

    def _late(self) -> TimedOutError:
        return TimedOutError(f"the body did not arrive within {self.settings.request_seconds:g} s")

    async def _send(self, reply: Reply, scope: Scope, send: Send) -> int:
        headers = [(b"content-type", reply.content_type.encode()), (b"content-length", b"%d" % len(reply.body)), *reply.headers]
        if self.engine.draining:
            # The client's next request must go to a connection of its own, to a server that stays.
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})
        return reply.status

    def _is_developers(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0].value for route in self._app.routes)

    async def _pass_on(self, extra: Starlette, scope: Scope, receive: Receive, send: Send) -> int:
        """The developer's own route answers; returns its status."""
        status = 0  # nothing has been sent

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.engine.draining:
                    message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
            await send(message)

        try:
            await extra(scope, self._limited(dict(scope["headers"]), receive), watched)
        except Exception:
            if not status:
                raise
            log.exception("the app's own %s failed", scope["path"])  # the caller has been told
        return status or 500

    def _limited(self, headers: Headers, receive: Receive) -> Receive:
        """`receive` for the developer's routes: their bodies are limited in size and time like ours."""
        too_large = self._too_large(headers)
        limit, until = self.settings.max_body_bytes, asyncio.get_running_loop().time() + self.settings.request_seconds
        taken, complete = 0, False

        async def limited() -> Any:
            nonlocal taken, complete
            try:
                async with asyncio.timeout_at(None if complete else until):
                    message = await receive()
            except TimeoutError:
                raise self._late() from None
            taken += len(message.get("body", b""))
            complete = complete or not message.get("more_body", False)
            if taken > limit:
                raise too_large
            return message

        return limited


def model_headers(model: Model, image_digest: str) -> tuple[tuple[bytes, bytes], ...]:
    """What every answer about a model says."""
    headers = [(b"x-model-version", model.version.encode()), (b"x-model-sha256", model.sha256.encode())]
    if image_digest:
        headers.append((b"x-image-digest", image_digest.encode()))
    return tuple(headers)


def refusal(error: RequestError) -> Reply:
    """The protocol's error object."""
    headers: list[tuple[bytes, bytes]] = []
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return Reply(protocol.to_json({"error": str(error)}), error.status, headers=tuple(headers))


async def _own_refusal(_: Request, error: Exception) -> Response:
    """What the caller of a developer's route is told: a RequestError's own words, Starlette's (404, 405), or no details."""
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, dict(error.headers or {}))
    reply = refusal(error if isinstance(error, RequestError) else RequestError(INTERNAL))
    return Response(reply.body, reply.status, {name.decode(): value.decode() for name, value in reply.headers}, media_type=_JSON)


_OWN_REFUSALS: dict[Any, Any] = {RequestError: _own_refusal, HTTPException: _own_refusal, Exception: _own_refusal}


def _match(path: str) -> tuple[str, dict[str, str]]:
    """The route of a path, and what stands in it for a model and a version."""
    if path in _ROUTES:
        return path, {}
    match path.split("/"):
        case ["", "v2", "models", name, *rest]:
            route, values = _MODEL, {"model_name": name}
            if rest[:1] == ["versions"] and len(rest) > 1:
                route, values, rest = _VERSION, {**values, "model_version": rest[1]}, rest[2:]
            route = "/".join([route, *rest])
            if name and route in _ROUTES:
                return route, values
    return OTHER, {}


def _header_length(headers: Headers) -> int | None:
    value = headers.get(HEADER_LENGTH)
    if value is None:
        return None
    if not value.isdigit() or len(value) > 18:
        raise InvalidRequestError("the header 'inference-header-content-length' must be an integer: how many bytes of the body are JSON")
    return int(value)


def _text(headers: Headers, name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


__all__ = ["HttpApp", "HttpJob", "HttpMetrics", "Reply", "refusal"]
