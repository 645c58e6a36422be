"""A request whose text is known but for its numbers is read a shorter way; nobody can tell which way it was."""

import json
from typing import Any

import numpy as np
import pytest
from app.protocol import InvalidRequestError, decode
from app.signature import Signature, Tensor

hypothesis = pytest.importorskip("hypothesis", reason="only on the laptop: the image's test stage does without it")
st = pytest.importorskip("hypothesis.strategies")


def signature(datatype: str = "FP32") -> Signature:
    return Signature((Tensor("x", datatype, (-1, 2)),), (Tensor("y", "FP32", (-1,)), Tensor("z", "FP32", (-1,))))


def body(data: Any, rows: int = 1, datatype: str = "FP32", **more: Any) -> bytes:
    tensor = {"name": "x", "shape": [rows, 2], "datatype": datatype, "data": data}
    return json.dumps({**more, "inputs": [tensor]}, separators=(",", ":")).encode()


def outcome(text: bytes, known: Signature) -> Any:
    """What the request says, or what is wrong with it."""
    try:
        request = decode(text, known)
    except InvalidRequestError as error:
        return str(error)
    inputs = {name: (array.dtype, array.shape, array.tolist()) for name, array in request.inputs.items()}
    return inputs, request.id, request.outputs, request.binary


def test_the_second_request_of_a_kind_is_read_by_its_frame():
    known = signature()
    decode(body([1, 2]), known)
    assert list(known.frames) == [body([1, 2])[: body([1, 2]).rfind(b"[")]]
    first, second = decode(body([3, 4.5]), known), decode(body([5, 6]), known)
    assert len(known.frames) == 1
    assert first.inputs["x"].tolist() == [[3.0, 4.5]]
    assert second.inputs["x"].tolist() == [[5.0, 6.0]]
    # Each has a dictionary of its own: preprocess may change it.
    assert first.inputs is not second.inputs


def test_what_else_the_request_says_comes_with_the_frame():
    known = signature()
    more = {"id": "a", "outputs": [{"name": "z"}], "parameters": {"binary_data_output": True}}
    for data in ([1, 2], [3, 4]):
        request = decode(body(data, **more), known)
        assert (request.id, request.outputs, request.binary) == ("a", ("z",), frozenset({"z"}))
    assert len(known.frames) == 1


@pytest.mark.parametrize(
    "text",
    [
        body([[1, 2]]),
        body([1, 2])[:-1] + b',"outputs":[{"name":"y"}]}',
        b'{"inputs":[{"data":[1,2],"name":"x","datatype":"FP32","shape":[1,2]}]}',
        body([1, 2]).replace(b"[1,2]}", b'[1,2],"parameters":{"data":[3]}}'),
        body([1, 2], id="a\\b"),
        body([1, 2], id="a" * 2000),
        body([1, 2])[:-1] + b',"id":"' + b"a" * 2000 + b'"}',
    ],
    ids=["nested", "a list comes later", "another list comes last", "a list in parameters", "a backslash", "long before", "long after"],
)
def test_other_requests_are_read_and_have_no_frame(text: bytes):
    known = signature()
    for _ in range(2):
        assert decode(text, known).inputs["x"].tolist() == [[1.0, 2.0]]
    assert known.frames == {}


def test_frames_do_not_pile_up():
    known = signature()
    for number in range(200):
        decode(body([1, 2], id=str(number)), known)
    assert 0 < len(known.frames) <= 64


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("FP32", "[1,1e39]"),
        ("FP32", "[1,1e999]"),
        ("FP32", "[1,NaN]"),
        ("FP32", "[1,true]"),
        ("FP32", "[1,null]"),
        ("FP32", '[1,"2"]'),
        ("FP32", '[1,"]"]'),
        ("FP32", "[1,{}]"),
        ("FP32", "[1,2,3]"),
        ("FP32", "[1]"),
        ("FP32", "[]"),
        ("FP32", "[1,2,]"),
        ("FP32", "[01,2]"),
        ("FP32", "[1 2]"),
        ("FP32", "[1,[2]]"),
        ("FP32", "[1,2]]"),
        ("FP32", "[1,2],2]"),
        ("FP32", '[1,2],"data":[3,4]'),
        ("INT8", "[1,128]"),
        ("INT8", "[1,2.0]"),
        ("UINT64", "[1,-1]"),
        ("UINT64", "[1,18446744073709551616]"),
        ("FP16", "[1,70000]"),
        ("FP16", "[70000]"),
    ],
)
def test_what_is_wrong_is_told_in_the_same_words(datatype: str, data: str):
    known = signature(datatype)
    decode(body([1, 2], datatype=datatype), known)
    assert known.frames
    text = body([1, 2], datatype=datatype).replace(b"[1,2]}", data.encode() + b"}")
    told = outcome(text, known)
    assert told == outcome(text, signature(datatype))
    assert isinstance(told, str)


@hypothesis.given(st.data())
def test_whatever_changes_in_a_known_request_changes_the_same(data: Any):
    datatype = data.draw(st.sampled_from(["FP16", "FP32", "FP64", "INT8", "INT64", "UINT64"]))
    known = signature(datatype)
    text = bytearray(body([1, 2, 3, 4], rows=2, datatype=datatype, **data.draw(st.sampled_from([{}, {"id": "a"}, {"outputs": [{"name": "y"}]}]))))
    decode(bytes(text), known)
    assert known.frames
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        piece = data.draw(st.sampled_from([b"", b"[", b"]", b",", b'"', b"{", b"}", b"\\", b"-", b"e9", b"0", b"1.5", b" ", b"null", b'"data":[', b"\xff"]))
        text[at : at + data.draw(st.integers(0, 2))] = piece
    assert outcome(bytes(text), known) == outcome(bytes(text), signature(datatype))


@hypothesis.given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=40).filter(lambda values: len(values) % 2 == 0))
def test_numbers_arrive_as_they_were_sent(values: list[float]):
    known = signature()
    rows = len(values) // 2
    decode(body([0.0] * len(values), rows=rows), known)
    array = decode(body(values, rows=rows), known).inputs["x"]
    assert np.array_equal(array, np.array(values, dtype=np.float32).reshape(rows, 2))
