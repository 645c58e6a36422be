"""Rounds put together."""

from benchmarks.serving.measure import Case, Measured
from benchmarks.serving.oha import Load

ONE, MANY = Case(rows=1, concurrency=1), Case(rows=1, concurrency=16)


def load(rate: float, p99: float) -> Load:
    return Load(requests_per_second=rate, p50=p99 / 2, p99=p99, answered=round(rate), errors={})


def test_of_each_load_the_best_round_counts_and_no_problem_is_forgotten():
    first = Measured(title="one", loads={ONE: load(100, 0.1), MANY: load(500, 0.2)}, start_seconds=2.0, rss=10, pss=None, problems=["late"])
    first.merge(Measured(title="one", loads={ONE: load(200, 0.3), MANY: load(400, 0.1)}, start_seconds=1.0, rss=12, pss=7, problems=["wrong"]))
    assert first.loads == {ONE: load(200, 0.3), MANY: load(500, 0.2)}
    assert (first.start_seconds, first.rss, first.pss) == (1.0, 12, 7)
    assert first.problems == ["late", "wrong"]


def test_a_round_that_gave_nothing_takes_nothing_away():
    first = Measured(title="one", loads={ONE: load(100, 0.1)}, start_seconds=2.0, rss=10)
    first.merge(Measured(title="one", problems=["not ready"]))
    assert (first.loads, first.start_seconds, first.rss) == ({ONE: load(100, 0.1)}, 2.0, 10)
    assert first.problems == ["not ready"]
