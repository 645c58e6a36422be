"""Loading a model folder: only the right bytes with the right signature ever get served."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from app import model as model_module
from app import signature
from app.model import Model, ModelError, load, load_all
from app.signature import Signature, SignatureError, Tensor

CONTRACT = Path(__file__).parents[1] / "app" / "contract.json"


def _refusal(folder: Path, contract: Path = CONTRACT) -> str:
    with pytest.raises(ModelError) as caught:
        load(folder, contract, local_name="digits")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _change(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_bytes()), **changes}))


def test_a_published_model(model_dir: Path, manifest: dict[str, Any]) -> None:
    model = load(model_dir, CONTRACT, local_name="other")
    assert (model.name, model.version) == (manifest["model"], str(manifest["version"]))
    assert model.sha256 == manifest["files"]["model.onnx"]["sha256"]


def test_a_model_straight_from_training_is_version_local(model_copy: Path) -> None:
    described = json.loads((model_copy / "manifest.json").read_bytes())
    (model_copy / "model.json").write_text(json.dumps({key: described[key] for key in ("inputs", "outputs")}))
    (model_copy / "manifest.json").unlink()
    model = load(model_copy, CONTRACT, local_name="mine")
    assert (model.name, model.version) == ("mine", "local")


def test_one_changed_byte_is_not_served(model_copy: Path, manifest: dict[str, Any]) -> None:
    content = bytearray((model_copy / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (model_copy / "model.onnx").write_bytes(content)
    expected = manifest["files"]["model.onnx"]["sha256"]
    assert _refusal(model_copy).startswith(f"{model_copy}/model.onnx is not the model of manifest.json: expected sha256 {expected}, got ")


def test_a_file_that_is_no_model(model_copy: Path) -> None:
    (model_copy / "model.onnx").write_bytes(b"not a model")
    shutil.move(model_copy / "manifest.json", model_copy / "model.json")
    assert _refusal(model_copy).startswith(f"ONNX Runtime cannot load {model_copy}/model.onnx: ")


def test_a_description_that_is_not_the_models(model_copy: Path) -> None:
    _change(model_copy / "manifest.json", inputs=[{"name": "image", "datatype": "FP32", "shape": [-1, 32]}])
    outputs = "label INT64 [-1], probabilities FP32 [-1, 10]"
    assert _refusal(model_copy) == (
        f"{model_copy}: the model's inputs and outputs are not those that its description names: "
        f"described image FP32 [-1, 32] -> {outputs}, actual image FP32 [-1, 64] -> {outputs}"
    )


def test_a_model_that_does_not_fit_the_contract(model_copy: Path, tmp_path: Path) -> None:
    contract = tmp_path / "contract.json"
    shutil.copyfile(CONTRACT, contract)
    _change(contract, inputs=[{"name": "image", "datatype": "UINT8", "shape": [-1, 8, 8]}])
    assert _refusal(model_copy, contract) == (
        "the model does not fit the app's contract: the app needs input image UINT8 [-1, 8, 8], the model has image FP32 [-1, 64]"
    )


def test_what_a_folder_can_lack(model_copy: Path, tmp_path: Path) -> None:
    assert _refusal(tmp_path / "none") == (
        f"there is no model folder {tmp_path}/none; name one with MODEL_DIR, or make one: python -m training.train --out training/out"
    )
    (model_copy / "model.onnx").unlink()
    assert _refusal(model_copy) == f"cannot read {model_copy}/model.onnx: No such file or directory"
    _change(model_copy / "manifest.json", version="1")
    assert _refusal(model_copy) == (f"{model_copy}/manifest.json must have 'model' (text), 'version' (integer) and the sha256 of model.onnx under 'files'")
    (model_copy / "manifest.json").write_text("{")
    assert _refusal(model_copy).startswith(f"{model_copy}/manifest.json is not valid JSON: ")
    (model_copy / "manifest.json").unlink()
    assert _refusal(model_copy) == (f"{model_copy} has neither manifest.json (from the model store) nor model.json (from training)")


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        ({"name": "x", "datatype": "FLOAT", "shape": [1]}, "c: inputs[0]: unknown datatype 'FLOAT', allowed: BOOL, "),
        (
            {"name": "x", "datatype": "FP32", "shape": [-2]},
            "c: inputs[0]: shape must hold integers from 0, or -1 for any size, got [-2]",
        ),
        ({"name": "x"}, "c: inputs[0] must have 'name' (text), 'datatype' (text) and 'shape' (list of integers)"),
    ],
)
def test_tensors_that_cannot_be_read(tensor: dict[str, Any], message: str) -> None:
    with pytest.raises(SignatureError) as caught:
        signature.from_json({"inputs": [tensor], "outputs": [tensor]}, "c")
    assert str(caught.value).startswith(message)


def _signature(inputs: list[Tensor], outputs: list[Tensor]) -> Signature:
    return Signature(tuple(inputs), tuple(outputs))


FREE_ROWS, TWO_ROWS = Tensor("x", "FP32", (-1, 4)), Tensor("x", "FP32", (2, 4))


def test_contracts_that_fit() -> None:
    y, extra = Tensor("y", "INT64", (2,)), Tensor("extra", "FP32", (1,))
    signature.check_contract(_signature([TWO_ROWS], [y]), _signature([FREE_ROWS], [y, extra]))
    signature.check_contract(_signature([FREE_ROWS], [FREE_ROWS]), _signature([FREE_ROWS], [TWO_ROWS]))


def test_every_difference_to_the_contract_is_named() -> None:
    with pytest.raises(SignatureError) as caught:
        signature.check_contract(
            _signature([FREE_ROWS], [TWO_ROWS, Tensor("z", "FP32", ())]),
            _signature([TWO_ROWS, Tensor("extra", "BOOL", (1,))], [FREE_ROWS]),
        )
    assert str(caught.value) == (
        "the model does not fit the app's contract: "
        "the app needs input x FP32 [-1, 4], the model has x FP32 [2, 4]; "
        "the model needs input extra BOOL [1], the app does not send it; "
        "the app needs output x FP32 [2, 4], the model has x FP32 [-1, 4]; "
        "the app needs output z FP32 [], the model has x FP32 [-1, 4]"
    )


# --- several models -------------------------------------------------------------------------------------------------


def _signature_of(folder: Path) -> dict[str, Any]:
    described = json.loads((folder / "manifest.json").read_bytes())
    return {key: described[key] for key in ("inputs", "outputs")}


def _copy(model_dir: Path, folder: Path, **changes: Any) -> Path:
    """A published model under another name; without a name one straight from training."""
    shutil.copytree(model_dir, folder)
    if changes:
        _change(folder / "manifest.json", **changes)
    else:
        (folder / "manifest.json").unlink()
        (folder / "model.json").write_text(json.dumps(_signature_of(model_dir)))
    return folder


@pytest.fixture
def several(model_dir: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A folder of two models, and the contract of the app that needs them."""
    models, contract = tmp_path / "models", tmp_path / "contract.json"
    _copy(model_dir, models / "first", model="published")
    _copy(model_dir, models / "trained")
    contract.write_text(json.dumps({"models": {"trained": _signature_of(model_dir), "published": _signature_of(model_dir)}}))
    return models, contract


