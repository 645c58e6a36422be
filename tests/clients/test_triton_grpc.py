"""NVIDIA's client over gRPC."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from tests.clients.service import (
    COLUMNS,
    MAX_BODY_BYTES,
    MAX_ROWS,
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

grpc = pytest.importorskip("tritonclient.grpc", reason="python tests/clients/run.py runs this in the clients' own environment")
messages = pytest.importorskip("tritonclient.grpc.service_pb2")
stubs = pytest.importorskip("tritonclient.grpc.service_pb2_grpc")
rpc = pytest.importorskip("grpc")
utils = pytest.importorskip("tritonclient.utils")

NAMES = [output_of(datatype) for datatype in NUMPY]
# Where the protocol's typed contents hold a datatype's values; FP16 has no such place.
CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


@pytest.fixture(scope="module")
def client(service: RunningService) -> Iterator[Any]:
    client = grpc.InferenceServerClient(service.grpc)
    yield client
    client.close()


@pytest.fixture(scope="module")
def stub(service: RunningService) -> Iterator[Any]:
    """The bare protocol, for what the client cannot send."""
    with rpc.insecure_channel(service.grpc) as channel:
        yield stubs.GRPCInferenceServiceStub(channel)


def inputs(arrays: Mapping[str, Any]) -> list[Any]:
    made = []
    for datatype in NUMPY:
        name = input_of(datatype)
        if name in arrays:
            made.append(grpc.InferInput(name, arrays[name].shape, datatype))
            made[-1].set_data_from_numpy(arrays[name])
    return made


def outputs(*names: str) -> list[Any]:
    return [grpc.InferRequestedOutput(name) for name in names]


def typed_request(arrays: Mapping[str, Any]) -> Any:
    """A request whose values stand in the protocol's typed fields, not in raw bytes."""
    request = messages.ModelInferRequest(model_name=WITHOUT_FP16)
    for datatype in datatypes_of(WITHOUT_FP16):
        if input_of(datatype) in arrays:
            array = arrays[input_of(datatype)]
            tensor = request.inputs.add(name=input_of(datatype), datatype=datatype, shape=array.shape)
            getattr(tensor.contents, CONTENTS[datatype]).extend(array.ravel().tolist())
    return request


def refusal(client: Any, sent: list[Any], model: str = MODEL, **options: Any) -> tuple[str, str]:
    """Code and text of the refusal that must follow."""
    with pytest.raises(utils.InferenceServerException) as caught:
        client.infer(model, sent, **options)
    return caught.value.status().removeprefix("StatusCode."), caught.value.message()


def test_health(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, VERSION)


def test_metadata(client: Any) -> None:
    server = client.get_server_metadata()
    assert (server.name, server.version) == ("identity-app", "1")
    for model in (client.get_model_metadata(MODEL), client.get_model_metadata(MODEL, VERSION)):
        assert (model.name, list(model.versions)) == (MODEL, [VERSION])
        assert [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in model.inputs] == [(input_of(d), d, [-1, COLUMNS]) for d in NUMPY]
        assert [tensor.name for tensor in model.outputs] == NAMES


def test_every_datatype_comes_back_as_it_was_sent(client: Any) -> None:
    arrays = all_values()
    result = client.infer(MODEL, inputs(arrays))
    for datatype in NUMPY:
        assert_same(result.as_numpy(output_of(datatype)), datatype, arrays[input_of(datatype)])


def test_typed_contents(stub: Any) -> None:
    """What other clients send instead of raw bytes; the answer comes as the request did."""
    arrays = all_values()
    answer = stub.ModelInfer(typed_request(arrays))
    for output, datatype in zip(answer.outputs, datatypes_of(WITHOUT_FP16), strict=True):
        actual = np.array(getattr(output.contents, CONTENTS[datatype]), NUMPY[datatype]).reshape(output.shape)
        assert (output.name, output.datatype) == (output_of(datatype), datatype)
        assert_same(actual, datatype, arrays[input_of(datatype)])


def test_only_the_named_outputs_come_in_their_order(client: Any) -> None:
    result = client.infer(MODEL, inputs(all_values()), outputs=outputs("out_int8", "out_bool", "out_bytes"))
    assert [output.name for output in result.get_response().outputs] == ["out_int8", "out_bool", "out_bytes"]


def test_id_version_and_parameters(client: Any) -> None:
    parameters = {"text": "a", "number": 1, "flag": True}
    answer = client.infer(MODEL, inputs(all_values()), model_version=VERSION, request_id="zwölf/12", parameters=parameters, priority=1, timeout=1000)
    response = answer.get_response()
    assert (response.id, response.model_name, response.model_version) == ("zwölf/12", MODEL, VERSION)


