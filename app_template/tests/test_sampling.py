import json
import logging
from typing import Any

import numpy as np
import pytest
from app.sampling import Sampler
from app.settings import Settings
from app.tensors import InferRequest, Parameters, Tensors

SECRET = "Ms Example, Example Street 1"


def written(
    caplog: pytest.LogCaptureFixture, sampler: Sampler, request: InferRequest, outputs: Tensors, parameters: Parameters | None = None, trace: str = ""
) -> dict[str, Any]:
    """The one line, as JSON carries it."""
    caplog.clear()
    caplog.set_level(logging.INFO)
    sampler.write("digits", "7", request, outputs, parameters or {}, trace)
    (record,) = caplog.records
    assert record.message == "sample"
    return json.loads(json.dumps(record.__dict__["fields"], allow_nan=False))


def request_of(**inputs: object) -> InferRequest:
    return InferRequest({name: array if isinstance(array, np.ndarray) else np.array(array) for name, array in inputs.items()}, id=SECRET)


def test_it_is_off_unless_a_share_is_asked_for() -> None:
    assert Sampler.from_settings(Settings.from_environment({})) is None
    assert Sampler.from_settings(Settings.from_environment({"SAMPLE_RATE": "0", "SAMPLE_TENSORS": "label"})) is None
    assert Sampler.from_settings(Settings.from_environment({"SAMPLE_RATE": "0.1"})) is not None


@pytest.mark.parametrize("rate", [0.01, 0.5, 1.0])
def test_the_share_is_the_one_asked_for(rate: float) -> None:
    sampler = Sampler(rate, ())
    taken = sum(sampler.wants() for _ in range(20_000)) / 20_000
    assert taken == pytest.approx(rate, abs=0.02)


def test_values_are_those_of_named_tensors_only(caplog: pytest.LogCaptureFixture) -> None:
    request = request_of(name=np.array([[SECRET]], dtype=object), image=np.ones((1, 2), np.float32))
    outputs = {"label": np.array([3]), "probabilities": np.array([[0.1, 0.9]], np.float32)}
    line = written(caplog, Sampler(1, ("label", "image")), request, outputs, {"reason": SECRET}, "a" * 32)
    assert line == {
        "model": "digits",
        "version": "7",
        "trace_id": "a" * 32,
        "inputs": [{"name": "name", "datatype": "BYTES", "shape": [1, 1]}, {"name": "image", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 1.0]}],
        "outputs": [{"name": "label", "datatype": "INT64", "shape": [1], "data": [3]}, {"name": "probabilities", "datatype": "FP32", "shape": [1, 2]}],
        "parameters": {"reason": None},
    }
    assert "Example" not in json.dumps(line)
    named = written(caplog, Sampler(1, ("name", "reason")), request, outputs, {"reason": "x"})
    assert named["inputs"][0]["data"] == [SECRET]
    assert named["parameters"] == {"reason": "x"}
    assert "id" not in named
    assert "trace_id" not in named


@pytest.mark.parametrize(
    ("array", "datatype", "data"),
    [
        (np.array([True, False]), "BOOL", [True, False]),
        (np.array([2**64 - 1], np.uint64), "UINT64", [2**64 - 1]),
        (np.array([-(2**63)], np.int64), "INT64", [-(2**63)]),
        (np.array([-128], np.int8), "INT8", [-128]),
        (np.array([0.1, 1e-5], np.float32), "FP32", [0.1, 1e-5]),
        (np.array([0.5], np.float16), "FP16", [0.5]),
        (np.array([0.1, np.nan, np.inf], np.float64), "FP64", [0.1, None, None]),
        (np.array(["a", "\ud800é"], dtype=object), "BYTES", ["a", "\ud800é"]),
        (np.array(7), "INT64", [7]),
        (np.zeros((0, 3)), "FP64", []),
        (np.arange(6).reshape(2, 3)[:, ::-1], "INT64", [2, 1, 0, 5, 4, 3]),
        (np.arange(8).reshape(2, 2, 2), "INT64", list(range(8))),
    ],
)
def test_every_datatype_is_written_as_json_has_it(caplog: pytest.LogCaptureFixture, array: np.ndarray, datatype: str, data: list[object]) -> None:
    line = written(caplog, Sampler(1, ("x",)), request_of(x=array), {})
    assert line["inputs"] == [{"name": "x", "datatype": datatype, "shape": list(array.shape), "data": data}]


@pytest.mark.parametrize(
    "array",
    [
        np.ones((100_000, 8), np.float32),
        np.full((50, 1), "x" * 1000, dtype=object),
        np.ones((3, 3, 224, 224), np.uint8),
        np.full((1, 1), "x" * 10**6, dtype=object),
    ],
)
def test_a_line_stays_short_and_says_how_many_rows_it_leaves_out(caplog: pytest.LogCaptureFixture, array: np.ndarray) -> None:
    (tensor,) = written(caplog, Sampler(1, ("x",)), request_of(x=array), {})["inputs"]
    assert len(json.dumps(tensor)) < 5000
    per_row = array.size // len(array)
    assert len(tensor["data"]) % per_row == 0
    assert tensor["rows_left_out"] == len(array) - len(tensor["data"]) // per_row


def test_a_sample_that_cannot_be_written_harms_no_answer_and_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Strange:
        def __str__(self) -> str:
            raise ValueError(SECRET)

    Sampler(1, ("x",)).write("digits", "7", request_of(x=np.array([Strange()], dtype=object)), {}, {}, "")
    (record,) = caplog.records
    assert record.getMessage() == "a sample could not be written: ValueError"
    assert record.exc_info is None


def test_any_tensors_are_one_short_line(caplog: pytest.LogCaptureFixture) -> None:
    hypothesis = pytest.importorskip("hypothesis")
    strategies = pytest.importorskip("hypothesis.strategies")
    numbers = strategies.lists(strategies.floats(width=32), min_size=1, max_size=300)

    @hypothesis.given(numbers, strategies.lists(strategies.text(strategies.characters(exclude_categories=[])), min_size=1))
    @hypothesis.settings(max_examples=50, deadline=None)
    def check(values: list[float], texts: list[str]) -> None:
        request = request_of(x=np.array(values, np.float32), text=np.array(texts, dtype=object))
        line = written(caplog, Sampler(1, ("x", "text")), request, {})
        given = [None if value is None else np.float32(value) for value in line["inputs"][0]["data"]]
        assert given == [np.float32(value) if np.isfinite(value) else None for value in values][: len(given)]
        assert line["inputs"][1]["data"] == texts[: len(line["inputs"][1]["data"])]
        assert len(json.dumps(line)) < 10_000

    check()
