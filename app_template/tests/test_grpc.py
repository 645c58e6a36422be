"""The protocol over gRPC as a client meets it: which call is answered how, which code an error has, and how it ends."""

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import numpy as np
import pytest
from app import grpc_server, inference_pb2
from app.developer import App
from app.engine import Engine
from app.errors import ForbiddenError, InvalidRequestError, NotFoundError, RequestError, TimedOutError, TooLargeError, UnauthorizedError, UnavailableError
from app.grpc_server import GrpcServer
from app.inference_pb2 import ModelInferRequest, ModelInferResponse, ModelMetadataRequest, ModelReadyRequest, ServerLiveRequest, ServerReadyRequest
from app.metrics import Metrics
from app.settings import Settings
from app.signature import Signature, Tensor
from app.tensors import Tensors
from app.workers import ListenError
from serving_process import IMAGE_DIGEST, ServingProcess

Start = Callable[..., ServingProcess]
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
INPUT = {"name": "x", "datatype": "FP32", "shape": [1], "contents": {"fp32_contents": [2]}}
REQUEST = ModelInferRequest(model_name="doubles", inputs=[INPUT])


class Doubling:
    """A model that does first as it is told."""

    name, version, sha256, cost = "doubles", "3", "0" * 64, None
    signature = Signature((Tensor("x", "FP32", (-1,)),), (Tensor("y", "FP32", (-1,)),))

    def __init__(self, do: Callable[[Tensors], object]) -> None:
        self._do = do

    def run(self, inputs: Tensors) -> Tensors:
        self._do(inputs)
        return {"y": inputs["x"] * 2}


