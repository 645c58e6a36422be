"""The short way of plain infer requests: from the HTTP parser to the model and back without ASGI in between.

For a small model uvicorn's and ASGI's own work per request (a task, its messages, two writes) takes longer than the
prediction. So this subclass of uvicorn's protocol keeps an infer request of a fast model to itself: requests that are there
together are collected, answered together, and written in one piece each. Everything else - other paths, slow models, large,
chunked and binary bodies, and all requests when each must be authenticated, traced or logged - goes uvicorn's usual way to
http_app.py, which answers with the same parts. Figures: docs/decisions.md.

It relies on uvicorn's internals; its version is pinned, and app_template/tests compare both ways.
"""

import asyncio
import time
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from .engine import INLINE_BYTES, Served
from .errors import RequestError, TimedOutError
from .http_app import HEADER_LENGTH, HttpApp, HttpJob, model_headers, refusal
from .logs import trace_id
from .metrics import Histogram

_LONG_WAY = frozenset({HEADER_LENGTH, b"transfer-encoding", b"expect", b"upgrade", b"content-encoding"})
"""Headers that need more than the short way does."""
_LONGEST_HEAD = 2048  # bytes of a head that is remembered
_MOST_HEADS = 64
_ENOUGH = 64  # requests that are answered together; from there on more of them save nothing


class _Event:
    """Nobody waits for messages on the short way."""

    def set(self) -> None:
        """Does nothing."""


_EVENT = _Event()


class _Exchange(HttpJob):
    """One request on the short way: a job, in the place where uvicorn keeps its own record of a request, whose names it has."""

    __slots__ = ("disconnected", "keep_alive", "message_event", "more_body", "protocol", "response_complete", "target")

    def __init__(self, target: "_Target", protocol: "InferenceProtocol", body: bytes = b"", *, keep_alive: bool = True, traceparent: bytes = b"") -> None:
        super().__init__(body, None, 0.0, trace_id(traceparent.decode("latin-1")) if traceparent else "")
        self.target = target
        self.protocol = protocol
        self.disconnected = False
        self.keep_alive = keep_alive
        self.message_event = _EVENT
        self.more_body = True
        self.response_complete = False


