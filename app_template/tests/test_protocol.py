"""Reading and writing the protocol's JSON: every datatype, every way to be wrong."""

import json
from typing import Any

import numpy as np
import pytest
from app.protocol import InferRequest, InvalidRequestError, decode, encode, encode_answer
from app.signature import NUMPY_TYPES, Signature, Tensor
from app.tensors import from_raw, to_raw

IMAGE = Signature((Tensor("image", "FP32", (-1, 4)),), (Tensor("label", "INT64", (-1,)), Tensor("p", "FP32", (-1, 2))))
GOOD = {"name": "image", "shape": [2, 4], "datatype": "FP32", "data": [1, 2, 3, 4, 5.5, 6, 7, 8]}


def _decode(request: object, signature: Signature = IMAGE) -> InferRequest:
    return decode(json.dumps(request).encode(), signature)


def _refusal(body: bytes | object, signature: Signature = IMAGE) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        decode(body if isinstance(body, bytes) else json.dumps(body).encode(), signature)
    return str(caught.value)


def test_flat_and_nested_data_are_the_same() -> None:
    flat = _decode({"inputs": [GOOD]}).inputs["image"]
    nested = _decode({"inputs": [{**GOOD, "data": [[1, 2, 3, 4], [5.5, 6, 7, 8]]}]}).inputs["image"]
    assert flat.dtype == nested.dtype == np.float32
    assert flat.tolist() == nested.tolist() == [[1, 2, 3, 4], [5.5, 6, 7, 8]]


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("BOOL", [True, False]),
        ("UINT8", [0, 255]),
        ("UINT16", [0, 65535]),
        ("UINT32", [0, 2**32 - 1]),
        ("UINT64", [0, 2**64 - 1]),
        ("INT8", [-128, 127]),
        ("INT16", [-(2**15), 2**15 - 1]),
        ("INT32", [-(2**31), 2**31 - 1]),
        ("INT64", [-(2**63), 2**63 - 1]),
        ("FP16", [1, -0.5]),
        ("FP32", [1, 3.4e38]),
        ("FP64", [1, 1e308]),
        ("BYTES", ["", "grün"]),
    ],
)
def test_every_datatype_there_and_back(datatype: str, data: list[Any]) -> None:
    signature = Signature((Tensor("x", datatype, (-1,)),), (Tensor("x", datatype, (-1,)),))
    request = _decode({"inputs": [{"name": "x", "shape": [2], "datatype": datatype, "data": data}]}, signature)
    assert request.inputs["x"].dtype == NUMPY_TYPES[datatype]
    answer = json.loads(encode(request, request.inputs, {}, model_name="m", model_version="1"))
    assert answer["outputs"][0]["datatype"] == datatype
    assert answer["outputs"][0]["data"] == pytest.approx(data) if datatype.startswith("FP") else data


@pytest.mark.parametrize(
    ("datatype", "data", "message"),
    [
        ("UINT8", [256], "data holds a number that does not fit UINT8"),
        ("UINT8", [-1], "data holds a number that does not fit UINT8"),
        ("INT64", [2**63], "data holds a number that does not fit INT64"),
        ("FP16", [70000], "data holds a number that does not fit FP16"),
        ("FP32", [1e39], "data holds a number that does not fit FP32"),
        ("FP64", [10**400], "data holds a number that does not fit FP64"),
        ("INT64", [1.0], "data must be integers, found a number"),
        ("INT64", [True], "data must be integers, found true or false"),
        ("FP32", [True], "data must be numbers, found true or false"),
        ("FP32", [None], "data must be numbers, found null"),
        ("FP32", ["1"], "data must be numbers, found text"),
        ("FP32", [{}], "data must be numbers, found an object"),
        ("BOOL", [1], "data must be true or false, found a number"),
        ("BYTES", [1], "data must be text, found a number"),
        ("FP32", "1", "'data' must be a list, got text"),
        ("FP32", None, "'data' must be a list, got null"),
        ("FP32", [], "shape [1] needs 1 values, got 0"),
        ("FP32", [1, 2], "shape [1] needs 1 values, got 2"),
        ("FP32", [[1]], "data must be numbers, found a list"),
    ],
)
def test_values_that_do_not_fit(datatype: str, data: object, message: str) -> None:
    signature = Signature((Tensor("x", datatype, (-1,)),), ())
    entry = {"name": "x", "shape": [1], "datatype": datatype, "data": data}
    assert _refusal({"inputs": [entry]}, signature) == f"input 'x': {message}"


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        ([4], "[4]"),
        ([2, 5], "[2, 5]"),
        ([0, 4], "[0, 4]"),
        ([-1, 4], "[-1, 4]"),
        ([2.0, 4], "[2.0, 4]"),
        ([True, 4], "[True, 4]"),
        ("2,4", "'2,4'"),
        (None, "None"),
    ],
)
def test_shapes_that_do_not_fit(shape: object, shown: str) -> None:
    expected = f"input 'image': shape must be [-1, 4] (-1: any size from 1), got {shown}"
    assert _refusal({"inputs": [{**GOOD, "shape": shape}]}) == expected


