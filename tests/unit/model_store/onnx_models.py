"""Small models for ONNX Runtime, and golden requests for them."""

from pathlib import Path
from typing import Any

from onnx import ModelProto, TensorProto, helper, save

from model_store.golden import Golden
from model_store.tensors import Tensor

POINTS = Tensor(name="x", datatype="FP32", shape=(-1, 2))
SUM = Tensor(name="sum", datatype="FP32", shape=(-1,))
LARGER = Tensor(name="larger", datatype="INT64", shape=(-1,))


def points_model(path: Path, weights: tuple[float, float] = (1.0, 1.0)) -> Path:
    """From x FP32 [-1, 2] to sum FP32 [-1], weighted; larger INT64 [-1], the index of the larger one, whatever the weights."""
    nodes = [
        helper.make_node("Mul", ["x", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "axis"], ["sum"], keepdims=0),
        helper.make_node("ArgMax", ["x"], ["larger"], axis=1, keepdims=0),
    ]
    constants = [helper.make_tensor("weights", TensorProto.FLOAT, [2], weights), helper.make_tensor("axis", TensorProto.INT64, [1], [1])]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])]
    outputs = [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [None]), helper.make_tensor_value_info("larger", TensorProto.INT64, [None])]
    return saved(path, nodes, inputs, outputs, constants)


def sample_model(number: int) -> bytes:
    """A model that does what the sample folder says of it (samples.py); each number is another file."""
    nodes = [
        helper.make_node("ArgMax", ["x"], ["larger"], axis=1, keepdims=0),
        helper.make_node("Add", ["larger", "two"], ["label"], doc_string=str(number)),
    ]
    inputs, outputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])], [helper.make_tensor_value_info("label", TensorProto.INT64, [None])]
    return _model(nodes, inputs, outputs, [helper.make_tensor("two", TensorProto.INT64, [], [2])]).SerializeToString()


def echo_model(path: Path, onnx_type: int, operator: str = "Identity", domain: str = "") -> Path:
    """From in [-1, 2] to out [-1, 2], the same values unless another operator is named."""
    nodes = [helper.make_node(operator, ["in"], ["out"], domain=domain)]
    return saved(path, nodes, [helper.make_tensor_value_info("in", onnx_type, [None, 2])], [helper.make_tensor_value_info("out", onnx_type, [None, 2])])


def saved(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any] | None = None) -> Path:
    """A file that ONNX Runtime may or may not be able to load: nothing is checked here."""
    save(_model(nodes, inputs, outputs, constants), path)
    return path


def _model(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any] | None) -> ModelProto:
    domains = sorted({node.domain for node in nodes} - {""})
    graph = helper.make_graph(nodes, "small", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)], ir_version=8)


def golden_of(*cases: tuple[dict[str, Any], dict[str, Any]], rtol: float = 0.0, atol: float = 0.0) -> Golden:
    """Requests with answers, each tensor as (datatype, shape, data) by name."""

    def side(tensors: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"name": name, "datatype": datatype, "shape": shape, "data": data} for name, (datatype, shape, data) in tensors.items()]

    document = {"tolerance": {"rtol": rtol, "atol": atol}, "cases": [{"inputs": side(inputs), "outputs": side(outputs)} for inputs, outputs in cases]}
    return Golden.model_validate(document)


def points(*rows: list[float], sums: list[float], larger: list[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A case for `points_model`."""
    inputs = {"x": ("FP32", [len(rows), 2], [value for row in rows for value in row])}
    return inputs, {"sum": ("FP32", [len(sums)], sums), "larger": ("INT64", [len(larger)], larger)}
