"""A store in a folder, real models on the real ONNX Runtime."""

import io
import shutil
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from delivery.promotion.proof import prove
from model_store import LockedFile, LockedModel, ModelStore, ModelStoreError
from model_store.golden import Golden
from model_store.tensors import Tensor
from tests.unit.delivery.release.releases import BEGAN
from tests.unit.model_store.onnx_models import LARGER, POINTS, SUM, golden_of, points, points_model


class Shelf:
    """Versions of `points` by number; what a real store checks is in the integration tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.asked: list[str] = []

    def add(self, version: int, weights: tuple[float, float], golden: Golden, inputs: tuple[Tensor, ...] = (POINTS,)) -> LockedModel:
        folder = self._folder / str(version)
        folder.mkdir()
        points_model(folder / "model.onnx", weights)
        (folder / "golden.json").write_text(golden.model_dump_json())
        (folder / "manifest.json").write_text("{}")
        files = {path.name: LockedFile(sha256=sha256(path.read_bytes()).hexdigest(), size=path.stat().st_size) for path in folder.iterdir()}
        kept = {"inputs": inputs, "outputs": (SUM, LARGER), "metrics": {}, "published_at": BEGAN, "published_by": "ada"}
        return LockedModel(name="points", version=version, files=files, **kept)

    def fetch(self, _name: str, version: int, folder: Path, _progress: object) -> None:
        self.asked.append(f"all of {version}")
        shutil.copytree(self._folder / str(version), folder, dirs_exist_ok=True)

    def golden(self, locked: LockedModel) -> bytes:
        self.asked.append(f"requests of {locked.version}")
        path = self._folder / str(locked.version) / "golden.json"
        if not path.exists():
            raise ModelStoreError("golden.json is not in the store any more")
        return path.read_bytes()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def proven(shelf: Shelf, running: LockedModel | None, candidate: LockedModel) -> tuple[str, list[str]]:
    gate, notes = prove(cast("ModelStore", shelf), running, candidate, Console(file=io.StringIO()))
    return str(gate), notes


_OWN = golden_of(points([1.0, 2.0], sums=[3.0], larger=[1]))


def test_the_first_model_answers_its_own_requests(shelf: Shelf):
    assert proven(shelf, None, shelf.add(1, (1.0, 1.0), _OWN)) == ("golden requests: 1 of 1 answered within tolerance: passes", [])
    assert shelf.asked == ["all of 1"]


def test_a_model_that_does_not(shelf: Shelf):
    text = "golden requests: 0 of 1 answered within tolerance, case 0: sum: value 0 is 5, expected 3: fails"
    assert proven(shelf, None, shelf.add(1, (1.0, 2.0), _OWN)) == (text, [])


def test_the_running_model_s_requests_are_a_note(shelf: Shelf):
    running = shelf.add(1, (1.0, 1.0), golden_of(points([1.0, 2.0], sums=[3.0], larger=[1]), points([0.0, 0.0], sums=[0.0], larger=[0])))
    candidate = shelf.add(2, (2.0, 2.0), golden_of(points([1.0, 2.0], sums=[6.0], larger=[1])))
    gate, notes = proven(shelf, running, candidate)
    assert gate.endswith(": passes")
    assert notes == ["golden requests of points v1: points v2 answers 1 of 2 like it, case 0: sum: value 0 is 6, expected 3"]


def test_the_same_requests_are_sent_once(shelf: Shelf):
    running, candidate = shelf.add(1, (1.0, 1.0), _OWN), shelf.add(2, (1.0, 1.0), _OWN)
    assert proven(shelf, running, candidate)[1] == []
    assert shelf.asked == ["all of 2"]


def test_requests_that_cannot_be_sent_are_told(shelf: Shelf, tmp_path: Path):
    wide = Tensor(name="y", datatype="FP32", shape=(-1, 2))
    running = shelf.add(1, (1.0, 1.0), golden_of(({"y": ("FP32", [1, 2], [1.0, 2.0])}, {"sum": ("FP32", [1], [3.0])})), (wide,))
    candidate = shelf.add(2, (1.0, 1.0), _OWN)
    gate, (note,) = proven(shelf, running, candidate)
    assert gate.endswith(": passes")
    assert note.startswith(
        "golden requests of points v1 were not sent to points v2: golden.json of points v1: cases[0].inputs: 'y' is not declared in model.json"
    )
    (tmp_path / "1" / "golden.json").unlink()
    assert proven(shelf, running, candidate)[1] == ["golden requests of points v1 were not sent to points v2: golden.json is not in the store any more"]


def test_what_was_fetched_is_gone_afterwards(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    proven(shelf, None, shelf.add(1, (1.0, 1.0), _OWN))
    assert list((tmp_path / "temporary").iterdir()) == []
