"""OpenTelemetry traces, when the environment names a collector; without one nothing of it is even imported.

A request belongs to its caller's trace (`traceparent`). Everything but the endpoint is the SDK's own business, by its usual
variables: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS and so on.
"""

import threading
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_CLOSE_SECONDS = 3.0  # what is not sent by then is lost; ending must not wait for a collector that is away
_PROTOCOL = "http/protobuf"
Value = str | int | float | bool


class Span:
    """One piece of work within a trace."""

    __slots__ = ("_span", "trace_id")

    def __init__(self, span: Any) -> None:
        self._span = span
        self.trace_id: str = format(span.get_span_context().trace_id, "032x")

    def set(self, key: str, value: Value) -> None:
        """Tells something about it."""
        self._span.set_attribute(key, value)

    def end(self, error: str | None = None) -> None:
        """It is done, or has failed."""
        if error is not None:
            from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - there only if there are traces

            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end()


class Tracer:
    """Starts spans and has them sent, in a thread of its own, in batches."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - as above
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - as above

        self._provider = provider
        self._tracer = provider.get_tracer("app")
        self._extract = TraceContextTextMapPropagator().extract
        self._kind = SpanKind.SERVER

    @staticmethod
    def from_environment(environment: Mapping[str, str], *, service_name: str, version: str, attributes: Mapping[str, str]) -> "Tracer | None":
        """None without an endpoint, or if traces are switched off. Raises SettingsError."""
        endpoint = _endpoint(environment)
        if endpoint is None:
            return None
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - only those pay for it who trace
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

        ours = {"service.name": service_name, "service.version": version, "service.instance.id": str(uuid.uuid4()), **attributes}
        provider = TracerProvider(resource=Resource.create(_without_given(ours, environment)), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        return Tracer(provider)

    def start(self, name: str, traceparent: str | None, attributes: Mapping[str, Value]) -> Span:
        """A span for a request; a `traceparent` that makes no sense begins a trace of its own."""
        context = self._extract({"traceparent": traceparent}) if traceparent else None
        return Span(self._tracer.start_span(name, context, self._kind, dict(attributes)))

    def close(self) -> None:
        """Sends what is left, but does not wait long."""
        closing = threading.Thread(target=self._provider.shutdown, name="tracing-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


def _endpoint(environment: Mapping[str, str]) -> str | None:
    """Where spans go. Raises SettingsError."""

    def text(name: str) -> str:
        return environment.get(name, "").strip()

    if text("OTEL_SDK_DISABLED").lower() == "true" or text("OTEL_TRACES_EXPORTER").lower() == "none":
        return None
    name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" if text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") else "OTEL_EXPORTER_OTLP_ENDPOINT"
    given = text(name)
    if not given:
        return None
    try:
        parts = urlsplit(given)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise SettingsError(f"{name} must be a URL such as http://collector:4318")  # without the value: some put a password into it
    protocol = text("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or text("OTEL_EXPORTER_OTLP_PROTOCOL") or _PROTOCOL
    if protocol != _PROTOCOL:
        raise SettingsError(f"OTEL_EXPORTER_OTLP_PROTOCOL must be {_PROTOCOL}, got '{protocol}'")
    return given if name.endswith("TRACES_ENDPOINT") else f"{given.rstrip('/')}/v1/traces"


def _without_given(attributes: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Those of `attributes` that the environment does not say itself: whoever runs the service has the last word."""
    given = {part.partition("=")[0].strip() for part in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")}
    if environment.get("OTEL_SERVICE_NAME", "").strip():
        given.add("service.name")
    return {name: value for name, value in attributes.items() if name not in given}


__all__ = ["Span", "Tracer"]
