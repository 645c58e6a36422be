"""KServe's own client, over both transports. Over HTTP it names the model in the body, too."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tests.clients.service import (
    COLUMNS,
    MAX_BODY_BYTES,
    MODEL,
    NUMPY,
    VERSION,
    WITHOUT_FP16,
    RunningService,
    all_values,
    assert_same,
    datatypes_of,
    input_of,
    output_of,
    values,
)

kserve = pytest.importorskip("kserve", reason="python tests/clients/run.py runs this in the clients' own environment")
types = pytest.importorskip("kserve.protocol.infer_type")
httpx = pytest.importorskip("httpx")
rpc = pytest.importorskip("grpc")

Infer = Callable[..., Awaitable[Any]]
Ask = Callable[..., Any]
INVALID = {400, rpc.StatusCode.INVALID_ARGUMENT}
UNKNOWN = {404, rpc.StatusCode.NOT_FOUND}


def run_rest(service: RunningService, call: Callable[[Any, str], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2")) as client:
            return await call(client, f"http://{service.http}")

    return asyncio.run(run())


def run_grpc(service: RunningService, call: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with kserve.InferenceGRPCClient(service.grpc, retries=0) as client:
            return await call(client)

    return asyncio.run(run())


@pytest.fixture(params=["rest", "grpc"])
def infer(request: pytest.FixtureRequest, service: RunningService) -> Ask:
    """Asks over one of the transports."""

    def ask(sent: Any) -> Any:
        if request.param == "rest":
            return run_rest(service, lambda client, url: client.infer(url, sent, model_name=sent.model_name))
        return run_grpc(service, lambda client: client.infer(sent))

    return ask


def inputs(arrays: Mapping[str, Any], model: str, *, binary: bool = True) -> list[Any]:
    made = []
    for datatype in datatypes_of(model):
        if input_of(datatype) in arrays:
            array = arrays[input_of(datatype)]
            made.append(kserve.InferInput(input_of(datatype), list(array.shape), datatype))
            made[-1].set_data_from_numpy(array, binary_data=binary)
    return made


def request(arrays: Mapping[str, Any], *, binary: bool = True, model: str = MODEL, **options: Any) -> Any:
    return kserve.InferRequest(model, inputs(arrays, model, binary=binary), **options)


def refusal(infer: Ask, sent: Any) -> tuple[Any, str]:
    """Status or code, and text, of the refusal that must follow."""
    with pytest.raises((httpx.HTTPStatusError, rpc.RpcError)) as caught:
        infer(sent)
    error: Any = caught.value
    return (error.response.status_code, str(error)) if isinstance(error, httpx.HTTPStatusError) else (error.code(), error.details())


def test_health(service: RunningService) -> None:
    async def over_http(client: Any, url: str) -> list[bool]:
        return [await client.is_server_live(url), await client.is_server_ready(url), await client.is_model_ready(url, MODEL)]

    async def over_grpc(client: Any) -> list[bool]:
        return [await client.is_server_live(), await client.is_server_ready(), await client.is_model_ready(MODEL)]

    assert run_rest(service, over_http) == [True] * 3
    assert run_grpc(service, over_grpc) == [True] * 3
    assert run_rest(service, lambda client, url: client.is_model_ready(url, "nothing")) is False


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("raw_outputs", [True, False])
def test_every_datatype_comes_back_as_it_was_sent(infer: Ask, binary: bool, raw_outputs: bool) -> None:
    arrays, model = all_values(), MODEL if binary else WITHOUT_FP16
    asked = [types.RequestedOutput(output_of(datatype), {"binary_data": raw_outputs}) for datatype in datatypes_of(model)]
    response = infer(request(arrays, binary=binary, model=model, request_outputs=asked))
    for datatype in datatypes_of(model):
        output = response.get_output_by_name(output_of(datatype))
        assert output.datatype == datatype
        actual = output.as_numpy()
        assert_same(actual if datatype == "BYTES" else actual.astype(NUMPY[datatype]), datatype, arrays[input_of(datatype)])


def test_id_version_and_model(infer: Ask) -> None:
    response = infer(request(all_values(), request_id="zwölf/12"))
    assert (response.id, response.model_name) == ("zwölf/12", MODEL)
    assert response.model_version in (VERSION, None)  # the client leaves it out over HTTP


def test_only_the_named_outputs_come_in_their_order(infer: Ask) -> None:
    asked = [types.RequestedOutput("out_int8"), types.RequestedOutput("out_bool")]
    assert [output.name for output in infer(request(all_values(), request_outputs=asked)).outputs] == ["out_int8", "out_bool"]


def test_unknown_model(infer: Ask) -> None:
    status, message = refusal(infer, request(all_values(), model="nothing"))
    assert status in UNKNOWN
    assert "there is no model 'nothing' here" in message


@pytest.mark.parametrize("binary", [True, False])
def test_wrong_inputs(infer: Ask, binary: bool) -> None:
    arrays, model = all_values(), MODEL if binary else WITHOUT_FP16
    missing = {name: array for name, array in arrays.items() if name != "in_int8"}
    status, message = refusal(infer, request(missing, binary=binary, model=model))
    assert status in INVALID
    assert "input 'in_int8' is missing" in message

    wrong_shape = {**arrays, "in_fp32": np.zeros([3, 3], np.float32)}
    status, message = refusal(infer, request(wrong_shape, binary=binary, model=model))
    assert status in INVALID
    assert f"input 'in_fp32': shape must be [-1, {COLUMNS}]" in message

    sent = request(arrays, binary=binary, model=model)
    sent.inputs[0] = kserve.InferInput("in_bool", [3, COLUMNS], "INT64")
    sent.inputs[0].set_data_from_numpy(values("INT64"), binary_data=binary)
    status, message = refusal(infer, sent)
    assert status in INVALID
    assert "input 'in_bool': datatype must be BOOL, got 'INT64'" in message


def test_unknown_output(infer: Ask) -> None:
    status, message = refusal(infer, request(all_values(), request_outputs=[types.RequestedOutput("other")]))
    assert status in INVALID
    assert "unknown output 'other'" in message


def test_too_large(infer: Ask) -> None:
    status, _ = refusal(infer, request({**all_values(1), "in_bytes": np.array([[b"x" * MAX_BODY_BYTES, b""]], np.object_)}))
    assert status in {413, rpc.StatusCode.RESOURCE_EXHAUSTED}
