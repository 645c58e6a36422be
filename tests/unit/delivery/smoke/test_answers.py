"""When an answer is the one that a golden request demands."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from delivery.smoke.answers import wrong_in
from model_store.golden import GoldenCase, Tolerance

EXACT = Tolerance(rtol=0.0, atol=0.0)


def case(*outputs: dict[str, Any]) -> GoldenCase:
    return GoldenCase.model_validate({"inputs": [tensor([1.0])], "outputs": outputs})


def tensor(data: list[Any], datatype: str = "FP32", name: str = "x", shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


@pytest.mark.parametrize(
    ("given", "wanted", "text"),
    [
        (tensor([1, 2], "INT64"), tensor([1, 3], "INT64"), "output x[1] is 2, expected 3"),
        (tensor([1.0, 2], "INT64"), tensor([1, 2], "INT64"), "output x[0] is 1.0, expected 1"),
        (tensor([True], "BOOL"), tensor([False], "BOOL"), "output x[0] is True, expected False"),
        (tensor([1], "BOOL"), tensor([True], "BOOL"), "output x[0] is 1, expected True"),
        (tensor(["a"], "BYTES"), tensor(["b"], "BYTES"), "output x[0] is a, expected b"),
        (tensor(["1"]), tensor([1.0]), "output x[0] is 1, expected 1.0"),
        (tensor([None]), tensor([1.0]), "output x[0] is None, expected 1.0"),
        (tensor([True]), tensor([1.0]), "output x[0] is True, expected 1.0"),
        (tensor([1.0]), tensor([1.5]), "output x[0] is 1.0, expected 1.5"),
        (tensor([1.0], shape=[1, 1]), tensor([1.0]), "output x is FP32 [1, 1], expected FP32 [1]"),
        (tensor([1.0], "FP64"), tensor([1.0]), "output x is FP64 [1], expected FP32 [1]"),
        (tensor([1.0], shape=[2]), tensor([1.0, 2.0]), "output x has 1 values, expected 2"),
        (tensor([1.0], name="y"), tensor([1.0]), "output x is missing"),
        (tensor(["b" * 99], "BYTES"), tensor(["a"], "BYTES"), f"output x[0] is {'b' * 57}..., expected a"),
    ],
)
def test_the_first_thing_that_is_wrong(given: dict[str, Any], wanted: dict[str, Any], text: str):
    assert wrong_in({"outputs": [given]}, case(wanted), EXACT) == text


@pytest.mark.parametrize("answer", [None, [], {}, {"outputs": None}, {"outputs": 5}, "text"])
def test_an_answer_that_is_none(answer: Any):
    assert wrong_in(answer, case(tensor([1.0])), EXACT) == "the answer has no outputs"


def test_every_output_that_is_demanded_is_compared_and_no_other():
    wanted = case(tensor([1.0]), tensor([2], "INT64", "label"))
    right = [tensor([2], "INT64", "label"), tensor([1.0]), tensor(["anything"], "BYTES", "more"), "no output"]
    assert wrong_in({"outputs": right}, wanted, EXACT) == ""
    assert wrong_in({"outputs": [tensor([3], "INT64", "label"), tensor([1.0])]}, wanted, EXACT) == "output label[0] is 3, expected 2"


def test_nested_and_flat_values_are_the_same():
    nested = tensor([[1.0, 2.0], [3.0, 4.0]], shape=[2, 2])
    flat = tensor([1.0, 2.0, 3.0, 4.0], shape=[2, 2])
    assert wrong_in({"outputs": [flat]}, case(nested), EXACT) == wrong_in({"outputs": [nested]}, case(flat), EXACT) == ""


@example(value=1.5, expected=0.0, rtol=0.0, atol=1.0)
@example(value=-1.0, expected=0.0, rtol=0.0, atol=1.0)
@example(value=-3.5, expected=-2.0, rtol=0.5, atol=0.0)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1), st.floats(0, 1))
def test_the_tolerance_is_that_of_the_golden_requests(value: float, expected: float, rtol: float, atol: float):
    wrong = wrong_in({"outputs": [tensor([value])]}, case(tensor([expected])), Tolerance(rtol=rtol, atol=atol))
    assert (wrong == "") is (abs(value - expected) <= atol + rtol * abs(expected))
