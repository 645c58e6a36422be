"""A request whose head is known, except for the length of its body, is read without parsing the head; nobody can tell."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from app import hooks, http_protocol
from app.developer import App, Request
from app.engine import Engine, Served
from app.http_app import HttpApp
from app.http_protocol import ShortWay, protocol_class
from app.metrics import Metrics
from app.model import Model, load_all
from app.settings import CONTRACT, Settings
from raw_http import Answer, ClosedError, Connection, post, post_in_chunks
from starlette.responses import Response
from uvicorn.config import Config
from uvicorn.server import ServerState

hypothesis = pytest.importorskip("hypothesis", reason="only on the laptop: the image's test stage does without it")
st = pytest.importorskip("hypothesis.strategies")


@pytest.fixture(scope="module")
def bodies(golden: dict[str, Any]) -> list[bytes]:
    """Requests of many lengths that the model answers, and one that it refuses."""
    case = golden["cases"][0]["inputs"][0]
    texts = [json.dumps({"id": "i" * length, "inputs": [case]}).encode() for length in (1, 2, 10, 1000)]
    return [*texts, b'{"inputs": []}']


@pytest.fixture(scope="module")
def expected(client: httpx.Client, infer_path: str, bodies: list[bytes]) -> dict[bytes, tuple[int, bytes]]:
    """The answer to each, as it is given where no head is ever known: the length of the body is not declared."""
    connection = Connection(str(client.base_url).rstrip("/"))
    answers = {body: connection.ask(post_in_chunks(infer_path, body)) for body in bodies}
    connection.close()
    return {body: (answer.status, answer.body) for body, answer in answers.items()}


@pytest.fixture
def connection(client: httpx.Client) -> Iterator[Connection]:
    connection = Connection(str(client.base_url).rstrip("/"))
    yield connection
    connection.close()


def _told(answer: Answer) -> tuple[int, bytes]:
    return answer.status, answer.body


@pytest.fixture(scope="module")
def models(model_dir: Path) -> dict[str, Model]:
    return load_all(model_dir, CONTRACT, local_name="digits")


@pytest.fixture
def engine(models: dict[str, Model]) -> Iterator[Engine]:
    """One that takes its model for fast."""
    engine = Engine(models, hooks.app, Settings.from_environment({}), Metrics())
    for served in engine.served.values():
        for size in (0, 2, 100, 1000, 10_000):
            _learn(served, size, 1e-6)
    yield engine
    engine.close()


def _learn(served: Served, size: int, seconds: float) -> None:
    """As if it had answered a request of so many bytes in this time."""
    served._learn(size, seconds)  # pyright: ignore[reportPrivateUsage]


@pytest.fixture
def short_way(engine: Engine) -> ShortWay:
    """One that knows no head yet."""
    return ShortWay(HttpApp(engine, hooks.app, Settings.from_environment({"MAX_BODY_BYTES": "2000"}), Metrics()))


def _parsed(way: ShortWay, path: str, data: bytes, body: bytes, **more: Any) -> bool:
    """What the protocol does when it has parsed these bytes. Are they known afterwards?"""
    found = way.target(path.encode(), [(b"content-length", b"%d" % len(body))])
    assert found is not None
    way.remember(data, http_protocol._Exchange(found[0], None, body, **more))  # pyright: ignore[reportPrivateUsage, reportArgumentType]
    return way.known(data) is not None


def test_the_head_is_known_for_bodies_of_any_length(short_way: ShortWay, infer_path: str) -> None:
    assert short_way.known(post(infer_path, b"{}")) is None
    assert _parsed(short_way, infer_path, post(infer_path, b"{}"), b"{}")
    for body in (b"{}", b"", b"1", b"x" * 1999, b"a\r\n\r\nb", b"Content-Length: 3\r\n\r\n"):
        known = short_way.known(post(infer_path, body))
        assert known is not None
        assert (known[0].path, known[1]) == (infer_path, body)


def test_what_is_not_one_whole_request_is_not_known(short_way: ShortWay, infer_path: str) -> None:
    assert _parsed(short_way, infer_path, post(infer_path, b"{}"), b"{}")
    whole = post(infer_path, b"12345678901")
    for data in (
        b"",
        b"{}",
        whole[:-1],
        whole + b"1",
        whole + whole,
        whole.replace(b": 11", b": 011"),
        whole.replace(b": 11", b": +11"),
        whole.replace(b": 11", b": 1_1"),
        whole.replace(b": 11", b":  11"),
        whole.replace(b": 11", b": 11 "),
        whole.replace(b": 11", b": " + b"1" * 5000),
        whole.replace(b"POST", b"PUT"),
        whole.replace(b"HTTP/1.1", b"HTTP/1.0"),
        whole.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        whole.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
        post(infer_path + "s", b"{}"),
        post(infer_path, b"x" * 2001),
    ):
        assert short_way.known(data) is None, data


def test_a_model_that_has_become_slow_goes_the_other_way(short_way: ShortWay, infer_path: str, engine: Engine) -> None:
    assert _parsed(short_way, infer_path, post(infer_path, b"{}"), b"{}")
    for _ in range(1000):
        _learn(next(iter(engine.served.values())), 2, 10.0)
    assert short_way.known(post(infer_path, b"{}")) is None


@pytest.mark.parametrize("more", [{"keep_alive": False}, {"traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}])
def test_a_head_that_says_more_is_parsed_each_time(short_way: ShortWay, infer_path: str, more: dict[str, Any]) -> None:
    assert not _parsed(short_way, infer_path, post(infer_path, b"{}"), b"{}", **more)


def test_only_the_bytes_of_the_whole_request_make_it_known(short_way: ShortWay, infer_path: str) -> None:
    whole = post(infer_path, b"{}")
    assert not _parsed(short_way, infer_path, whole[-2:], b"{}")  # the body came by itself
    assert not _parsed(short_way, infer_path, whole + b"x", b"{}")
    other = post("/other", b"{}")
    assert not _parsed(short_way, infer_path, other + whole, b"{}")
    assert short_way.known(other) is None
    assert not _parsed(short_way, infer_path, post(infer_path, b"{}", "A: " + "a" * 3000), b"{}")
    # Where another header's value is taken for the length of the body.
    assert not _parsed(short_way, infer_path, post(infer_path, b"{}").replace(b"Host: service", b"X-Length: 2"), b"{}")


def test_heads_do_not_pile_up(short_way: ShortWay, infer_path: str) -> None:
    heads = [post(infer_path, b"{}", f"X-Request-Id: {number}") for number in range(200)]
    assert all(_parsed(short_way, infer_path, head, b"{}") for head in heads)
    assert 0 < sum(short_way.known(head) is not None for head in heads) <= 64


def test_requests_with_a_known_head(connection: Connection, infer_path: str, bodies: list[bytes], expected: dict[bytes, tuple[int, bytes]]) -> None:
    for body in bodies * 3:
        assert _told(connection.ask(post(infer_path, body))) == expected[body]


def test_the_connection_ends_where_a_known_head_says_so(connection: Connection, infer_path: str, bodies: list[bytes]) -> None:
    for _ in range(3):
        assert connection.ask(post(infer_path, bodies[0])).status == 200
    assert connection.ask(post(infer_path, bodies[0], "Connection: close")).headers["connection"] == "close"
    with pytest.raises(ClosedError):
        connection.answer()


def test_a_broken_request_after_known_ones_is_refused(connection: Connection, infer_path: str, bodies: list[bytes]) -> None:
    for _ in range(3):
        assert connection.ask(post(infer_path, bodies[0])).status == 200
    assert connection.ask(post(infer_path, bodies[0]).replace(b"Content-Length", b"Content Length")).status == 400
    with pytest.raises(ClosedError):
        connection.answer()


@pytest.mark.parametrize(
    "before",
    [
        b"POST /other HTTP/1.1\r\nHost: service\r\nX-Text: ",  # the known request's first line is a header's value
        b"POST /other HTTP/1.1\r\nHost: service\r\nContent-Length: %d\r\n\r\n",  # the known request is another's body
        b"POST INFER HTTP/1.1\r\nHost: service\r\nContent-Length: %d\r\n\r\n",
        b"POST INFER HTTP/1.1\r\nHost: service\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n",
    ],
)
def test_what_looks_like_a_known_request_within_another(connection: Connection, infer_path: str, bodies: list[bytes], before: bytes) -> None:
    known = post(infer_path, bodies[0])
    for _ in range(3):
        assert connection.ask(known).status == 200
    before = before.replace(b"INFER", infer_path.encode())
    connection.send(before % len(known) if b"%" in before else before)
    time.sleep(0.05)  # so that they are read one after the other
    connection.send(known)
    if b"chunked" in before:
        connection.send(b"\r\n0\r\n\r\n")
    assert connection.answer().status == (404 if b"/other" in before else 400)


class _Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """There is nothing to close."""

    def pause_reading(self) -> None:
        """Whoever writes here does as it likes."""

    def resume_reading(self) -> None:
        """As above."""


def test_answers_come_in_the_order_of_the_requests(engine: Engine, infer_path: str, bodies: list[bytes]) -> None:
    """One with a known head is there before the one in front of it, which takes longer, has been answered."""
    app = App("a", release="1")

    @app.post("/slow")
    async def slow(_: Request) -> Response:
        await asyncio.sleep(0.1)
        return Response(status_code=201)

    async def written() -> bytes:
        http_app = HttpApp(engine, app, Settings.from_environment({}), Metrics())
        transport, protocol = _Transport(), protocol_class(http_app)(Config(http_app), ServerState(), {})  # pyright: ignore[reportArgumentType] - ASGI's messages
        protocol.connection_made(transport)
        protocol.data_received(post(infer_path, bodies[0]))
        while not transport.written:
            await asyncio.sleep(0.01)
        protocol.data_received(post("/slow", b"{}"))
        protocol.data_received(post(infer_path, bodies[0]))
        while transport.written.count(b"HTTP/1.1 ") < 3:
            await asyncio.sleep(0.01)
        protocol.connection_lost(None)
        return transport.written

    assert re.findall(rb"HTTP/1.1 (\d+)", asyncio.run(written())) == [b"200", b"201", b"200"]


@hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(data=st.data())
def test_however_the_bytes_arrive(client: httpx.Client, infer_path: str, bodies: list[bytes], expected: dict[bytes, tuple[int, bytes]], data: Any) -> None:
    """Requests with known and other heads, one after the other or without waiting, cut anywhere."""
    connection = Connection(str(client.base_url).rstrip("/"))
    asked = data.draw(st.lists(st.sampled_from(bodies), min_size=1, max_size=6))
    ways = [lambda body: post(infer_path, body), lambda body: post_in_chunks(infer_path, body), lambda body: post(infer_path, body, "X-Other: 1")]
    requests = [data.draw(st.sampled_from(ways))(body) for body in asked]
    if data.draw(st.booleans()):
        pieces = [[request] for request in requests]
    else:
        stream = b"".join(requests)
        cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=4)))
        pieces = [[stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]]
    answers: list[Answer] = []
    for group in pieces:
        for piece in group:
            connection.send(piece)
        answers += [connection.answer() for _ in range(len(requests) if len(pieces) == 1 else 1)]
    connection.close()
    assert [_told(answer) for answer in answers] == [expected[body] for body in asked]
