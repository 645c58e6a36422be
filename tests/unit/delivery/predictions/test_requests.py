"""Inputs from golden requests and files."""

import json
from pathlib import Path
from typing import Any

import pytest

from delivery.errors import DeliveryError
from delivery.predictions.requests import Samples, fits, is_batched, read_samples, requests_of
from model_store import Tensor
from model_store.golden import Golden
from tests.unit.delivery.predictions.models import rows

X = Tensor(name="x", datatype="FP32", shape=(-1, 2))
TENSOR = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}


def written(folder: Path, content: Any) -> Path:
    path = folder / "samples.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_requests_lists_of_inputs_and_rows(tmp_path: Path):
    samples = read_samples(written(tmp_path, [{"inputs": [TENSOR], "id": "7"}, [TENSOR], [1, 2], [[3], [4]]]))
    assert [request[0].data for request in samples.requests] == [[1, 2], [1, 2]]
    assert samples.rows == ([1, 2], [[3], [4]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "the samples {path} are not JSON: "),
        ([], "the samples {path} must be a list of requests "),
        ({"inputs": []}, "the samples {path} must be a list of requests "),
        ([3], "{path}: sample 0 is neither a request nor a row; it must be a list of requests "),
        ([[1], {"x": 1}], "{path}: sample 1 is neither a request nor a row; it must be "),
        ([[{**TENSOR, "shape": "x"}]], "{path}: sample 0: shape: "),
        ([[{"name": "x"}]], "{path}: sample 0: datatype: field required; a request's inputs have name, datatype, shape and data"),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: Any, message: str):
    path = written(tmp_path, content)
    with pytest.raises(DeliveryError) as raised:
        read_samples(path)
    assert str(raised.value).startswith(message.format(path=path))


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(DeliveryError, match=r"no.json cannot be read: No such file or directory$"):
        read_samples(tmp_path / "no.json")


def test_rows_become_batches_and_every_request_is_asked_once():
    golden = Golden.model_validate_json(
        json.dumps({"tolerance": {"rtol": 0, "atol": 0}, "cases": [{"inputs": [TENSOR], "outputs": [{**TENSOR, "name": "y"}]}] * 2})
    )
    samples = Samples(requests=(rows([1.0, 2.0]), rows([5.0, 6.0])), rows=tuple([float(number), 0.0] for number in range(230)), where="s.json")
    found = requests_of([golden, golden], samples, [X])
    assert [request[0].shape for request in found] == [(1, 2), (1, 2), (1, 2), (100, 2), (100, 2), (30, 2)]
    assert found[3][0].data[:4] == [0.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("inputs", "row", "message"),
    [
        ([X], [1.0], "s.json: row 0 has 1 values, and the model's input x FP32 [-1, 2] takes 2"),
        (
            [X, Tensor(name="y", datatype="FP32", shape=(-1, 1))],
            [1.0, 2.0],
            "s.json has rows, and the model takes x FP32 [-1, 2], y FP32 [-1, 1]; rows need one input of shape [-1, n], so give requests instead",
        ),
        (
            [Tensor(name="x", datatype="FP32", shape=(1, 2))],
            [1.0, 2.0],
            "s.json has rows, and the model takes x FP32 [1, 2]; rows need one input of shape [-1, n], so give requests instead",
        ),
    ],
)
def test_rows_that_the_model_has_no_place_for(inputs: list[Tensor], row: list[float], message: str):
    with pytest.raises(DeliveryError) as raised:
        requests_of([], Samples(rows=(row,), where="s.json"), inputs)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("inputs", "fitting"),
    [
        ([X], True),
        ([Tensor(name="x", datatype="FP32", shape=(1, 2))], True),
        ([Tensor(name="x", datatype="FP32", shape=(-1, 3))], False),
        ([Tensor(name="x", datatype="FP64", shape=(-1, 2))], False),
        ([Tensor(name="y", datatype="FP32", shape=(-1, 2))], False),
        ([Tensor(name="x", datatype="FP32", shape=(2,))], False),
        ([X, Tensor(name="y", datatype="FP32", shape=(-1, 2))], False),
    ],
)
def test_which_requests_a_model_takes(inputs: list[Tensor], fitting: bool):
    assert fits(rows([1.0, 2.0]), inputs) is fitting


def test_rows_are_predictions_only_where_there_may_be_any_number():
    assert is_batched([X])
    assert not is_batched([X, Tensor(name="y", datatype="FP32", shape=(1,))])
    assert not is_batched([Tensor(name="x", datatype="FP32", shape=())])