def test_a_huge_shape_is_refused_before_memory_is_taken() -> None:
    message = _refusal({"inputs": [{**GOOD, "shape": [10**30, 4]}]})
    assert message == f"input 'image': shape [{10**30}, 4] needs {4 * 10**30} values, got 8"


@pytest.mark.parametrize("data", [[[1, 2, 3, 4], [5, 6, 7]], [[1, 2, 3, 4], 5], [[1, 2], [3, 4], [5, 6], [7, 8]]])
def test_ragged_data(data: object) -> None:
    message = _refusal({"inputs": [{**GOOD, "data": data}]})
    assert message == "input 'image': nested data must follow shape [2, 4]; every list at depth 1 needs 4 values"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b"{",
            "the body is not valid JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        (b"\xff", "the body is not UTF-8 text (byte 0)"),
        (b"[]", "the body must be a JSON object, got a list"),
        (b"null", "the body must be a JSON object, got null"),
        (b"{}", "the body lacks 'inputs'"),
        (b'{"inputs": {}}', "'inputs' must be a list, got an object"),
        (b'{"inputs": [NaN]}', "the body is not valid JSON: NaN is not a JSON number"),
        (b'{"inputs": [-Infinity]}', "the body is not valid JSON: -Infinity is not a JSON number"),
        (b'{"id": "a", "id": "b", "inputs": []}', "field 'id' is given twice"),
        (b'{"inputs": [' + b"1" * 5000 + b"]}", "the body holds a number with too many digits"),
        (b"[" * 100_000, "the body is nested too deeply"),
    ],
)
def test_bodies_that_cannot_be_read(body: bytes, message: str) -> None:
    assert _refusal(body) == message


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        ({"inputs": []}, "input 'image' is missing; the model takes: image FP32 [-1, 4]"),
        ({"inputs": [GOOD, GOOD]}, "input 'image' is given twice"),
        ({"inputs": [{**GOOD, "name": "x"}]}, "unknown input 'x'; the model takes: image FP32 [-1, 4]"),
        ({"inputs": [{**GOOD, "name": []}]}, "unknown input []; the model takes: image FP32 [-1, 4]"),
        (
            {"inputs": [{**GOOD, "name": "x" * 100}]},
            f"unknown input '{'x' * 56}...; the model takes: image FP32 [-1, 4]",
        ),
        ({"inputs": [1]}, "inputs[0] must be a JSON object, got a number"),
        ({"inputs": [{"name": "image"}]}, "inputs[0] lacks 'data'"),
        (
            {"inputs": [{**GOOD, "type": "FP32"}]},
            "inputs[0] has the unknown field 'type'; allowed: data, datatype, name, parameters, shape",
        ),
        ({"inputs": [{**GOOD, "datatype": 1}]}, "input 'image': datatype must be FP32, got 1"),
        (
            {"inputs": [GOOD], "input": 1},
            "the body has the unknown field 'input'; allowed: id, inputs, model_name, model_version, outputs, parameters",
        ),
        ({"inputs": [GOOD], "id": 5}, "'id' must be text, got a number"),
        ({"inputs": [GOOD], "parameters": []}, "the body: 'parameters' must be a JSON object, got a list"),
        ({"inputs": [GOOD], "outputs": "label"}, "'outputs' must be a list, got text"),
        ({"inputs": [GOOD], "outputs": ["label"]}, "outputs[0] must be a JSON object, got text"),
        (
            {"inputs": [GOOD], "outputs": [{"name": "x"}]},
            "unknown output 'x'; the model gives: label INT64 [-1], p FP32 [-1, 2]",
        ),
        ({"inputs": [GOOD], "outputs": [{"name": "p"}, {"name": "p"}]}, "output 'p' is asked for twice"),
        ({"inputs": [{**GOOD, "parameters": {"binary_data_size": 32}}]}, "input 'image' has both 'data' and 'binary_data_size'; send one of them"),
        ({"inputs": [{**GOOD, "parameters": 1}]}, "input 'image': 'parameters' must be a JSON object, got a number"),
        (
            {"inputs": [GOOD], "outputs": [{"name": "p", "parameters": {"binary_data": 1}}]},
            "output 'p': 'binary_data' must be true or false, got 1",
        ),
        ({"inputs": [GOOD], "parameters": {"binary_data_output": "yes"}}, "the body: 'binary_data_output' must be true or false, got 'yes'"),
    ],
)
def test_requests_that_do_not_fit_the_model(request_body: object, message: str) -> None:
    assert _refusal(request_body) == message


