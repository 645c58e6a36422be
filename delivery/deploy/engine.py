"""The caller's own Pulumi at work on a real stack, in the caller's environment: preview, update, and what it knows afterwards."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from delivery.deploy.watch import COLORS, EventLog, Watch
from delivery.errors import DeliveryError
from local_azure.sandbox import Sandbox

_NO_STACK = re.compile(r"no stack named '.*' found")
_BUSY = re.compile(r"currently locked by|\bConflict\b.*update|update is currently in progress", re.DOTALL)
_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a run of the engine ended.

    Attributes:
        problem: what went wrong, each error once, in the engine's and the program's own words; empty when it succeeded.
        hints: what the program said to its user, warnings included.
        answer: standard output.
        changes: how many resources per operation.
        touched: type and name of the resources that were changed, or failed to be.
    """

    problem: str
    hints: tuple[str, ...]
    answer: str
    changes: Mapping[str, int]
    touched: tuple[str, ...] = ()


class Engine:
    """Pulumi on one stack. Nothing is asked of a user, and Ctrl-C lets it put its state in order before anything else happens."""

    def __init__(self, checkout: Path, stack: str) -> None:
        """Nothing is run yet.

        Raises:
            DeliveryError: there is no Pulumi.
        """
        self._checkout = checkout
        self._stack = stack
        program = shutil.which("pulumi")
        if program is None:
            raise DeliveryError(
                'there is no `pulumi` on PATH; install it (https://www.pulumi.com/docs/install/), or for the local stack run eval "$(converge local env)"'
            )
        self._program = program

    def preview(self, at: Callable[[str], None]) -> Run:
        """What an update would do; the answer is the engine's JSON, with what does not change.

        Raises:
            DeliveryError: the engine, the program or a plugin refused.
        """
        watch = Watch(at, lambda _line: None)
        run = self._run(["preview", "--json", "--show-sames"], watch)
        if run.problem:
            raise DeliveryError(f"the stack {self._stack!r} cannot be previewed:\n{run.problem}")
        return run

    def drift(self, at: Callable[[str], None]) -> Run:
        """What a refresh would find; it is only looked, so the state stays as it is. The answer is the engine's JSON, with what does not differ.

        Raises:
            DeliveryError: the engine or a plugin refused, or something could not be reached.
        """
        run = self._run(["refresh", "--preview-only", "--json", "--show-sames"], Watch(at, lambda _line: None))
        if run.problem:
            raise DeliveryError(f"the stack {self._stack!r} cannot be compared with what is there:\n{run.problem}")
        return run

    def update(self, at: Callable[[str], None], say: Callable[[str], None]) -> Run:
        """Makes the stack what the program says; what failed is told by the run's `problem`, and what was done stays.

        Args:
            at: gets what it is doing.
            say: gets a line for each resource that is done.
        """
        return self._run(["up", "--yes", "--skip-preview", "--suppress-outputs"], Watch(at, say))

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, without secrets; raises DeliveryError."""
        return json.loads(self._ask("stack", "output", "--json"))

    def newest_update(self) -> dict[str, Any] | None:
        """The newest update in the engine's history, with its commit; None when there was none. Raises DeliveryError."""
        history: list[dict[str, Any]] = json.loads(self._ask("stack", "history", "--json"))
        return next((entry for entry in history if entry.get("kind") == "update"), None)

    def _ask(self, *arguments: str) -> str:
        answer = subprocess.run(self._command(arguments), cwd=self._checkout, env=_environment(self._checkout), capture_output=True, text=True, check=False)
        if answer.returncode:
            raise DeliveryError(f"`pulumi {' '.join(arguments)}` of the stack {self._stack!r} failed: {self._advised(_complaint(answer.stderr))}")
        return answer.stdout

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [self._program, *arguments, "--stack", self._stack, "--non-interactive", "--color", "never"]

    def _run(self, arguments: Sequence[str], watch: "Watch") -> Run:
        with tempfile.TemporaryDirectory(prefix="converge-engine-") as made:
            folder = Path(made)
            events = EventLog(folder / "events.jsonl")
            command = self._command([*arguments, "--event-log", str(events.path)])
            with (folder / "stdout").open("w+") as output, (folder / "stderr").open("w+") as complaints:
                code = self._carry_out(command, output, complaints, lambda: watch.read(events.new()))
                watch.read(events.new())
                output.seek(0)
                complaints.seek(0)
                answer = output.read()
                problem = watch.problem(answer) or _complaint(complaints.read()) or f"pulumi ended with exit code {code}"
        told = self._advised(problem) if code else ""
        return Run(problem=told, hints=tuple(watch.hints), answer=answer, changes=watch.changes, touched=tuple(watch.touched))

    def _carry_out(self, command: Sequence[str], output: IO[str], complaints: IO[str], look: Callable[[], None]) -> int:
        """Until the engine has ended; when we are interrupted it is told once, and may finish what it has begun."""
        process = None
        try:
            with _interruptions_later():
                # In a session of its own, so that Ctrl-C reaches it through us alone, and once.
                process = subprocess.Popen(
                    command,
                    cwd=self._checkout,
                    env=_environment(self._checkout),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=complaints,
                    start_new_session=True,
                )
            while process.poll() is None:
                look()
                time.sleep(_POLL_SECONDS)
        except BaseException:
            if process:
                process.send_signal(signal.SIGINT)
                process.wait()
            raise
        return process.returncode

    def _advised(self, problem: str) -> str:
        """The engine's words, and what to do where it does not say so itself."""
        if _NO_STACK.search(problem):
            return f"{problem}; make it once with `pulumi stack init {self._stack}`, or log in to the backend where it is"
        if _BUSY.search(problem):
            return f"{problem}\nwait until that update ends; if nobody is at work there any more: `pulumi cancel --stack {self._stack}`"
        return problem


@contextmanager
def _interruptions_later() -> Iterator[None]:
    """Keeps signals that would interrupt us until it is over: a process that has been started, and is not known yet, could not be told to end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers = {number: signal.signal(number, lambda number, _frame: came.append(number)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for number in came[:1]:
        signal.raise_signal(number)


def _environment(checkout: Path) -> dict[str, str]:
    caller = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # The SDKs are large: compiled once, a program starts in three quarters of the time. In the cache, so that checkout and environment stay as they are.
    bytecode = {"PYTHONPYCACHEPREFIX": str(Sandbox.of(checkout).cache / "bytecode")}
    # The option --event-log is for those who debug the engine.
    return {**bytecode, **caller, "PULUMI_DEBUG_COMMANDS": "true", "PULUMI_SKIP_UPDATE_CHECK": "true"}


def _complaint(text: str) -> str:
    """The engine's error without the warnings before it."""
    plain = COLORS.sub("", text).strip()
    warnings, error, message = plain.partition("error: ")
    return message.strip() if error else warnings
