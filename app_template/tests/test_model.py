"""Loading a model folder: only the right bytes with the right signature ever get served."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from app import signature
from app.model import ModelError, load
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
