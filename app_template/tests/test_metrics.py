import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from app.metrics import ROW, Metrics
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
LABELS = {"model": "digits", "version": "7"}


def scraped(metrics: Metrics, accept: str = "") -> dict[str, Metric]:
    """What a scraper understands of it."""
    body, content_type = metrics.exposition(accept)
    parse = parse_openmetrics if content_type.startswith("application/openmetrics-text") else parse_text
    return {family.name: family for family in parse(body.decode())}


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return next(sample.value for family in scraped(metrics).values() for sample in family.samples if sample.name == name and sample.labels == labels)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The file of several workers, as a parent makes it: empty."""
    file = tmp_path / "metrics"
    file.touch()
    return file


def test_a_counter_shows_all_that_was_added_and_starts_at_zero() -> None:
    metrics = Metrics()
    counter = metrics.counter("inference_requests_total", "Requests.", {**LABELS, "outcome": "ok"})
    metrics.counter("inference_requests_total", "Requests.", {**LABELS, "outcome": "failed"})
    counter.add()
    counter.add(2.5)
    assert value(metrics, "inference_requests_total", **LABELS, outcome="ok") == 3.5
    assert value(metrics, "inference_requests_total", **LABELS, outcome="failed") == 0


def test_a_gauge_goes_up_and_down() -> None:
    metrics = Metrics()
    gauge = metrics.gauge("inference_waiting", "Requests that wait.")
    gauge.set(5)
    gauge.add(-2)
    gauge.add()
    assert value(metrics, "inference_waiting") == 4


def test_a_histogram_counts_a_value_in_each_bucket_whose_bound_it_does_not_exceed() -> None:
    metrics = Metrics()
    histogram = metrics.histogram("seconds", "Duration.", (0.1, 1, 10), LABELS)
    for observed in (0, 0.1, 0.100001, 1, 9.9, 10, 11, 5000):
        histogram.observe(observed)
    buckets = {bound: value(metrics, "seconds_bucket", **LABELS, le=bound) for bound in ("0.1", "1.0", "10.0", "+Inf")}
    assert buckets == {"0.1": 2, "1.0": 4, "10.0": 6, "+Inf": 8}
    assert value(metrics, "seconds_count", **LABELS) == 8
    assert value(metrics, "seconds_sum", **LABELS) == pytest.approx(5032.100001)


def test_an_info_tells_by_its_labels() -> None:
    metrics = Metrics()
    metrics.info("inference_model_info", "What is served.", {"model": 'with "quotes" and \\', "sha256": "a" * 64})
    assert value(metrics, "inference_model_info", model='with "quotes" and \\', sha256="a" * 64) == 1


def test_a_histogram_for_when_it_is_used_is_not_shown_before() -> None:
    metrics = Metrics()
    histogram = metrics.histogram("seconds", "Duration.", (1,), when_used=True)
    assert not scraped(metrics)["seconds"].samples
    histogram.observe(0)
    assert value(metrics, "seconds_count") == 1


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain; version=not-a-version", "text/plain; version=0.0.4; charset=utf-8"),
        (OPENMETRICS, OPENMETRICS + "; charset=utf-8"),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", OPENMETRICS + "; charset=utf-8"),
        ("application/openmetrics-text; version=not-a-version", OPENMETRICS + "; charset=utf-8"),
        ("Application/OpenMetrics-Text", OPENMETRICS + "; charset=utf-8"),
    ],
)
def test_who_accepts_openmetrics_gets_it_and_nothing_in_the_header_breaks_the_answer(accept: str, content_type: str) -> None:
    metrics = Metrics()
    metrics.counter("things_total", "Things.").add(3)
    body, given = metrics.exposition(accept)
    assert ";".join(part for part in given.split(";") if "escaping" not in part) == content_type
    assert body.endswith(b"# EOF\n") == given.startswith("application/openmetrics-text")
    assert {sample.value for sample in scraped(metrics, accept)["things"].samples} == {3}


def test_every_kind_of_series_is_valid_openmetrics() -> None:
    metrics = Metrics()
    metrics.counter("things_total", "Things.", LABELS).add()
    metrics.gauge("waiting", "Waiting.").set(1.5)
    metrics.histogram("seconds", "Duration.\nOf a request.", (0.001, 1), LABELS).observe(0.5)
    metrics.info("model_info", "Model.", LABELS)
    kinds = {name: family.type for name, family in scraped(metrics, OPENMETRICS).items()}
    assert {"things": "counter", "waiting": "gauge", "seconds": "histogram", "model": "info"}.items() <= kinds.items()


def test_the_process_itself_is_measured() -> None:
    families = scraped(Metrics())
    assert {"process_cpu_seconds", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"} <= families.keys()
    assert families["process_resident_memory_bytes"].samples[0].labels == {}
    assert families["process_resident_memory_bytes"].samples[0].value > 1e6


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda metrics: metrics.counter("things_total", "", LABELS), "exists already"),
        (lambda metrics: metrics.counter("things_total", "", {"other": "label"}), "must be alike"),
        (lambda metrics: metrics.gauge("things_total", "", LABELS), "must be alike"),
        (lambda metrics: metrics.counter("things", ""), "ends in _total"),
        (lambda metrics: metrics.info("things", "", {}), "ends in _info"),
        (lambda metrics: metrics.histogram("seconds", "", (1, 1)), "must go up"),
        (lambda metrics: metrics.histogram("seconds", "", ()), "must go up"),
        (lambda metrics: metrics.histogram("seconds", "", range(ROW)), "no room"),
    ],
)
def test_series_that_a_scraper_could_not_tell_apart_are_refused(declare, message: str) -> None:  # noqa: ANN001 - a lambda
    metrics = Metrics()
    metrics.counter("things_total", "", LABELS)
    with pytest.raises(ValueError, match=message):
        declare(metrics)


def test_threads_lose_nothing() -> None:
    metrics = Metrics()
    counter = metrics.counter("things_total", "Things.")
    histogram = metrics.histogram("seconds", "Duration.", (1, 2))
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work() -> None:
        for _ in range(20_000):
            counter.add()
            histogram.observe(1.5)

    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert value(metrics, "things_total") == value(metrics, "seconds_count") == value(metrics, "seconds_bucket", le="2.0") == 80_000
    assert value(metrics, "seconds_sum") == 120_000


def test_a_scrape_of_any_worker_shows_the_sum_of_all(shared: Path) -> None:
    workers = [Metrics(3, worker, shared) for worker in range(3)]
    for number, metrics in enumerate(workers, 1):
        metrics.counter("things_total", "Things.").add(number)
        metrics.gauge("waiting", "Waiting.").set(number)
        metrics.histogram("seconds", "Duration.", (1, 2)).observe(number)
        metrics.info("model_info", "Model.", LABELS)
    for metrics in workers:
        assert value(metrics, "things_total") == value(metrics, "waiting") == value(metrics, "seconds_sum") == 6
        assert [value(metrics, "seconds_bucket", le=bound) for bound in ("1.0", "2.0", "+Inf")] == [1, 2, 3]
        assert value(metrics, "model_info", **LABELS) == 1
        memory = scraped(metrics)["process_resident_memory_bytes"].samples
        assert [sample.labels for sample in memory] == [{"worker": "0"}, {"worker": "1"}, {"worker": "2"}]


def test_a_worker_that_replaces_another_goes_on_where_that_one_ended(shared: Path) -> None:
    for _ in range(2):
        metrics = Metrics(2, 1, shared)
        counter, gauge = metrics.counter("things_total", "Things."), metrics.gauge("waiting", "Waiting.")
        counter.add(5)
        gauge.add(2)
    other = Metrics(2, 0, shared)
    other.counter("things_total", "Things.").add()
    other.gauge("waiting", "Waiting.")
    assert value(other, "things_total") == 11
    assert value(other, "waiting") == 2, "what the first one left waiting waits no more"


def test_what_was_counted_for_another_model_is_not_taken_for_this_one(shared: Path) -> None:
    before, after = Metrics(2, 0, shared), Metrics(2, 1, shared)
    before.counter("things_total", "Things.", {"model": "a"}).add(5)
    after.counter("things_total", "Things.", {"model": "b"}).add(1)
    assert value(after, "things_total", model="b") == 1
    replaced = Metrics(2, 0, shared)
    replaced.counter("things_total", "Things.", {"model": "b"}).add(1)
    assert value(replaced, "things_total", model="b") == value(after, "things_total", model="b") == 2


def test_processes_share_it(shared: Path) -> None:
    code = "import sys; from pathlib import Path; from app.metrics import Metrics; Metrics(2, 1, Path(sys.argv[1])).counter('things_total', '').add(41)"
    subprocess.run([sys.executable, "-c", code, str(shared)], check=True, cwd=Path(__file__).parents[1])
    metrics = Metrics(2, 0, shared)
    metrics.counter("things_total", "").add()
    assert value(metrics, "things_total") == 42
    assert [sample.labels for sample in scraped(metrics)["process_open_fds"].samples] == [{"worker": "0"}], "the other one has ended"


def test_nothing_is_imported_before_the_first_scrape() -> None:
    code = "import sys; from app.metrics import Metrics; Metrics().counter('a_total', '').add(); print('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1], capture_output=True).stdout.strip() == b"False"


def test_memory_that_no_series_uses_is_not_taken(shared: Path) -> None:
    Metrics(16, 15, shared).counter("things_total", "").add()
    assert os.stat(shared).st_blocks * 512 <= 64 * 1024  # noqa: PTH116 - no other way to its blocks


def test_counting_costs_next_to_nothing() -> None:
    """Bounds with room for a busy machine: it is some 0.05 and 0.14 microseconds."""
    metrics = Metrics()
    counter = metrics.counter("things_total", "")
    histogram = metrics.histogram("seconds", "", [2.0**power for power in range(-12, 4)])

    def fastest(count: int) -> tuple[float, float]:
        started = time.perf_counter()
        for _ in range(count):
            counter.add()
        between = time.perf_counter()
        for _ in range(count):
            histogram.observe(0.003)
        return (between - started) / count, (time.perf_counter() - between) / count

    runs = [fastest(10_000) for _ in range(10)]
    assert min(run[0] for run in runs) < 0.3e-6
    assert min(run[1] for run in runs) < 0.8e-6


def test_any_values_come_out_as_they_went_in() -> None:
    hypothesis = pytest.importorskip("hypothesis")
    strategies = pytest.importorskip("hypothesis.strategies")
    numbers = strategies.floats(min_value=0, max_value=1e6, allow_nan=False)

    @hypothesis.given(
        strategies.lists(strategies.tuples(strategies.integers(0, 2), numbers), max_size=30),
        strategies.lists(numbers, min_size=1, max_size=8, unique=True).map(sorted),
    )
    @hypothesis.settings(max_examples=40, deadline=None)
    def check(observed: list[tuple[int, float]], bounds: list[float]) -> None:
        metrics = Metrics()
        histograms = [metrics.histogram("h", "", bounds, {"n": str(number)}) for number in range(3)]
        for number, seen in observed:
            histograms[number].observe(seen)
        for number in range(3):
            mine = [seen for which, seen in observed if which == number]
            assert value(metrics, "h_count", n=str(number)) == len(mine)
            assert value(metrics, "h_sum", n=str(number)) == pytest.approx(sum(mine))
            for bound in bounds:
                assert value(metrics, "h_bucket", n=str(number), le=repr(bound)) == sum(seen <= bound for seen in mine)

    check()


def test_any_label_text_comes_out_as_it_went_in() -> None:
    hypothesis = pytest.importorskip("hypothesis")
    strategies = pytest.importorskip("hypothesis.strategies")

    @hypothesis.given(strategies.text(strategies.characters(exclude_categories=["Cs", "Cc"]), max_size=20), strategies.sampled_from(["", OPENMETRICS]))
    @hypothesis.settings(max_examples=40, deadline=None)
    def check(text: str, accept: str) -> None:
        metrics = Metrics()
        metrics.counter("things_total", "", {"label": text}).add()
        assert [sample.labels for sample in scraped(metrics, accept)["things"].samples] == [{"label": text}]

    check()
