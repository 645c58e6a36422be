"""Training: repeatable to the byte, honest about how good the model is, clear about what is wrong."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

train = pytest.importorskip("training.train", reason="training's packages are not installed", exc_type=ImportError)
evaluate = pytest.importorskip("training.evaluate", reason="training's packages are not installed", exc_type=ImportError)

FILES = ("model.onnx", "golden.json", "model.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    assert train.main(["--out", str(out)]) == 0
    return out


def _model_json(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "model.json").read_bytes())


def test_two_runs_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    assert train.main(["--out", str(tmp_path / "new" / "folder")]) == 0
    for name in FILES:
        assert (folder / name).read_bytes() == (tmp_path / "new" / "folder" / name).read_bytes()
    assert sorted(file.name for file in folder.iterdir()) == sorted(FILES)


def test_a_variant_is_another_model_with_its_own_command(folder: Path, tmp_path: Path) -> None:
    assert train.main(["--out", str(tmp_path), "--seed", "3", "--regularization", "2.5"]) == 0
    assert (tmp_path / "model.onnx").read_bytes() != (folder / "model.onnx").read_bytes()
    training = _model_json(tmp_path)["training"]
    assert training["command"] == "python -m training.train --seed 3 --regularization 2.5"
    assert training["data"] == _model_json(folder)["training"]["data"]


def test_the_description(folder: Path) -> None:
    described = _model_json(folder)
    assert (described["format"], described["opset"]) == ("onnx", 17)
    assert described["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}]
    assert described["outputs"] == [
        {"name": "label", "datatype": "INT64", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
    ]
    assert described["metrics"]["accuracy"] > 0.97
    assert described["training"]["command"] == "python -m training.train --seed 0 --regularization 1.0"
    assert described["training"]["data"]["rows"] == 1797
    assert len(described["training"]["data"]["sha256"]) == 64


def test_metrics_are_those_of_held_out_rows(folder: Path) -> None:
    """Counted here once more, from the file and the data."""
    data = train.load_data()
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    label = np.asarray(session.run(["label"], {"image": data.held_out_images})[0])
    accuracy = round(float((label == data.held_out_labels).mean()), 4)
    assert _model_json(folder)["metrics"]["accuracy"] == accuracy
    seen = {hashlib.sha256(image.tobytes()).digest() for image in data.train_images}
    held_out = {hashlib.sha256(image.tobytes()).digest() for image in data.held_out_images}
    assert not seen & held_out
    assert len(data.train_images) + len(data.held_out_images) == data.rows


def test_golden_requests_are_one_held_out_row_of_each_digit(folder: Path) -> None:
    golden = json.loads((folder / "golden.json").read_bytes())
    assert golden["tolerance"] == {"rtol": 1e-4, "atol": 1e-5}
    assert [case["inputs"][0]["shape"] for case in golden["cases"]] == [[1, 64], [1, 64], [1, 64], [10, 64]]
    assert golden["cases"][3]["outputs"][0]["data"] == list(range(10))
    held_out = {tuple(image) for image in train.load_data().held_out_images.tolist()}
    rows = np.reshape(golden["cases"][3]["inputs"][0]["data"], (10, 64)).tolist()
    assert {tuple(row) for row in rows} <= held_out


def test_an_export_that_differs_from_scikit_learn_is_refused(folder: Path) -> None:
    data = train.load_data()
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    other = train.fit(data, seed=5, regularization=1.0)
    with pytest.raises(evaluate.TrainingError, match="the exported model differs from scikit-learn: "):
        evaluate.check_export(session, other, data.held_out_images)


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert train.main(["--out", str(tmp_path / "file" / "out")]) == 1
    assert capsys.readouterr().err == (f"error: cannot write to --out {tmp_path}/file/out: Not a directory; give a folder that you may write to\n")


def test_a_model_that_is_too_weak(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--out", str(tmp_path), "--regularization", "1000"]) == 1
    assert capsys.readouterr().err == (
        "error: no held-out picture of a 0 is recognised with a probability above 0.9; the model is too weak to publish: try a smaller --regularization\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "-1"], "argument --seed: must be an integer from 0 to 4294967295, got '-1'"),
        (["--regularization", "nan"], "argument --regularization: must be a number from 0, got 'nan'"),
    ],
)
def test_wrong_options(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        train.main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