class Client:
    """Calls by name; messages are checked like those of any other client."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)])

    def call(self, request: Any, *, timeout: float = 20, **metadata: str) -> Any:
        name = type(request).__name__.removesuffix("Request")
        answer = getattr(inference_pb2, f"{name}Response")
        method = self.channel.unary_unary(f"/{grpc_server.SERVICE}/{name}", type(request).SerializeToString, answer.FromString)
        return method(request, timeout=timeout, wait_for_ready=True, metadata=[(key.replace("_", "-"), value) for key, value in metadata.items()])

    async def refusal(self, request: Any, **options: Any) -> grpc.aio.AioRpcError:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await self.call(request, **options)
        return error.value


class Service:
    """A server in this process, and a client of it."""

    def __init__(self, do: Callable[[Tensors], object], authenticator: Any, tracer: Any, environment: dict[str, str]) -> None:
        self.settings = Settings.from_environment({"WORKERS": "1", "WORKER_THREADS": "2", "IMAGE_DIGEST": IMAGE_DIGEST, **environment})
        self.metrics = Metrics()
        app = App("an-app", release="9")
        self.engine = Engine({"doubles": Doubling(do)}, app, self.settings, self.metrics)  # pyright: ignore[reportArgumentType] - as much of a model as is used
        self.server = GrpcServer(self.engine, app, self.settings, metrics=self.metrics, authenticator=authenticator, tracer=tracer)
        self.client: Client

    def count(self, method: str, code: grpc.StatusCode) -> float:
        """Calls that ended so, according to the metrics."""
        labels = {f'rpc_method="{method}"', f'rpc_grpc_status_code="{code.value[0]}"'}
        found = re.findall(r"^rpc_server_duration_seconds_count{(.*)} (.*)$", self.metrics.exposition()[0].decode(), re.MULTILINE)
        return next((float(value) for names, value in found if set(names.split(",")) == labels), 0.0)


@asynccontextmanager
async def _service(do: Callable[[Tensors], object] = len, *, authenticator: Any = None, tracer: Any = None, **environment: str) -> AsyncIterator[Service]:
    service = Service(do, authenticator, tracer, environment)
    service.client = Client(await service.server.start("127.0.0.1", 0))
    try:
        yield service
    finally:
        await service.client.channel.close()
        await service.server.stop(0)
        service.engine.close()


def _raising(error: Exception) -> Callable[[Tensors], object]:
    def fail(_: Tensors) -> object:
        raise error

    return fail


def _run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(bounded())


def test_the_server_and_its_model_are_described() -> None:
    async def test() -> None:
        async with _service() as service:
            assert (await service.client.call(ServerLiveRequest())).live
            assert (await service.client.call(ServerReadyRequest())).ready
            assert (await service.client.call(ModelReadyRequest(name="doubles", version="3"))).ready
            server = await service.client.call(inference_pb2.ServerMetadataRequest())
            assert (server.name, server.version) == ("an-app", "9")
            model = await service.client.call(ModelMetadataRequest(name="doubles"))
            assert (model.name, list(model.versions), model.platform) == ("doubles", ["3"], "onnxruntime_onnx")
            assert [(one.name, one.datatype, list(one.shape)) for one in (*model.inputs, *model.outputs)] == [("x", "FP32", [-1]), ("y", "FP32", [-1])]

    _run(test)


@pytest.mark.parametrize("raw", [False, True])
def test_a_request_is_answered_as_it_came(raw: bool) -> None:
    async def test() -> None:
        async with _service() as service:
            message: dict[str, Any] = {"inputs": [{**INPUT, "contents": None}], "raw_input_contents": [np.float32(2).tobytes()]} if raw else {"inputs": [INPUT]}
            call = service.client.call(ModelInferRequest(model_name="doubles", id="one", **message))
            answer: ModelInferResponse = await call
            assert (answer.model_name, answer.model_version, answer.id, answer.outputs[0].datatype) == ("doubles", "3", "one", "FP32")
            assert list(answer.raw_output_contents) == ([np.float32(4).tobytes()] if raw else [])
            assert list(answer.outputs[0].contents.fp32_contents) == ([] if raw else [4])
            said = dict(await call.trailing_metadata())
            assert said == {"x-model-version": "3", "x-model-sha256": "0" * 64, "x-image-digest": IMAGE_DIGEST}
            assert service.count("ModelInfer", grpc.StatusCode.OK) == 1

    _run(test)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequestError("so not"), grpc.StatusCode.INVALID_ARGUMENT),
        (UnauthorizedError("who?"), grpc.StatusCode.UNAUTHENTICATED),
        (ForbiddenError("not you"), grpc.StatusCode.PERMISSION_DENIED),
        (NotFoundError("nothing there"), grpc.StatusCode.NOT_FOUND),
        (TimedOutError("too slow"), grpc.StatusCode.DEADLINE_EXCEEDED),
        (TooLargeError("too much"), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (UnavailableError("not now: größer", retry_after=7), grpc.StatusCode.UNAVAILABLE),
        (RequestError("our fault"), grpc.StatusCode.INTERNAL),
    ],
)
def test_every_error_has_its_code(error: RequestError, code: grpc.StatusCode) -> None:
    async def test() -> None:
        async with _service(_raising(error)) as service:
            refusal = await service.client.refusal(REQUEST)
            assert (refusal.code(), refusal.details()) == (code, str(error))
            assert dict(refusal.trailing_metadata()).get("retry-after") == ("7" if isinstance(error, UnavailableError) else None)
            assert service.count("ModelInfer", code) == 1

    _run(test)


def test_a_status_without_a_code_has_that_of_its_class() -> None:
    class ConflictError(RequestError):
        status = 409

    class GatewayError(RequestError):
        status = 502

    assert grpc_server.code_of(ConflictError("")) == grpc.StatusCode.INVALID_ARGUMENT
    assert grpc_server.code_of(GatewayError("")) == grpc.StatusCode.INTERNAL


def test_what_goes_wrong_inside_stays_inside(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with _service(_raising(ValueError("secret"))) as service:
            refusal = await service.client.refusal(REQUEST, traceparent=TRACE)
            assert (refusal.code(), refusal.details()) == (grpc.StatusCode.INTERNAL, "internal error; the server's log has the details")

    _run(test)
    line = next(record for record in caplog.records if "secret" in record.getMessage())
    assert line.__dict__["fields"]["trace_id"] == "a" * 32


def test_what_the_caller_names_must_be_there() -> None:
    async def test() -> None:
        async with _service() as service:
            for request in (ModelInferRequest(model_name="other"), ModelMetadataRequest(name="other"), ModelReadyRequest(name="other")):
                refusal = await service.client.refusal(request)
                assert (refusal.code(), refusal.details()) == (grpc.StatusCode.NOT_FOUND, "there is no model 'other' here, only 'doubles'")
            refusal = await service.client.refusal(ModelInferRequest(model_name="doubles", model_version="4", inputs=[INPUT]))
            assert refusal.details() == "there is no version '4' of model 'doubles' here, only '3'"

    _run(test)


@pytest.mark.parametrize(("method", "kind"), [("ModelInfer", "ModelInferRequest"), ("ModelReady", "ModelReadyRequest")])
def test_bytes_that_are_no_message_are_refused(method: str, kind: str) -> None:
    async def test() -> None:
        async with _service() as service:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await service.client.channel.unary_unary(f"/{grpc_server.SERVICE}/{method}")(b"\xff\xff", timeout=20)
            assert (error.value.code(), error.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, f"the message is not an inference.{kind}")
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await service.client.channel.unary_unary(f"/{grpc_server.SERVICE}/ModelStreamInfer")(b"", timeout=20)
            assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED

    _run(test)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_has_its_limit(compression: grpc.Compression) -> None:
    """Also one that is small only as long as it is packed."""

    async def test() -> None:
        async with _service(MAX_BODY_BYTES="100000") as service:
            send = service.client.channel.unary_unary(f"/{grpc_server.SERVICE}/ModelInfer")
            for size, code in ((90_000, grpc.StatusCode.NOT_FOUND), (100_100, grpc.StatusCode.RESOURCE_EXHAUSTED)):
                data = ModelInferRequest(raw_input_contents=[bytes(size)]).SerializeToString()
                with pytest.raises(grpc.aio.AioRpcError) as error:
                    await send(data, timeout=20, compression=compression)
                assert error.value.code() == code

    _run(test)


class Doorkeeper:
    """Lets in who has the key."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, str | None]] = []

    async def check(self, authorization: str | None, api_key: str | None) -> str:
        self.asked.append((authorization, api_key))
        if api_key != "key" and authorization != "Bearer token":
            raise UnauthorizedError("nobody knows who calls")
        return "somebody"


