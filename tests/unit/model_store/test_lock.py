import json
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store import Lock, LockedModel, LockedService, Manifest, ModelStoreError, Pin, layout, lock, read_lock, write_lock
from model_store.documents import parse, to_json
from tests.unit.model_store.samples import locked, manifest

_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30)
_NAMES = st.from_regex(layout.NAME_PATTERN, fullmatch=True)
_HASHES = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
_FILES = st.fixed_dictionaries({"sha256": _HASHES, "size": st.integers(1, 2**50)})
_TENSORS = st.lists(
    st.fixed_dictionaries(
        {"name": _TEXT, "datatype": st.sampled_from(["FP32", "INT64", "BYTES", "BOOL"]), "shape": st.lists(st.integers(-1, 2**31), max_size=4)}
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda tensor: str(tensor["name"]),
)
_METRICS = st.dictionaries(_TEXT, st.floats(allow_nan=False, allow_infinity=False), max_size=3)
_MOMENTS = st.datetimes(timezones=st.timezones())
_VERSIONS = st.integers(1, layout.HIGHEST_VERSION)
_TRAINING = st.fixed_dictionaries(
    {
        "command": _TEXT,
        "commit": st.none() | st.from_regex(r"[0-9a-f]{40}", fullmatch=True),
        "data": st.fixed_dictionaries({"name": _TEXT, "rows": st.integers(0), "sha256": _HASHES}),
    }
)
MANIFESTS = st.builds(
    lambda **values: Manifest.model_validate({"format": "onnx", **values}),
    model=_NAMES, version=_VERSIONS, opset=st.integers(1, 99), inputs=_TENSORS, outputs=_TENSORS, metrics=_METRICS, training=_TRAINING,
    files=st.fixed_dictionaries(dict.fromkeys(layout.CONTENT, _FILES)), created_at=_MOMENTS, created_by=_TEXT,
)  # fmt: skip
MODELS = MANIFESTS.map(lambda made: LockedModel.of(made, to_json(made)))
IMAGES = st.none() | _HASHES.map(lambda digest: f"sha256:{digest}")
LOCKS = st.builds(Lock, services=st.dictionaries(_NAMES, st.builds(LockedService, model=MODELS, image=IMAGES), max_size=3))


@given(MANIFESTS)
def test_a_manifest_survives_writing_and_reading(made: Manifest):
    assert parse(Manifest, to_json(made), "manifest.json") == made


@given(LOCKS)
def test_a_lock_survives_writing_and_reading_and_is_written_the_same_again(made: Lock):
    content = to_json(made)
    again = parse(Lock, content, "lock")
    assert again == made
    assert to_json(again) == content


def test_a_lock_is_written_sorted_indented_and_with_a_final_newline(tmp_path: Path):
    path = tmp_path / "dev.json"
    write_lock(path, Lock(services={"zeta": LockedService(model=locked()), "alpha": LockedService(model=locked(2), image=f"sha256:{'e' * 64}")}))
    text = path.read_text()
    content = json.loads(text)
    assert text == json.dumps(content, indent=2, sort_keys=True) + "\n"
    assert list(content["services"]) == ["alpha", "zeta"]
    assert content["services"]["zeta"]["image"] is None
    assert content["services"]["zeta"]["model"] == {
        "name": "digits",
        "version": 1,
        "files": {
            "model.onnx": {"sha256": "a" * 64, "size": 10},
            "golden.json": {"sha256": "b" * 64, "size": 20},
            "manifest.json": {"sha256": sha256(b"manifest bytes").hexdigest(), "size": 14},
        },
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1]}],
        "metrics": {"accuracy": 0.9},
        "published_at": "2026-11-23T20:00:00Z",
        "published_by": "alice@example.com",
        "training": {"command": "python train.py", "commit": None, "data": {"name": "points", "rows": 4, "sha256": "d" * 64}},
    }


