"""What the service counts and measures, and how Prometheus reads it.

Counting must cost next to nothing, because every request does it several times: a series is a few doubles in one block of
memory, and counting is an addition in place. There are no locks: under Python's own lock nothing comes between reading and
writing one double, so threads lose nothing.

Several workers share the block, a file: each writes a row of its own, and a scrape, whichever worker it reaches, gives the sum
of all rows. A worker that replaces another goes on with its row, so counters never fall.
"""

import mmap
import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from zlib import crc32

if TYPE_CHECKING:
    from prometheus_client import Metric

ROW = 1 << 16  # doubles of one worker; memory that no series uses is never touched, so it costs nothing
_NO_LABELS: Mapping[str, str] = {}
_OPENMETRICS = "application/openmetrics-text"
Values: TypeAlias = "memoryview[float]"


class Counter:
    """Only goes up."""

    __slots__ = ("_at", "_values")

    def __init__(self, values: Values, at: int) -> None:
        self._values = values
        self._at = at

    def add(self, amount: float = 1.0) -> None:
        """Counts one, or as many."""
        self._values[self._at] += amount


class Gauge:
    """Goes up and down."""

    __slots__ = ("_at", "_values")

    def __init__(self, values: Values, at: int) -> None:
        self._values = values
        self._at = at

    def set(self, value: float) -> None:
        """It is this much now."""
        self._values[self._at] = value

    def add(self, amount: float = 1.0) -> None:
        """It is more now by this much, or less."""
        self._values[self._at] += amount


class Histogram:
    """How often a value was at most as large as each bucket's bound, and the sum of all."""

    __slots__ = ("_bounds", "_values")

    def __init__(self, values: Values, bounds: tuple[float, ...]) -> None:
        self._values = values  # the sum, then one count per bucket, the last of them without a bound
        self._bounds = bounds

    def observe(self, value: float) -> None:
        """One more value."""
        values = self._values
        values[0] += value
        values[bisect_left(self._bounds, value) + 1] += 1.0


@dataclass(frozen=True)
class _Series:
    labels: Mapping[str, str]
    at: int  # of its tag; its values follow


