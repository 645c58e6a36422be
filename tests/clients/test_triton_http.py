"""NVIDIA's client over HTTP: tensors as raw bytes, its default, and as JSON."""

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
    input_of,
    output_of,
    values,
)

http = pytest.importorskip("tritonclient.http", reason="python tests/clients/run.py runs this in the clients' own environment")
utils = pytest.importorskip("tritonclient.utils")

NAMES = [output_of(datatype) for datatype in NUMPY]
NOT_JSON = {"FP16"}  # the client itself refuses to send it as JSON


@pytest.fixture(scope="module")
def client(service: RunningService) -> Iterator[Any]:
    client = http.InferenceServerClient(service.http, concurrency=4)
    yield client
    client.close()


def inputs(arrays: Mapping[str, Any], *, binary: bool = True) -> list[Any]:
    """The client's inputs; FP16 is always sent as raw bytes."""
    made = []
    for datatype in NUMPY:
        name = input_of(datatype)
        if name in arrays:
            made.append(http.InferInput(name, arrays[name].shape, datatype))
            made[-1].set_data_from_numpy(arrays[name], binary_data=binary or datatype in NOT_JSON)
    return made


def outputs(*names: str, binary: bool = True) -> list[Any]:
    return [http.InferRequestedOutput(name, binary_data=binary) for name in names]


def refusal(client: Any, sent: list[Any], model: str = MODEL, **options: Any) -> tuple[str, str]:
    """Status and text of the refusal that must follow."""
    with pytest.raises(utils.InferenceServerException) as caught:
        client.infer(model, sent, **options)
    return str(caught.value.status()), caught.value.message()


def test_health(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, VERSION)
    assert not client.is_model_ready("nothing")
    assert not client.is_model_ready(MODEL, "99")


def test_metadata(client: Any) -> None:
    server = client.get_server_metadata()
    assert (server["name"], server["version"]) == ("identity-app", "1")
    assert "binary_tensor_data" in server["extensions"]
    for model in (client.get_model_metadata(MODEL), client.get_model_metadata(MODEL, VERSION)):
        assert (model["name"], model["versions"]) == (MODEL, [VERSION])
        assert model["inputs"] == [{"name": input_of(datatype), "datatype": datatype, "shape": [-1, COLUMNS]} for datatype in NUMPY]
        assert [tensor["name"] for tensor in model["outputs"]] == NAMES


@pytest.mark.parametrize("sent_as_bytes", [True, False])
@pytest.mark.parametrize("asked_as_bytes", [True, False])
def test_every_datatype_comes_back_as_it_was_sent(client: Any, sent_as_bytes: bool, asked_as_bytes: bool) -> None:
    arrays = all_values()
    result = client.infer(MODEL, inputs(arrays, binary=sent_as_bytes), outputs=outputs(*NAMES, binary=asked_as_bytes))
    for datatype in NUMPY:
        assert_same(result.as_numpy(output_of(datatype)), datatype, arrays[input_of(datatype)])


@pytest.mark.parametrize("datatype", NUMPY)
def test_one_datatype_as_bytes_between_others_as_json(client: Any, datatype: str) -> None:
    arrays = all_values()
    sent = inputs(arrays, binary=False)
    sent[list(NUMPY).index(datatype)].set_data_from_numpy(arrays[input_of(datatype)])
    result = client.infer(
        MODEL, sent, outputs=[*outputs(output_of(datatype)), *outputs("out_int8", "out_bool", binary=False)][: None if datatype not in ("INT8", "BOOL") else 1]
    )
    assert_same(result.as_numpy(output_of(datatype)), datatype, arrays[input_of(datatype)])


def test_without_named_outputs_all_come(client: Any) -> None:
    result = client.infer(MODEL, inputs(all_values()))
    assert [output["name"] for output in result.get_response()["outputs"]] == NAMES


def test_only_the_named_outputs_come_in_their_order(client: Any) -> None:
    result = client.infer(MODEL, inputs(all_values()), outputs=outputs("out_int8", "out_bool", "out_bytes"))
    assert [output["name"] for output in result.get_response()["outputs"]] == ["out_int8", "out_bool", "out_bytes"]
    assert result.as_numpy("out_fp32") is None


def test_id_version_and_parameters(client: Any) -> None:
    parameters = {"text": "a", "number": 1, "flag": True}
    answer = client.infer(MODEL, inputs(all_values()), model_version=VERSION, request_id="zwölf/12", parameters=parameters, priority=1, timeout=1000)
    response = answer.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("zwölf/12", MODEL, VERSION)


def test_not_a_number_and_infinity_travel_as_bytes(client: Any) -> None:
    """JSON has no word for them; bytes have."""
    arrays = all_values(1)
    arrays["in_fp32"] = np.array([[np.nan, -np.inf]], np.float32)
    result = client.infer(MODEL, inputs(arrays), outputs=outputs("out_fp32"))
    assert_same(result.as_numpy("out_fp32"), "FP32", arrays["in_fp32"])
    status, message = refusal(client, inputs(arrays), outputs=outputs("out_fp32", binary=False))
    assert status == "400"
    assert "output 'out_fp32' holds NaN or infinity" in message


def test_several_requests_at_once(client: Any) -> None:
    arrays = {rows: all_values(rows) for rows in range(1, 9)}
    waiting = {rows: client.async_infer(MODEL, inputs(arrays[rows]), request_id=str(rows)) for rows in arrays}
    for rows, answer in waiting.items():
        result = answer.get_result()
        assert result.get_response()["id"] == str(rows)
        assert_same(result.as_numpy("out_bytes"), "BYTES", arrays[rows]["in_bytes"])


