"""The Open Inference Protocol's gRPC messages: from a request to checked arrays, and from arrays to an answer. No network in here.

A wrong request is refused with the words that it would get over HTTP, as far as the two have the same parts.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from .engine import Job
from .errors import InvalidRequestError
from .inference_pb2 import InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse
from .model import Model
from .signature import NUMPY_TYPES, Signature, Tensor
from .tensors import (
    InferRequest,
    Parameters,
    Tensors,
    as_text,
    check_count,
    check_datatype,
    check_shape,
    datatype_of,
    does_not_fit,
    echo,
    from_raw,
    listed,
    to_raw,
)

# The field of InferTensorContents for each datatype. FP16 has none: it travels raw.
_FIELDS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
# What of a field's values is narrower than the field.
_WIDE = {"UINT8": np.uint32, "UINT16": np.uint32, "INT8": np.int32, "INT16": np.int32}
_LARGEST_SIGNED = 2**63


class GrpcJob(Job):
    """An infer request that came over gRPC."""

    __slots__ = ("_message",)

    def __init__(self, message: ModelInferRequest, size: int, arrived: float, trace_id: str = "") -> None:
        super().__init__(size, arrived, trace_id)
        self._message = message

    def decode(self, signature: Signature) -> InferRequest:
        return decode(self._message, signature)

    def encode(self, model: Model, outputs: Tensors, parameters: Parameters) -> bytes:
        return encode(self.request, outputs, parameters, model_name=model.name, model_version=model.version)


def parse(data: bytes) -> ModelInferRequest:
    """The message that these bytes are. Raises InvalidRequestError."""
    try:
        return ModelInferRequest.FromString(data)
    except DecodeError:
        raise InvalidRequestError("the message is not an inference.ModelInferRequest") from None


def decode(message: ModelInferRequest, signature: Signature) -> InferRequest:
    """Checks an infer request. Raises InvalidRequestError."""
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise InvalidRequestError(f"raw_input_contents must have one entry for each of the {len(message.inputs)} inputs, got {len(raw)}")
    found: Tensors = {}
    for index, given in enumerate(message.inputs):
        tensor = _named(given, signature, found)
        shape = list(given.shape)
        check_shape(tensor, shape)
        if not raw:
            found[tensor.name] = _from_contents(tensor, shape, given.contents)
        elif given.HasField("contents"):
            raise InvalidRequestError(f"input '{tensor.name}' has both 'contents' and raw_input_contents; send one of them")
        else:
            found[tensor.name] = from_raw(tensor, shape, raw[index])
    missing = [tensor.name for tensor in signature.inputs if tensor.name not in found]
    if missing:
        raise InvalidRequestError(f"input '{missing[0]}' is missing; the model takes: {listed(signature.inputs)}")
    names = [tensor.name for tensor in signature.outputs]
    outputs = _outputs([output.name for output in message.outputs], names, signature)
    # Who sends raw bytes gets raw bytes.
    return InferRequest(found, message.id or None, outputs, frozenset(names) if raw else frozenset())


def _named(given: ModelInferRequest.InferInputTensor, signature: Signature, found: Tensors) -> Tensor:
    tensor = signature.inputs_by_name.get(given.name)
    if tensor is None:
        raise InvalidRequestError(f"unknown input {echo(given.name)}; the model takes: {listed(signature.inputs)}")
    if tensor.name in found:
        raise InvalidRequestError(f"input '{tensor.name}' is given twice")
    check_datatype(tensor, given.datatype)
    return tensor


def _from_contents(tensor: Tensor, shape: list[int], contents: InferTensorContents) -> NDArray[Any]:
    where = f"input '{tensor.name}'"
    field = _FIELDS.get(tensor.datatype)
    if field is None:
        raise InvalidRequestError(f"{where}: {tensor.datatype} has no field in 'contents'; send it in raw_input_contents")
    other = next((descriptor.name for descriptor, _ in contents.ListFields() if descriptor.name != field), None)
    if other is not None:
        raise InvalidRequestError(f"{where}: values of {tensor.datatype} belong in 'contents.{field}', found 'contents.{other}'")
    values = getattr(contents, field)
    check_count(len(values), shape, where)
    if tensor.datatype == "BYTES":
        return np.array([as_text(value, where) for value in values], np.object_).reshape(shape)
    target = NUMPY_TYPES[tensor.datatype]
    wide = _WIDE.get(tensor.datatype, target)
    array = np.fromiter(values, wide, len(values))
    if wide is not target:
        narrow = array.astype(target)
        if not np.array_equal(narrow, array):
            raise does_not_fit(tensor)
        array = narrow
    return array.reshape(shape)


def _outputs(asked: list[str], names: list[str], signature: Signature) -> tuple[str, ...]:
    for index, name in enumerate(asked):
        if name not in names:
            raise InvalidRequestError(f"unknown output {echo(name)}; the model gives: {listed(signature.outputs)}")
        if name in asked[:index]:
            raise InvalidRequestError(f"output '{name}' is asked for twice")
    return tuple(asked)


def encode(request: InferRequest, outputs: Tensors, parameters: Parameters, *, model_name: str, model_version: str) -> bytes:
    """The answer, ready to be sent: with raw bytes if the request had them, or if an output cannot travel otherwise."""
    answer = ModelInferResponse(model_name=model_name, model_version=model_version, id=request.id or "")
    for key, value in parameters.items():
        _set_parameter(answer.parameters[key], value)
    arrays = {name: outputs[name] for name in request.outputs or outputs}
    datatypes = {name: datatype_of(array) for name, array in arrays.items()}
    raw = bool(request.binary) or any(datatype not in _FIELDS for datatype in datatypes.values())
    for name, array in arrays.items():
        output = answer.outputs.add(name=name, datatype=datatypes[name], shape=array.shape)
        if raw:
            answer.raw_output_contents.append(to_raw(array))
        else:
            getattr(output.contents, _FIELDS[datatypes[name]]).extend(_values(array))
    return answer.SerializeToString()


def _values(array: NDArray[Any]) -> Iterable[Any]:
    values = array.ravel().tolist()
    return values if array.dtype != np.object_ else [value if isinstance(value, bytes) else str(value).encode() for value in values]


def _set_parameter(parameter: InferParameter, value: object) -> None:
    value = value.item() if isinstance(value, np.generic) else value
    match value:
        case bool():
            parameter.bool_param = value
        case int() if -_LARGEST_SIGNED <= value < _LARGEST_SIGNED:
            parameter.int64_param = value
        case int():
            parameter.uint64_param = value
        case float():
            parameter.double_param = value
        case _:
            parameter.string_param = str(value)
