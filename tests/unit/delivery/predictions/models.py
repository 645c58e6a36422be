"""Models, requests and answers for tests."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from delivery.predictions.difference import Answer, Output
from delivery.predictions.requests import Request
from model_store import LockedModel
from model_store.folder import hash_file
from model_store.golden import GoldenTensor

WIDTH, LABELS = 3, 2


def rows(*values: list[float], name: str = "x") -> Request:
    flat = [value for row in values for value in row]
    return (GoldenTensor(name=name, datatype="FP32", shape=(len(values), len(values[0])), data=flat),)


def answer(labels: list[Any], scores: list[float], datatype: str = "INT64") -> Answer:
    return {"label": Output(datatype, labels), "score": Output("FP32", scores)}


def write_model(folder: Path, weights: list[list[float]], *, version: int = 1, name: str = "digits") -> LockedModel:
    """A linear classifier with its golden requests, as a lock has it."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(_onnx(weights))
    inputs, outputs = [{"name": "x", "datatype": "FP32", "shape": [-1, WIDTH]}], [{"name": "label", "datatype": "INT64", "shape": [-1]}]
    outputs.append({"name": "score", "datatype": "FP32", "shape": [-1, LABELS]})
    case = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, WIDTH], "data": [1, 0, 0, 0, 1, 0]}],
        "outputs": [{"name": "label", "datatype": "INT64", "shape": [2], "data": [0, 1]}],
    }
    (folder / "golden.json").write_text(json.dumps({"tolerance": {"rtol": 0.001, "atol": 0.0001}, "cases": [case]}))
    (folder / "manifest.json").write_text(json.dumps({"version": version}))
    files = {file: hash_file(folder / file).model_dump() for file in ("model.onnx", "golden.json", "manifest.json")}
    about = {"metrics": {}, "published_at": "2026-11-20T10:00:00Z", "published_by": "ann"}
    document = {"name": name, "version": version, "files": files, "inputs": inputs, "outputs": outputs, **about}
    return LockedModel.model_validate_json(json.dumps(document))


def _onnx(weights: list[list[float]]) -> bytes:
    scores = helper.make_node("MatMul", ["x", "w"], ["score"])
    labels = helper.make_node("ArgMax", ["score"], ["label"], axis=1, keepdims=0)
    graph = helper.make_graph(
        [scores, labels],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, WIDTH])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, [None]), helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, LABELS])],
        [numpy_helper.from_array(np.array(weights, dtype=np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model.SerializeToString()