def test_outputs_come_in_the_order_asked_for() -> None:
    arrays = {"label": np.array([3], np.int64), "p": np.array([[0.25, 0.75]], np.float32)}
    for asked, expected in (([{"name": "p"}, {"name": "label"}], ["p", "label"]), ([], ["label", "p"])):
        request = _decode({"inputs": [GOOD], "outputs": asked})
        answer = json.loads(encode(request, arrays, {"a": 1}, model_name="m", model_version="1"))
        assert [output["name"] for output in answer["outputs"]] == expected
    assert answer == {
        "model_name": "m",
        "model_version": "1",
        "parameters": {"a": 1},
        "outputs": [
            {"name": "label", "shape": [1], "datatype": "INT64", "data": [3]},
            {"name": "p", "shape": [1, 2], "datatype": "FP32", "data": [0.25, 0.75]},
        ],
    }


def test_text_that_looks_like_json_and_lists_in_odd_places_change_nothing() -> None:
    for extra in ({"id": "[[["}, {"id": "a", "outputs": [{"name": "p"}]}, {"parameters": {"a": [1, [2]]}}):
        assert _decode({"inputs": [GOOD], **extra}).inputs["image"].tolist() == [[1, 2, 3, 4], [5.5, 6, 7, 8]]


@pytest.mark.parametrize("data", [[1, [2, 3], []], [[1], 2, 3], [1, [], 2, 3], [[[1, 2, 3]]], [[1, 2], [3]]])
def test_lists_that_only_add_up_to_the_right_count_are_refused(data: object) -> None:
    entry = {"name": "x", "shape": [3], "datatype": "FP32", "data": data}
    assert _refusal({"inputs": [entry]}, Signature((Tensor("x", "FP32", (-1,)),), ())).startswith("input 'x': ")


RAW = np.arange(8, dtype="<f4").reshape(2, 4)