def test_whoever_calls_must_be_known_except_by_probes() -> None:
    async def test() -> None:
        doorkeeper = Doorkeeper()
        async with _service(authenticator=doorkeeper) as service:
            assert (await service.client.call(ServerLiveRequest())).live
            assert (await service.client.call(ServerReadyRequest())).ready
            assert doorkeeper.asked == []
            for request in (REQUEST, ModelMetadataRequest(name="other"), ModelReadyRequest(name="other"), inference_pb2.ServerMetadataRequest()):
                refusal = await service.client.refusal(request)
                assert (refusal.code(), refusal.details()) == (grpc.StatusCode.UNAUTHENTICATED, "nobody knows who calls")
            assert (await service.client.call(REQUEST, x_api_key="key")).outputs
            assert (await service.client.call(REQUEST, authorization="Bearer token")).outputs

    _run(test)


class Tracing:
    """Remembers what is traced."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []

    def start(self, name: str, traceparent: str | None, attributes: dict[str, Any]) -> "Tracing":
        self.spans.append({"name": name, "traceparent": traceparent, **attributes})
        return self

    trace_id = "c" * 32

    def set(self, key: str, value: Any) -> None:
        self.spans[-1][key] = value

    def end(self, error: str | None = None) -> None:
        self.spans[-1]["error"] = error


def test_a_call_is_a_span() -> None:
    async def test() -> None:
        tracing = Tracing()
        async with _service(tracer=tracing) as service:
            await service.client.call(REQUEST, traceparent=TRACE)
            await service.client.refusal(ModelReadyRequest(name="other"))
        first, second = tracing.spans
        assert first == {
            "name": "inference.GRPCInferenceService/ModelInfer",
            "traceparent": TRACE,
            "rpc.system": "grpc",
            "rpc.service": "inference.GRPCInferenceService",
            "rpc.method": "ModelInfer",
            "rpc.grpc.status_code": 0,
            "error": None,
        }
        assert (second["traceparent"], second["rpc.grpc.status_code"], second["error"]) == (None, 5, None)

    _run(test)


def test_calls_stand_in_the_access_log_when_that_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")

    async def test() -> None:
        async with _service(authenticator=Doorkeeper(), ACCESS_LOG="all") as service:
            await service.client.call(REQUEST, x_api_key="key", traceparent=TRACE)

    _run(test)
    fields = next(record.__dict__["fields"] for record in caplog.records if record.name == "app.access")
    assert {name: value for name, value in fields.items() if name != "seconds"} == {
        "method": "gRPC",
        "path": "/inference.GRPCInferenceService/ModelInfer",
        "status": 200,
        "trace_id": "a" * 32,
        "caller": "somebody",
    }


def test_a_deadline_ends_the_wait_and_health_checks_do_not_wait_at_all() -> None:
    async def test() -> None:
        async with _service(lambda _: time.sleep(0.5)) as service:
            late = asyncio.ensure_future(service.client.refusal(REQUEST, timeout=0.2))
            await asyncio.sleep(0.05)
            started = time.perf_counter()
            assert (await service.client.call(ServerLiveRequest())).live
            assert time.perf_counter() - started < 0.2
            assert (await late).code() == grpc.StatusCode.DEADLINE_EXCEEDED
            async with asyncio.timeout(5):  # the server notices on its own
                while service.count("ModelInfer", grpc.StatusCode.DEADLINE_EXCEEDED) + service.count("ModelInfer", grpc.StatusCode.CANCELLED) == 0:
                    await asyncio.sleep(0.02)

    _run(test)


def test_stopping_finishes_what_was_accepted_and_takes_nothing_new() -> None:
    async def test() -> None:
        async with _service(lambda _: time.sleep(0.5)) as service:
            under_way = asyncio.ensure_future(service.client.call(REQUEST))
            await asyncio.sleep(0.2)
            service.engine.draining = True
            assert not (await service.client.call(ServerReadyRequest())).ready
            assert not (await service.client.call(ModelReadyRequest(name="doubles"))).ready
            assert (await service.client.call(ServerLiveRequest())).live
            stopping = asyncio.ensure_future(service.server.stop(10))
            assert (await under_way).outputs
            await stopping
            assert (await service.client.refusal(REQUEST, timeout=0.3)).code() == grpc.StatusCode.DEADLINE_EXCEEDED  # nobody is there to connect to

    _run(test)


def test_a_port_that_somebody_has_is_refused() -> None:
    async def test() -> None:
        service = Service(len, None, None, {})
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port} for gRPC; set HOST and GRPC_PORT to a free address"):
                await service.server.start("127.0.0.1", port)
        several = Service(len, None, None, {"WORKERS": "2"})
        with pytest.raises(ListenError, match="GRPC_PORT must be a port from 1, not 0, when there are several WORKERS"):
            await several.server.start("127.0.0.1", 0)

    _run(test)


def test_every_call_can_be_counted_with_every_code() -> None:
    service = Service(len, None, None, {})
    measured = service.server._measured
    codes = {grpc_server.code_of(error("")) for error in (InvalidRequestError, UnauthorizedError, ForbiddenError, NotFoundError, TimedOutError, TooLargeError)}
    for code in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, *codes):
        for method in GrpcServer.METHODS:
            measured.observe(method, code, 0.1)
            assert service.count(method, code) == 1


def _digits(manifest: dict[str, Any], golden_input: dict[str, Any]) -> ModelInferRequest:
    contents = {"fp32_contents": np.asarray(golden_input["data"], np.float32).ravel()}
    return ModelInferRequest(
        model_name=manifest["model"], inputs=[{"name": golden_input["name"], "datatype": "FP32", "shape": golden_input["shape"], "contents": contents}]
    )


def test_the_process_answers_both_transports_alike(start_server: Start, manifest: dict[str, Any], golden_input: dict[str, Any]) -> None:
    server = start_server(GRPC_PORT="0", WORKERS="1")
    line = server.next_log()
    body = {"inputs": [golden_input]}
    over_http = httpx.post(f"http://{line['addresses'][0]}/v2/models/{manifest['model']}/infer", json=body, trust_env=False).json()

    async def test() -> None:
        client = Client(int(line["grpc_address"].rpartition(":")[2]))
        answer: ModelInferResponse = await client.call(_digits(manifest, golden_input))
        for ours, theirs in zip(answer.outputs, over_http["outputs"], strict=True):
            assert (ours.name, ours.datatype, list(ours.shape)) == (theirs["name"], theirs["datatype"], theirs["shape"])
            values = ours.contents.int64_contents or ours.contents.fp32_contents
            np.testing.assert_allclose(values, np.ravel(theirs["data"]), rtol=1e-5)
        assert answer.parameters["app_release"].string_param == over_http["parameters"]["app_release"]
        await client.channel.close()

    _run(test)
    server.terminate()
    code, log = server.finish()
    assert (code, [one["message"] for one in log]) == (0, ["stopped"])


class Balancer:
    """Passes bytes on to the server that it sends new connections to; those that there are stay where they are."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def start(self) -> asyncio.Server:
        return await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self.port)
            await asyncio.gather(self._copy(reader, other_writer), self._copy(other_reader, writer))
        except OSError:
            writer.close()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                target.write(data)
                await target.drain()
        finally:
            target.close()


