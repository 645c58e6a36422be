import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store import ModelStoreError, Tensor, golden
from tests.unit.model_store.samples import GOLDEN

_X = Tensor(name="x", datatype="FP32", shape=(-1, 2))
_LABEL = Tensor(name="label", datatype="INT64", shape=(-1,))
_MORE = Tensor(name="more", datatype="BYTES", shape=(1,))


def tensor(**changes: Any) -> dict[str, Any]:
    return {**GOLDEN["cases"][0]["inputs"][0], **changes}


def check(inputs: list[Any] | None = None, outputs: list[Any] | None = None, declared: tuple[Tensor, ...] = (_X,)) -> golden.Golden:
    case = GOLDEN["cases"][0]
    content = {**GOLDEN, "cases": [case, {"inputs": case["inputs"] if inputs is None else inputs, "outputs": case["outputs"] if outputs is None else outputs}]}
    return golden.check(json.dumps(content).encode(), declared, (_LABEL, _MORE), "golden.json")


def problem(**sides: Any) -> str:
    with pytest.raises(ModelStoreError) as error:
        check(**sides)
    return str(error.value)


def test_cases_that_fit_may_leave_out_an_output():
    assert len(check().cases) == 2


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]], [-3.4e38, 0, 0.1, 1e-9]])
def test_data_flat_or_nested(data: list[Any]):
    check(inputs=[tensor(shape=[2, 2], data=data)])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (tensor(name="y"), "'y' is not declared in model.json, which has x FP32 [-1, 2]"),
        (tensor(datatype="FP64"), "'x' is FP64 [1, 2], but model.json declares FP32 [-1, 2]"),
        (tensor(shape=[1, 3]), "'x' is FP32 [1, 3], but model.json declares FP32 [-1, 2]"),
        (tensor(shape=[2]), "'x' is FP32 [2], but model.json declares FP32 [-1, 2]"),
        (tensor(data=[1]), "'x': data does not have the 2 values of shape [1, 2]"),
        (tensor(data=[]), "'x': data does not have the 2 values of shape [1, 2]"),
        (tensor(data=[[1], [2]]), "'x': data does not have the 2 values of shape [1, 2]"),
        (tensor(data=[[1, 2], 3]), "'x': data does not have the 2 values of shape [1, 2]"),
        (tensor(data=[1, True]), "'x': value 1 is True, which is no FP32"),
        (tensor(data=["a", 1]), "'x': value 0 is 'a', which is no FP32"),
        (tensor(data=[1, None]), "'x': value 1 is None, which is no FP32"),
        (tensor(data=[1, 1e39]), "'x': value 1 is 1e+39, which is no FP32"),
    ],
)
def test_what_does_not_fit_is_named(wrong: dict[str, Any], message: str):
    assert problem(inputs=[wrong]) == f"golden.json: cases[1].inputs: {message}"


def test_an_input_that_is_missing_or_twice():
    assert (
        problem(inputs=[tensor()], declared=(_X, _MORE))
        == "golden.json: cases[0].inputs: 'more' is missing; model.json declares x FP32 [-1, 2], more BYTES [1]"
    )
    assert problem(inputs=[tensor(), tensor()]) == "golden.json: cases[1].inputs: 'x' stands twice"


def test_empty_sides_and_no_cases():
    assert problem(outputs=[]) == "golden.json: cases[1].outputs: must have at least one entry"
    with pytest.raises(ModelStoreError, match=r"^golden\.json: cases: must have at least one entry$"):
        golden.check(json.dumps({**GOLDEN, "cases": []}).encode(), (_X,), (_LABEL,), "golden.json")


def test_tolerance_is_from_zero():
    with pytest.raises(ModelStoreError, match=r"tolerance\.rtol: input should be greater than or equal to 0, got -1"):
        golden.check(json.dumps({**GOLDEN, "tolerance": {"rtol": -1, "atol": 0}}).encode(), (_X,), (_LABEL,), "golden.json")


_FITS = {
    "BOOL": st.booleans(),
    "BYTES": st.text(),
    "UINT8": st.integers(0, 2**8 - 1),
    "UINT64": st.integers(0, 2**64 - 1),
    "INT8": st.integers(-(2**7), 2**7 - 1),
    "INT64": st.integers(-(2**63), 2**63 - 1),
    "FP16": st.floats(width=16, allow_nan=False, allow_infinity=False),
    "FP32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "FP64": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**300), 10**300),
}


@given(st.sampled_from(sorted(_FITS)).flatmap(lambda datatype: st.tuples(st.just(datatype), _FITS[datatype])))
def test_every_value_of_a_datatype_is_one(example: tuple[Any, Any]):
    datatype, value = example
    assert golden._is_value(value, datatype)


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("BOOL", 1), ("BYTES", 1), ("UINT8", 256), ("UINT8", -1), ("UINT8", 1.0), ("INT8", 128), ("INT8", -129), ("INT64", 2**63), ("INT64", True),
        ("UINT64", 2**64), ("FP16", 65505), ("FP64", math.inf), ("FP64", math.nan), ("FP64", 10**400), ("FP32", []), ("FP32", "1"),
    ],
)  # fmt: skip
def test_what_is_no_value_of_a_datatype(datatype: Any, value: Any):
    assert not golden._is_value(value, datatype)
