"""Both versions of a model on ONNX Runtime, from a store or from what is kept of it."""

import io
import shutil
from pathlib import Path
from typing import Self

import pytest
from rich.console import Console

import model_store
from delivery.errors import DeliveryError
from delivery.plan.models import model_changes
from delivery.plan.sections import ModelChange
from delivery.predictions.of_models import CACHE, compare_models, with_predictions
from delivery.predictions.requests import Samples
from local_azure.progress import Progress
from model_store import LockedModel, LockedService, ModelStoreError, Tensor
from tests.unit.delivery.predictions.models import write_model

OLD, NEW = [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0], [0.5, 0.0]]
ROWS = Samples(rows=([0.0, 1.0, 1.0], [0.0, 0.4, 1.0]), where="rows.json")


class Store:
    """Gives versions out of folders."""

    def __init__(self, folders: dict[int, Path]) -> None:
        self.folders = folders
        self.fetched: list[int] = []
        self.address = "https://store.example/models"

    def open(self, url: str) -> "Store":
        assert url == self.address
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def fetch(self, _name: str, version: int, folder: Path) -> None:
        self.fetched.append(version)
        if version not in self.folders:
            raise ModelStoreError("there is no such version")
        shutil.copytree(self.folders[version], folder)


class Versions:
    """Two versions of a model, a store that has them, and a checkout."""

    def __init__(self, folder: Path) -> None:
        self.old = write_model(folder / "v1", OLD)
        self.new = write_model(folder / "v2", NEW, version=2)
        self.store = Store({1: folder / "v1", 2: folder / "v2"})
        self.checkout = folder / "checkout"

    def plan(self, new: LockedModel | None = None, samples: Samples | None = ROWS) -> ModelChange:
        before, now = {"digits": LockedService(model=self.old)}, {"digits": LockedService(model=new or self.new)}
        with Progress(Console(file=io.StringIO())) as progress:
            (change,) = with_predictions(tuple(model_changes(before, now, {})), before, now, self.checkout, progress, samples)
        return change


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Versions:
    made = Versions(tmp_path)
    monkeypatch.setenv("CONVERGE_MODEL_STORE", made.store.address)
    monkeypatch.setattr(model_store, "ModelStore", made.store, raising=False)
    return made


def test_golden_requests_and_samples_through_both(versions: Versions):
    change = versions.plan()
    assert change.predictions_unknown == ""
    assert change.predictions
    assert change.predictions.title == "2 of 4 predictions change, 1 label flips"
    assert list(change.predictions.example_lines()) == ["x [0, 0.4, 1]: label 1 -> 0; score[0] 0 -> 0.5", "x [0, 1, 1]: score[0] 0 -> 0.5"]
    assert (change.predictions.rtol, change.predictions.atol) == (0.001, 0.0001)


def test_golden_requests_alone(versions: Versions):
    change = versions.plan(samples=None)
    assert change.predictions
    assert change.predictions.title == "0 of 2 predictions change"


def test_what_was_fetched_is_kept_and_checked(versions: Versions):
    versions.plan()
    versions.plan()
    assert versions.store.fetched == [1, 2]
    kept = versions.checkout / CACHE / versions.new.files["manifest.json"].sha256
    (kept / "model.onnx").unlink()
    shutil.rmtree(kept)
    assert versions.plan().predictions
    assert versions.store.fetched == [1, 2, 2]


def test_without_a_store_nobody_is_asked(versions: Versions, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CONVERGE_MODEL_STORE")
    change = versions.plan()
    assert (change.predictions, change.predictions_unknown, versions.store.fetched) == (None, "", [])


def test_a_plan_is_made_without_them(versions: Versions):
    del versions.store.folders[2]
    change = versions.plan()
    assert (change.predictions, change.predictions_unknown) == (None, "there is no such version")


def test_bytes_that_are_not_those_of_the_lock(versions: Versions):
    versions.store.folders[2] = versions.store.folders[1]
    change = versions.plan()
    assert change.predictions_unknown == ("digits v2 in https://store.example/models is not the version that the lock names: its files have other hashes")
    assert [path.name for path in (versions.checkout / CACHE).iterdir()] == [versions.old.files["manifest.json"].sha256]


def test_a_model_that_is_too_large_is_not_fetched(versions: Versions):
    files = {**versions.new.files, "model.onnx": versions.new.files["model.onnx"].model_copy(update={"size": 3 * 2**30})}
    change = versions.plan(versions.new.model_copy(update={"files": files}))
    assert change.predictions_unknown == "digits v2 has 3.2 GB; more than 2.1 GB are not fetched for a plan"
    assert versions.store.fetched == []


def test_rows_that_do_not_fit_are_told(versions: Versions):
    assert versions.plan(samples=Samples(rows=([1.0],), where="rows.json")).predictions_unknown.startswith("rows.json: row 0 has 1 values")


def test_no_request_fits_both(versions: Versions, tmp_path: Path):
    wider = versions.new.model_copy(update={"inputs": (Tensor(name="x", datatype="FP32", shape=(-1, 4)),)})
    with pytest.raises(DeliveryError, match=r"^no request fits both: digits v1 takes x FP32 \[-1, 3\] and digits v2 takes x FP32 \[-1, 4\]$"):
        compare_models((versions.old, wider), (tmp_path / "v1", tmp_path / "v2"))


def test_a_model_that_cannot_be_loaded_or_refuses(versions: Versions, tmp_path: Path):
    found = compare_models(
        (versions.old, versions.new.model_copy(update={"outputs": (Tensor(name="no", datatype="FP32", shape=(-1,)),)})), (tmp_path / "v1", tmp_path / "v2")
    )
    assert found.changed == found.total == 2
    assert "error: " in next(found.example_lines())
    (tmp_path / "v2" / "model.onnx").write_bytes(b"no model")
    with pytest.raises(DeliveryError, match=r"^ONNX Runtime cannot load model\.onnx: "):
        compare_models((versions.old, versions.new), (tmp_path / "v1", tmp_path / "v2"))


def test_only_the_newest_are_kept(versions: Versions):
    for number in range(20):
        (versions.checkout / CACHE / f"{number:064}").mkdir(parents=True)
    versions.plan()
    kept = sorted(path.name for path in (versions.checkout / CACHE).iterdir())
    assert len(kept) == 8
    assert {versions.old.files["manifest.json"].sha256, versions.new.files["manifest.json"].sha256} <= set(kept)
