import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from app import logs

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator["Lines"]:
    """What the process logs meanwhile."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure()
    yield Lines(stream)
    root.handlers[:], root.level = handlers, level


class Lines:
    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("traceparent", "expected"),
    [
        (f"00-{TRACE}-{SPAN}-01", TRACE),
        (f"00-{TRACE}-{SPAN}-00", TRACE),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-is.like", TRACE),
        (None, ""),
        ("", ""),
        ("nonsense", ""),
        (f"00-{TRACE}-{SPAN}-01-more", ""),
        (f"00-{TRACE}-{SPAN}-01\n", ""),
        (f"00-{TRACE}-{SPAN}", ""),
        (f"ff-{TRACE}-{SPAN}-01", ""),
        (f"00-{TRACE.upper()}-{SPAN}-01", ""),
        (f"00-{'0' * 32}-{SPAN}-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (f"00-{TRACE[1:]}-{SPAN}-01", ""),
        (f"00-{TRACE}x-{SPAN}-01", ""),
        (f" 00-{TRACE}-{SPAN}-01", ""),
        (f"\uff10\uff10-{TRACE}-{SPAN}-01", ""),
    ],
)
def test_the_trace_is_the_one_that_a_valid_header_names(traceparent: str | None, expected: str) -> None:
    assert logs.trace_id(traceparent) == expected


def test_a_line_about_a_request_has_what_is_known_and_no_more(lines: Lines) -> None:
    logs.access("POST", "/v2/models/digits/infer", 200, 0.00123456789, model="digits", trace_id=TRACE, caller="shop")
    logs.access("GET", "/v2", 404, 1)
    first, second = lines.read()
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "info",
        "message": "request",
        "method": "POST",
        "path": "/v2/models/digits/infer",
        "status": 200,
        "seconds": 0.001235,
        "model": "digits",
        "trace_id": TRACE,
        "caller": "shop",
    }
    assert second.keys() == {"time", "level", "message", "method", "path", "status", "seconds"}


@pytest.mark.parametrize(("status", "level"), [(200, "info"), (404, "info"), (500, "error"), (502, "error"), (503, "info")])
def test_our_own_faults_are_errors(lines: Lines, status: int, level: str) -> None:
    logs.access("GET", "/", status, 0)
    assert lines.read()[0]["level"] == level


def test_no_caller_can_write_a_line_of_its_own_or_an_endless_one(lines: Lines) -> None:
    logs.access("GET", '/\n{"level": "error"}\r\x1b[2J\u2028"' + "x" * 100_000, 404, 0)
    (line,) = lines.read()
    assert line["level"] == "info"
    assert len(line["path"]) == 200


def test_a_line_tells_an_exception_and_holds_whatever_it_is_given(lines: Lines) -> None:
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        logging.getLogger("app").exception("it failed", extra={"fields": {"thing": object, "text": "\ud800"}})
    (line,) = lines.read()
    assert line["message"] == "it failed"
    assert "ZeroDivisionError" in line["exception"]


def test_any_path_is_one_line_of_json(lines: Lines) -> None:
    hypothesis = pytest.importorskip("hypothesis")
    strategies = pytest.importorskip("hypothesis.strategies")

    @hypothesis.given(strategies.text(strategies.characters(exclude_categories=[])))
    @hypothesis.settings(max_examples=100, deadline=None)
    def check(path: str) -> None:
        before = len(lines.read())
        logs.access("GET", path, 200, 0)
        assert [line["path"] for line in lines.read()[before:]] == [path[:200]]

    check()


def test_any_header_is_a_trace_or_none() -> None:
    hypothesis = pytest.importorskip("hypothesis")
    strategies = pytest.importorskip("hypothesis.strategies")

    @hypothesis.given(
        strategies.text("0123456789abcdefF-", max_size=60)
        | strategies.text()
        | strategies.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-01", fullmatch=True)
    )
    @hypothesis.settings(max_examples=200, deadline=None)
    def check(traceparent: str) -> None:
        found = logs.trace_id(traceparent)
        assert not found or (found in traceparent and len(found) == 32 and set(found) <= set("0123456789abcdef") and set(found) != {"0"})

    check()
