import os
from hashlib import sha256
from pathlib import Path

import pytest

from model_store import ModelStoreError, folder
from tests.unit.model_store.samples import write_folder


def problem(path: Path) -> str:
    with pytest.raises(ModelStoreError) as error:
        folder.read_folder(path)
    return str(error.value)


def test_a_complete_folder_is_read_with_hashes_and_sizes(tmp_path: Path):
    read = folder.read_folder(write_folder(tmp_path, b"abc"))
    assert read.files["model.onnx"].sha256 == sha256(b"abc").hexdigest()
    assert read.files["model.onnx"].size == 3
    assert set(read.files) == {"model.onnx", "golden.json"}
    assert read.description.metrics == {"accuracy": 0.9}


def test_no_folder(tmp_path: Path):
    assert problem(tmp_path / "x") == f"{tmp_path}/x is no folder; publish takes the folder that training wrote, with model.onnx, golden.json, model.json"


def test_missing_files_are_all_named(tmp_path: Path):
    write_folder(tmp_path)
    (tmp_path / "model.onnx").unlink()
    (tmp_path / "model.json").unlink()
    assert problem(tmp_path) == f"{tmp_path} has no model.onnx, model.json; a model folder has model.onnx, golden.json, model.json"


def test_an_empty_model(tmp_path: Path):
    assert problem(write_folder(tmp_path, b"")) == f"{tmp_path}/model.onnx is empty; train again"


def test_a_git_lfs_pointer_is_no_model(tmp_path: Path):
    write_folder(tmp_path, b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    assert problem(tmp_path) == f"{tmp_path}/model.onnx is only Git LFS's pointer to the model; get the model with `git lfs pull`"


def test_a_broken_description_names_the_file(tmp_path: Path):
    assert problem(write_folder(tmp_path, opset=0)) == f"{tmp_path}/model.json: opset: input should be greater than or equal to 1, got 0"


def test_golden_requests_that_do_not_fit_name_the_file(tmp_path: Path):
    write_folder(tmp_path, inputs=[{"name": "x", "datatype": "FP32", "shape": [-1, 3]}])
    assert problem(tmp_path) == f"{tmp_path}/golden.json: cases[0].inputs: 'x' is FP32 [1, 2], but model.json declares FP32 [-1, 3]"


def test_golden_requests_that_are_too_large(tmp_path: Path):
    os.truncate(write_folder(tmp_path) / "golden.json", 16 * 2**20 + 1)
    assert problem(tmp_path) == f"{tmp_path}/golden.json has 16,777,217 bytes; at most 16,777,216 are allowed, so keep fewer or smaller cases"
