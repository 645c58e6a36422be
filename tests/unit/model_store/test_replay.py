"""Real models on the real ONNX Runtime."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from model_store import ModelStoreError
from model_store.golden import Golden
from model_store.onnx_runtime import carry_out
from model_store.replay import Replay, Task, replay
from model_store.tensors import Datatype, Tensor
from tests.unit.model_store.onnx_models import LARGER, POINTS, SUM, echo_model, golden_of, points, points_model, saved

_RIGHT = points([0.5, 1.0], [2.0, -1.0], sums=[1.5, 1.0], larger=[1, 0])


def asked(model: Path, *golden: Golden, inputs: tuple[Tensor, ...] = (POINTS,), outputs: tuple[Tensor, ...] = (SUM, LARGER)) -> Replay:
    """What came of it, in this process."""
    return carry_out(Task(model=model, inputs=inputs, outputs=outputs, golden=golden))


def test_right_answers_in_a_process_of_its_own(tmp_path: Path):
    other = golden_of(points([0.5, 1.0], sums=[9.0], larger=[1]), _RIGHT)
    answer = replay(points_model(tmp_path / "model.onnx"), [POINTS], [SUM, LARGER], [golden_of(_RIGHT), other])
    assert answer == Replay(wrong=((), ("case 0: sum: value 0 is 1.5, expected 9",)))


def test_every_case_that_is_wrong_is_told(tmp_path: Path):
    wrong = points([0.5, 1.0], sums=[1.5], larger=[0])
    answer = asked(points_model(tmp_path / "m.onnx"), golden_of(wrong, _RIGHT, wrong))
    assert answer.wrong == (("case 0: larger: value 0 is 1, expected 0", "case 2: larger: value 0 is 1, expected 0"),)


@pytest.mark.parametrize(("expected", "right"), [(1.5, True), (1.51, True), (1.49, True), (1.53, False), (1.47, False)])
def test_a_tolerance_counts_in_both_directions(tmp_path: Path, expected: float, right: bool):
    golden = golden_of(points([0.5, 1.0], sums=[expected], larger=[1]), atol=0.01, rtol=0.005)
    assert (asked(points_model(tmp_path / "m.onnx"), golden).wrong == ((),)) is right


def test_a_value_that_a_datatype_cannot_hold_exactly_is_what_the_datatype_makes_of_it(tmp_path: Path):
    """0.1 as 32 bits is not 0.1, on both sides."""
    assert asked(points_model(tmp_path / "m.onnx"), golden_of(points([0.1, 0.0], sums=[0.1], larger=[0]))).wrong == ((),)


@pytest.mark.parametrize(("weight", "word"), [(float("inf"), "inf"), (float("nan"), "nan")])
def test_what_is_no_number_is_never_within_a_tolerance(tmp_path: Path, weight: float, word: str):
    golden = golden_of(points([1.0, 0.5], sums=[1.0], larger=[0]), atol=1e9, rtol=1e9)
    (problem,) = asked(points_model(tmp_path / "m.onnx", (weight, 1.0)), golden).wrong[0]
    assert problem.startswith(f"case 0: sum: value 0 is {word}, expected 1 within ")


@pytest.mark.parametrize(
    ("onnx_type", "datatype", "data"),
    [
        (TensorProto.STRING, "BYTES", ["ä", "b"]),
        (TensorProto.BOOL, "BOOL", [True, False]),
        (TensorProto.INT64, "INT64", [2**63 - 1, -(2**63)]),
        (TensorProto.UINT64, "UINT64", [2**64 - 1, 0]),
        (TensorProto.UINT8, "UINT8", [255, 0]),
        (TensorProto.FLOAT16, "FP16", [0.1, 65504.0]),
        (TensorProto.DOUBLE, "FP64", [0.1, 1e308]),
    ],
)
def test_every_kind_of_value(tmp_path: Path, onnx_type: int, datatype: Datatype, data: list[Any]):
    model = echo_model(tmp_path / "m.onnx", onnx_type)
    inputs, outputs = (Tensor(name="in", datatype=datatype, shape=(-1, 2)),), (Tensor(name="out", datatype=datatype, shape=(-1, 2)),)
    right = golden_of(({"in": (datatype, [1, 2], data)}, {"out": (datatype, [1, 2], [data])}))
    swapped = golden_of(({"in": (datatype, [1, 2], data)}, {"out": (datatype, [1, 2], data[::-1])}))
    assert asked(model, right, inputs=inputs, outputs=outputs).wrong == ((),)
    assert len(asked(model, swapped, inputs=inputs, outputs=outputs).wrong[0]) == 1


def test_neighbouring_large_integers_are_not_the_same(tmp_path: Path):
    """As floating point they would be."""
    sides = {"inputs": (Tensor(name="in", datatype="INT64", shape=(-1, 2)),), "outputs": (Tensor(name="out", datatype="INT64", shape=(-1, 2)),)}
    golden = golden_of(({"in": ("INT64", [1, 2], [2**62, 0])}, {"out": ("INT64", [1, 2], [2**62 + 1, 0])}))
    (problem,) = asked(echo_model(tmp_path / "m.onnx", TensorProto.INT64), golden, **sides).wrong[0]
    assert problem == f"case 0: out: value 0 is {2**62}, expected {2**62 + 1}"


def test_an_answer_of_another_shape(tmp_path: Path):
    golden = golden_of(points([0.5, 1.0], sums=[1.5, 1.5], larger=[1]))
    assert asked(points_model(tmp_path / "m.onnx"), golden).wrong == (("case 0: sum: the answer's shape is [1], expected [2]",),)


def test_a_request_that_the_model_refuses(tmp_path: Path):
    golden = golden_of(({"x": ("FP32", [1, 3], [1.0, 2.0, 3.0])}, {"sum": ("FP32", [1], [6.0])}))
    (problem,) = asked(points_model(tmp_path / "m.onnx"), golden).wrong[0]
    assert problem.startswith("case 0: ONNX Runtime refuses it: ")
    assert "Got: 3 Expected: 2" in problem
    assert "\n" not in problem


def test_a_file_that_is_no_model(tmp_path: Path):
    (tmp_path / "m.onnx").write_bytes(b"no model")
    answer = asked(tmp_path / "m.onnx", golden_of(_RIGHT))
    assert answer.problem.startswith("ONNX Runtime cannot load it: ")
    assert answer.wrong == ()


def test_an_operator_of_somebody_s_own_is_not_loaded(tmp_path: Path):
    answer = asked(echo_model(tmp_path / "m.onnx", TensorProto.FLOAT, "Dial", "com.example"), golden_of(_RIGHT))
    assert answer.problem.startswith("ONNX Runtime cannot load it: ")
    assert "com.example" in answer.problem


def test_a_model_is_not_what_its_manifest_says(tmp_path: Path):
    said = Tensor(name="x", datatype="FP32", shape=(-1, 3))
    answer = asked(points_model(tmp_path / "m.onnx"), golden_of(_RIGHT), inputs=(said,))
    assert answer.problem == "its inputs are x FP32 [-1, 2], but its manifest says x FP32 [-1, 3]"
    answer = asked(points_model(tmp_path / "m.onnx"), golden_of(_RIGHT), outputs=(LARGER,))
    assert answer.problem == "its outputs are sum FP32 [-1], larger INT64 [-1], but its manifest says larger INT64 [-1]"


def test_values_in_a_file_elsewhere_are_not_read(tmp_path: Path):
    """A model may name a file with its values; it must not be one of the machine's."""
    (tmp_path / "secret").write_bytes(b"\x00\x00\x80?" * 2)
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [2], b"\0" * 8, raw=True)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../secret")
    folder = tmp_path / "model"
    folder.mkdir()
    sides = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])], [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [None, 2])]
    model = saved(folder / "m.onnx", [helper.make_node("Add", ["x", "weights"], ["sum"])], *sides, [weights])
    outputs = (Tensor(name="sum", datatype="FP32", shape=(-1, 2)),)
    answer = asked(model, golden_of(({"x": ("FP32", [1, 2], [0, 0])}, {"sum": ("FP32", [1, 2], [1, 1])})), outputs=outputs)
    assert answer.problem.startswith("ONNX Runtime cannot load it: "), answer


