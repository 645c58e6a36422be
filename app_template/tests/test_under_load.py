"""The end of a process while it is busy: SIGTERM loses nothing, and a killed worker only what it was just answering."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from raw_http import Answer, ClosedError, Connection, get, post, post_in_chunks
from serving_process import ServingProcess

Start = Callable[..., ServingProcess]
CLIENTS = 12
SECONDS = 30  # within which anything that is waited for must happen


class Callers:
    """Clients that ask all the time, each on a connection of its own; half of them in a way that takes longer.

    As behind a load balancer none opens a new connection once the service is known not to be ready.
    """

    def __init__(self, url: str, path: str, body: bytes) -> None:
        self._url = url
        self._requests = [post(path, body), post_in_chunks(path, body)]
        self._lock = threading.Lock()
        self.answers: list[Answer] = []
        self.lost: list[str] = []  # requests that were sent and got no answer
        self.refused: list[str] = []  # connections
        self.stop = threading.Event()
        self.not_ready = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _ask(self, number: int) -> None:
        connection: Connection | None = None
        while not self.stop.is_set() and not (connection is None and self.not_ready.is_set()):
            try:
                connection = connection or Connection(self._url, timeout=SECONDS)
            except OSError as error:
                self._keep(self.refused, str(error))
                time.sleep(0.01)
                continue
            try:
                answer = connection.ask(self._requests[number % 2])
            except (ClosedError, OSError) as error:
                self._keep(self.lost, str(error))
                answer = None
            else:
                self._keep(self.answers, answer)
            if answer is None or answer.headers.get("connection") == "close":
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _keep(self, where: list[Any], what: object) -> None:
        with self._lock:
            where.append(what)

    def wait_for_answers(self, more: int) -> None:
        """Waits until so many more were answered."""
        wanted = len(self.answers) + more
        _wait_for(lambda: len(self.answers) >= wanted, f"{more} more answers")

    def join(self) -> None:
        for thread in self._threads:
            thread.join(SECONDS)
            assert not thread.is_alive()


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.01)


def _is_ready(url: str) -> bool:
    connection = Connection(url)
    try:
        return connection.ask(get("/v2/health/ready")).status == 200
    finally:
        connection.close()


@pytest.fixture
def body(golden_input: dict[str, Any]) -> bytes:
    return json.dumps({"inputs": [golden_input]}).encode()


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_under_load_loses_no_request(start_server: Start, infer_path: str, body: bytes, workers: int) -> None:
    server = start_server(WORKERS=str(workers), DRAIN_SECONDS="2")
    url = server.wait_until_serving()
    callers = Callers(url, infer_path, body)
    try:
        callers.wait_for_answers(200)
        server.terminate()
        _wait_for(lambda: not _is_ready(url), "readiness to end")
        # Ready is false, and connections that are there are still answered: by now every caller may know.
        answered_before = len(callers.answers)
        callers.not_ready.set()
        callers.join()  # each ends with the answer that says so
        assert len(callers.answers) >= answered_before
    finally:
        callers.stop.set()
    assert callers.lost == []
    assert callers.refused == []
    assert {answer.status for answer in callers.answers} == {200}
    assert [answer.headers.get("connection") for answer in callers.answers[-CLIENTS // 2 :]] == ["close"] * (CLIENTS // 2)
    assert server.finish()[0] == 0


def _children(process: int) -> list[int]:
    """Its child processes, by /proc."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[1]) == process and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="child processes are found in /proc")
def test_a_killed_worker_is_replaced_and_takes_little_with_it(start_server: Start, infer_path: str, body: bytes) -> None:
    """At most one request per connection is under way; those are all that may be lost."""
    server = start_server(WORKERS="2")
    url = server.wait_until_serving()
    assert server.next_log()["message"] == "serving"
    callers = Callers(url, infer_path, body)
    try:
        callers.wait_for_answers(200)
        victim = _children(server.process.pid)[0]
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        lines = [server.next_log(), server.next_log()]
        replaced = time.monotonic() - killed
        callers.wait_for_answers(200)
    finally:
        callers.stop.set()
        callers.join()
    assert [line["level"] for line in lines] == ["error", "info"]
    assert "signal 9" in lines[0]["message"]
    assert lines[1]["message"] == "serving"
    workers = _children(server.process.pid)
    assert len(workers) == 2
    assert victim not in workers
    print(f"{len(callers.answers)} requests answered, {len(callers.lost)} lost of {CLIENTS} connections; replaced after {replaced:.1f} s")
    assert len(callers.lost) <= CLIENTS
    assert callers.refused == []  # the port stays open
    assert {answer.status for answer in callers.answers} == {200}
    server.terminate()
    assert server.finish()[0] == 0