@dataclass
class _Family:
    name: str
    help: str
    kind: str  # counter, gauge, histogram or info
    bounds: tuple[float, ...]
    names: frozenset[str]  # of the labels
    when_used: bool
    series: list[_Series] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Doubles of one series."""
        return {"info": 0, "histogram": len(self.bounds) + 2}.get(self.kind, 1)


class Metrics:
    """All series of this service. Declare them before it serves; every worker declares the same."""

    def __init__(self, workers: int = 1, worker: int = 0, file: Path | None = None) -> None:
        self._memory = _open(file, workers)
        everything = memoryview(self._memory).cast("d")
        rows = len(everything) // ROW
        self._worker = worker if file else 0
        self._rows = [everything[row * ROW : (row + 1) * ROW] for row in range(rows)]
        self._row = self._rows[self._worker]
        self._row[0] = os.getpid()
        self._free = 1
        self._families: dict[str, _Family] = {}

    def counter(self, name: str, help: str, labels: Mapping[str, str] = _NO_LABELS) -> Counter:  # noqa: A002 - what Prometheus calls it
        """A series that only goes up; `name` ends in _total."""
        if not name.endswith("_total"):
            raise ValueError(f"a counter's name ends in _total, not so {name}")
        return Counter(self._row, self._declare(_Family(name, help, "counter", (), frozenset(labels), when_used=False), labels))

    def gauge(self, name: str, help: str, labels: Mapping[str, str] = _NO_LABELS) -> Gauge:  # noqa: A002 - as above
        """A series that goes up and down; what it shows is the sum over the workers."""
        at = self._declare(_Family(name, help, "gauge", (), frozenset(labels), when_used=False), labels)
        self._row[at] = 0.0  # what it was in the worker before is of no meaning now
        return Gauge(self._row, at)

    def histogram(
        self,
        name: str,
        help: str,  # noqa: A002 - as above
        buckets: Sequence[float],
        labels: Mapping[str, str] = _NO_LABELS,
        *,
        when_used: bool = False,
    ) -> Histogram:
        """A series of a value's spread; with `when_used` it is shown only once there is a value, for the many that never have one."""
        bounds = tuple(float(bound) for bound in buckets)
        if not bounds or list(bounds) != sorted(set(bounds)):
            raise ValueError(f"the buckets of {name} must go up: {buckets}")
        family = _Family(name, help, "histogram", bounds, frozenset(labels), when_used=when_used)
        at = self._declare(family, labels)
        return Histogram(self._row[at : at + family.width], bounds)

    def info(self, name: str, help: str, labels: Mapping[str, str]) -> None:  # noqa: A002 - as above
        """A series that is always 1 and tells something by its labels; `name` ends in _info."""
        if not name.endswith("_info"):
            raise ValueError(f"the name of an info ends in _info, not so {name}")
        self._declare(_Family(name, help, "info", (), frozenset(labels), when_used=False), labels)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All series as Prometheus reads them, and the content type: OpenMetrics for who accepts that, else the older text."""
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - only a service that is scraped pays for it

        # Not the header itself: what stands in it is the caller's, and nothing that the library should have to parse.
        encode, content_type = choose_encoder(f"{_OPENMETRICS}; version=1.0.0" if _OPENMETRICS in accept.lower() else "")
        return encode(_Collected(self._collect)), content_type

    def _declare(self, family: _Family, labels: Mapping[str, str]) -> int:
        """Gives a series its place; returns where its values are."""
        known = self._families.setdefault(family.name, family)
        if (known.kind, known.bounds, known.names) != (family.kind, family.bounds, family.names):
            raise ValueError(
                f"the series of {family.name} must be alike: {known.kind} with labels {sorted(known.names)}, now {family.kind} with {sorted(labels)}"
            )
        if any(series.labels == labels for series in known.series):
            raise ValueError(f"{family.name} exists already with the labels {dict(labels)}")
        at, end = self._free, self._free + 1 + family.width
        if end > ROW:
            raise ValueError(f"there is no room for {family.name}: more than {ROW} values")
        # The tag says whose values these are. A worker that served another model before had others here.
        tag = float(crc32(repr((family.name, sorted(labels.items()), family.bounds)).encode()) + 1)
        if self._row[at] != tag:
            for place in range(at + 1, end):
                self._row[place] = 0.0
            self._row[at] = tag
        self._free = end
        known.series.append(_Series(dict(labels), at))
        return at + 1

    def _values(self, series: _Series, width: int) -> list[float]:
        """The sum over all workers that have this series."""
        at, tag = series.at, self._row[series.at]
        rows = [row for row in self._rows if row[at] == tag]
        return [sum(row[place] for row in rows) for place in range(at + 1, at + 1 + width)]

    def _collect(self) -> "Iterator[Metric]":
        from prometheus_client import Metric  # noqa: PLC0415 - as above

        for family in self._families.values():
            suffix = {"counter": "_total", "info": "_info"}.get(family.kind, "")
            metric = Metric(family.name.removesuffix(suffix), family.help, family.kind)
            for series in family.series:
                values = self._values(series, family.width)
                if not (family.when_used and sum(values[1:]) == 0):
                    _add_samples(metric, family, series.labels, values)
            yield metric
        yield from self._processes()

    def _processes(self) -> "Iterator[Metric]":
        """Memory, processor time and files: of this process, or of each worker."""
        from prometheus_client import ProcessCollector  # noqa: PLC0415 - as above

        merged: dict[str, Any] = {}
        for index, row in enumerate(self._rows):
            pid = "self" if len(self._rows) == 1 else str(int(row[0]))
            # A worker that has just ended has no such files any more, and gives nothing.
            for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect() if pid != "0" else ():
                known = merged.setdefault(metric.name, metric)
                samples = metric.samples if len(self._rows) == 1 else [sample._replace(labels={"worker": str(index)}) for sample in metric.samples]
                known.samples = samples if known is metric else [*known.samples, *samples]
        yield from merged.values()


class _Collected:
    """What an encoder of prometheus_client asks for."""

    def __init__(self, collect: "Callable[[], Iterator[Metric]]") -> None:
        self.collect = collect


def _add_samples(metric: "Metric", family: _Family, labels: Mapping[str, str], values: Sequence[float]) -> None:
    known = dict(labels)
    if family.kind == "info":
        metric.add_sample(family.name, known, 1.0)
        return
    if family.kind != "histogram":
        metric.add_sample(family.name, known, values[0])
        return
    total, counts = values[0], values[1:]
    so_far = 0.0
    for bound, count in zip((*family.bounds, float("inf")), counts, strict=True):
        so_far += count
        metric.add_sample(f"{family.name}_bucket", {**known, "le": "+Inf" if bound == float("inf") else repr(bound)}, so_far)
    metric.add_sample(f"{family.name}_count", known, so_far)
    metric.add_sample(f"{family.name}_sum", known, total)


def _open(file: Path | None, workers: int) -> mmap.mmap:
    size = ROW * 8 * (workers if file else 1)
    if file is None:
        return mmap.mmap(-1, size)
    with file.open("r+b") as opened:
        # Whoever comes first makes it large enough; for the others nothing changes.
        if os.fstat(opened.fileno()).st_size < size:
            os.truncate(opened.fileno(), size)
        return mmap.mmap(opened.fileno(), size)


__all__ = ["Counter", "Gauge", "Histogram", "Metrics"]