class Ended(subprocess.CompletedProcess[str]):
    """A process as it ended."""


def ending(monkeypatch: pytest.MonkeyPatch, code: int, output: str = "", errors: str = "") -> list[dict[str, Any]]:
    """Every process ends like this; returns how they were started."""
    started: list[dict[str, Any]] = []

    def run(command: list[str], **options: Any) -> Ended:
        started.append({"command": command, **options})
        return Ended(command, code, output, errors)

    monkeypatch.setattr(subprocess, "run", run)
    return started


def test_a_model_that_crashes_takes_nothing_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    ending(monkeypatch, -signal.SIGSEGV)
    assert replay(tmp_path / "m.onnx", [POINTS], [SUM], []).problem == "ONNX Runtime crashed on it (signal 11)"


def test_a_model_that_never_ends_is_ended(tmp_path: Path):
    assert replay(points_model(tmp_path / "m.onnx"), [POINTS], [SUM, LARGER], [], seconds=0.01).problem == "ONNX Runtime was not done with it after 0.01 s"


def test_a_machine_without_onnx_runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    ending(monkeypatch, 1, errors="Traceback (most recent call last):\nModuleNotFoundError: No module named 'onnxruntime'\n")
    with pytest.raises(ModelStoreError) as error:
        replay(tmp_path / "m.onnx", [POINTS], [SUM], [])
    assert str(error.value) == "this machine cannot try a model: ModuleNotFoundError: No module named 'onnxruntime'; `make` installs what that needs"


def test_the_process_gets_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "very secret")
    started = ending(monkeypatch, 0, Replay().model_dump_json())
    replay(tmp_path / "m.onnx", [POINTS], [SUM], [])
    (process,) = started
    assert set(process["env"]) <= {"PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "ORT_DISABLE_TELEMETRY"}
    assert process["cwd"] == tmp_path
    assert os.environ["AZURE_CLIENT_SECRET"] not in json.dumps(process, default=str)
    assert process["command"][:3] == [sys.executable, "-P", "-m"]
