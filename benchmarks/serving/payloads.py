"""Requests and answers in each form that the peers speak: the same numbers, the same question."""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_JSON = {"Content-Type": "application/json"}
_HEADER_LENGTH = "Inference-Header-Content-Length"
_DTYPES = {"FP32": "<f4", "INT64": "<i8"}


class AnswerError(Exception):
    """An answer that cannot be read, or that says something else than ONNX Runtime."""


@dataclass(frozen=True)
class Prediction:
    """What the model says: label [rows], probabilities [rows, 10]."""

    label: NDArray[np.int64]
    probabilities: Floats

    def check(self, other: "Prediction") -> None:
        """Raises AnswerError unless both say the same, up to rounding."""
        if self.label.shape != other.label.shape or not np.array_equal(self.label, other.label):
            raise AnswerError(f"labels are {other.label.tolist()}, not {self.label.tolist()}")
        if self.probabilities.shape != other.probabilities.shape or not np.allclose(self.probabilities, other.probabilities, rtol=1e-4, atol=1e-5):
            raise AnswerError("probabilities differ from ONNX Runtime's")


@dataclass(frozen=True)
class Request:
    """A body with the headers that say what it is."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: dict(_JSON))


@dataclass(frozen=True)
class Form:
    """One way to ask and to answer."""

    ask: Callable[[Floats], Request]
    read: Callable[[bytes, Mapping[str, str]], Prediction]


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _prediction(label: Any, probabilities: Any) -> Prediction:
    labels = np.asarray(label, dtype=np.int64)
    return Prediction(labels, np.asarray(probabilities, dtype=np.float32).reshape(len(labels), -1))


def _ask_protocol(image: Floats) -> Request:
    tensor = {"name": "image", "shape": list(image.shape), "datatype": "FP32", "data": image.ravel().tolist()}
    return Request(_compact({"inputs": [tensor]}))


def _read_protocol(body: bytes, _headers: Mapping[str, str]) -> Prediction:
    outputs = {output["name"]: output["data"] for output in json.loads(body)["outputs"]}
    return _prediction(outputs["label"], outputs["probabilities"])


def _ask_binary(image: Floats) -> Request:
    data = image.astype("<f4").tobytes()
    tensor = {"name": "image", "shape": list(image.shape), "datatype": "FP32", "parameters": {"binary_data_size": len(data)}}
    header = _compact({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    return Request(header + data, {"Content-Type": "application/octet-stream", _HEADER_LENGTH: str(len(header))})


def _read_binary(body: bytes, headers: Mapping[str, str]) -> Prediction:
    length = int({name.lower(): value for name, value in headers.items()}[_HEADER_LENGTH.lower()])
    found, start = {}, length
    for output in json.loads(body[:length])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        found[output["name"]] = np.frombuffer(body[start : start + size], _DTYPES[output["datatype"]])
        start += size
    return _prediction(found["label"], found["probabilities"])


def _ask_rows(image: Floats) -> Request:
    return Request(_compact({"image": image.tolist()}))


def _read_rows(body: bytes, _headers: Mapping[str, str]) -> Prediction:
    answer = json.loads(body)
    return _prediction(answer["label"], answer["probabilities"])


def _ask_mlflow(image: Floats) -> Request:
    return Request(_compact({"inputs": {"image": image.tolist()}}))


def _read_mlflow(body: bytes, _headers: Mapping[str, str]) -> Prediction:
    answer = json.loads(body)["predictions"]
    return _prediction(answer["label"], answer["probabilities"])


PROTOCOL = Form(_ask_protocol, _read_protocol)
"""Open Inference Protocol, JSON."""
BINARY = Form(_ask_binary, _read_binary)
"""Open Inference Protocol, binary tensor extension in both directions."""
ROWS = Form(_ask_rows, _read_rows)
"""A list of rows in, a list per output out: for peers whose JSON is the developer's own."""
MLFLOW = Form(_ask_mlflow, _read_mlflow)
"""MLflow's own."""


def read(form: Form, body: bytes, headers: Mapping[str, str]) -> Prediction:
    """The prediction in an answer. Raises AnswerError."""
    try:
        return form.read(body, headers)
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise AnswerError(f"the answer cannot be read ({type(error).__name__}: {error}): {body[:200]!r}") from None


def protocol_answer(prediction: Prediction) -> bytes:
    """An answer of the protocol, for the server that always says the same."""
    label, probabilities = prediction.label, prediction.probabilities
    outputs = [
        {"name": "label", "shape": list(label.shape), "datatype": "INT64", "data": label.tolist()},
        {"name": "probabilities", "shape": list(probabilities.shape), "datatype": "FP32", "data": [float(str(value)) for value in probabilities.ravel()]},
    ]
    return _compact({"model_name": "digits", "model_version": "local", "outputs": outputs})
