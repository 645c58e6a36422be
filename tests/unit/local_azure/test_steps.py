import threading
from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_azure.steps import Step, run_steps


@given(st.lists(st.sets(st.integers(0, 19), max_size=4), min_size=1, max_size=20))
def test_every_step_runs_once_and_after_its_needs(graph: list[set[int]]):
    done: list[str] = []
    steps = [
        Step(name=str(number), needs=tuple(str(need) for need in needs if need < number), run=lambda number=number: done.append(str(number)))
        for number, needs in enumerate(graph)
    ]
    run_steps(steps)
    assert sorted(done) == sorted(step.name for step in steps)
    for step in steps:
        assert all(done.index(need) < done.index(step.name) for need in step.needs)


def test_steps_that_do_not_need_each_other_run_side_by_side():
    meeting = threading.Barrier(2, timeout=10)

    def meet() -> None:
        meeting.wait()

    run_steps([Step(name="one", run=meet), Step(name="other", run=meet)])


def test_the_first_error_is_raised_and_nothing_that_needs_it_is_started():
    started: list[str] = []

    def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run_steps([Step(name="first", run=fail), Step(name="second", needs=("first",), run=lambda: started.append("second"))])
    assert started == []


def test_a_failure_is_told_at_once_and_not_after_what_still_runs():
    told, release = threading.Event(), threading.Event()

    def fail() -> None:
        raise ValueError("broken")

    def long() -> None:
        assert told.wait(10)
        release.set()

    with pytest.raises(ValueError, match="broken"):
        run_steps([Step(name="long", run=long), Step(name="fails", run=fail)], lambda name, running: told.set() if (name, running) == ("fails", 1) else None)
    assert release.is_set()


def test_a_circle_is_refused():
    with pytest.raises(CycleError):
        run_steps([Step(name="a", needs=("b",), run=lambda: None), Step(name="b", needs=("a",), run=lambda: None)])
