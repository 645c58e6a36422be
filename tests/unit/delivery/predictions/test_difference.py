"""What counts as a changed prediction and as a flipped label."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.predictions.difference import EXACT, Asked, Output, compared, wider
from delivery.predictions.result import MOST_EXAMPLES, Predictions
from model_store.golden import GoldenTensor, Tolerance
from tests.unit.delivery.predictions.models import answer, rows

LOOSE = Tolerance(rtol=0.1, atol=0.01)


def one(before: object, after: object, *, tolerance: Tolerance = LOOSE, count: int = 1, batched: bool = True) -> Predictions:
    request = rows(*([float(number), 0.0] for number in range(count)))
    return compared([Asked(request, before, after)], tolerance, batched=batched)  # pyright: ignore[reportArgumentType] - passed on as they are


def counts(found: Predictions) -> tuple[int, int, int]:
    return found.total, found.changed, found.flipped


def test_rows_are_predictions_and_a_flip_is_a_change():
    found = one(answer([1, 2, 3], [0.1, 0.2, 0.3]), answer([1, 9, 3], [0.1, 0.2, 0.9]), count=3)
    assert counts(found) == (3, 2, 1)
    assert found.title == "2 of 3 predictions change, 1 label flips"
    assert list(found.example_lines()) == ["x [1, 0]: label 2 -> 9", "x [2, 0]: score 0.3 -> 0.9"]


@pytest.mark.parametrize(("after", "changes"), [(1.0, False), (1.1, False), (1.109, False), (1.12, True), (0.88, True), (math.nan, True), (math.inf, True)])
def test_the_tolerance_is_that_of_golden_requests(after: float, changes: bool):
    assert one(answer([1], [1.0]), answer([1], [after])).changed == changes


@pytest.mark.parametrize(("value", "other"), [(math.nan, math.nan), (math.inf, math.inf)])
def test_what_is_no_number_is_equal_to_itself(value: float, other: float):
    assert counts(one(answer([1], [value]), answer([1], [other]))) == (1, 0, 0)


@pytest.mark.parametrize(("before", "after", "datatype"), [(1, 2, "INT64"), ("a", "b", "BYTES"), (True, False, "BOOL")])
def test_labels_of_every_kind_flip(before: object, after: object, datatype: str):
    assert counts(one(answer([before], [1.0], datatype), answer([after], [1.0], datatype))) == (1, 1, 1)


def test_of_several_values_the_one_is_shown_that_moves_furthest():
    found = one({"p": Output("FP32", [0.1, 0.2, 0.7])}, {"p": Output("FP32", [0.3, 0.1, 0.1])})
    assert list(found.example_lines()) == ["x [0, 0]: p[2] 0.7 -> 0.1"]


def test_an_output_of_another_size_changes():
    found = one({"p": Output("FP32", [0.1, 0.2])}, {"p": Output("FP32", [0.1, 0.2, 0.7])})
    assert list(found.example_lines()) == ["x [0, 0]: p [0.1, 0.2] -> [0.1, 0.2, 0.7]"]


def test_without_rows_a_request_is_one_prediction():
    assert counts(one(answer([1, 2], [1.0, 2.0]), answer([1, 9], [1.0, 9.0]), count=2, batched=False)) == (1, 1, 1)
    # An output that has no part for each row.
    assert counts(one({"mean": Output("FP32", [1.0])}, {"mean": Output("FP32", [5.0])}, count=2)) == (1, 1, 0)


def test_the_same_row_counts_once():
    asked = [Asked(rows([1.0, 0.0], [2.0, 0.0]), answer([1, 2], [0, 0]), answer([1, 3], [0, 0])), Asked(rows([2.0, 0.0]), answer([2], [0]), answer([3], [0]))]
    assert counts(compared(asked, LOOSE, batched=True)) == (2, 1, 1)


def test_answers_that_are_missing():
    asked = [
        Asked(rows([1.0]), "no *old*", "no new"),
        Asked(rows([2.0]), answer([1], [1.0]), "refused"),
        Asked(rows([3.0]), {"a": Output("FP32", [1.0]), "old": Output("FP32", [1.0])}, {"a": Output("FP32", [1.0]), "new": Output("FP32", [1.0])}),
    ]
    found = compared(asked, LOOSE, batched=True)
    assert counts(found) == (2, 1, 0)
    assert found.notes == (
        "1 requests have no answer on either side, such as: no new",
        "1 requests have an answer on one side only; counted as changed, the first has none on the new side",
        "only the old side has the output old",
        "only the new side has the output new",
    )
    assert list(found.example_lines()) == ["x 2: answer an answer -> error: refused"]


def test_examples_are_few_and_flips_come_first():
    count = 20
    found = one(answer([0] * count, [0.0] * count), answer([0] * (count - 2) + [1, 1], [1.0] * count), count=count)
    assert counts(found) == (20, 20, 2)
    assert len(found.examples) == MOST_EXAMPLES
    assert [any(output.flips for output in example.outputs) for example in found.examples] == [True, True, False, False, False]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(width=32)), min_size=1, max_size=30))
def test_nothing_changes_between_equal_answers(values: list[tuple[int, float]]):
    same = answer([label for label, _ in values], [score for _, score in values])
    assert counts(one(same, same, tolerance=EXACT, count=len(values))) == (len(values), 0, 0)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.booleans()), min_size=1, max_size=20))
def test_counts_are_what_a_count_says(values: list[tuple[int, int, bool]]):
    before = answer([old for old, _, _ in values], [0.0] * len(values))
    after = answer([new for _, new, _ in values], [5.0 if moves else 0.0 for _, _, moves in values])
    found = one(before, after, count=len(values))
    assert found.flipped == sum(old != new for old, new, _ in values)
    assert found.changed == sum(old != new or moves for old, new, moves in values)


def test_nested_and_long_inputs_are_shortened():
    request = (GoldenTensor(name="x", datatype="FP32", shape=(1, 2, 20), data=[[list(range(20)), list(range(20))]]),)
    found = compared([Asked(request, answer([1], [1.0]), answer([2], [1.0]))], LOOSE, batched=True)
    assert found.examples[0].input == "x [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, ..."


@pytest.mark.parametrize(
    ("total", "changed", "flipped", "title"),
    [
        (500, 17, 3, "17 of 500 predictions change, 3 labels flip"),
        (500, 1, 0, "1 of 500 predictions changes, no label flips"),
        (1, 1, 1, "1 of 1 prediction changes, 1 label flips"),
        (500, 0, 0, "0 of 500 predictions change"),
    ],
)
def test_titles(total: int, changed: int, flipped: int, title: str):
    assert Predictions(total=total, changed=changed, flipped=flipped, rtol=0, atol=0).title == title


def test_a_tolerance_that_covers_both():
    assert wider(Tolerance(rtol=0.1, atol=0.0), Tolerance(rtol=0.0, atol=0.2)) == Tolerance(rtol=0.1, atol=0.2)
    assert wider() == EXACT
