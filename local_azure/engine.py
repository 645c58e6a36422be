"""Pulumi's engine in the sandbox: its programs in a PULUMI_HOME of our own, its stack, previews and updates."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from pulumi import automation

from local_azure.arm.install import install as install_arm
from local_azure.arm.wire import UNKNOWN_TEXT
from local_azure.errors import LocalAzureError
from local_azure.processes import write_if_changed
from local_azure.progress import Progress
from local_azure.sandbox import MARKER, Sandbox
from local_azure.toolchain.go_tools import DOCKER_BUILD_PLUGIN, KUBERNETES_PLUGIN, LANGUAGE_HOST, PULUMI, GoBuilder

STACK = "local"
_MOST_VALUES = 8
_LONGEST_VALUE = 80
_BUILD_LINE = re.compile(r".*docker-build:index:Image \S+ [a-z]+ \([\d.]+s\)(?: \[diff: [^\]]*\];?)? ?(.*)")
_STEP = re.compile(r"#(\d+) \[(.+?)\] (.*)")
_FAILED_COMMAND = re.compile(r'failed to solve: process "(?:/bin/sh -c (?:eval \\"\$0\\".*?\} )?)?([^"$\\]+)')
"""Without the Dockerfile's shell, and up to the first argument: there the error has the name of a variable, and the step its value."""
_LIST_SIGNS = re.compile(r'[\[\]",]')
"""Of a command without a shell: the step shows it as a list, the error as one line."""
_MOST_LINES = 30
_COLORS = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")