def test_sigterm_under_load_loses_nothing(start_server: Start, manifest: dict[str, Any], golden_input: dict[str, Any]) -> None:
    """While the server drains its clients are told to connect anew, and the balancer sends them elsewhere."""
    servers = [start_server(GRPC_PORT="0", WORKERS="1", DRAIN_SECONDS="2") for _ in range(2)]
    ports = [int(server.next_log()["grpc_address"].rpartition(":")[2]) for server in servers]
    request = _digits(manifest, golden_input)
    ended = asyncio.Event()

    async def caller(client: Client) -> int:
        answered = 0
        while not ended.is_set():
            answered += bool((await client.call(request)).outputs)
        return answered

    async def test() -> None:
        balancer = Balancer(ports[0])
        async with await balancer.start() as listener:
            client = Client(listener.sockets[0].getsockname()[1])
            callers = [asyncio.ensure_future(caller(client)) for _ in range(4)]
            await asyncio.sleep(0.3)
            direct = Client(ports[0])
            servers[0].terminate()
            await asyncio.sleep(0.3)
            assert not (await direct.call(ServerReadyRequest())).ready
            await direct.channel.close()
            balancer.port = ports[1]
            code, _ = await asyncio.to_thread(servers[0].finish)
            ended.set()
            assert code == 0
            assert min(await asyncio.gather(*callers)) > 0
            await client.channel.close()

    _run(test)


