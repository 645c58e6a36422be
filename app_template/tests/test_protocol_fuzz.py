"""Whatever is sent: it is either read or refused with a sentence, nothing else ever happens."""

import json
from typing import Any

import pytest
from app.protocol import InvalidRequestError, decode
from app.signature import Signature, Tensor

hypothesis = pytest.importorskip("hypothesis", reason="only on the laptop: the image's test stage does without it")
st = pytest.importorskip("hypothesis.strategies")

SIGNATURE = Signature((Tensor("x", "FP32", (-1, 2)), Tensor("n", "INT8", (-1,))), (Tensor("y", "FP32", (-1,)),))

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
_tensor = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["x", "n", "z"]) | _json,
        "shape": st.lists(st.integers(-2, 3), max_size=3) | _json,
        "datatype": st.sampled_from(["FP32", "INT8", "BOOL"]) | _json,
        "data": st.lists(st.integers() | st.floats(), max_size=6) | _json,
    },
    optional={"parameters": _json},
)
_requests = st.fixed_dictionaries({"inputs": st.lists(_tensor, max_size=3) | _json}, optional={"id": _json, "outputs": _json, "parameters": _json})


def _read_or_refuse(body: bytes) -> None:
    try:
        inputs = set(decode(body, SIGNATURE).inputs)
    except InvalidRequestError as error:
        refusal = str(error)
    else:
        assert inputs == {"x", "n"}
        return
    assert refusal
    assert refusal.isprintable()


@hypothesis.given(st.binary(max_size=40))
def test_any_bytes(body: bytes) -> None:
    _read_or_refuse(body)


@hypothesis.given(_json | _requests)
def test_any_json(value: Any) -> None:
    _read_or_refuse(json.dumps(value).encode())


@hypothesis.given(st.integers(1, 4), st.data())
def test_every_request_that_fits_is_read(rows: int, data: Any) -> None:
    values = data.draw(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=rows * 2, max_size=rows * 2))
    numbers = data.draw(st.lists(st.integers(-128, 127), min_size=rows, max_size=rows))
    body = {
        "inputs": [
            {"name": "n", "shape": [rows], "datatype": "INT8", "data": numbers},
            {"name": "x", "shape": [rows, 2], "datatype": "FP32", "data": values},
        ]
    }
    request = decode(json.dumps(body).encode(), SIGNATURE)
    assert request.inputs["x"].ravel().tolist() == values
    assert request.inputs["n"].tolist() == numbers
