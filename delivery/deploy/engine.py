"""The caller's own Pulumi at work on a real stack, in the caller's environment: preview, update, and what it knows afterwards."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from delivery.errors import DeliveryError

_COLORS = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_CLOSING = re.compile(r"(preview|update) failed$")
"""The engine's last word, which says only that there are errors."""
_WONDER = "using pulumi-language-python from $PATH"
_NO_STACK = re.compile(r"no stack named '.*' found")
_BUSY = re.compile(r"currently locked by|\bConflict\b.*update|update is currently in progress", re.DOTALL)
_POLL_SECONDS = 0.1
_SILENCE_SECONDS = 60
"""After so long without a word a log says what the engine is at."""


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
        watch = _Watch(at, lambda _line: None)
        run = self._run(["preview", "--json", "--show-sames"], watch)
        if run.problem:
            raise DeliveryError(f"the stack {self._stack!r} cannot be previewed:\n{run.problem}")
        return run

    def drift(self, at: Callable[[str], None]) -> Run:
        """What a refresh would find; it is only looked, so the state stays as it is. The answer is the engine's JSON, with what does not differ.

        Raises:
            DeliveryError: the engine or a plugin refused, or something could not be reached.
        """
        run = self._run(["refresh", "--preview-only", "--json", "--show-sames"], _Watch(at, lambda _line: None))
        if run.problem:
            raise DeliveryError(f"the stack {self._stack!r} cannot be compared with what is there:\n{run.problem}")
        return run

    def update(self, at: Callable[[str], None], say: Callable[[str], None]) -> Run:
        """Makes the stack what the program says; what failed is told by the run's `problem`, and what was done stays.

        Args:
            at: gets what it is doing.
            say: gets a line for each resource that is done.
        """
        return self._run(["up", "--yes", "--skip-preview", "--suppress-outputs"], _Watch(at, say))

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, without secrets; raises DeliveryError."""
        return json.loads(self._ask("stack", "output", "--json"))

    def newest_update(self) -> dict[str, Any] | None:
        """The newest update in the engine's history, with its commit; None when there was none. Raises DeliveryError."""
        history: list[dict[str, Any]] = json.loads(self._ask("stack", "history", "--json"))
        return next((entry for entry in history if entry.get("kind") == "update"), None)

    def _ask(self, *arguments: str) -> str:
        answer = subprocess.run(self._command(arguments), cwd=self._checkout, env=_environment(), capture_output=True, text=True, check=False)
        if answer.returncode:
            raise DeliveryError(f"`pulumi {' '.join(arguments)}` of the stack {self._stack!r} failed: {self._advised(_complaint(answer.stderr))}")
        return answer.stdout

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [self._program, *arguments, "--stack", self._stack, "--non-interactive", "--color", "never"]

    def _run(self, arguments: Sequence[str], watch: "_Watch") -> Run:
        with tempfile.TemporaryDirectory(prefix="converge-engine-") as made:
            folder = Path(made)
            events = _EventLog(folder / "events.jsonl")
            command = self._command([*arguments, "--event-log", str(events.path)])
            with (folder / "stdout").open("w+") as output, (folder / "stderr").open("w+") as complaints:
                # In a session of its own, so that Ctrl-C reaches it through us alone, and once.
                process = subprocess.Popen(
                    command, cwd=self._checkout, env=_environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=complaints, start_new_session=True
                )
                _wait(process, lambda: watch.read(events.new()))
                watch.read(events.new())
                output.seek(0)
                complaints.seek(0)
                answer = output.read()
                problem = watch.problem(answer) or _complaint(complaints.read()) or f"pulumi ended with exit code {process.returncode}"
        told = self._advised(problem) if process.returncode else ""
        return Run(problem=told, hints=tuple(watch.hints), answer=answer, changes=watch.changes, touched=tuple(watch.touched))

    def _advised(self, problem: str) -> str:
        """The engine's words, and what to do where it does not say so itself."""
        if _NO_STACK.search(problem):
            return f"{problem}; make it once with `pulumi stack init {self._stack}`, or log in to the backend where it is"
        if _BUSY.search(problem):
            return f"{problem}\nwait until that update ends; if nobody is at work there any more: `pulumi cancel --stack {self._stack}`"
        return problem


