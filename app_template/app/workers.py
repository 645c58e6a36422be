"""Several serving processes behind one port: started, watched, replaced when one ends, and ended together.

The parent serves nothing itself. It opens the port, so that connections wait for the next process while one is replaced.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .settings import Settings

_PLACE = "APP_WORKER"  # environment variable by which a child knows its place
_LONGEST_PAUSE = 30.0  # seconds before a process that does not live is tried again
_POLL_SECONDS = 0.05
log = logging.getLogger("app")


class ListenError(Exception):
    """The port cannot be opened."""


def listen(host: str, port: int) -> socket.socket:
    """Opens the port. Raises ListenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while")[0]  # the address stands in our own text already
        raise ListenError(f"cannot listen on {host}:{port}: {reason}; set HOST and PORT to a free address") from None


@dataclass(frozen=True)
class Place:
    """Where a serving process stands: alone, or one of several under a parent."""

    workers: int = 1
    index: int | None = None  # from 0; None: alone
    metrics_file: Path | None = None
    listen_fd: int = -1
    ready_fd: int = -1  # to be closed once requests are answered
    parent_fd: int = -1  # ends when the parent does

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> "Place | None":
        """The place that a parent gave; None without one."""
        given = environment.get(_PLACE)
        if given is None:
            return None
        value = json.loads(given)
        return Place(**{**value, "metrics_file": Path(value["metrics_file"])})

    def as_environment(self) -> dict[str, str]:
        """The reverse."""
        return {_PLACE: json.dumps({**vars(self), "metrics_file": str(self.metrics_file)})}

    def listener(self, settings: Settings) -> socket.socket:
        """The port's socket: the parent's, or one's own. Raises ListenError."""
        return listen(settings.host, settings.port) if self.index is None else socket.socket(fileno=self.listen_fd)

    def is_ready(self) -> None:
        """Tells the parent."""
        if self.ready_fd >= 0:
            os.write(self.ready_fd, b"1")
            os.close(self.ready_fd)

    def watch_parent(self, ended: Callable[[], None]) -> None:
        """Calls back when there is no parent any more."""
        if self.parent_fd >= 0:
            loop = asyncio.get_running_loop()

            def stop() -> None:
                loop.remove_reader(self.parent_fd)
                ended()

            loop.add_reader(self.parent_fd, stop)


class _Worker:
    """One process, and when it was started."""

    def __init__(self, place: Place, pass_fds: tuple[int, ...], ready: int) -> None:
        self.index = place.index
        self.started = time.monotonic()
        self.was_ready = False
        self._ready = ready
        os.set_blocking(ready, False)
        command = [sys.executable, "-m", __package__ or "app"]
        self.process = subprocess.Popen(command, env={**os.environ, **place.as_environment()}, pass_fds=pass_fds, start_new_session=True)

    def look(self) -> None:
        """Has it said that it serves?"""
        if not self.was_ready:
            try:
                self.was_ready = os.read(self._ready, 1) == b"1"
            except BlockingIOError:
                return

    def forget(self) -> None:
        os.close(self._ready)


class Supervisor:
    """Keeps `settings.workers` processes serving until it is told to end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._listener = listen(settings.host, settings.port)
        file, name = tempfile.mkstemp(prefix="metrics-")
        os.close(file)
        self._metrics = Path(name)
        self._lifeline, self._held = os.pipe()
        self._workers: list[_Worker] = []
        self._pauses: dict[int, float] = {}
        self._signals: list[int] = []

    def run(self) -> int:
        """Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _: self._signals.append(received))
        try:
            self._workers = [self._start(index) for index in range(self._settings.workers)]
            while not self._signals:
                if not self._tend():
                    self._end(signal.SIGTERM)
                    return 1
                time.sleep(_POLL_SECONDS)
            self._end(self._signals.pop(0))
            return 0
        finally:
            self._metrics.unlink(missing_ok=True)

    def _start(self, index: int) -> _Worker:
        ready, told = os.pipe()
        fds = (self._listener.fileno(), told, self._lifeline)
        place = Place(self._settings.workers, index, self._metrics, *fds)
        try:
            return _Worker(place, fds, ready)
        finally:
            os.close(told)

    def _tend(self) -> bool:
        """Replaces processes that ended. False when one never got to serve: the next would not either."""
        for position, worker in enumerate(self._workers):
            worker.look()
            code = worker.process.poll()
            if code is None:
                continue
            if not worker.was_ready and worker.index not in self._pauses:
                return False
            index = worker.index or 0
            now = time.monotonic()
            due = self._pauses.get(index, 0.0)
            if due <= now:
                lived = now - worker.started
                log.error("worker %d ended (%s); another one is started", index, _how(code))
                # At once, unless it did not live long: then after as long as it did not live, and no more often than that.
                self._pauses[index] = now + (0.0 if lived > _LONGEST_PAUSE else 1.0)
                worker.forget()
                self._workers[position] = self._start(index)
        return True

    def _end(self, number: int) -> None:
        """Passes the signal on, and any that follow; waits for all, but not for ever."""
        for worker in self._workers:
            worker.process.send_signal(number)
        patience = time.monotonic() + self._settings.drain_seconds + self._settings.shutdown_seconds + 5
        while any(worker.process.poll() is None for worker in self._workers) and time.monotonic() < patience:
            while self._signals:
                again = self._signals.pop(0)
                for worker in self._workers:
                    worker.process.send_signal(again)
            time.sleep(_POLL_SECONDS)
        for worker in self._workers:
            if worker.process.poll() is None:
                log.error("worker %s did not end in time and was killed", worker.index)
                worker.process.kill()
                worker.process.wait()


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
