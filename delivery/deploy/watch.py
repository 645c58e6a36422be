"""What the engine says while it works: its events, told to a user as they come."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COLORS = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_CLOSING = re.compile(r"(preview|update) failed$")
"""The engine's last word, which says only that there are errors."""
_WONDER = "using pulumi-language-python from $PATH"
_SILENCE_SECONDS = 60
"""After so long without a word a log says what the engine is at."""


@dataclass
class EventLog:
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
class Watch:
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
        text = COLORS.sub("", diagnostic.get("message", "")).strip()
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
