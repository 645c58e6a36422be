"""The Open Inference Protocol over gRPC: `inference.GRPCInferenceService` on a port of its own.

Whoever does not set GRPC_PORT never imports this. Checks, limits and texts are those of HTTP; an error's status becomes the
nearest of gRPC's codes.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import DecodeError, Message

from . import logs
from .developer import App
from .engine import SECONDS, Engine, InternalError, Served
from .errors import InvalidRequestError, RequestError, TimedOutError
from .grpc_codec import GrpcJob, parse
from .inference_pb2 import (
    ModelMetadataRequest,
    ModelMetadataResponse,
    ModelReadyRequest,
    ModelReadyResponse,
    ServerLiveResponse,
    ServerMetadataResponse,
    ServerReadyResponse,
)
from .metrics import Metrics
from .model import Model
from .settings import Settings
from .signature import Tensor
from .workers import ListenError

# gRPC's core writes lines of its own to stderr, where only JSON is expected. It reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import grpc.aio

if TYPE_CHECKING:
    from .auth import Authenticator
    from .tracing import Span, Tracer

MessageT = TypeVar("MessageT", bound=Message)
Context = grpc.aio.ServicerContext[bytes, bytes]

SERVICE = "inference.GRPCInferenceService"
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
_CLIENT_CLOSED = 499  # how the access log names the status of a call that its caller gave up
_OPEN = frozenset({"ServerLive", "ServerReady"})  # whoever asks these has no key
_LARGEST_OPTION = 2**31 - 1
_MILLISECONDS = 1000
_LONGEST_AGE = 600.0  # seconds
_AGE_VARIES = 1.1  # gRPC makes each connection's age up to a tenth longer or shorter, so that not all of them end at once
log = logging.getLogger("app")


class _Call:
    """What is known of one call."""

    __slots__ = ("caller", "context", "metadata", "started", "trace_id")

    def __init__(self, context: Context) -> None:
        self.started = time.perf_counter()
        self.context = context
        self.metadata: Mapping[str, Any] = dict(context.invocation_metadata() or ())
        self.trace_id = ""
        self.caller = ""

    def text(self, name: str) -> str | None:
        value = self.metadata.get(name)
        return value if isinstance(value, str) else None


class GrpcMetrics:
    """`rpc.server.duration` of OpenTelemetry's semantic conventions, by its Prometheus name."""

    def __init__(self, metrics: Metrics) -> None:
        # All of them from the start, since workers share a fixed set; but most never have a value, and each series that is read costs.
        codes = (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, *_CODES.values())
        self._series = {
            (method, code): metrics.histogram(
                "rpc_server_duration_seconds",
                "From a call's arrival to its answer.",
                SECONDS,
                {"rpc_method": method, "rpc_grpc_status_code": str(code.value[0])},
                when_used=True,
            )
            for method in GrpcServer.METHODS
            for code in codes
        }

    def observe(self, method: str, code: grpc.StatusCode, seconds: float) -> None:
        """Counts one call."""
        self._series[method, code].observe(seconds)


