"""The process that tries a model: a task on standard input, what came of it on standard output."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import onnxruntime

from model_store.golden import Golden, GoldenCase, GoldenTensor, Tolerance, difference
from model_store.replay import Replay, Task
from model_store.tensors import FREE, Tensor

_NUMPY: dict[str, Any] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}
_DATATYPES = {"float16": "FP16", "float": "FP32", "double": "FP64", "string": "BYTES"}
"""ONNX Runtime's words where they are not the protocol's in small letters."""
_FATAL_ONLY = 4

Ask = Callable[[list[str], dict[str, Any]], Sequence[Any]]


def carry_out(task: Task) -> Replay:
    """Loads the model, compares what it takes and gives with its manifest, and sends every request."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    try:
        # No library of operators is registered: a model that needs one of its own cannot be loaded, here as in a service.
        session = onnxruntime.InferenceSession(task.model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions have no base of their own
        return Replay(problem=f"ONNX Runtime cannot load it: {_one_line(error)}")
    for side, declared, found in (("inputs", task.inputs, session.get_inputs()), ("outputs", task.outputs, session.get_outputs())):
        if problem := _misdeclared(declared, found):
            return Replay(problem=f"its {side} are {problem}")
    return Replay(wrong=tuple(tuple(_wrong(golden, session.run)) for golden in task.golden))


def _misdeclared(declared: Sequence[Tensor], found: Sequence[Any]) -> str:
    """What the file says otherwise than the manifest, in whichever order; empty where they agree."""
    in_file = [f"{one.name} {_datatype(one.type)} {[size if isinstance(size, int) and size >= 0 else FREE for size in one.shape]}" for one in found]
    in_manifest = [str(tensor) for tensor in declared]
    return "" if sorted(in_file) == sorted(in_manifest) else f"{', '.join(in_file)}, but its manifest says {', '.join(in_manifest)}"


def _datatype(onnx_type: str) -> str:
    name = onnx_type.removeprefix("tensor(").removesuffix(")")
    return _DATATYPES.get(name, name.upper())


def _wrong(golden: Golden, ask: Ask) -> Iterator[str]:
    for number, case in enumerate(golden.cases):
        if problem := _problem(case, golden.tolerance, ask):
            yield f"case {number}: {problem}"


def _problem(case: GoldenCase, tolerance: Tolerance, ask: Ask) -> str | None:
    try:
        answers = ask([expected.name for expected in case.outputs], {one.name: _array(one) for one in case.inputs})
    except Exception as error:  # noqa: BLE001 - as above
        return f"ONNX Runtime refuses it: {_one_line(error)}"
    for expected, answer in zip(case.outputs, answers, strict=True):
        found = np.asarray(answer)
        if found.shape != expected.shape:
            return f"{expected.name}: the answer's shape is {list(found.shape)}, expected {list(expected.shape)}"
        if text := difference(expected, found.ravel().tolist(), _array(expected).ravel().tolist(), tolerance):
            return text
    return None


def _array(tensor: GoldenTensor) -> Any:
    return np.asarray(tensor.data, dtype=_NUMPY[tensor.datatype]).reshape(tensor.shape)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.stdout.write(carry_out(Task.model_validate_json(sys.stdin.buffer.read())).model_dump_json())
