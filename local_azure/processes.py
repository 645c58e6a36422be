"""Background processes of the sandbox: started once, checked, found again by a later command, stopped.

A pid file holds the process id and its start time, so that a reused id is never taken for ours.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from local_azure.errors import LocalAzureError
from local_azure.sandbox import Sandbox

_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Service:
    """A process that runs until it is stopped.

    Attributes:
        healthy: None when the service answers, else what is wrong with it, for the message at the end of the wait.
        within: seconds after which a start without health is a failure.
        port: TCP port on 127.0.0.1 that it listens on, if any; checked to be free before anything is started.
    """

    name: str
    command: Sequence[str]
    healthy: Callable[[], str | None]
    environment: Mapping[str, str] = field(default_factory=dict)
    within: float = 30
    port: int | None = None


class Supervisor:
    """Starts and stops the services of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def _pid_file(self, name: str) -> Path:
        return self._sandbox.folder / "pids" / f"{name}.json"

    def process(self, name: str) -> psutil.Process | None:
        """The running process of a service; None when it is not running."""
        try:
            record = json.loads(self._pid_file(name).read_text())
            process = psutil.Process(record["pid"])
            same = abs(process.create_time() - record["created"]) < 1 and _runs(process)
        except (FileNotFoundError, KeyError, TypeError, ValueError, psutil.NoSuchProcess):
            return None
        return process if same else None

    def check_port(self, service: Service) -> None:
        """Refuses a port that somebody else listens on.

        Raises:
            LocalAzureError: names the port, who holds it if that can be known, and how to choose others.
        """
        if service.port is None or self.process(service.name):
            return
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", service.port))
            except OSError as error:
                raise LocalAzureError(
                    f"port {service.port}, which the {service.name} service needs, is in use{_holder(service.port)}; "
                    "stop that program or choose other ports with CONVERGE_LOCAL_PORT_BASE=<first of three free ports>"
                ) from error

    def start(self, service: Service) -> None:
        """Starts a service unless it runs, and waits until it is healthy.

        Raises:
            LocalAzureError: it ended or did not get healthy in time; names the log and shows its end.
        """
        found = self.process(service.name)
        process = found or self._spawn(service)
        deadline = time.monotonic() + service.within
        # Health first: what ends while it is asked has not started, whatever the answer says of the one before.
        while (problem := service.healthy()) or not _runs(process):
            if not _runs(process):
                if process is not found:
                    raise self._failure(service, "ended right after its start")
                process = self._spawn(service)
            if time.monotonic() > deadline:
                raise self._failure(service, f"did not get healthy within {service.within:.0f} s ({problem})")
            time.sleep(_POLL_SECONDS)

    def _spawn(self, service: Service) -> psutil.Process:
        log = self._sandbox.log(service.name)
        with log.open("ab") as output:
            child = subprocess.Popen(
                service.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self._sandbox.folder,
                env={**os.environ, **service.environment},
            )
        process = psutil.Process(child.pid)
        self._pid_file(service.name).write_text(json.dumps({"pid": child.pid, "created": process.create_time()}))
        return process

    def _failure(self, service: Service, what: str) -> LocalAzureError:
        log = self._sandbox.log(service.name)
        lines = log.read_text(errors="replace").splitlines()[-8:]
        return LocalAzureError("\n".join([f"the {service.name} service {what}; its log is {log} and ends with:", *(f"    {line[:300]}" for line in lines)]))

    def stop(self, names: Sequence[str], *, within: float = 20) -> None:
        """Stops services side by side, by force those that do not end in time."""
        terminate([process for name in names if (process := self.process(name))], within=within)
        for name in names:
            self._pid_file(name).unlink(missing_ok=True)


def terminate(processes: Sequence[psutil.Process], stop_signal: signal.Signals = signal.SIGTERM, *, within: float = 20) -> None:
    """Asks processes to end, and kills those that have not after `within` seconds."""
    for request, patience in ((stop_signal, within), (signal.SIGKILL, 5.0)):
        alive = [process for process in processes if _runs(process)]
        for process in alive:
            try:
                process.send_signal(request)
            except psutil.NoSuchProcess:
                continue
        deadline = time.monotonic() + patience
        while any(_runs(process) for process in alive) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def _runs(process: psutil.Process) -> bool:
    """Whether a process is still at work; one that has ended may stay as a zombie until whoever is its parent looks."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _holder(port: int) -> str:
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port and connection.pid:
            return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""


def write_if_changed(path: Path, text: str) -> None:
    """Writes a service's configuration; a file that says so already is not touched, because a service may watch it."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def run(command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None, cwd: Path | None = None, what: str) -> None:
    """Runs a command to its end with its output in a log.

    Raises:
        LocalAzureError: it failed; says what was being done, names the log and shows its end.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        try:
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}, cwd=cwd, check=False
            ).returncode
        except FileNotFoundError as error:
            raise LocalAzureError(f"{what} needs the program {command[0]!r}, which is not on PATH; install it, then run the command again") from error
    if code:
        lines = log.read_text(errors="replace").splitlines()[-12:]
        raise LocalAzureError("\n".join([f"{what} failed (exit code {code}); its log is {log} and ends with:", *(f"    {line[:300]}" for line in lines)]))