def test_a_lock_from_before_training_was_kept_can_be_read(tmp_path: Path):
    path = tmp_path / "dev.json"
    model = {name: value for name, value in locked().model_dump(mode="json").items() if name != "training"}
    path.write_text(json.dumps({"services": {"digits": {"model": model, "image": None}}}))
    assert read_lock(path).services["digits"].model.training is None


def test_a_stack_without_a_lock_runs_nothing(tmp_path: Path):
    assert read_lock(tmp_path / "dev.json") == Lock()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "latest"}, "services.digits.image: string should match pattern '^sha256:[0-9a-f]{64}$', got \"latest\""),
        ({"replicas": 2}, "services.digits.replicas: is not a known key"),
        ({"model": {**locked().model_dump(mode="json"), "version": 0}}, "services.digits.model.version: input should be greater than or equal to 1, got 0"),
        ({"model": None}, "services.digits.model: input should be an object, got null"),
    ],
)
def test_a_broken_lock_names_file_and_key(tmp_path: Path, change: dict[str, Any], message: str):
    path = tmp_path / "dev.json"
    service = {"model": locked().model_dump(mode="json"), "image": None, **change}
    path.write_text(json.dumps({"services": {"digits": service}}))
    with pytest.raises(ModelStoreError) as error:
        read_lock(path)
    assert str(error.value) == f"{path}: {message}"


def test_a_lock_with_a_merge_conflict_in_it(tmp_path: Path):
    path = tmp_path / "dev.json"
    path.write_text("<<<<<<< HEAD\n{}")
    with pytest.raises(ModelStoreError, match=r"dev\.json: not valid JSON: "):
        read_lock(path)


def test_a_lock_that_is_a_folder(tmp_path: Path):
    with pytest.raises(ModelStoreError, match=r"^cannot read .*: Is a directory$"):
        read_lock(tmp_path)


def test_only_one_command_at_a_time_changes_a_lock(tmp_path: Path):
    path, inside, most, seen = tmp_path / "dev.json", 0, 0, threading.Lock()

    def change() -> None:
        nonlocal inside, most
        for _ in range(5):
            with lock.exclusive(path):
                inside += 1
                most = max(most, inside)
                with seen:
                    count = len(read_lock(path).services)
                    write_lock(path, Lock(services={**read_lock(path).services, f"s{count}": LockedService(model=locked())}))
                inside -= 1

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert len(read_lock(path).services) == 20
    assert [entry.name for entry in tmp_path.iterdir()] == ["dev.json"]


def test_who_waits_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lock, "_WAIT_SECONDS", 0.1)
    path = tmp_path / "dev.json"
    with lock.exclusive(path), pytest.raises(ModelStoreError, match=r"^another command has been changing .*dev\.json for 0 s; try again"), lock.exclusive(path):
        pass


def test_the_manifest_is_locked_by_the_bytes_in_the_store():
    assert LockedModel.of(manifest(), b"x").files["manifest.json"].size == 1
    assert LockedModel.of(manifest(), b"x") != LockedModel.of(manifest(), b"y")
    assert locked().sha256 == "a" * 64


def test_a_pin_says_why_a_service_stays_at_its_image(tmp_path: Path):
    pin = {"release": "20261124T231847Z", "reason": "errors since v13", "by": "ann", "at": "2026-11-24T23:20:00Z"}
    path = tmp_path / "dev.json"
    write_lock(path, Lock(services={"digits": LockedService(model=locked(), image=f"sha256:{'e' * 64}", pin=Pin.model_validate_json(json.dumps(pin)))}))
    found = read_lock(path).services["digits"].pin
    assert found is not None
    assert found.model_dump(mode="json") == pin


def test_a_pin_needs_an_image(tmp_path: Path):
    path = tmp_path / "dev.json"
    service = {"model": locked().model_dump(mode="json"), "image": None, "pin": {"release": "1", "reason": "r", "by": "b", "at": "2026-11-24T23:20:00Z"}}
    path.write_text(json.dumps({"services": {"digits": service}}))
    with pytest.raises(ModelStoreError, match="a pin needs an image that it pins to"):
        read_lock(path)
