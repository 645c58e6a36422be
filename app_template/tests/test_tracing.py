import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from app.settings import SettingsError
from app.tracing import Tracer
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_collector import Collector

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def tracer_of(environment: Mapping[str, str], **attributes: str) -> Tracer | None:
    return Tracer.from_environment(environment, service_name="digits-app", version="1", attributes=attributes)


def test_spans_reach_the_collector_with_their_trace(collector: Collector) -> None:
    tracer = tracer_of({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url + "/"}, **{"container.image.repo_digests": "sha256:1"})
    assert tracer is not None
    span = tracer.start("POST /v2/models/{model_name}/infer", PARENT, {"http.request.method": "POST"})
    assert span.trace_id == TRACE
    span.set("http.response.status_code", 200)
    span.end()
    failed = tracer.start("GET /x", None, {})
    failed.end("it broke")
    tracer.close()
    first, second = collector.spans()
    assert collector.paths == ["/v1/traces"]
    assert (first.trace_id.hex(), first.parent_span_id.hex(), first.name) == (TRACE, "b7ad6b7169203331", "POST /v2/models/{model_name}/infer")
    assert first.kind == Span.SPAN_KIND_SERVER
    assert {item.key: item.value.string_value or item.value.int_value for item in first.attributes} == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
    }
    assert second.trace_id.hex() == failed.trace_id != TRACE
    assert second.parent_span_id == b""
    assert (second.status.code, second.status.message) == (2, "it broke")
    resource = collector.resource()
    assert (resource["service.name"], resource["service.version"], resource["container.image.repo_digests"]) == ("digits-app", "1", "sha256:1")


def test_whoever_runs_it_has_the_last_word(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.url + "/spans",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=secret",
        "OTEL_SERVICE_NAME": "shop-digits",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=dev,service.version=9",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tracer = tracer_of(environment)
    assert tracer is not None
    tracer.start("x", None, {}).end()
    tracer.close()
    assert collector.paths == ["/spans"]
    assert collector.headers[0]["authorization"] == "secret"
    resource = collector.resource()
    assert (resource["service.name"], resource["service.version"], resource["deployment.environment.name"]) == ("shop-digits", "9", "dev")


def test_what_a_caller_does_not_want_sampled_is_not_sent_but_keeps_its_trace(collector: Collector) -> None:
    tracer = tracer_of({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    assert tracer is not None
    span = tracer.start("x", PARENT[:-2] + "00", {})
    assert span.trace_id == TRACE
    span.set("a", 1)
    span.end("error")
    tracer.close()
    assert not collector.requests


@pytest.mark.parametrize("traceparent", ["", "nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01", PARENT.upper(), "ff" + PARENT[2:], "\x00\ud800"])
def test_a_header_that_makes_no_sense_begins_a_trace(collector: Collector, traceparent: str) -> None:
    tracer = tracer_of({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    assert tracer is not None
    span = tracer.start("x", traceparent, {})
    span.end()
    assert len(span.trace_id) == 32
    assert span.trace_id not in (TRACE, "0" * 32)
    tracer.close()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "TRUE"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_an_endpoint_or_when_switched_off_there_are_no_traces(environment: Mapping[str, str]) -> None:
    assert tracer_of(environment) is None


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "file:///etc"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be a URL"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://user:secret@collector:x"}, "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "must be http/protobuf, got 'grpc'"),
    ],
)
def test_a_wrong_setting_is_named_without_its_secrets(environment: Mapping[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        tracer_of(environment)
    assert message in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_collector_that_is_away_or_slow_keeps_nobody_waiting(collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("app.tracing._CLOSE_SECONDS", 0.3)
    caplog.set_level(logging.CRITICAL)
    collector.delay = 2
    for url in ("http://127.0.0.1:1", collector.url):
        tracer = tracer_of({"OTEL_EXPORTER_OTLP_ENDPOINT": url})
        assert tracer is not None
        started = time.perf_counter()
        for _ in range(5000):  # more than are kept
            tracer.start("x", None, {}).end()
        tracer.close()
        assert time.perf_counter() - started < 5


def test_nothing_is_imported_without_an_endpoint() -> None:
    import subprocess  # noqa: PLC0415 - nothing else needs it
    import sys  # noqa: PLC0415 - as above

    code = "import sys\nfrom app.tracing import Tracer\nTracer.from_environment({}, service_name='', version='', attributes={})"
    code += "\nprint('opentelemetry' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1], capture_output=True)
    assert output.stdout.strip() == b"False"