@dataclass
class _EventLog:
    """The engine's events, read while they are written."""

    path: Path
    _offset: int = 0

    def new(self) -> list[dict[str, Any]]:
        """Those that were written since the last look, of whole lines."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._offset)
            whole = file.read().rpartition(b"\n")[0]
        if not whole:
            return []
        self._offset += len(whole) + 1
        return [json.loads(line) for line in whole.splitlines() if line.strip()]


@dataclass
class _Watch:
    """What a user hears of a run, and what remains of it."""

    at: Callable[[str], None]
    say: Callable[[str], None]
    hints: list[str] = field(default_factory=list)
    changes: dict[str, int] = field(default_factory=dict)
    touched: list[str] = field(default_factory=list)
    _errors: list[dict[str, Any]] = field(default_factory=list)
    _open: dict[str, str] = field(default_factory=dict)
    _status: dict[str, str] = field(default_factory=dict)
    _done: int = 0
    _heard: float = field(default_factory=time.monotonic)

    def read(self, events: Sequence[dict[str, Any]]) -> None:
        """Tells of new events; of a long silence, what is being waited for."""
        for event in events:
            self._one(event)
        if events:
            self.at(f"{self._done} resources" + (f"; at work on {next(reversed(self._open.values()))}" if self._open else ""))
        if self._open and time.monotonic() - self._heard > _SILENCE_SECONDS:
            self._tell(f"    still at work on {'; '.join(self._waiting())}")

    def _waiting(self) -> Iterator[str]:
        for urn, resource in self._open.items():
            yield f"{resource}: {status}" if (status := self._status.get(urn)) else resource

    def _tell(self, line: str) -> None:
        self._heard = time.monotonic()
        self.say(line)

    def _one(self, event: dict[str, Any]) -> None:
        if started := event.get("resourcePreEvent"):
            if _changes(started["metadata"]):
                self._open[started["metadata"]["urn"]] = _short(started["metadata"]["urn"])
        elif ended := event.get("resOutputsEvent") or event.get("resOpFailedEvent"):
            self._end(ended["metadata"], failed="resOpFailedEvent" in event)
        elif diagnostic := event.get("diagnosticEvent"):
            self._hear(event, diagnostic)
        elif summary := event.get("summaryEvent"):
            self.changes = dict(summary.get("resourceChanges") or {})

    def _end(self, metadata: Mapping[str, Any], *, failed: bool) -> None:
        self._done += 1
        self._open.pop(metadata["urn"], None)
        if _changes(metadata):
            self.touched.append(_short(metadata["urn"]))
            self._tell(f"    {'failed to ' if failed else ''}{metadata['op']:<8} {_short(metadata['urn'])}")

    def _hear(self, event: dict[str, Any], diagnostic: Mapping[str, Any]) -> None:
        text = _COLORS.sub("", diagnostic.get("message", "")).strip()
        severity = diagnostic.get("severity")
        if diagnostic.get("ephemeral"):
            # What a provider waits for, such as the pods of a roll-out.
            self._status[diagnostic.get("urn", "")] = text
        elif severity == "error" and not _CLOSING.search(text):
            self._errors.append(event)
        elif severity in ("info", "warning") and text and text not in self.hints and _WONDER not in text:
            self.hints.append(text)

    def problem(self, output: str) -> str:
        """All errors, each once; a failed image build by the output of the step that failed."""
        from pulumi.automation.events import EngineEvent  # noqa: PLC0415 - pulumi takes long to import

        from local_azure.engine import Diagnostics  # noqa: PLC0415 - so does this, with it

        diagnostics = Diagnostics()
        for event in self._errors:
            diagnostics.collect(EngineEvent.from_json(event))
        diagnostics.read(output)
        return diagnostics.message()


def _changes(metadata: Mapping[str, Any]) -> bool:
    return metadata["op"] not in ("same", "read") and metadata["type"] != "pulumi:pulumi:Stack"


def _short(urn: str) -> str:
    """The type and name of a resource, without stack and project."""
    kind, name = urn.split("::", 3)[2:]
    return f"{kind.rpartition('$')[2]} {name}"


def _wait(process: subprocess.Popen[bytes], look: Callable[[], None]) -> None:
    """Until the engine has ended; when we are interrupted it is told once, and may finish what it has begun."""
    try:
        while process.poll() is None:
            look()
            time.sleep(_POLL_SECONDS)
    except BaseException:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise


def _environment() -> dict[str, str]:
    # The option --event-log is for those who debug the engine.
    return {**os.environ, "PULUMI_DEBUG_COMMANDS": "true", "PULUMI_SKIP_UPDATE_CHECK": "true"}


def _complaint(text: str) -> str:
    """The engine's error without the warnings before it."""
    plain = _COLORS.sub("", text).strip()
    warnings, error, message = plain.partition("error: ")
    return message.strip() if error else warnings
