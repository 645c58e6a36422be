"""A server as a process: started, asked, weighed, ended."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from .errors import BenchmarkError
from .payloads import Request
from .peers import Peer

_START_SECONDS = 60
_POLL_SECONDS = 0.01
_STOP_SECONDS = 8
_LOG_TAIL = 2000


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Of a server with all its processes, in bytes: resident (what is shared counts in each), and proportional (shared among those who share it)."""

    rss: int
    pss: int


@dataclass(kw_only=True)
class Server:
    """One that runs."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    start_seconds: float = 0.0
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=30))

    def url(self, peer: Peer, rows: int) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}{peer.path.format(rows=rows)}"

    def ask(self, url: str, request: Request) -> httpx.Response:
        """Sends one request. Raises BenchmarkError."""
        try:
            return self._client.post(url, content=request.body, headers=dict(request.headers))
        except httpx.HTTPError as error:
            raise BenchmarkError(f"no answer: {error}; its log ends with {self.tail()}") from None

    def memory(self) -> Memory:
        """What its processes have now."""
        infos = []
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                infos.append(process.memory_full_info())
        return Memory(rss=sum(info.rss for info in infos), pss=sum(info.pss for info in infos))

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL:].strip() or "nothing"

    def wait(self, url: str, request: Request, started: float) -> None:
        """Until it answers a prediction. Raises BenchmarkError."""
        while time.monotonic() - started < _START_SECONDS:
            if self.process.poll() is not None:
                raise BenchmarkError(f"it ended with {self.process.returncode} before it was ready; its log ends with {self.tail()}")
            with contextlib.suppress(httpx.HTTPError):
                if self._client.post(url, content=request.body, headers=dict(request.headers)).is_success:
                    self.start_seconds = time.monotonic() - started
                    return
            time.sleep(_POLL_SECONDS)
        raise BenchmarkError(f"not ready after {_START_SECONDS} s; its log ends with {self.tail()}")

    def stop(self) -> None:
        """Ends it and every process that it started."""
        self._client.close()
        family = self._family()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(family, timeout=_STOP_SECONDS)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    def _family(self) -> list[psutil.Process]:
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def free_port() -> int:
    """One of which the next is free, too: some peers open a second one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                return port


@contextlib.contextmanager
def running(peer: Peer, python: Path, environment: Mapping[str, str], request: Request, *, pin: Sequence[str], log: Path) -> Iterator[Server]:
    """A server that answers; ended afterwards. Raises BenchmarkError."""
    port = free_port()
    known = {name: os.environ[name] for name in ("HOME", "LANG", "PATH", "TMPDIR") if name in os.environ}
    variables = {**known, "HOST": "127.0.0.1", "ORT_DISABLE_TELEMETRY": "1", **environment, **peer.environment, "PORT": str(port)}
    with log.open("wb") as output:
        started = time.monotonic()
        # A session of its own: Ctrl-C reaches us only, and we end it.
        process = subprocess.Popen(
            [*pin, str(python), *peer.arguments], cwd=peer.folder, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    server = Server(process=process, port=port, log=log)
    try:
        server.wait(server.url(peer, 1), request, started)
        yield server
    finally:
        server.stop()
