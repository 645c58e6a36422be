"""Runs the engine for a plan: one update of the base, one preview of the working tree."""

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import yaml

from delivery.errors import DeliveryError
from delivery.plan.sandbox import PlanSandbox

_COLORS = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_OF_NO_USE = re.compile(r"(preview|update) failed$|using pulumi-language-python from \$PATH")
"""The engine's closing words, which say only that there are errors; and its wonder about the language host, which is ours on purpose."""
_POLL_SECONDS = 0.1
_OTHER_KEYS = ("secretsprovider", "encryptedkey", "encryptionsalt")
"""A stack's own keys for secrets, which a plan has no access to."""


@dataclass(frozen=True)
class Outcome:
    """How a run of the engine ended.

    Attributes:
        errors: what went wrong, each once, in the engine's and the program's own words; empty when it succeeded.
        hints: what the program said to its user, warnings included.
        answer: standard output.
    """

    errors: list[str]
    hints: list[str]
    answer: str


@dataclass
class Stack:
    """One stack in a plan's sandbox.

    Attributes:
        name: of the stack.
    """

    sandbox: PlanSandbox
    name: str
    _salt: str = field(init=False, default="")

    def create(self, project: Path) -> None:
        """Makes the stack, empty.

        Args:
            project: folder with the Pulumi.yaml.

        Raises:
            DeliveryError: the engine refuses the name or the project.
        """
        folder = self.sandbox.folder / "stack"
        folder.mkdir()
        shutil.copy(project / "Pulumi.yaml", folder)
        made = self._run(["stack", "init", self.name, "--no-select"], folder)
        if made.errors:
            raise DeliveryError(f"the stack {self.name!r} cannot be planned: {'; '.join(made.errors)}")
        self._salt = yaml.safe_load((folder / f"Pulumi.{self.name}.yaml").read_text())["encryptionsalt"]

    def update(self, project: Path, at: Callable[[str], None]) -> Outcome:
        """Makes the simulated Azure what the project's program says.

        Raises:
            DeliveryError: the stack's file cannot be read.
        """
        return self._run(["up", "--yes", "--skip-preview", "--suppress-outputs", *self._settings(project)], project, at)

    def preview(self, project: Path, at: Callable[[str], None]) -> Outcome:
        """What the project's program would change; the answer is the engine's JSON, unchanged resources included.

        Raises:
            DeliveryError: the stack's file cannot be read.
        """
        return self._run(["preview", "--json", "--show-sames", *self._settings(project)], project, at)

    def _settings(self, project: Path) -> list[str]:
        """A copy of the stack's settings that the plan's own key belongs to. What is encrypted there is unknown here: a mark stands for it."""
        given = _read_settings(project / f"Pulumi.{self.name}.yaml")
        wanted = {key: _without_ciphertext(value) for key, value in given.items() if key not in _OTHER_KEYS}
        path = Path(tempfile.mkdtemp(dir=self.sandbox.folder)) / f"Pulumi.{self.name}.yaml"
        path.write_text(yaml.safe_dump({"encryptionsalt": self._salt, **wanted}, sort_keys=False))
        return ["--stack", self.name, "--config-file", str(path)]

    def unprotect(self) -> frozenset[str]:
        """Takes the protection from every resource, so that a plan shows what the engine would refuse instead of ending there.

        Returns:
            The URNs of those that were protected.
        """
        (path,) = (self.sandbox.folder / "pulumi-state" / ".pulumi" / "stacks").rglob(f"{self.name}.json")
        document = json.loads(path.read_text())
        resources: list[dict[str, Any]] = document["checkpoint"]["latest"].get("resources", [])
        protected = [resource for resource in resources if resource.pop("protect", False)]
        path.write_text(json.dumps(document))
        return frozenset(resource["urn"] for resource in protected)

    def _run(self, arguments: list[str], folder: Path, at: Callable[[str], None] = lambda _text: None) -> Outcome:
        events = Path(tempfile.mkdtemp(dir=self.sandbox.folder)) / "events.jsonl"
        logged = ["--event-log", str(events)] if arguments[0] in ("up", "preview") else []
        command = [str(self.sandbox.engine.pulumi), *arguments, *logged, "--non-interactive", "--color", "never"]
        with events.with_name("stdout").open("w+") as output, events.with_name("stderr").open("w+") as complaints:
            environment = self.sandbox.environment
            try:
                # In a session of its own, so that Ctrl-C reaches it through us alone.
                process = subprocess.Popen(
                    command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=complaints, start_new_session=True
                )
                while process.poll() is None:
                    at(_progress(events))
                    time.sleep(_POLL_SECONDS)
            except BaseException:
                _end_all(self.sandbox.folder)
                raise
            output.seek(0)
            complaints.seek(0)
            errors, hints = _diagnostics(_read(events))
            answer = output.read()
            if process.returncode and not errors:
                errors = _told(answer) or [_complaint(complaints.read()) or f"pulumi ended with exit code {process.returncode}"]
            return Outcome(errors if process.returncode else [], hints, answer)


def _read_settings(path: Path) -> Mapping[str, Any]:
    try:
        settings = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DeliveryError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, Mapping):
        raise DeliveryError(f"{path} has no keys; it must have `config:` with the stack's settings below")
    return settings


def _told(answer: str) -> list[str]:
    """The errors in a preview's JSON."""
    try:
        document = json.loads(answer)
    except ValueError:
        return []
    return [_COLORS.sub("", one["message"]).strip() for one in document.get("diagnostics") or () if one.get("severity") == "error"]


def _complaint(text: str) -> str:
    """The engine's error without the warnings before it."""
    plain = _COLORS.sub("", text).strip()
    warnings, error, message = plain.partition("error: ")
    return message.strip() if error else warnings


def _without_ciphertext(value: Any) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {"secure"}:
            return f"[secret {sha256(str(value['secure']).encode()).hexdigest()[:8]}]"
        return {name: _without_ciphertext(item) for name, item in value.items()}
    return [_without_ciphertext(item) for item in value] if isinstance(value, list) else value


def _end_all(sandbox: Path) -> None:
    """Ends an engine that was interrupted, perhaps before we knew of it, and all it started. Nothing that it holds is worth an orderly end."""
    family = [process for process in psutil.Process().children(recursive=True) if _works_in(process, sandbox)]
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=5)


def _works_in(process: psutil.Process, sandbox: Path) -> bool:
    try:
        return process.environ().get("CONVERGE_SANDBOX") == str(sandbox)
    except psutil.Error:
        return False


def _read(events: Path) -> Iterator[dict[str, Any]]:
    """The events that are written whole."""
    if events.exists():
        for line in events.read_text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue


def _progress(events: Path) -> str:
    resources = events.read_text().count('"resOutputsEvent"') if events.exists() else 0
    return f"{resources} resources" if resources else "starting the program"


def _diagnostics(events: Iterator[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Errors and hints, each once."""
    errors: list[str] = []
    hints: list[str] = []
    for event in events:
        diagnostic = event.get("diagnosticEvent", {})
        text = _COLORS.sub("", diagnostic.get("message", "")).strip()
        found = {"error": errors, "info": hints, "warning": hints}.get(diagnostic.get("severity"), [text])
        if text and text not in found and not _OF_NO_USE.match(text):
            found.append(text)
    return errors, hints
