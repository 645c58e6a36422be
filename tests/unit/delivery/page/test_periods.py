"""What ran when, and where it lies in the timeline."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.page.example import NOW, example_records, many_records
from delivery.page.lineage import lineage
from delivery.page.periods import goes_back, periods
from delivery.page.timeline import timeline
from delivery.release.record import Outcome, Record, id_of

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
TEMPLATE = example_records()[0]


def record(number: int, version: int | None, *, app: int = 0, succeeded: bool = True) -> Record:
    """One release of digits; without a version nothing runs."""
    service = TEMPLATE.services["digits"]
    started = BEGAN + timedelta(hours=number)
    changed = {}
    if version is not None:
        files = {**service.model.files, "model.onnx": service.model.files["model.onnx"].model_copy(update={"sha256": f"{version:064x}"})}
        model = service.model.model_copy(update={"version": version, "files": files})
        changed = {"digits": service.model_copy(update={"model": model, "image": f"r/digits@sha256:{version * 100 + app:064x}"})}
    outcome = Outcome.SUCCEEDED if succeeded else Outcome.FAILED
    times = {"id": id_of(started), "started_at": started, "finished_at": started + timedelta(minutes=5)}
    return TEMPLATE.model_copy(update={**times, "stack": "dev", "outcome": outcome, "services": changed})


def test_a_period_is_one_version_however_often_the_app_changes():
    records = [record(0, 1), record(1, 1, app=1), record(2, 1, app=1), record(3, 2, succeeded=False), record(4, 2), record(5, 1)][::-1]
    found = periods(records)
    assert [(period.model.version, len(period.releases)) for period in found] == [(1, 3), (2, 1), (1, 1)]
    assert found[0].start == records[-1].finished_at
    assert found[0].end == found[1].start == record(4, 2).finished_at
    assert found[2].end is None
    assert [one.id for one in found[0].new_images] == [record(1, 1).id]


def test_a_service_that_goes_away_ends():
    found = periods([record(0, 1), record(1, None), record(2, 1)][::-1])
    assert [(period.start, period.end) for period in found] == [(record(0, 1).finished_at, record(1, None).finished_at), (record(2, 1).finished_at, None)]


@given(st.lists(st.tuples(st.none() | st.integers(1, 3), st.booleans()), min_size=1, max_size=12))
def test_at_every_time_the_periods_say_what_the_last_success_brought(steps: list[tuple[int | None, bool]]):
    records = [record(number, version, succeeded=ok) for number, (version, ok) in enumerate(steps)]
    found = periods(records[::-1])
    now: int | None = None
    for one in records:
        if one.succeeded:
            now = one.services["digits"].model.version if one.services else None
        at = one.finished_at + timedelta(minutes=1)
        ran = [period.model.version for period in found if period.start <= at and (period.end is None or at < period.end)]
        assert ran == ([] if now is None else [now])
    for earlier, later in pairwise(found):
        assert earlier.end is not None
        assert earlier.end <= later.start


@given(st.lists(st.tuples(st.none() | st.integers(1, 3), st.booleans()), min_size=1, max_size=12), st.integers(-1_000, 100_000))
def test_everything_lies_within_the_lane(steps: list[tuple[int | None, bool]], later: int):
    records = [record(number, version, succeeded=ok) for number, (version, ok) in enumerate(steps)][::-1]
    shown = timeline(records, periods(records), records[0].finished_at + timedelta(minutes=later))
    for lane in shown.lanes:
        for segment in lane.segments:
            assert 0 <= segment.left <= 100
            assert segment.width > 0
            assert segment.left + segment.width <= 100.001
            assert all(segment.left <= place <= segment.left + segment.width for place in segment.images)
        assert all(0 <= mark.left <= 100 for mark in lane.marks)
    assert len(shown.ticks) <= 9
    assert [tick.left for tick in shown.ticks] == sorted(tick.left for tick in shown.ticks)


def test_marks_stand_where_the_service_was_concerned():
    records = example_records()
    lanes = {(lane.stack, lane.service): [(mark.kind, mark.record.id) for mark in lane.marks] for lane in timeline(records, periods(records), NOW).lanes}
    assert lanes == {
        ("dev", "digits"): [("failed", "20261018T173600Z"), ("undone", "20261111T173600Z")],
        ("dev", "sentiment"): [("failed", "20261018T173600Z"), ("undone", "20261111T173600Z")],
        ("prod", "digits"): [("back", "20261027T222400Z")],
        ("prod", "sentiment"): [],
    }


def test_going_back_is_told_once():
    records = {one.id: one for one in example_records()}
    back, before = records["20261027T222400Z"], records["20261025T151200Z"]
    assert goes_back(back, before)
    assert not goes_back(back, back)
    assert not goes_back(before, back)
    assert not goes_back(back.model_copy(update={"outcome": Outcome.FAILED}), before)


def test_the_lineage_of_models():
    found = lineage(periods(example_records()))
    assert {name: [version.model.version for version in versions] for name, versions in found.items()} == {"digits": [13, 12, 11, 10, 9], "sentiment": [4, 3]}
    twelve, ten = found["digits"][1], found["digits"][3]
    assert [(metric.name, metric.value, metric.change and round(metric.change, 4)) for metric in twelve.metrics] == [
        ("accuracy", 0.9722, 0.0033),
        ("log_loss", 0.1278, -0.0033),
    ]
    assert [(period.stack, period.pinned) for period in ten.ran] == [("dev", False), ("prod", False), ("prod", True)]
    assert found["digits"][-1].metrics[0].change is None


@pytest.mark.parametrize("days", [1, 3, 40, 400, 4000])
def test_the_axis_has_few_ticks_for_any_time(days: int):
    first = record(0, 1)
    shown = timeline([first], periods([first]), first.finished_at + timedelta(days=days))
    assert 2 <= len(shown.ticks) <= 9


def test_the_example_is_the_same_every_time():
    assert example_records() == example_records()
    assert len({(one.stack, one.id) for one in many_records(1000)}) == 1000
