"""The benchmark of overload, short. Times are not judged: the machine has other things to do."""

from pathlib import Path

import pytest

from benchmarks.overload.run import CASES, SHORT_SECONDS, Case, Load, has_oha, kill_a_worker, measure, prepare


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def load(folder: Path) -> Load:
    if not has_oha():
        pytest.skip("oha is not there; the benchmark itself builds it")
    return prepare(folder)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_twice_the_capacity_is_refused_in_part_and_forgotten_afterwards(load: Load, folder: Path, case: Case) -> None:
    outcome = measure(case, load, folder / case.name, SHORT_SECONDS)
    assert outcome.counted() == []


@pytest.mark.figures
def test_a_killed_worker_takes_no_more_with_it_than_was_under_way(load: Load, folder: Path) -> None:
    killed = kill_a_worker(load, folder / "digits")
    print(
        f"a worker killed with {killed.connections} connections: {killed.answered} answered, {killed.lost} lost; replaced after {killed.replaced_after:.1f} s"
    )
    assert killed.answered > 0
    assert killed.other == 0
    assert killed.lost <= killed.connections
