import json
from pathlib import Path
from typing import Any

import pytest

from model_store.documents import parse, write_file
from model_store.errors import DocumentError, ModelStoreError
from model_store.manifest import Manifest, ModelDescription
from tests.unit.model_store.samples import DESCRIPTION, manifest


def problem(value: Any) -> str:
    """What is said of a model.json with this content."""
    with pytest.raises(DocumentError) as error:
        parse(ModelDescription, json.dumps(value).encode(), "model.json")
    return str(error.value)


def changed(**changes: Any) -> dict[str, Any]:
    return {**DESCRIPTION, **changes}


def test_a_missing_key():
    assert problem({key: value for key, value in DESCRIPTION.items() if key != "opset"}) == "model.json: opset: is missing"


def test_an_unknown_key():
    assert problem(changed(accuracy=1)) == "model.json: accuracy: is not a known key"


def test_a_wrong_value_is_named_with_its_key_and_what_is_allowed():
    tensor = {"name": "x", "datatype": "FLOAT", "shape": [-1]}
    assert problem(changed(inputs=[tensor])).startswith("model.json: inputs[0].datatype: input should be 'BOOL', 'UINT8', ")
    assert problem(changed(inputs=[tensor])).endswith('got "FLOAT"')


def test_all_problems_at_once():
    assert problem(changed(opset="17", format="pickle")) == (
        'model.json: format: input should be \'onnx\', got "pickle"; opset: input should be a valid integer, got "17"'
    )


def test_many_problems_are_cut():
    assert problem(changed(metrics={f"m{number}": "x" for number in range(20)})).endswith("; and 12 more")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("metrics", {"accuracy": "0.9"}),
        ("metrics", {"accuracy": True}),
        ("metrics", {"": 1.0}),
        ("metrics", {"\x1b[31m": 1.0}),
        ("inputs", []),
        ("inputs", [{"name": "x", "datatype": "FP32", "shape": [-2]}]),
        ("inputs", [{"name": "x", "datatype": "FP32", "shape": [1.0]}]),
        ("opset", 0),
        ("training", None),
    ],
)
def test_values_that_are_not_allowed(key: str, value: Any):
    assert problem(changed(**{key: value})).startswith(f"model.json: {key}")


def test_two_tensors_of_one_name():
    tensor = DESCRIPTION["inputs"][0]
    assert problem(changed(inputs=[tensor, tensor])) == "model.json: inputs: the name 'x' stands twice"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "f: not valid JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"\xff", "f: not UTF-8 text (byte 0)"),
        (b'{"a": 1, "a": 2}', "f: the key 'a' stands twice in one object"),
        (b'{"a": NaN}', "f: NaN is not a JSON number"),
        (b"[" * 100_000, "f: nested too deeply"),
        (b"[]", "f: input should be an object, got []"),
    ],
)
def test_what_is_no_document(content: bytes, message: str):
    with pytest.raises(DocumentError) as error:
        parse(ModelDescription, content, "f")
    assert str(error.value) == message


def test_infinity_is_no_metric():
    content = json.dumps(changed(metrics={"loss": 1.5})).replace("1.5", "1e999").encode()
    with pytest.raises(DocumentError, match=r"^f: metrics\.loss: input should be a finite number"):
        parse(ModelDescription, content, "f")


def test_a_manifest_must_name_exactly_its_files():
    with pytest.raises(ValueError, match=r"must name exactly model\.onnx, golden\.json, got model\.onnx"):
        manifest(files={"model.onnx": {"sha256": "a" * 64, "size": 1}})


def test_documents_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        manifest().version = 2


def test_a_file_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path):
    path = tmp_path / "new" / "lock.json"
    write_file(path, b"one")
    write_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["lock.json"]


def test_a_file_that_cannot_be_written_keeps_its_content(tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ModelStoreError, match=r"^cannot write .*/file/lock\.json: (Not a directory|File exists)$"):
        write_file(tmp_path / "file" / "lock.json", b"x")


def test_a_manifest_in_another_time_zone_is_kept_in_utc_and_seconds():
    assert manifest(created_at="2026-11-23T21:00:00.987+01:00").model_dump(mode="json")["created_at"] == "2026-11-23T20:00:00Z"
    with pytest.raises(ValueError, match="timezone"):
        Manifest.model_validate({**manifest().model_dump(), "created_at": "2026-11-23T21:00:00"})
