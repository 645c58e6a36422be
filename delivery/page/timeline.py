"""The timeline: where in a lane, in per cent of its width, each period and each mark lies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from delivery.page.periods import Period, goes_back
from delivery.release.record import Outcome, Record

_COLOURS = 6
_MOST_TICKS = 8
_STEPS = tuple(timedelta(hours=hours) for hours in (1, 3, 6, 12, 24, 48, 168, 336, 728, 2184, 4368, 8736))
_EDGE = 0.02
"""Of the whole time, left free after the newest event, so that its mark is not cut off."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One version of a model.

    Attributes:
        left, width: in per cent.
        colour: number of one of the page's colours; versions one after the other have different ones.
        images: places where a new image of the app came.
    """

    left: float
    width: float
    colour: int
    period: Period
    images: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A release that failed or went back; kind: `failed`, `undone` or `back`."""

    left: float
    kind: str
    record: Record


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One service of one stack."""

    stack: str
    service: str
    segments: tuple[Segment, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A moment on the axis."""

    left: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """All lanes above one axis."""

    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]


def timeline(records: Sequence[Record], periods: Sequence[Period], now: datetime) -> Timeline:
    """The timeline from the first release until now.

    Args:
        records: newest first; at least one.
    """
    start = min(record.started_at for record in records)
    end = max(now, *(record.finished_at for record in records))
    scale = _Scale(start, end + max((end - start) * _EDGE, timedelta(minutes=1)))
    lanes = dict.fromkeys((period.stack, period.service) for period in periods)
    marks = list(_marks(records))
    return Timeline(
        lanes=tuple(
            Lane(
                stack=stack,
                service=service,
                segments=tuple(_segment(period, scale) for period in periods if (period.stack, period.service) == (stack, service)),
                marks=tuple(
                    Mark(left=scale.of(record.finished_at), kind=kind, record=record) for kind, record in marks if _is_of(record, kind, stack, service)
                ),
            )
            for stack, service in lanes
        ),
        ticks=tuple(scale.ticks()),
    )


@dataclass(frozen=True)
class _Scale:
    start: datetime
    end: datetime

    def of(self, moment: datetime) -> float:
        return round(100 * (moment - self.start) / (self.end - self.start), 3)

    def ticks(self) -> Iterator[Tick]:
        """At whole hours, days or weeks, at most eight."""
        span = self.end - self.start
        step = next((step for step in _STEPS if span / step <= _MOST_TICKS), _STEPS[-1] * ceil(span / _STEPS[-1] / _MOST_TICKS))
        # A Monday, so that weeks begin with one.
        origin = datetime(2024, 1, 1, tzinfo=UTC)
        moment = origin + step * -(-(self.start - origin) // step)
        form = "%H:%M" if step < timedelta(days=1) else "%-d %b" if span < timedelta(days=330) else "%b %Y"
        while moment < self.end:
            yield Tick(left=self.of(moment), text=moment.strftime(form))
            moment += step


def _segment(period: Period, scale: _Scale) -> Segment:
    left, right = scale.of(period.start), scale.of(period.end) if period.end else 100.0
    images = tuple(scale.of(record.finished_at) for record in period.new_images)
    return Segment(left=left, width=round(right - left, 3), colour=period.model.version % _COLOURS, period=period, images=images)


def _marks(records: Sequence[Record]) -> Iterator[tuple[str, Record]]:
    before: dict[str, Record] = {}
    for record in reversed(records):
        if record.outcome is Outcome.FAILED:
            yield "failed", record
        elif record.outcome is Outcome.ROLLED_BACK:
            yield "undone", record
        elif goes_back(record, before.get(record.stack)):
            yield "back", record
        if record.succeeded:
            before[record.stack] = record


def _is_of(record: Record, kind: str, stack: str, service: str) -> bool:
    """A release that failed is of all its services, one that went back of those with a pin."""
    runs = record.services.get(service)
    return record.stack == stack and (kind != "back" or (runs is not None and runs.pin is not None)) and (runs is not None or not record.services)
