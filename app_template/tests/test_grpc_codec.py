"""The messages of gRPC: what is taken, what is refused and in which words, and how answers look."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from app import grpc_codec, inference_pb2, protocol, tensors
from app.errors import InvalidRequestError
from app.inference_pb2 import InferTensorContents, ModelInferRequest, ModelInferResponse
from app.signature import NUMPY_TYPES, Signature, Tensor
from google.protobuf.descriptor import Descriptor, FieldDescriptor

PROTO = Path(inference_pb2.__file__).with_name("inference.proto")
VALUES: dict[str, list[Any]] = {
    "BOOL": [True, False],
    "UINT8": [0, 255],
    "UINT16": [0, 65535],
    "UINT32": [0, 2**32 - 1],
    "UINT64": [0, 2**64 - 1],
    "INT8": [-128, 127],
    "INT16": [-32768, 32767],
    "INT32": [-(2**31), 2**31 - 1],
    "INT64": [-(2**63), 2**63 - 1],
    "FP16": [-0.5, 65504.0],
    "FP32": [-0.1, 3.4e38],
    "FP64": [-0.1, 1.7e308],
    "BYTES": ["", "Grüße \0 \U0001f600"],
}
PAIR = Signature((Tensor("a", "FP32", (-1, 2)), Tensor("b", "INT8", (1,))), (Tensor("y", "FP32", (-1,)), Tensor("z", "BYTES", (-1,))))
A = {"name": "a", "datatype": "FP32", "shape": [1, 2], "contents": {"fp32_contents": [1, 2]}}
B = {"name": "b", "datatype": "INT8", "shape": [1], "contents": {"int_contents": [5]}}


def _signature(datatype: str) -> Signature:
    return Signature((Tensor("x", datatype, (-1,)),), (Tensor("y", datatype, (-1,)),))


def _array(datatype: str) -> np.ndarray[Any, Any]:
    return np.array(VALUES[datatype], NUMPY_TYPES[datatype])


def _encode(request: tensors.InferRequest, outputs: tensors.Tensors, parameters: tensors.Parameters | None = None) -> ModelInferResponse:
    return ModelInferResponse.FromString(grpc_codec.encode(request, outputs, parameters or {}, model_name="m", model_version="7"))


def test_every_datatype_has_values_here() -> None:
    assert set(VALUES) == set(NUMPY_TYPES)


@pytest.mark.parametrize("datatype", [name for name in VALUES if name != "FP16"])
def test_values_come_and_go_in_the_field_of_their_datatype(datatype: str) -> None:
    field = grpc_codec._FIELDS[datatype]
    values = [value.encode() if isinstance(value, str) else value for value in VALUES[datatype]]
    given = {"name": "x", "datatype": datatype, "shape": [2], "contents": {field: values}}
    request = grpc_codec.decode(ModelInferRequest(inputs=[given]), _signature(datatype))
    assert request.inputs["x"].dtype == NUMPY_TYPES[datatype]
    np.testing.assert_array_equal(request.inputs["x"], _array(datatype))
    answer = _encode(request, {"y": request.inputs["x"]})
    assert (answer.outputs[0].name, answer.outputs[0].datatype, list(answer.outputs[0].shape)) == ("y", datatype, [2])
    assert answer.outputs[0].contents == ModelInferRequest(inputs=[given]).inputs[0].contents
    assert not answer.raw_output_contents


@pytest.mark.parametrize("datatype", VALUES)
def test_raw_bytes_are_answered_with_raw_bytes(datatype: str) -> None:
    raw = tensors.to_raw(_array(datatype))
    message = ModelInferRequest(inputs=[{"name": "x", "datatype": datatype, "shape": [2]}], raw_input_contents=[raw])
    request = grpc_codec.decode(message, _signature(datatype))
    np.testing.assert_array_equal(request.inputs["x"], _array(datatype))
    answer = _encode(request, {"y": request.inputs["x"]})
    assert list(answer.raw_output_contents) == [raw]
    assert not answer.outputs[0].HasField("contents")


def test_what_has_no_field_is_answered_raw_together_with_everything_else() -> None:
    half, whole = np.array([0.5], np.float16), np.array([3], np.int64)
    answer = _encode(tensors.InferRequest({}), {"half": half, "whole": whole})
    assert list(answer.raw_output_contents) == [half.tobytes(), whole.tobytes()]


def test_nan_and_infinity_travel() -> None:
    values = np.array([np.nan, np.inf], np.float32)
    given = {"name": "x", "datatype": "FP32", "shape": [2], "contents": {"fp32_contents": values.tolist()}}
    request = grpc_codec.decode(ModelInferRequest(inputs=[given]), _signature("FP32"))
    np.testing.assert_array_equal(request.inputs["x"], values)
    np.testing.assert_array_equal(_encode(request, {"y": values}).outputs[0].contents.fp32_contents, values)


def test_the_id_comes_back_and_only_the_outputs_that_were_asked_for() -> None:
    message = ModelInferRequest(id="one", inputs=[A, B], outputs=[{"name": "z"}])
    request = grpc_codec.decode(message, PAIR)
    assert (request.id, request.outputs) == ("one", ("z",))
    answer = _encode(request, {"y": np.array([1], np.float32), "z": np.array(["text"], np.object_)})
    assert (answer.id, answer.model_name, answer.model_version, [output.name for output in answer.outputs]) == ("one", "m", "7", ["z"])
    assert grpc_codec.decode(ModelInferRequest(inputs=[A, B]), PAIR).id is None


def test_parameters_keep_their_type() -> None:
    parameters: Any = {"yes": True, "many": -(2**63), "more": 2**64 - 1, "share": np.float32(0.5), "text": "ü"}
    answer = _encode(tensors.InferRequest({}), {}, parameters)
    found = {name: (field, getattr(value, field)) for name, value in answer.parameters.items() for field in [str(value.WhichOneof("parameter_choice"))]}
    assert found == {
        "yes": ("bool_param", True),
        "many": ("int64_param", -(2**63)),
        "more": ("uint64_param", 2**64 - 1),
        "share": ("double_param", 0.5),
        "text": ("string_param", "ü"),
    }


TAKES = "the model takes: a FP32 [-1, 2], b INT8 [1]"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": [A]}, f"input 'b' is missing; {TAKES}"),
        ({"inputs": [A, B, B]}, "input 'b' is given twice"),
        ({"inputs": [{**A, "name": "c"}]}, f"unknown input 'c'; {TAKES}"),
        ({"inputs": [{**A, "datatype": "FP64"}]}, "input 'a': datatype must be FP32, got 'FP64'"),
        ({"inputs": [{**A, "shape": [2]}]}, "input 'a': shape must be [-1, 2] (-1: any size from 1), got [2]"),
        ({"inputs": [{**A, "shape": [0, 2]}]}, "input 'a': shape must be [-1, 2] (-1: any size from 1), got [0, 2]"),
        ({"inputs": [{**A, "shape": [-1, 2]}]}, "input 'a': shape must be [-1, 2] (-1: any size from 1), got [-1, 2]"),
        ({"inputs": [{**A, "shape": [2**40, 2]}]}, f"input 'a': shape [{2**40}, 2] needs {2**41} values, got 2"),
        ({"inputs": [{**A, "contents": {}}]}, "input 'a': shape [1, 2] needs 2 values, got 0"),
        ({"inputs": [A, {**B, "contents": {"int_contents": [128]}}]}, "input 'b': data holds a number that does not fit INT8"),
        (
            {"inputs": [{**A, "contents": {"fp64_contents": [1, 2]}}]},
            "input 'a': values of FP32 belong in 'contents.fp32_contents', found 'contents.fp64_contents'",
        ),
        ({"raw_input_contents": [b"12345678"]}, "raw_input_contents must have one entry for each of the 2 inputs, got 1"),
        ({"raw_input_contents": [b"12345678", b"1"]}, "input 'a' has both 'contents' and raw_input_contents; send one of them"),
        (
            {"inputs": [{"name": "a", "datatype": "FP32", "shape": [1, 2]}], "raw_input_contents": [b"1234"]},
            "input 'a': shape [1, 2] of FP32 needs 8 bytes, got 4",
        ),
        ({"outputs": [{"name": "x"}]}, "unknown output 'x'; the model gives: y FP32 [-1], z BYTES [-1]"),
        ({"outputs": [{"name": "y"}, {"name": "y"}]}, "output 'y' is asked for twice"),
    ],
)
def test_what_is_wrong_is_one_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError) as error:
        grpc_codec.decode(ModelInferRequest(**{"inputs": [A, B], **change}), PAIR)
    assert str(error.value) == message


def test_half_floats_have_no_field() -> None:
    given = {"name": "x", "datatype": "FP16", "shape": [1], "contents": {"fp32_contents": [1]}}
    with pytest.raises(InvalidRequestError, match="FP16 has no field in 'contents'; send it in raw_input_contents"):
        grpc_codec.decode(ModelInferRequest(inputs=[given]), _signature("FP16"))


@pytest.mark.parametrize("raw", [False, True])
def test_bytes_must_be_text(raw: bool) -> None:
    given: dict[str, Any] = {"name": "x", "datatype": "BYTES", "shape": [1]}
    message = (
        ModelInferRequest(inputs=[given], raw_input_contents=[b"\1\0\0\0\xff"])
        if raw
        else ModelInferRequest(inputs=[{**given, "contents": {"bytes_contents": [b"\xff"]}}])
    )
    with pytest.raises(InvalidRequestError, match=re.escape("input 'x': BYTES must hold UTF-8 text (byte 0 is not)")):
        grpc_codec.decode(message, _signature("BYTES"))


@pytest.mark.parametrize("data", [b"\xff", b"{}", b"\x0a\x02\xff\xff"])
def test_other_bytes_are_no_message(data: bytes) -> None:
    with pytest.raises(InvalidRequestError, match=r"the message is not an inference\.ModelInferRequest"):
        grpc_codec.parse(data)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "x", "datatype": "FP32", "shape": [1]}, "unknown input"),
        ({"name": "a", "datatype": "INT8", "shape": [1, 2]}, "datatype"),
        ({"name": "a", "datatype": "FP32", "shape": [1, 3]}, "shape"),
        ({"name": "a", "datatype": "FP32", "shape": [2, 2]}, "values"),
        ({"name": "a", "datatype": "FP32", "shape": [1, 2]}, "missing"),
    ],
)
def test_the_words_are_those_of_http(fields: dict[str, Any], message: str) -> None:
    texts = []
    for decode in (
        lambda: protocol.decode(protocol.to_json({"inputs": [{**fields, "data": [1, 2]}]}), PAIR),
        lambda: grpc_codec.decode(ModelInferRequest(inputs=[{**fields, "contents": {"fp32_contents": [1, 2]}}]), PAIR),
    ):
        with pytest.raises(InvalidRequestError) as error:
            decode()
        texts.append(str(error.value))
    assert texts[0] == texts[1]
    assert message in texts[0]


def test_the_generated_messages_are_those_of_the_proto_file() -> None:
    """Whoever changes inference.proto must run the command in its head."""
    text = re.sub(r"//.*", "", PROTO.read_text())
    methods = re.findall(r"rpc (\w+)\((\w+)\) returns \((\w+)\);", text)
    service = inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert [(method.name, method.input_type.name, method.output_type.name) for method in service.methods] == methods
    declared = re.findall(r"([\w<>, ]+) (\w+) = (\d+);", text)
    generated: list[tuple[str, str, str]] = []
    for message in re.findall(r"^\s*message (\w+)", text, re.MULTILINE):
        generated += [(_type(field), field.name, str(field.number)) for field in _message(message).fields]
    assert sorted((kind.strip(), name, number) for kind, name, number in declared) == sorted(generated)


def _message(name: str) -> Descriptor:
    found = inference_pb2.DESCRIPTOR.message_types_by_name
    return found[name] if name in found else next(one.nested_types_by_name[name] for one in found.values() if name in one.nested_types_by_name)


def _type(field: FieldDescriptor) -> str:
    """As it stands in the file."""
    message = field.message_type
    if message is None:
        name = next(name for name in _SCALARS if field.type == getattr(FieldDescriptor, f"TYPE_{name.upper()}"))
    elif message.GetOptions().map_entry:
        return f"map<string, {_type(message.fields_by_name['value'])}>"
    else:
        name = message.name
    return f"{'repeated ' if field.is_repeated else ''}{name}"


_SCALARS = ("bool", "int32", "int64", "uint32", "uint64", "float", "double", "bytes", "string")


def test_a_client_of_the_same_protocol_may_be_imported_beside_it() -> None:
    """Its messages have the same names; in one pool the second would be refused."""
    from google.protobuf import descriptor_pb2, descriptor_pool  # noqa: PLC0415

    other = descriptor_pb2.FileDescriptorProto(name="grpc_service.proto", package="inference")
    other.message_type.add(name="ModelInferRequest")
    descriptor_pool.Default().Add(other)  # pyright: ignore[reportAttributeAccessIssue] - the stubs know only an older name
    assert isinstance(ModelInferRequest(inputs=[A]).inputs[0].contents, InferTensorContents)
