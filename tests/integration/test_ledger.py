"""Deployments that finish at once, each a process of its own in a clone of its own; and a ledger of some years."""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from delivery.release.files import path_of, read
from delivery.release.ledger import Ledger, Written
from delivery.release.record import Record
from model_store.documents import to_json
from tests.unit.delivery.release.releases import clone, files, git, is_linear, origin, release

_AT_ONCE = 10
_MANY = 2000
_barrier: Barrier | None = None


def _use(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603 - a process pool's only way to share one
    _barrier = barrier


def _deploy(checkout: Path, record: Record) -> tuple[Written, float, float]:
    opened = Ledger.of(checkout)
    assert _barrier is not None
    _barrier.wait(60)
    began = time.monotonic()
    return opened.write(record), began, time.monotonic()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return origin(tmp_path)


@pytest.fixture
def pool() -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["delivery.release.ledger"])
    with ProcessPoolExecutor(_AT_ONCE, context, _use, (context.Barrier(_AT_ONCE),)) as made:
        yield made


@pytest.mark.figures
@pytest.mark.parametrize("stacks", [_AT_ONCE, 1])
def test_ten_at_once(bare: Path, pool: ProcessPoolExecutor, stacks: int):
    """Of different stacks; and of one, where all of them have one id."""
    records = [release(stack=f"stack-{number % stacks}", by=f"person {number}") for number in range(_AT_ONCE)]
    clones = [clone(bare, f"clone-{number}", "--depth", "1") for number in range(_AT_ONCE)]
    written, began, ended = zip(*pool.map(_deploy, clones, records), strict=True)
    print(f"{_AT_ONCE} deployments of {stacks} stack{'s' if stacks > 1 else ''} finish at once: all recorded after {max(ended) - min(began):.1f} s")

    assert [(one.pushed, one.problem) for one in written] == [(True, "")] * _AT_ONCE
    assert [one.record.by for one in written] == [record.by for record in records]
    paths = {path_of(one.record) for one in written}
    assert set(files(bare)) == {*paths, "README.md"}
    assert len(paths) == _AT_ONCE
    for one in written:
        content = (git(bare, "show", f"releases:{path_of(one.record)}") + "\n").encode()
        assert read(content, path_of(one.record)) == one.record
    assert git(bare, "rev-list", "--count", "releases") == str(_AT_ONCE)
    assert git(bare, "rev-list", "--merges", "releases") == ""
    assert is_linear(bare)
    # Each commit brought one record, and changed none of those before.
    changes = git(bare, "log", "--format=", "--name-status", "releases", "--", "*.json").splitlines()
    assert sorted(changes) == sorted(f"A\t{path}" for path in paths)
    page = git(bare, "show", "releases:README.md")
    assert all(f"]({path})" in page for path in paths)
    for folder in clones:
        assert Ledger.of(folder).kept.records() == ([], {})


@pytest.mark.figures
def test_thousands_are_read_in_a_moment(bare: Path):
    records = [release(minute, stack=("dev", "prod")[minute % 2]) for minute in range(_MANY)]
    writer = clone(bare, "writer")
    git(writer, "switch", "--quiet", "--orphan", "releases")
    for record in records:
        (writer / record.stack).mkdir(exist_ok=True)
        (writer / path_of(record)).write_bytes(to_json(record))
    git(writer, "add", ".")
    git(writer, "commit", "--quiet", "--message", "years")
    git(writer, "push", "--quiet", "origin", "releases")
    opened = Ledger.of(clone(bare, "reader"))
    opened.records()
    again = Ledger.of(bare.parent / "reader")
    began = time.monotonic()
    found = again.records()
    read_seconds = time.monotonic() - began
    began = time.monotonic()
    written = again.write(release(_MANY))
    print(f"{_MANY} records: read in {read_seconds:.2f} s, one more written in {time.monotonic() - began:.2f} s")
    assert (len(found), found[0], found[-1]) == (_MANY, records[-1], records[0])
    assert written.pushed
    assert len(files(bare)) == _MANY + 2
    # Several times of what it takes, so that a busy machine passes and reading one by one does not.
    assert read_seconds < 5
