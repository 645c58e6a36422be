"""An OpenTelemetry collector, as far as spans need one."""

import gzip
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """Takes spans as an OpenTelemetry collector does: OTLP over HTTP."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.delay = 0.0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                time.sleep(collector.delay)
                collector.paths.append(self.path)
                collector.headers.append(dict(self.headers.items()))
                collector.requests.append(ExportTraceServiceRequest.FromString(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's name
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def spans(self) -> list[Span]:
        return [span for request in self.requests for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]

    def resource(self) -> dict[str, str]:
        return {item.key: item.value.string_value for item in self.requests[0].resource_spans[0].resource.attributes}