def test_connections_begin_anew_twice_while_the_server_drains() -> None:
    def age(**environment: str) -> int:
        return dict(grpc_server.options(Settings.from_environment(environment)))["grpc.max_connection_age_ms"]

    assert age(DRAIN_SECONDS="5") == 2273
    assert age(DRAIN_SECONDS="3600") == age(DRAIN_SECONDS="0") == 600_000


def test_several_workers_share_the_port(start_server: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = start_server(GRPC_PORT=str(port), WORKERS="2")
    lines = [server.next_log(), server.next_log()]
    assert [line["grpc_address"] for line in lines] == [f"127.0.0.1:{port}"] * 2

    async def test() -> None:
        for _ in range(8):  # each connection goes to one of them
            client = Client(port)
            assert (await client.call(ServerLiveRequest())).live
            await client.channel.close()

    _run(test)
    url = f"http://{lines[0]['addresses'][0]}/metrics"
    found = httpx.get(url, trust_env=False).text
    assert re.search(r'^rpc_server_duration_seconds_count{.*"ServerLive".*} 8.0$', found, re.MULTILINE)


def test_a_port_that_is_taken_is_one_line(start_server: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        server = start_server(GRPC_PORT=str(other.getsockname()[1]), WORKERS="1")
        code, log = server.finish()
    assert (code, len(log)) == (1, 1)
    assert "for gRPC: Address already in use; set HOST and GRPC_PORT to a free address" in log[0]["message"], json.dumps(log)


def test_nobody_pays_for_grpc_who_does_not_want_it(start_server: Start) -> None:
    server = start_server()
    server.wait_until_serving()
    assert "cygrpc" not in Path(f"/proc/{server.process.pid}/maps").read_text()