class GrpcServer:
    """The service and its port."""

    METHODS = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer")

    def __init__(
        self,
        engine: Engine,
        app: App,
        settings: Settings,
        *,
        metrics: Metrics,
        authenticator: "Authenticator | None" = None,
        tracer: "Tracer | None" = None,
    ) -> None:
        self._engine = engine
        self._app = app
        self._settings = settings
        self._measured = GrpcMetrics(metrics)
        self._authenticator = authenticator
        self._tracer = tracer
        self._model_metadata = {name: model_metadata(served.model, settings.image_digest) for name, served in engine.served.items()}
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Opens the port, and returns it: port 0 is any free one. Raises ListenError."""
        if port == 0 and self._settings.workers > 1:
            raise ListenError("GRPC_PORT must be a port from 1, not 0, when there are several WORKERS: they share it")
        server = grpc.aio.server(options=options(self._settings))
        answers: dict[str, Callable[[_Call, bytes], Awaitable[bytes]]] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._metadata_of_model,
            "ModelInfer": self._model_infer,
        }
        handlers = {name: grpc.unary_unary_rpc_method_handler(self._behaviour(name, answer)) for name, answer in answers.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        try:
            bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError:  # its text speaks of C++
            bound = 0
        if bound == 0:
            raise ListenError(f"cannot listen on {host}:{port} for gRPC; set HOST and GRPC_PORT to a free address")
        await server.start()
        self._server = server
        return bound

    async def stop(self, grace: float) -> None:
        """Takes no more calls, and gives those under way so many seconds to end."""
        if self._server is not None:
            await self._server.stop(grace)

    def _behaviour(self, method: str, answer: Callable[[_Call, bytes], Awaitable[bytes]]) -> Any:
        async def behaviour(data: bytes, context: Context) -> bytes:
            return await self._answer(method, answer, data, _Call(context))

        return behaviour

    async def _answer(self, method: str, answer: Callable[[_Call, bytes], Awaitable[bytes]], data: bytes, call: _Call) -> bytes:
        span = self._start_span(method, call)
        try:
            if self._authenticator is not None and method not in _OPEN:
                call.caller = await self._authenticator.check(call.text("authorization"), call.text("x-api-key"))
            result = await answer(call, data)
        except RequestError as caught:
            error = caught
        except asyncio.CancelledError:  # the caller gave up, or its deadline is over
            late = call.context.time_remaining() == 0
            self._ended(method, call, span, grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED, 408 if late else _CLIENT_CLOSED)
            raise
        except Exception:
            log.exception("the call failed", extra={"fields": {"trace_id": call.trace_id} if call.trace_id else {}})
            error = InternalError()
        else:
            self._ended(method, call, span, grpc.StatusCode.OK, 200)
            return result
        code = code_of(error)
        self._ended(method, call, span, code, error.status)
        retry = (("retry-after", str(error.retry_after)),) if error.retry_after is not None else ()
        return await call.context.abort(code, str(error), retry)

    def _start_span(self, method: str, call: _Call) -> "Span | None":
        traceparent = call.text("traceparent")
        if self._tracer is None:
            call.trace_id = logs.trace_id(traceparent)
            return None
        span = self._tracer.start(f"{SERVICE}/{method}", traceparent, {"rpc.system": "grpc", "rpc.service": SERVICE, "rpc.method": method})
        call.trace_id = span.trace_id
        return span

    def _ended(self, method: str, call: _Call, span: "Span | None", code: grpc.StatusCode, status: int) -> None:
        seconds = time.perf_counter() - call.started
        self._measured.observe(method, code, seconds)
        if span is not None:
            span.set("rpc.grpc.status_code", code.value[0])
            span.end(code.name if status >= 500 else None)
        access = self._settings.access_log
        if access == "all" or (access == "errors" and status >= 500 and status != 503):
            logs.access("gRPC", f"/{SERVICE}/{method}", status, seconds, trace_id=call.trace_id, caller=call.caller)

    async def _server_live(self, call: _Call, data: bytes) -> bytes:
        del call, data
        return ServerLiveResponse(live=True).SerializeToString()

    async def _server_ready(self, call: _Call, data: bytes) -> bytes:
        del call, data
        return ServerReadyResponse(ready=not self._engine.draining).SerializeToString()

    async def _model_ready(self, call: _Call, data: bytes) -> bytes:
        del call
        request = _parsed(ModelReadyRequest, data)
        self._find(request.name, request.version)
        return ModelReadyResponse(ready=not self._engine.draining).SerializeToString()

    async def _server_metadata(self, call: _Call, data: bytes) -> bytes:
        del call, data
        return ServerMetadataResponse(name=self._app.name, version=self._app.release).SerializeToString()

    async def _metadata_of_model(self, call: _Call, data: bytes) -> bytes:
        request = _parsed(ModelMetadataRequest, data)
        model = self._find(request.name, request.version).model
        call.context.set_trailing_metadata(self._model_metadata[model.name])
        return ModelMetadataResponse(
            name=model.name,
            versions=[model.version],
            platform="onnxruntime_onnx",
            inputs=map(_tensor_metadata, model.signature.inputs),
            outputs=map(_tensor_metadata, model.signature.outputs),
        ).SerializeToString()

    async def _model_infer(self, call: _Call, data: bytes) -> bytes:
        if call.context.time_remaining() == 0:
            raise TimedOutError("the call's deadline was over before the server could begin")
        message = parse(data)
        served = self._find(message.model_name, message.model_version)
        answer = await self._engine.answer(served, GrpcJob(message, len(data), call.started, call.trace_id))
        call.context.set_trailing_metadata(self._model_metadata[served.model.name])
        return answer

    def _find(self, name: str, version: str) -> Served:
        return self._engine.find(name, version or None)


def options(settings: Settings) -> list[tuple[str, int]]:
    """How the port behaves."""
    return [
        ("grpc.max_receive_message_length", min(settings.max_body_bytes, _LARGEST_OPTION)),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 1),  # several workers share the port
        ("grpc.max_connection_age_ms", _connection_age(settings)),
        ("grpc.max_connection_age_grace_ms", round(2 * settings.request_seconds * _MILLISECONDS)),
        # Who is gone without a word is noticed, and clients may find out the same of us.
        ("grpc.keepalive_time_ms", 60 * _MILLISECONDS),
        ("grpc.keepalive_timeout_ms", 20 * _MILLISECONDS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10 * _MILLISECONDS),
    ]


def _connection_age(settings: Settings) -> int:
    """After how many milliseconds a connection is told to start anew, by which no call gets lost.

    gRPC's connections would last for ever. A server that was added gets its share only when they begin anew; and when this
    one is to end, its clients must have gone elsewhere before the port closes, because calls that arrive just then are
    lost. So each connection begins anew while we drain: twice, because the first time the balancer may still send it here.
    """
    age = settings.drain_seconds / 2 / _AGE_VARIES if settings.drain_seconds else _LONGEST_AGE
    return round(min(age, _LONGEST_AGE) * _MILLISECONDS)


def model_metadata(model: Model, image_digest: str) -> tuple[tuple[str, str], ...]:
    """What every answer about a model says in its trailing metadata; over HTTP these are headers."""
    metadata = [("x-model-version", model.version), ("x-model-sha256", model.sha256)]
    if image_digest:
        metadata.append(("x-image-digest", image_digest))
    return tuple(metadata)


def code_of(error: RequestError) -> grpc.StatusCode:
    """The code for an error; for a status that has none of its own, that of its class."""
    return _CODES.get(error.status) or (grpc.StatusCode.INTERNAL if error.status >= 500 else grpc.StatusCode.INVALID_ARGUMENT)


def _parsed(kind: type[MessageT], data: bytes) -> MessageT:
    try:
        return kind.FromString(data)
    except DecodeError:
        raise InvalidRequestError(f"the message is not an {kind.DESCRIPTOR.full_name}") from None


def _tensor_metadata(tensor: Tensor) -> ModelMetadataResponse.TensorMetadata:
    return ModelMetadataResponse.TensorMetadata(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
