"""Records that wait in a clone."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from delivery.errors import DeliveryError
from delivery.release.kept import Kept
from model_store.documents import to_json
from tests.unit.delivery.release.releases import release


def test_there_is_nothing_at_first(tmp_path: Path):
    assert Kept(tmp_path / "nowhere").records() == ([], {})


def test_kept_and_forgotten(tmp_path: Path):
    kept = Kept(tmp_path)
    assert kept.keep(release()) == release()
    assert (tmp_path / "dev" / "20261124T231847Z.json").read_bytes() == to_json(release())
    assert kept.records() == ([release()], {})
    kept.forget(release())
    kept.forget(release())
    assert kept.records() == ([], {})
    assert [path.name for path in (tmp_path / "dev").iterdir()] == []


def test_the_same_twice_is_one(tmp_path: Path):
    kept = Kept(tmp_path)
    assert [kept.keep(release()), kept.keep(release())] == [release(), release()]
    assert kept.records() == ([release()], {})


def test_another_of_the_same_id_gets_a_suffix(tmp_path: Path):
    kept = Kept(tmp_path)
    kept.keep(release())
    second = kept.keep(release(by="Grace"))
    assert (second.id, second.by) == ("20261124T231847Z-2", "Grace")
    assert kept.keep(release(by="Grace")) == second
    assert kept.records()[0] == [second, release()]


def test_many_at_once_lose_none(tmp_path: Path):
    kept, together = Kept(tmp_path), threading.Barrier(8)

    def keep(number: int) -> str:
        together.wait()
        return kept.keep(release(by=f"person {number}")).id

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(keep, range(8)))
    assert len(set(ids)) == 8
    records, unreadable = kept.records()
    assert ({record.by for record in records}, unreadable) == ({f"person {number}" for number in range(8)}, {})


def test_what_cannot_be_read_is_told_and_stays(tmp_path: Path):
    kept = Kept(tmp_path)
    kept.keep(release())
    broken = tmp_path / "dev" / "20261124T231848Z.json"
    broken.write_text("{")
    records, unreadable = kept.records()
    assert records == [release()]
    assert list(unreadable) == [str(broken)]
    assert unreadable[str(broken)].startswith("no record: not valid JSON")
    assert broken.exists()


def test_a_full_disk_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        Kept(tmp_path).keep(release())
    assert list((tmp_path / "dev").iterdir()) == []


def test_one_process_at_a_time(tmp_path: Path):
    kept = Kept(tmp_path / "new")
    with (
        kept.one_at_a_time(1),
        pytest.raises(DeliveryError, match=r"^another process has been pushing records of this clone for 0\.1 s$"),
        kept.one_at_a_time(0.1),
    ):
        pass
    with kept.one_at_a_time(0.1):
        assert kept.records() == ([], {})