class ShortWay:
    """What all connections share: the requests of this turn of the event loop, and how they are answered."""

    def __init__(self, app: HttpApp) -> None:
        settings = app.settings
        # Who must know who calls, or tell of every request, needs its headers.
        self.is_open = app.authenticator is None and app.tracer is None and settings.access_log != "all"
        self.engine = app.engine
        self.measured = app.measured
        self._tell = app.tell
        self.request_seconds = settings.request_seconds
        self._queue_seconds = settings.queue_seconds
        self._limit = min(settings.max_body_bytes, INLINE_BYTES)
        self._paths: dict[bytes, _Target] = {}
        for served in app.engine.served.values():
            name, version = served.model.name, served.model.version
            for path, route in (
                (f"/v2/models/{name}/infer", "/v2/models/{model_name}/infer"),
                (f"/v2/models/{name}/versions/{version}/infer", "/v2/models/{model_name}/versions/{model_version}/infer"),
            ):
                self._paths[path.encode()] = _Target(served, path, route, settings.image_digest, self.measured.of(route, 200))
        self._heads: dict[bytes, _Target] = {}
        self._headers: list[tuple[bytes, bytes]] = []
        self._lines = b""
        self._arrived: dict[_Target, list[_Exchange]] = {}

    def target(self, url: bytes, headers: list[tuple[bytes, bytes]]) -> "tuple[_Target, bytes] | None":
        """Where the request leads, if it may go the short way, and its `traceparent`."""
        target = self._paths.get(url)
        if target is None:
            return None
        length, traceparent = -1, b""
        for name, value in headers:
            if name == b"content-length":
                length = int(value) if value.isdigit() and len(value) < 19 else -1
            elif name == b"traceparent":
                traceparent = value
            elif name in _LONG_WAY:
                return None
        return (target, traceparent) if 0 <= length <= self._limit and target.served.is_fast(length) else None

    def known(self, data: bytes) -> "tuple[_Target, bytes] | None":
        """Where a request leads, and its body, if these bytes are one whole request whose head has been parsed before, except for the body's length.

        A client sends the same head again and again, and parsing it costs more than all else that is done to read a request.
        """
        start, end, body = _length_in(data)
        target = self._heads.get(data[:start] + data[end:body])
        if target is None:
            return None
        length = len(data) - body
        return (target, data[body:]) if data[start:end] == b"%d" % length and length <= self._limit and target.served.is_fast(length) else None

    def remember(self, data: bytes, exchange: _Exchange) -> None:
        """The request was parsed, and these were the last bytes that came: if they are all of it, its head is known from now on."""
        if exchange.trace_id or not exchange.keep_alive:
            return  # it says more than where the request leads
        start, end, body = _length_in(data)
        if data[body:] != exchange.body or not data[:start].lower().endswith(b"\r\ncontent-length: ") or not data[start:end].isdigit():
            return
        if body > _LONGEST_HEAD:
            return
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        self._heads[data[:start] + data[end:body]] = exchange.target

    def as_lines(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Uvicorn's own headers, of which it makes a new list each second, for the date."""
        if headers is not self._headers:
            self._headers, self._lines = headers, b"".join([b"%b: %b\r\n" % header for header in headers])
        return self._lines

    def arrived(self, exchange: _Exchange) -> None:
        """A request is complete; it is answered once nobody else comes: going from the network to the model and back has its price each time."""
        exchange.size = len(exchange.body)
        exchange.arrived = time.perf_counter()
        if not self._arrived:
            loop = exchange.protocol.loop
            loop.call_soon(self._answer_or_look_again, loop, 1)
        self._arrived.setdefault(exchange.target, []).append(exchange)

    def _answer_or_look_again(self, loop: asyncio.AbstractEventLoop, seen: int) -> None:
        """Did the last look at the network bring more? One who is alone waits for none."""
        waiting = sum(map(len, self._arrived.values()))
        if seen < waiting < _ENOUGH:
            loop.call_soon(self._answer_or_look_again, loop, waiting)
        else:
            self._answer_all()

    def _answer_all(self) -> None:
        arrived, self._arrived = self._arrived, {}
        for target, exchanges in arrived.items():
            # More than can be answered in the promised time are told so at once.
            expected = target.served.expected(exchanges[0].size)
            room = max(1, int(self._queue_seconds / max(expected, 1e-6)))
            target.served.answer(exchanges[:room])
            for exchange in exchanges[room:]:
                message = f"too much is waiting already: about {len(exchanges) * expected:.1f} s"
                self.engine.line.refuse(target.served, exchange, "queue", message, self._queue_seconds)
            close = self.engine.draining
            for exchange in exchanges:
                error = exchange.error
                if error is None:
                    answer = exchange.answer
                    exchange.protocol.respond(exchange, target.head(answer.header_length), answer.body, close=close)
                    target.answered.observe(time.perf_counter() - exchange.arrived)
                else:
                    exchange.protocol.refuse(exchange, error, close=close)
                    seconds = time.perf_counter() - exchange.arrived
                    self.measured.of(target.route, error.status).observe(seconds)
                    self._tell("POST", target.path, error.status, seconds, model=target.served.model.name, trace_id=exchange.trace_id)


class _Target:
    """A model's infer path."""

    __slots__ = ("_json", "_raw", "answered", "path", "route", "served")

    def __init__(self, served: Served, path: str, route: str, image_digest: str, answered: Histogram) -> None:
        self.served = served
        self.answered = answered
        self.path = path
        self.route = route
        named = b"".join(b"%b: %b\r\n" % header for header in model_headers(served.model, image_digest))
        self._json = STATUS_LINE[200] + b"content-type: application/json\r\n" + named
        self._raw = STATUS_LINE[200] + b"content-type: application/octet-stream\r\n" + named

    def head(self, header_length: int | None) -> bytes:
        """Of an answer; `header_length` is that of its JSON, when outputs follow it as raw bytes."""
        return self._json if header_length is None else b"%b%b: %d\r\n" % (self._raw, HEADER_LENGTH, header_length)


def _length_in(data: bytes) -> tuple[int, int, int]:
    """Where in a request the length of its body begins and ends, and where the body begins; nonsense where there is no such thing."""
    start = data.find(b"ength: ") + len(b"ength: ")
    end = data.find(b"\r", start)
    return start, end, data.find(b"\r\n\r\n", end) + len(b"\r\n\r\n")


class InferenceProtocol(HttpToolsProtocol):
    """One connection."""

    short_way: ShortWay  # set by a subclass per server

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._target: _Target | None = None  # of the request whose body is awaited
        self._patience: asyncio.TimerHandle | None = None
        self._idle_since = 0.0  # the loop's time; 0: a request is under way
        self._between = True  # nothing of a next request has been parsed

    def _unset_keepalive_if_required(self) -> None:
        """Uvicorn calls this when something arrives. The timer runs on, and then looks whether the connection has been idle so long."""
        self._idle_since = 0.0

    def on_response_complete(self) -> None:
        """The answer is written. Uvicorn would start a timer here and stop it with the next request, which costs more than all else it does."""
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._idle_since = 0.0
            self._start_asgi_task(*self.pipeline.pop())

    def timeout_keep_alive_handler(self) -> None:
        """Closes a connection that has been idle for as long as it may be."""
        self.timeout_keep_alive_task = None
        if self.transport.is_closing():
            return
        now = self.loop.time()
        idle = now - self._idle_since if self._idle_since else 0.0
        if idle >= self.timeout_keep_alive:
            self.transport.close()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive - idle, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        between = self._between
        if between and (self.cycle is None or self.cycle.response_complete):
            known = self.short_way.known(data)
            if known is not None:
                self._unset_keepalive_if_required()
                target, body = known
                self.cycle = _Exchange(target, self, body)
                self.short_way.arrived(self.cycle)
                return
        super().data_received(data)
        if between and self._between and type(self.cycle) is _Exchange:
            self.short_way.remember(data, self.cycle)
        if self._target is not None and self._patience is None:  # the body is not complete yet
            self._patience = self.loop.call_later(self.short_way.request_seconds, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._forget_patience()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        super().connection_lost(exc)

    def _forget_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        target, self._patience, self._target = self._target, None, None
        if target is not None:
            self.short_way.measured.of(target.route, TimedOutError.status).observe(self.short_way.request_seconds)
        self.refuse(self.cycle, TimedOutError(f"the body did not arrive within {self.short_way.request_seconds:g} s"), close=True)

    def on_message_begin(self) -> None:
        """A request begins. What ASGI wants to know of it is put together only when it goes that way."""
        self._between = False
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self.headers.append((name.lower(), value))

    def _begin_the_long_way(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url, self.headers = url, headers
        self.expect_100_continue = any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers)
        self.scope["headers"] = headers
        super().on_headers_complete()

    def on_headers_complete(self) -> None:
        """The head is there: which way?"""
        self._target = found = None
        before = self.cycle
        parser: Any = self.parser
        if (before is None or before.response_complete) and parser.get_method() == b"POST" and self.short_way.is_open:
            found = self.short_way.target(self.url, self.headers)
        if found is None:
            self._begin_the_long_way()
            return
        self._target, traceparent = found
        keep_alive = parser.get_http_version() != "1.0" and parser.should_keep_alive()
        self.cycle: Any = _Exchange(self._target, self, keep_alive=keep_alive, traceparent=traceparent)

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._target is None:
            super().on_body(body)
        else:
            self.cycle.body += body

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._between = True
        if self._target is None:
            super().on_message_complete()
            return
        self._target = None
        if self._patience is not None:
            self._forget_patience()
        self.short_way.arrived(self.cycle)

    def respond(self, exchange: _Exchange, head: bytes, body: bytes, *, close: bool) -> None:
        """Writes the whole answer at once: two writes would wake the client twice."""
        exchange.response_complete = True
        if exchange.disconnected:
            return
        close = close or not exchange.keep_alive
        dates = self.short_way.as_lines(self.server_state.default_headers)
        ending = b"connection: close\r\n\r\n" if close else b"\r\n"
        self.transport.write(b"%b%bcontent-length: %d\r\n%b%b" % (head, dates, len(body), ending, body))
        if close:
            self.transport.close()
        self.on_response_complete()

    def refuse(self, exchange: _Exchange, error: RequestError, *, close: bool) -> None:
        """The same for an error."""
        reply = refusal(error)
        named = b"".join(b"%b: %b\r\n" % header for header in reply.headers)
        self.respond(exchange, STATUS_LINE[reply.status] + b"content-type: application/json\r\n" + named, reply.body, close=close)


def protocol_class(app: HttpApp) -> type[InferenceProtocol]:
    """The protocol for a server that answers with `app`."""
    return type("BoundInferenceProtocol", (InferenceProtocol,), {"short_way": ShortWay(app)})


__all__ = ["InferenceProtocol", "ShortWay", "protocol_class"]