def test_not_a_number_and_infinity(client: Any) -> None:
    arrays = {**all_values(1), "in_fp32": np.array([[np.nan, -np.inf]], np.float32)}
    assert_same(client.infer(MODEL, inputs(arrays)).as_numpy("out_fp32"), "FP32", arrays["in_fp32"])


def test_several_requests_at_once(client: Any) -> None:
    arrays = {rows: all_values(rows) for rows in range(1, 9)}
    answers: dict[str, Any] = {}

    def keep(result: Any, error: Any) -> None:
        answers[result.get_response().id if result else str(error)] = result

    waiting = [client.async_infer(MODEL, inputs(arrays[rows]), keep, request_id=str(rows)) for rows in arrays]
    for context in waiting:
        context.get_result() if hasattr(context, "get_result") else context._CallContext__grpc_future.result()
    client.infer(MODEL, inputs(arrays[1]))  # answers are kept by a thread of the client, in turn
    assert set(answers) == {str(rows) for rows in arrays}
    for rows, expected in arrays.items():
        assert_same(answers[str(rows)].as_numpy("out_bytes"), "BYTES", expected["in_bytes"])


def test_unknown_model_and_version(client: Any) -> None:
    assert refusal(client, inputs(all_values()), "nothing") == ("NOT_FOUND", f"there is no model 'nothing' here, only '{MODEL}', '{WITHOUT_FP16}'")
    code, message = refusal(client, inputs(all_values()), model_version="99")
    assert (code, message) == ("NOT_FOUND", f"there is no version '99' of model '{MODEL}' here, only '{VERSION}'")
    with pytest.raises(utils.InferenceServerException, match="there is no model 'nothing'"):
        client.get_model_metadata("nothing")


def test_missing_unknown_and_repeated_inputs(client: Any) -> None:
    sent = inputs(all_values())
    code, message = refusal(client, [tensor for tensor in sent if tensor.name() != "in_int8"])
    assert (code, message.partition(";")[0]) == ("INVALID_ARGUMENT", "input 'in_int8' is missing")
    other = grpc.InferInput("other", [1, 1], "FP32")
    other.set_data_from_numpy(np.zeros([1, 1], np.float32))
    code, message = refusal(client, [*sent, other])
    assert (code, message.partition(";")[0]) == ("INVALID_ARGUMENT", "unknown input 'other'")
    assert refusal(client, [*sent, sent[0]]) == ("INVALID_ARGUMENT", "input 'in_bool' is given twice")


@pytest.mark.parametrize("datatype", NUMPY)
def test_a_wrong_datatype(client: Any, datatype: str) -> None:
    wrong = "INT64" if datatype != "INT64" else "FP64"
    sent = inputs(all_values())
    position = list(NUMPY).index(datatype)
    sent[position] = grpc.InferInput(input_of(datatype), [3, COLUMNS], wrong)
    sent[position].set_data_from_numpy(values(wrong))
    assert refusal(client, sent) == ("INVALID_ARGUMENT", f"input '{input_of(datatype)}': datatype must be {datatype}, got '{wrong}'")


@pytest.mark.parametrize("datatype", NUMPY)
@pytest.mark.parametrize("shape", [[3], [3, 3], [3, COLUMNS, 1], [0, COLUMNS]])
def test_a_wrong_shape(client: Any, datatype: str, shape: list[int]) -> None:
    sent = inputs(all_values())
    array = np.zeros(shape, NUMPY[datatype]) if datatype != "BYTES" else np.full(shape, b"", np.object_)
    position = list(NUMPY).index(datatype)
    sent[position] = grpc.InferInput(input_of(datatype), shape, datatype)
    sent[position].set_data_from_numpy(array)
    code, message = refusal(client, sent)
    assert code == "INVALID_ARGUMENT"
    assert message.startswith(f"input '{input_of(datatype)}': shape must be [-1, {COLUMNS}]")


@pytest.mark.parametrize("datatype", NUMPY)
def test_fewer_and_more_bytes_than_the_shape_needs(client: Any, datatype: str) -> None:
    for change in (lambda data: data[:-1], lambda data: data + b"\1"):
        sent = inputs(all_values())
        tensor = sent[list(NUMPY).index(datatype)]
        tensor._raw_content = change(tensor._raw_content)
        code, message = refusal(client, sent)
        assert code == "INVALID_ARGUMENT"
        assert message.startswith(f"input '{input_of(datatype)}': ")