def _raw_body(size: object = 32, data: bytes = RAW.tobytes(), **more: object) -> tuple[bytes, int]:
    entry = {"name": "image", "shape": [2, 4], "datatype": "FP32", "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [entry], **more}).encode()
    return head + data, len(head)


def test_raw_tensors_follow_the_json() -> None:
    body, header_length = _raw_body()
    inputs = decode(body, IMAGE, header_length).inputs
    assert inputs["image"].tolist() == RAW.tolist()
    inputs["image"][0, 0] = 5  # the developer's code may write into it


@pytest.mark.parametrize(
    ("size", "data", "message"),
    [
        (32, RAW.tobytes()[:-1], "inputs[0]: 'binary_data_size' is 32, but only 31 bytes follow"),
        (32, RAW.tobytes() + b"x", "33 bytes follow the JSON, but the inputs take 32"),
        (28, RAW.tobytes(), "input 'image': shape [2, 4] of FP32 needs 32 bytes, got 28"),
        (-1, RAW.tobytes(), "input 'image': 'binary_data_size' must be an integer from 0, got -1"),
        (10**30, RAW.tobytes(), f"input 'image': 'binary_data_size' is {10**30}, but only 32 bytes follow"),
        (True, RAW.tobytes(), "input 'image': 'binary_data_size' must be an integer from 0, got True"),
        ("32", RAW.tobytes(), "input 'image': 'binary_data_size' must be an integer from 0, got '32'"),
    ],
)
def test_raw_tensors_that_do_not_fit(size: object, data: bytes, message: str) -> None:
    body, header_length = _raw_body(size, data)
    with pytest.raises(InvalidRequestError) as caught:
        decode(body, IMAGE, header_length)
    assert str(caught.value).removeprefix("inputs[0]: ").removeprefix("input 'image': ") == message.removeprefix("inputs[0]: ").removeprefix("input 'image': ")


def test_a_header_longer_than_the_body() -> None:
    with pytest.raises(InvalidRequestError, match="is 3, but the body has 2 bytes"):
        decode(b"{}", IMAGE, 3)


@pytest.mark.parametrize("datatype", NUMPY_TYPES)
def test_every_datatype_as_raw_bytes_there_and_back(datatype: str) -> None:
    tensor = Tensor("x", datatype, (-1, 2))
    values = np.array([["", "grün"]], np.object_) if datatype == "BYTES" else np.array([[0, 1]]).astype(NUMPY_TYPES[datatype])
    raw = to_raw(values)
    back = from_raw(tensor, [1, 2], raw)
    assert (back.dtype, back.tolist()) == (values.dtype, values.tolist())


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\x05\0\0\0abc", "input 'x': element 0 of the BYTES data is longer than what was sent"),
        (b"\x01\0", "input 'x': element 0 of the BYTES data is longer than what was sent"),
        (b"\x01\0\0\0\xff", "input 'x': BYTES must hold UTF-8 text (byte 0 is not)"),
        (b"\x01\0\0\0a" * 3, "input 'x': shape [1] needs 1 values, got 3"),
    ],
)
def test_raw_text_that_does_not_fit(raw: bytes, message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        from_raw(Tensor("x", "BYTES", (-1,)), [1], raw)
    assert str(caught.value) == message


def test_outputs_as_raw_bytes_where_that_is_asked_for() -> None:
    arrays = {"label": np.array([3], np.int64), "p": np.array([[0.25, np.nan]], np.float32)}
    for request, raw in (
        ({"outputs": [{"name": "label"}, {"name": "p", "parameters": {"binary_data": True}}]}, {"p": 8}),
        ({"parameters": {"binary_data_output": True}}, {"label": 8, "p": 8}),
        ({"parameters": {"binary_data_output": True}, "outputs": [{"name": "p"}, {"name": "label", "parameters": {"binary_data": False}}]}, {"p": 8}),
    ):
        answer = encode_answer(_decode({"inputs": [GOOD], **request}), arrays, {}, model_name="m", model_version="1")
        assert answer.header_length is not None
        head = json.loads(answer.body[: answer.header_length])
        assert {output["name"]: output["parameters"]["binary_data_size"] for output in head["outputs"] if "parameters" in output} == raw
        assert np.frombuffer(answer.body[-8:], "<f4").tolist()[0] == 0.25 or "label" in raw


def test_nan_and_infinity_are_refused_in_json() -> None:
    arrays = {"label": np.array([3], np.int64), "p": np.array([[0.25, np.inf]], np.float32)}
    with pytest.raises(InvalidRequestError, match="output 'p' holds NaN or infinity for these inputs, which JSON cannot carry; ask for it as binary data"):
        encode(_decode({"inputs": [GOOD]}), arrays, {}, model_name="m", model_version="1")
    assert _decode({"inputs": [GOOD], "id": "null"}).id == "null"
    finite = encode(_decode({"inputs": [GOOD], "id": "null"}), {**arrays, "p": np.ones((1, 2), np.float32)}, {}, model_name="m", model_version="1")
    assert json.loads(finite)["id"] == "null"


def test_binary_data_false_is_what_we_do_anyway() -> None:
    asked = [{"name": "p", "parameters": {"binary_data": False}}]
    assert _decode({"inputs": [GOOD], "outputs": asked}).outputs == ("p",)


def test_a_name_that_holds_nul_is_no_other_name() -> None:
    entry = {"name": "image", "datatype": "FP32", "shape": [1, 2], "data": [0, 1]}
    request = {"parameters": {"x": {"id\0": 1, "id": [2]}}, "id": "text", "inputs": [{**entry, "parameters": {"a\0b": {}}}]}
    assert _decode(request, Signature((Tensor("image", "FP32", (-1, 2)),), ())).id == "text"
    assert "unknown field" in _refusal({"id\0": [1], "id": "text", "inputs": [entry]})