def test_answers_may_be_asked_for_compressed(client: Any) -> None:
    """Whether it is or not, the client reads it."""
    arrays = all_values()
    result = client.infer(MODEL, inputs(arrays), response_compression_algorithm="gzip")
    assert_same(result.as_numpy("out_fp64"), "FP64", arrays["in_fp64"])


def test_unknown_model_and_version(client: Any) -> None:
    assert refusal(client, inputs(all_values()), "nothing") == ("404", f"there is no model 'nothing' here, only '{MODEL}', '{WITHOUT_FP16}'")
    status, message = refusal(client, inputs(all_values()), model_version="99")
    assert (status, message) == ("404", f"there is no version '99' of model '{MODEL}' here, only '{VERSION}'")
    with pytest.raises(utils.InferenceServerException, match="there is no model 'nothing'"):
        client.get_model_metadata("nothing")


@pytest.mark.parametrize("binary", [True, False])
def test_missing_unknown_and_repeated_inputs(client: Any, binary: bool) -> None:
    arrays = all_values()
    sent = inputs(arrays, binary=binary)
    status, message = refusal(client, [tensor for tensor in sent if tensor.name() != "in_int8"])
    assert (status, message.partition(";")[0]) == ("400", "input 'in_int8' is missing")

    other = http.InferInput("other", [1, 1], "FP32")
    other.set_data_from_numpy(np.zeros([1, 1], np.float32), binary_data=binary)
    status, message = refusal(client, [*sent, other])
    assert (status, message.partition(";")[0]) == ("400", "unknown input 'other'")
    assert refusal(client, [*sent, sent[0]]) == ("400", "input 'in_bool' is given twice")


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("datatype", NUMPY)
def test_a_wrong_datatype(client: Any, datatype: str, binary: bool) -> None:
    wrong = "INT64" if datatype != "INT64" else "FP64"
    sent = inputs(all_values(), binary=binary)
    position = list(NUMPY).index(datatype)
    sent[position] = http.InferInput(input_of(datatype), [3, COLUMNS], wrong)
    sent[position].set_data_from_numpy(values(wrong), binary_data=binary)
    assert refusal(client, sent) == ("400", f"input '{input_of(datatype)}': datatype must be {datatype}, got '{wrong}'")


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("datatype", NUMPY)
@pytest.mark.parametrize("shape", [[3], [3, 3], [3, COLUMNS, 1], [0, COLUMNS]])
def test_a_wrong_shape(client: Any, datatype: str, shape: list[int], binary: bool) -> None:
    sent = inputs(all_values(), binary=binary)
    array = np.zeros(shape, NUMPY[datatype]) if datatype != "BYTES" else np.full(shape, b"", np.object_)
    position = list(NUMPY).index(datatype)
    sent[position] = http.InferInput(input_of(datatype), shape, datatype)
    sent[position].set_data_from_numpy(array, binary_data=binary or datatype in NOT_JSON)
    status, message = refusal(client, sent)
    assert status == "400"
    assert message.startswith(f"input '{input_of(datatype)}': shape must be [-1, {COLUMNS}]")


@pytest.mark.parametrize("datatype", NUMPY)
def test_fewer_and_more_bytes_than_the_shape_needs(client: Any, datatype: str) -> None:
    for change in (lambda data: data[:-1], lambda data: data + b"\1"):
        sent = inputs(all_values())
        tensor = sent[list(NUMPY).index(datatype)]
        tensor._raw_data = change(tensor._raw_data)
        tensor._parameters["binary_data_size"] = len(tensor._raw_data)
        status, message = refusal(client, sent)
        assert status == "400"
        assert message.startswith(f"input '{input_of(datatype)}': ")


def test_inputs_that_do_not_agree_on_their_rows(client: Any) -> None:
    """The model does not mind; what matters is that each output has the rows of its own input."""
    arrays = {**all_values(3), "in_fp32": values("FP32", 5)}
    result = client.infer(MODEL, inputs(arrays))
    assert (result.as_numpy("out_fp32").shape, result.as_numpy("out_fp64").shape) == ((5, COLUMNS), (3, COLUMNS))


def test_unknown_and_repeated_outputs(client: Any) -> None:
    status, message = refusal(client, inputs(all_values()), outputs=outputs("other"))
    assert (status, message.partition(";")[0]) == ("400", "unknown output 'other'")
    assert refusal(client, inputs(all_values()), outputs=outputs("out_int8", "out_int8")) == ("400", "output 'out_int8' is asked for twice")


def test_too_many_rows(client: Any) -> None:
    status, message = refusal(client, inputs(all_values(MAX_ROWS + 1)))
    assert status in ("400", "413")
    assert str(MAX_ROWS) in message or str(MAX_BODY_BYTES) in message


def test_a_body_that_is_too_large(client: Any) -> None:
    arrays = {**all_values(1), "in_bytes": np.array([[b"x" * MAX_BODY_BYTES, b""]], np.object_)}
    status, message = refusal(client, inputs(arrays))
    assert (status, message.partition(";")[0]) == ("413", f"the body is larger than {MAX_BODY_BYTES} bytes")
    assert client.is_server_live()


def test_a_compressed_request_is_refused_with_a_sentence(client: Any) -> None:
    status, message = refusal(client, inputs(all_values()), request_compression_algorithm="gzip")
    assert status in ("400", "415")
    assert message


def test_text_that_is_not_unicode(client: Any) -> None:
    arrays = {**all_values(1), "in_bytes": np.array([[b"\xff", b""]], np.object_)}
    assert refusal(client, inputs(arrays)) == ("400", "input 'in_bytes': BYTES must hold UTF-8 text (byte 0 is not)")