def _refusal_of_all(folder: Path, contract: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_all(folder, contract, local_name="digits")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_several_models(several: tuple[Path, Path], manifest: dict[str, Any]) -> None:
    models, contract = several
    (models / ".hidden").mkdir()
    (models / "notes").mkdir()
    loaded = load_all(models, contract, local_name="digits")
    assert {name: (model.name, model.version, model.folder) for name, model in loaded.items()} == {
        "published": ("published", str(manifest["version"]), models / "first"),
        "trained": ("trained", "local", models / "trained"),
    }


def test_one_model_with_either_kind_of_contract(model_dir: Path, manifest: dict[str, Any], several: tuple[Path, Path]) -> None:
    models, contract = several
    assert list(load_all(model_dir, CONTRACT, local_name="other")) == [manifest["model"]]
    contract.write_text(json.dumps({"models": {"mine": _signature_of(model_dir)}}))
    assert list(load_all(models / "trained", contract, local_name="mine")) == ["mine"]
    shutil.rmtree(models / "first")
    assert list(load_all(models, CONTRACT, local_name="other")) == ["trained"]


def test_two_models_of_one_name(several: tuple[Path, Path]) -> None:
    models, contract = several
    _change(models / "first" / "manifest.json", model="trained")
    assert _refusal_of_all(models, contract) == (
        f"two models are called 'trained': {models}/first and {models}/trained; one service has one version of a model, remove a folder"
    )


def test_models_that_are_not_those_of_the_contract(model_dir: Path, several: tuple[Path, Path]) -> None:
    models, contract = several
    contract.write_text(json.dumps({"models": {"published": _signature_of(model_dir), "other": _signature_of(model_dir)}}))
    assert _refusal_of_all(models, contract) == (
        f"{models} does not fit {contract}: the app needs model 'other', but there is only 'published', 'trained'; "
        "there is model 'trained', but the app needs only 'published', 'other' (a model straight from training is called like its folder)"
    )
    assert _refusal_of_all(models / "trained", contract).endswith(" (MODEL_NAME names a model straight from training)")
    assert _refusal_of_all(models, CONTRACT) == (
        f"{models} holds several models ('published', 'trained'), but {CONTRACT} has the inputs and outputs of one; "
        'with several it is {"models": {"NAME": {"inputs": [...], "outputs": [...]}, ...}}'
    )
    contract.write_text(json.dumps({"models": {name: _signature_of(model_dir) for name in ("published", "trained")}}))
    assert _refusal(models, contract) == f"{models} holds several models ('published', 'trained'), not one"


def test_the_model_that_does_not_fit_is_named(model_dir: Path, several: tuple[Path, Path]) -> None:
    models, contract = several
    right = _signature_of(model_dir)
    wrong = {**right, "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 8, 8]}]}
    contract.write_text(json.dumps({"models": {"published": right, "trained": wrong}}))
    assert _refusal_of_all(models, contract) == (
        "model 'trained': the model does not fit the app's contract: the app needs input image UINT8 [-1, 8, 8], the model has image FP32 [-1, 64]"
    )


def test_a_contract_of_several_that_cannot_be_read(several: tuple[Path, Path]) -> None:
    models, contract = several
    for wrong in ({"models": []}, {"models": {}}, {"models": {"a": {}}, "inputs": []}):
        contract.write_text(json.dumps(wrong))
        assert _refusal_of_all(models, contract) == f"{contract}: 'models' must be an object with at least one model, and nothing stands beside it"
    contract.write_text(json.dumps({"models": {"published": {"inputs": []}}}))
    assert _refusal_of_all(models, contract) == f"{contract}: model 'published': 'inputs' must be a list of tensors with at least one entry"


def test_a_model_without_its_description_is_not_passed_over(several: tuple[Path, Path], tmp_path: Path) -> None:
    models, contract = several
    (models / "trained" / "model.json").unlink()
    assert _refusal_of_all(models, contract) == f"{models}/trained has neither manifest.json (from the model store) nor model.json (from training)"
    (tmp_path / "empty").mkdir()
    assert _refusal_of_all(tmp_path / "empty", contract) == f"{tmp_path}/empty has neither manifest.json (from the model store) nor model.json (from training)"


# --- what a run costs -------------------------------------------------------------------------------------------------


class _Session:
    """A model that takes its time."""

    def __init__(self, fixed: float, row: float, most: int = 1000) -> None:
        self.rows: list[int] = []
        self._fixed, self._row, self._most = fixed, row, most

    def run(self, names: list[str], inputs: dict[str, Any]) -> list[Any]:
        del names
        rows = len(inputs["x"])
        self.rows.append(rows)
        if rows > self._most:
            raise RuntimeError("too many rows")
        time.sleep(self._fixed + rows * self._row)
        return [inputs["x"]]


def _model(session: Any, shape: tuple[int, ...] = (-1, 4)) -> Model:
    tensor = Tensor("x", "FP32", shape)
    return Model("m", "1", "", Signature((tensor,), (tensor,)), session, Path())


def test_what_a_run_costs_is_measured() -> None:
    cost = model_module._cost(_model(_Session(0.004, 0.0005)))
    assert cost is not None
    # A busy machine sleeps longer.
    assert 0.002 < cost.fixed_seconds < 0.02
    assert 0.0002 < cost.row_seconds < 0.002


def test_a_slow_model_is_not_measured_for_long() -> None:
    for fixed, row, most in ((0.18, 0.01, 1), (0.02, 0.001, 8), (0.001, 0.02, 8)):
        session = _Session(fixed, row)
        started = time.monotonic()
        cost = model_module._cost(_model(session))
        assert time.monotonic() - started < 1.5
        assert max(session.rows) <= most
        assert (cost is None) == (most == 1)


def test_rows_that_cannot_be_varied_have_no_cost() -> None:
    session = _Session(0, 0, most=1)
    assert model_module._cost(_model(session)) is None
    assert model_module._cost(_model(_Session(0, 0), (1, 4))) is None
    assert model_module._cost(_model(_Session(0, 0), ())) is None


# --- every type of tensor -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("datatype", signature.NUMPY_TYPES)
def test_every_datatype(datatype: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="training's packages are not installed")
    element = onnx.TensorProto.STRING if datatype == "BYTES" else onnx.helper.np_dtype_to_tensor_dtype(np.dtype(signature.NUMPY_TYPES[datatype]))
    x, y = (onnx.helper.make_tensor_value_info(name, element, ["rows", 2]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "same", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    described = {key: [{"name": name, "datatype": datatype, "shape": [-1, 2]}] for key, name in (("inputs", "x"), ("outputs", "y"))}
    for name in ("model.json", "contract.json"):
        (tmp_path / name).write_text(json.dumps(described))
    loaded = load(tmp_path, tmp_path / "contract.json", local_name="same")
    values = np.array([["a", "ä"]], np.object_) if datatype == "BYTES" else np.array([[0, 1]], signature.NUMPY_TYPES[datatype])
    given = loaded.run({"x": values})["y"]
    assert given.dtype == values.dtype
    assert given.tolist() == values.tolist()
    assert loaded.cost is not None
