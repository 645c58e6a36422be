from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from model_store import Lock, LockChange, LockedModel, LockedService, ModelStore, ModelStoreError, Pin, promote, read_lock, write_lock
from model_store.gates import Gate, GateReport, GatesFailedError
from model_store.promotion import write_changes
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
    assert change.lines() == [f"{path}: service digits: digits v1", f"image: no longer pinned to {_IMAGE}, built from the commit"]
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


def report(*, passed: bool) -> GateReport:
    return GateReport((Gate("accuracy", passed, "accuracy 0.9 -> 0.95"),))


def test_a_gate_is_asked_about_both_models_and_its_answer_is_kept(tmp_path: Path):
    path = tmp_path / "dev.json"
    asked: list[tuple[LockedModel | None, LockedModel]] = []

    def gatekeeper(running: LockedModel | None, candidate: LockedModel) -> GateReport:
        asked.append((running, candidate))
        return report(passed=True)

    promote(store(locked()), "digits", 1, path, "digits", gatekeeper)
    change = promote(store(version_two()), "digits", 2, path, "digits", gatekeeper)
    assert asked == [(None, locked()), (locked(), version_two())]
    assert change.gates == report(passed=True)
    assert change.as_json()["gates"]["passed"] is True
    promote(store(version_two()), "digits", 2, path, "digits", gatekeeper)
    assert len(asked) == 2, "what runs already is not asked again"


def test_a_gate_that_fails_leaves_the_lock_as_it_is(tmp_path: Path):
    path = tmp_path / "dev.json"
    promote(store(locked()), "digits", 1, path, "digits")
    before = path.read_bytes()
    with pytest.raises(GatesFailedError) as error:
        promote(store(version_two()), "digits", 2, path, "digits", lambda *_: report(passed=False))
    assert str(error.value) == f"accuracy 0.9 -> 0.95: fails. digits v2 is not promoted, {path} stays as it is"
    assert path.read_bytes() == before
    with pytest.raises(GatesFailedError):
        promote(store(locked()), "digits", 1, tmp_path / "new" / "dev.json", "digits", lambda *_: report(passed=False))
    assert not (tmp_path / "new").exists()


_PIN = Pin.model_validate({"release": "20261124T180000Z", "reason": "v2 answers oddly", "by": "ada", "at": "2026-11-24T20:00:00Z"})


def test_a_pinned_service_is_left_alone(tmp_path: Path):
    path = tmp_path / "prod.json"
    pinned = LockedService(model=locked(), image=_IMAGE, pin=_PIN)
    write_lock(path, Lock(services={"digits": pinned, "other": LockedService(model=locked())}))
    for version in (1, 2):
        with pytest.raises(ModelStoreError) as error:
            promote(store(locked(), version_two()), "digits", version, path, "digits")
        assert str(error.value) == (
            f"service digits of {path} is pinned to release 20261124T180000Z since 2026-11-24 20:00 UTC by ada: v2 answers oddly; nothing was changed. "
            "Give --unpin when that is over, or take the pin away by itself: converge release unpin prod"
        )
    assert read_lock(path).services["digits"] == pinned
    assert promote(store(version_two()), "digits", 2, path, "other").changed, "the pin is that of one service"


def test_unpinning_by_a_promotion_says_whose_pin_it_was(tmp_path: Path):
    path = tmp_path / "prod.json"
    write_lock(path, Lock(services={"digits": LockedService(model=locked(), image=_IMAGE, pin=_PIN)}))
    change = promote(store(version_two()), "digits", 2, path, "digits", unpin=True)
    assert change.lines()[-2:] == [
        f"image: no longer pinned to {_IMAGE}, built from the commit",
        "pin: taken away; it was set 2026-11-24 20:00 UTC by ada: v2 answers oddly",
    ]
    assert read_lock(path).services["digits"] == LockedService(model=version_two())


def test_a_change_to_an_image_and_a_pin_is_told(tmp_path: Path):
    other = f"sha256:{'f' * 64}"
    before, after = LockedService(model=locked(), image=_IMAGE), LockedService(model=locked(), image=other, pin=_PIN)
    first = LockChange(tmp_path / "prod.json", "digits", None, after)
    assert first.lines()[-2:] == [f"image: {other}", "pin: stays at release 20261124T180000Z until it is unpinned: v2 answers oddly"]
    built = LockedService(model=locked())
    assert LockChange(tmp_path / "prod.json", "digits", built, before).lines()[-1] == f"image: built from the commit -> {_IMAGE}"
    assert LockChange(tmp_path / "prod.json", "digits", before, after).lines()[-2] == f"image: {_IMAGE[:19]} -> {other}"


def test_somebody_else_was_first(tmp_path: Path):
    """Between reading and writing lie a download and the gates: nobody's change is lost, and none is made on what is no longer so."""
    path = tmp_path / "dev.json"
    promote(store(locked()), "digits", 1, path, "digits")

    def meanwhile(_running: LockedModel | None, _candidate: LockedModel) -> GateReport:
        write_lock(path, Lock(services={"digits": LockedService(model=locked(), image=_IMAGE)}))
        return report(passed=True)

    with pytest.raises(ModelStoreError) as error:
        promote(store(version_two()), "digits", 2, path, "digits", meanwhile)
    assert str(error.value) == f"another command has changed service digits of {path} in the meantime; nothing was changed, run this one again"
    assert read_lock(path).services["digits"].image == _IMAGE


def test_several_changes_are_written_all_or_none_beside_what_others_wrote(tmp_path: Path):
    path = tmp_path / "prod.json"
    one, two = (LockChange(path, name, None, LockedService(model=locked())) for name in ("one", "two"))
    write_lock(path, Lock(services={"theirs": LockedService(model=locked())}))
    write_changes(path, [one])
    with pytest.raises(ModelStoreError, match="has changed service one of"):
        write_changes(path, [two, one])
    assert sorted(read_lock(path).services) == ["one", "theirs"]
    write_changes(path, [two, LockChange(path, "one", one.after, one.after)])
    assert sorted(read_lock(path).services) == ["one", "theirs", "two"]


def test_many_promotions_at_once_lose_nothing(tmp_path: Path):
    path = tmp_path / "dev.json"
    names = [f"service-{number}" for number in range(12)]
    with ThreadPoolExecutor(len(names)) as pool:
        assert all(change.changed for change in pool.map(lambda name: promote(store(locked()), "digits", 1, path, name), names))
    assert sorted(read_lock(path).services) == sorted(names)
    assert [file.name for file in tmp_path.iterdir()] == ["dev.json"]


def test_of_many_promotions_of_one_service_each_is_done_or_told(tmp_path: Path):
    path = tmp_path / "dev.json"

    def attempt(version: int) -> str:
        try:
            promote(store(locked(version)), "digits", version, path, "digits")
        except ModelStoreError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(attempt, range(1, 9)))
    assert "" in ended
    assert set(ended) <= {"", f"another command has changed service digits of {path} in the meantime; nothing was changed, run this one again"}
    assert read_lock(path).services["digits"].model.version in [version for version, text in enumerate(ended, 1) if not text]