def installed_pulumi(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of a Pulumi that the machine has already. In a shell with a sandbox's environment that sandbox's is on PATH, too; it is not meant."""
    folders = [Path(folder) for folder in environment.get("PATH", "").split(os.pathsep) if folder]
    elsewhere = os.pathsep.join(str(folder) for folder in folders if not (folder.parent.parent / MARKER).exists())
    path = shutil.which("pulumi", path=elsewhere)
    return Path(path).parent if path and shutil.which("pulumi-language-python", path=elsewhere) else None


def set_up_home(sandbox: Sandbox, builder: GoBuilder, python: Path, *, found: Path | None) -> None:
    """Lays engine, language host and plugins out in the sandbox's PULUMI_HOME.

    Args:
        found: folder of the machine's own Pulumi; it gets its published plugins by itself. None: everything was built.
    """
    programs = sandbox.pulumi_home / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    sources = [found] if found else [builder.folder(PULUMI), builder.folder(LANGUAGE_HOST)]
    for source in sources:
        for program in source.glob("pulumi*"):
            # The engine looks for its language host beside its own file, links followed, and warns when it finds it elsewhere.
            place = _own_file if program.name == "pulumi" and not found else _link
            place(programs / program.name, program)
    if not found:
        _install_plugin(sandbox, "kubernetes", "4.25.0", builder.folder(KUBERNETES_PLUGIN) / "pulumi-resource-kubernetes")
        _install_plugin(sandbox, "docker-build", "0.0.22", builder.folder(DOCKER_BUILD_PLUGIN) / "pulumi-resource-docker-build")
    install_arm(sandbox.pulumi_home, python, sandbox.checkout)


def _install_plugin(sandbox: Sandbox, name: str, version: str, program: Path) -> None:
    folder = sandbox.pulumi_home / "plugins" / f"resource-{name}-v{version}"
    folder.mkdir(parents=True, exist_ok=True)
    _link(folder / program.name, program)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _own_file(path: Path, source: Path) -> None:
    """The same file under a second name; a copy where that is another file system."""
    if path.exists() and not path.is_symlink() and (path.samefile(source) or path.stat().st_mtime_ns == source.stat().st_mtime_ns):
        return
    path.unlink(missing_ok=True)
    try:
        path.hardlink_to(source)
    except OSError:
        shutil.copy2(source, path)


def environment(sandbox: Sandbox, *, built: bool) -> dict[str, str]:
    """The environment of a Pulumi run in the sandbox, on top of the caller's."""
    path = os.pathsep.join([str(sandbox.pulumi_home / "bin"), os.environ.get("PATH", "")])
    acquisition = {"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"} if built else {}
    return {**sandbox.pulumi_environment(), **acquisition, "PATH": path}


def write_stack_settings(sandbox: Sandbox, settings: Mapping[str, Any]) -> None:
    """Writes our values into Pulumi.local.yaml; what somebody added there by hand stays."""
    path = sandbox.checkout / f"Pulumi.{STACK}.yaml"
    document: dict[str, Any] = yaml.safe_load(path.read_text()) or {} if path.exists() else {}
    document["config"] = {**document.get("config", {}), **settings}
    text = "# Made by `converge local up` for this machine; not committed. Keys that you add stay.\n" + yaml.safe_dump(document, sort_keys=False)
    write_if_changed(path, text)


def repair_state(state: Path) -> None:
    """Makes the state readable again after an engine was killed: it writes neither its checkpoint nor its lock in one piece.

    Raises:
        LocalAzureError: another engine is at work there.
    """
    for lock in (state / ".pulumi" / "locks").rglob("*.json"):
        owner = _json(lock).get("pid")
        if owner and _at_work(owner):
            raise LocalAzureError(f"another Pulumi run (process {owner}) is at work on the sandbox's state; wait until it ends, then run the command again")
        lock.unlink()
    for stack in (state / ".pulumi" / "stacks").rglob("*.json"):
        backup = stack.with_name(f"{stack.name}.bak")
        if not _json(stack) and backup.exists() and _json(backup):
            shutil.copy(backup, stack)
    for attributes in (state / ".pulumi").rglob("*.attrs"):
        # They are optional; one that is cut off makes the engine refuse the file that it belongs to.
        if not _json(attributes):
            attributes.unlink()


def _at_work(process_id: int) -> bool:
    """Whether that process is a Pulumi that runs. One that was killed may stay as a zombie, and its number may have become another program's."""
    try:
        process = psutil.Process(process_id)
        return process.status() != psutil.STATUS_ZOMBIE and "pulumi" in process.name()
    except psutil.NoSuchProcess:
        return False


def _json(path: Path) -> dict[str, Any]:
    """The content of a file; empty when it was cut off."""
    try:
        return json.loads(path.read_text())
    except ValueError:
        return {}


@dataclass
class Plan:
    """What a preview found.

    Attributes:
        changes: how many resources per operation (`create`, `update`, `replace`, `delete`, `same`).
        details: a line per resource that changes, followed by one per value.
    """

    changes: dict[str, int] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return all(operation == "same" for operation, count in self.changes.items() if count)


class Stack:
    """The `local` stack: previews and updates with the engine's own words for errors, once and without colour."""

    def __init__(self, sandbox: Sandbox, environment: Mapping[str, str], progress: Progress) -> None:
        self._sandbox = sandbox
        self._progress = progress
        repair_state(sandbox.pulumi_state)
        self._stack = automation.create_or_select_stack(
            stack_name=STACK,
            work_dir=str(sandbox.checkout),
            opts=automation.LocalWorkspaceOptions(
                env_vars=dict(environment), pulumi_command=automation.PulumiCommand(root=str(sandbox.pulumi_home), skip_version_check=True)
            ),
        )

    def preview(self) -> Plan:
        """What an update would do.

        Raises:
            LocalAzureError: the program or a plugin refused.
        """
        plan = Plan()
        diagnostics = Diagnostics()

        def on_event(event: automation.EngineEvent) -> None:
            diagnostics.collect(event)
            if event.resource_pre_event:
                metadata = event.resource_pre_event.metadata
                if metadata.op != automation.OpType.SAME:
                    plan.details += _describe(metadata)

        try:
            result = self._stack.preview(on_event=on_event, on_output=self._to_log("preview", diagnostics))
        except automation.CommandError as error:
            raise self._failure("preview", diagnostics, error) from error
        # Declared as OpType, yet text when it comes from the engine.
        plan.changes = {automation.OpType(operation).value: count for operation, count in result.change_summary.items()}
        return plan

    def update(self) -> None:
        """Makes the stack what the program says; shows each resource as it is done.

        Raises:
            LocalAzureError: something failed; what was done stays, and the next update goes on from there.
        """
        diagnostics = Diagnostics()

        def on_event(event: automation.EngineEvent) -> None:
            diagnostics.collect(event)
            if event.res_outputs_event:
                metadata = event.res_outputs_event.metadata
                if metadata.op != automation.OpType.SAME and metadata.type != "pulumi:pulumi:Stack":
                    self._progress.say(f"    {metadata.op.value:<8} {_short(metadata.urn)}")

        try:
            self._stack.up(on_event=on_event, on_output=self._to_log("up", diagnostics))
        except automation.CommandError as error:
            raise self._failure("up", diagnostics, error) from error

    def refresh(self) -> None:
        """Lets the stack's state say what is really there.

        Raises:
            LocalAzureError: something could not be read.
        """
        diagnostics = Diagnostics()
        try:
            self._stack.refresh(on_event=diagnostics.collect, on_output=self._to_log("refresh", diagnostics))
        except automation.CommandError as error:
            raise self._failure("refresh", diagnostics, error) from error

    def outputs(self) -> dict[str, Any]:
        return {name: output.value for name, output in self._stack.outputs().items()}

    def _to_log(self, command: str, diagnostics: "Diagnostics") -> Callable[[str], None]:
        log = self._sandbox.log(f"pulumi-{command}")
        log.write_text("")

        def write(line: str) -> None:
            diagnostics.read(line)
            with log.open("a") as output:
                output.write(line if line.endswith("\n") else f"{line}\n")

        return write

    def _failure(self, command: str, diagnostics: "Diagnostics", error: automation.CommandError) -> LocalAzureError:
        text = diagnostics.message() or _COLORS.sub("", str(error)).strip()
        return LocalAzureError(f"{text}\n(`pulumi {command}` of the stack `{STACK}` stopped; its whole output is in {self._sandbox.log(f'pulumi-{command}')})")


class Diagnostics:
    """What goes wrong in a run: errors, which come as events, and the output of image builds, which is whole only in the engine's own text."""

    def __init__(self) -> None:
        self._errors: list[str] = []
        self._build_output: list[str] = []

    def collect(self, event: automation.EngineEvent) -> None:
        """Keeps an error; other events are passed over."""
        diagnostic = event.diagnostic_event
        if diagnostic and diagnostic.severity == "error" and "update failed" not in diagnostic.message:
            self._errors.append(_COLORS.sub("", diagnostic.message).strip())

    def read(self, text: str) -> None:
        """Keeps the lines of image builds out of the engine's text."""
        self._build_output += [line[1] for line in map(_BUILD_LINE.match, _COLORS.sub("", text).splitlines()) if line]

    def message(self) -> str:
        """All errors, each once. BuildKit's own names the command of a failed step, which says little; what the step printed takes its place."""
        return "\n".join(dict.fromkeys(self._failed_step(error) or error for error in self._errors))

    def _failed_step(self, error: str) -> str:
        """The step of which BuildKit's error names the command: its name, then the end of its output."""
        failed = _FAILED_COMMAND.match(error)
        command = _LIST_SIGNS.sub("", failed[1]).strip() if failed else None
        steps = {line[1]: line[2] for line in map(_STEP.match, self._build_output) if line and command and command in _LIST_SIGNS.sub("", line[3])}
        if not steps:
            return ""
        number, name = steps.popitem()
        lines = [line[1] for line in map(re.compile(rf"#{number} \d+\.\d+ (.*)").match, self._build_output) if line]
        return "\n".join([f"the image was not built, because the step [{name}] failed:", *(f"    {line}" for line in lines[-_MOST_LINES:])])


def _short(urn: str) -> str:
    """The type and name of a resource, without stack and project."""
    kind, name = urn.split("::")[2:4]
    return f"{kind.split('$')[-1]} {name}"


def _describe(metadata: automation.StepEventMetadata) -> list[str]:
    """A line for the resource, and one for each value that an update or replacement changes."""
    title = f"{metadata.op.value:<8} {_short(metadata.urn)}"
    if not (metadata.old and metadata.new) or metadata.op == automation.OpType.DELETE:
        return [title]
    changed = list(_changed(metadata.old.inputs, metadata.new.inputs, ""))
    shown = [f"         {path}: {_value(before)} => {_value(after)}" for path, before, after in changed[:_MOST_VALUES]]
    more = len(changed) - len(shown)
    return [title, *shown, *([f"         and {more} more"] if more else [])]


def _changed(before: Any, after: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The leaves that differ, by their path."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [*before, *(name for name in after if name not in before)]:
            # What Pulumi keeps for itself.
            if not name.startswith("__"):
                yield from _changed(before.get(name), after.get(name), f"{path}.{name}".removeprefix("."))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _changed(one, other, f"{path}[{number}]")
    elif before != after:
        yield path, before, after


def _value(value: Any) -> str:
    if value == UNKNOWN_TEXT:
        return "(known when it is done)"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