@pytest.mark.parametrize("datatype", CONTENTS)
def test_typed_contents_with_too_few_values(stub: Any, datatype: str) -> None:
    arrays = {input_of(datatype): values(datatype)}
    request = typed_request(arrays)
    getattr(request.inputs[0].contents, CONTENTS[datatype]).pop()
    with pytest.raises(rpc.RpcError) as caught:
        stub.ModelInfer(request)
    assert caught.value.code() == rpc.StatusCode.INVALID_ARGUMENT
    assert "needs 6 values, got 5" in caught.value.details()


@pytest.mark.parametrize("datatype", ["INT8", "INT16", "UINT8", "UINT16"])
def test_typed_contents_with_numbers_that_do_not_fit(stub: Any, datatype: str) -> None:
    """The protocol has no fields this small: a caller may send more than the datatype holds."""
    request = typed_request({input_of(datatype): values(datatype)})
    getattr(request.inputs[0].contents, CONTENTS[datatype])[0] = np.iinfo(NUMPY[datatype]).max + 1
    with pytest.raises(rpc.RpcError) as caught:
        stub.ModelInfer(request)
    assert caught.value.code() == rpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == f"input '{input_of(datatype)}': data holds a number that does not fit {datatype}"


def test_contents_in_the_wrong_field(stub: Any) -> None:
    request = messages.ModelInferRequest(model_name=MODEL)
    tensor = request.inputs.add(name="in_fp32", datatype="FP32", shape=[3, COLUMNS])
    tensor.contents.fp64_contents.extend([1.0] * 6)
    with pytest.raises(rpc.RpcError) as caught:
        stub.ModelInfer(request)
    assert caught.value.code() == rpc.StatusCode.INVALID_ARGUMENT


def test_raw_and_typed_contents_in_one_request(stub: Any) -> None:
    request = typed_request({"in_fp32": values("FP32")})
    request.raw_input_contents.append(values("FP32").tobytes())
    with pytest.raises(rpc.RpcError) as caught:
        stub.ModelInfer(request)
    assert caught.value.code() == rpc.StatusCode.INVALID_ARGUMENT


def test_another_number_of_raw_contents_than_inputs(stub: Any) -> None:
    request = messages.ModelInferRequest(model_name=MODEL)
    request.inputs.add(name="in_fp32", datatype="FP32", shape=[3, COLUMNS])
    request.raw_input_contents.extend([values("FP32").tobytes()] * 2)
    with pytest.raises(rpc.RpcError) as caught:
        stub.ModelInfer(request)
    assert caught.value.code() == rpc.StatusCode.INVALID_ARGUMENT


def test_an_empty_request(stub: Any) -> None:
    with pytest.raises(rpc.RpcError) as caught:
        stub.ModelInfer(messages.ModelInferRequest(model_name=MODEL))
    assert (caught.value.code(), caught.value.details().partition(";")[0]) == (rpc.StatusCode.INVALID_ARGUMENT, "input 'in_bool' is missing")


def test_unknown_and_repeated_outputs(client: Any) -> None:
    code, message = refusal(client, inputs(all_values()), outputs=outputs("other"))
    assert (code, message.partition(";")[0]) == ("INVALID_ARGUMENT", "unknown output 'other'")
    assert refusal(client, inputs(all_values()), outputs=outputs("out_int8", "out_int8")) == ("INVALID_ARGUMENT", "output 'out_int8' is asked for twice")


def test_too_many_rows(client: Any) -> None:
    code, message = refusal(client, inputs(all_values(MAX_ROWS + 1)))
    assert code in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")
    assert message


def test_a_message_that_is_too_large(client: Any) -> None:
    arrays = {**all_values(1), "in_bytes": np.array([[b"x" * MAX_BODY_BYTES, b""]], np.object_)}
    assert refusal(client, inputs(arrays))[0] == "RESOURCE_EXHAUSTED"
    assert client.is_server_live()


def test_text_that_is_not_unicode(client: Any) -> None:
    arrays = {**all_values(1), "in_bytes": np.array([[b"\xff", b""]], np.object_)}
    assert refusal(client, inputs(arrays)) == ("INVALID_ARGUMENT", "input 'in_bytes': BYTES must hold UTF-8 text (byte 0 is not)")


def test_what_is_not_served_says_so(client: Any) -> None:
    """Triton's own additions to the protocol."""
    with pytest.raises(utils.InferenceServerException) as caught:
        client.get_model_repository_index()
    assert caught.value.status() == "StatusCode.UNIMPLEMENTED"
