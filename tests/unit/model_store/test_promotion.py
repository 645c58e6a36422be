from pathlib import Path
from typing import Any, cast

import pytest

from model_store import Lock, LockedModel, LockedService, ModelStore, ModelStoreError, promote, read_lock, write_lock
from tests.unit.model_store.samples import file, locked

_IMAGE = f"sha256:{'e' * 64}"


class Published:
    """A store's answers; what a real one does is in the integration tests."""

    def __init__(self, *models: LockedModel) -> None:
        self._models = {model.version: model for model in models}

    def resolve(self, name: str, version: int | None) -> int:
        assert name == "digits"
        return version or max(self._models)

    def locked(self, name: str, version: int) -> LockedModel:
        assert name == "digits"
        return self._models[version]


def store(*models: LockedModel) -> ModelStore:
    return cast("ModelStore", Published(*models))


def version_two(**changes: Any) -> LockedModel:
    files = {"model.onnx": file("c", 1500), "golden.json": file("b", 20), "manifest.json": file("d", 14)}
    return locked(2, files=files, metrics={"accuracy": 0.95, "loss": 0.1}, **changes)


def test_the_first_promotion_makes_the_lock(tmp_path: Path):
    path = tmp_path / "locks" / "dev.json"
    change = promote(store(locked()), "digits", 1, path, "digits")
    assert read_lock(path) == Lock(services={"digits": LockedService(model=locked(), image=None)})
    assert change.lines() == [f"{path}: service digits: nothing -> digits v1", "metric accuracy: 0.9"]
    assert change.changed


def test_latest_is_the_highest_version(tmp_path: Path):
    assert promote(store(locked(), version_two()), "digits", None, tmp_path / "dev.json", "digits").after.model.version == 2


def test_another_version_says_what_changes_and_keeps_other_services(tmp_path: Path):
    path = tmp_path / "dev.json"
    other = LockedService(model=locked(), image=_IMAGE)
    write_lock(path, Lock(services={"other": other, "digits": LockedService(model=locked())}))
    change = promote(store(version_two()), "digits", 2, path, "digits")
    assert change.lines() == [
        f"{path}: service digits: digits v1 -> v2",
        "metric accuracy: 0.9 -> 0.95 (+0.05)",
        "metric loss: none -> 0.1",
        "model.onnx: 10 bytes -> 1.5 kB, sha256 aaaaaaaaaaaa -> cccccccccccc",
    ]
    assert read_lock(path).services == {"other": other, "digits": LockedService(model=version_two())}


def test_a_changed_signature_is_shown(tmp_path: Path):
    path = tmp_path / "dev.json"
    promote(store(locked()), "digits", 1, path, "digits")
    after = version_two(inputs=[{"name": "x", "datatype": "FP32", "shape": [-1, 3]}])
    assert promote(store(after), "digits", 2, path, "digits").lines()[-1] == "inputs: x FP32 [-1, 2] -> x FP32 [-1, 3]"


def test_what_runs_already_is_no_change_and_is_not_written(tmp_path: Path):
    path = tmp_path / "dev.json"
    promote(store(locked()), "digits", 1, path, "digits")
    before = path.stat()
    change = promote(store(locked()), "digits", 1, path, "digits")
    assert not change.changed
    assert change.lines() == [f"{path}: service digits runs digits v1 already, nothing changed"]
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_promoting_unpins_the_image_and_says_so(tmp_path: Path):
    path = tmp_path / "dev.json"
    write_lock(path, Lock(services={"digits": LockedService(model=locked(), image=_IMAGE)}))
    change = promote(store(locked()), "digits", 1, path, "digits")
    assert change.changed
    assert change.lines()[0] == f"{path}: service digits: digits v1 -> v1"
    assert change.lines()[-1] == f"image: no longer pinned to {_IMAGE}, built from the commit"
    assert read_lock(path).services["digits"].image is None


def test_a_broken_lock_is_left_as_it_is(tmp_path: Path):
    path = tmp_path / "dev.json"
    path.write_text("{}}")
    with pytest.raises(ModelStoreError, match="not valid JSON"):
        promote(store(locked()), "digits", 1, path, "digits")
    assert path.read_text() == "{}}"


def test_a_service_has_a_name_of_its_own(tmp_path: Path):
    path = tmp_path / "dev.json"
    assert promote(store(locked()), "digits", 1, path, "reader").lines()[0].endswith("service reader: nothing -> digits v1")
    with pytest.raises(ModelStoreError, match=r"^service name 'No' is not allowed"):
        promote(store(locked()), "digits", 1, path, "No")


def test_for_programs(tmp_path: Path):
    change = promote(store(locked()), "digits", 1, tmp_path / "dev.json", "digits")
    assert change.as_json()["before"] is None
    assert change.as_json()["after"]["model"]["version"] == 1
    assert change.as_json()["changed"] is True
