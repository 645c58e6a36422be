"""Requests and answers of each form."""

import json

import numpy as np
import pytest

from benchmarks.serving.payloads import BINARY, MLFLOW, PROTOCOL, ROWS, AnswerError, Form, Prediction, protocol_answer, read

IMAGE = (np.arange(128).reshape(2, 64) / 8).astype(np.float32)
SAID = Prediction(np.array([3, 7]), (np.arange(20).reshape(2, 10) / 20).astype(np.float32))
_LISTS = {"label": SAID.label.tolist(), "probabilities": SAID.probabilities.tolist()}


def test_the_same_numbers_in_every_form():
    flat = json.loads(PROTOCOL.ask(IMAGE).body)["inputs"][0]
    assert (flat["shape"], flat["data"]) == ([2, 64], IMAGE.ravel().tolist())
    assert json.loads(ROWS.ask(IMAGE).body) == {"image": IMAGE.tolist()}
    assert json.loads(MLFLOW.ask(IMAGE).body) == {"inputs": {"image": IMAGE.tolist()}}
    binary = BINARY.ask(IMAGE)
    header = int(binary.headers["Inference-Header-Content-Length"])
    assert json.loads(binary.body[:header])["inputs"][0]["parameters"] == {"binary_data_size": 512}
    assert np.array_equal(np.frombuffer(binary.body[header:], "<f4"), IMAGE.ravel())


@pytest.mark.parametrize(
    ("form", "body"),
    [(PROTOCOL, protocol_answer(SAID)), (ROWS, json.dumps(_LISTS).encode()), (MLFLOW, json.dumps({"predictions": _LISTS}).encode())],
)
def test_answers_are_read(form: Form, body: bytes):
    SAID.check(read(form, body, {}))


def test_binary_answers_are_read():
    parts = (("label", "INT64", SAID.label.astype("<i8").tobytes()), ("probabilities", "FP32", SAID.probabilities.tobytes()))
    outputs = [{"name": name, "datatype": datatype, "parameters": {"binary_data_size": len(data)}} for name, datatype, data in parts]
    header = json.dumps({"outputs": outputs}).encode()
    body = header + b"".join(data for _, _, data in parts)
    SAID.check(read(BINARY, body, {"inference-header-content-length": str(len(header))}))


@pytest.mark.parametrize("form", [PROTOCOL, BINARY, ROWS, MLFLOW])
def test_what_is_no_answer(form: Form):
    with pytest.raises(AnswerError, match="cannot be read"):
        read(form, b'{"detail": "no"}', {})


def test_another_answer_is_wrong():
    with pytest.raises(AnswerError, match="labels"):
        SAID.check(Prediction(np.array([3, 8]), SAID.probabilities))
    with pytest.raises(AnswerError, match="probabilities"):
        SAID.check(Prediction(SAID.label, (SAID.probabilities + 0.01).astype(np.float32)))
    with pytest.raises(AnswerError, match="probabilities"):
        SAID.check(Prediction(SAID.label, np.full((2, 10), np.nan, np.float32)))
    with pytest.raises(AnswerError, match="labels"):
        SAID.check(Prediction(SAID.label[:1], SAID.probabilities[:1]))
