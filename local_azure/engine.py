"""Pulumi's engine in the sandbox: its programs in a PULUMI_HOME of our own, its stack, previews and updates."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from pulumi import automation

from local_azure.arm.install import install as install_arm
from local_azure.errors import LocalAzureError
from local_azure.progress import Progress
from local_azure.sandbox import Sandbox
from local_azure.toolchain.go_tools import DOCKER_BUILD_PLUGIN, KUBERNETES_PLUGIN, LANGUAGE_HOST, PULUMI, GoBuilder

STACK = "local"
_COLORS = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")


def installed_pulumi() -> Path | None:
    """The folder of a Pulumi that the machine has already."""
    path = shutil.which("pulumi")
    return Path(path).parent if path and shutil.which("pulumi-language-python") else None


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
            _link(programs / program.name, program)
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
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def repair_state(state: Path) -> None:
    """Makes the state readable again after an engine was killed: it writes neither its checkpoint nor its lock in one piece.

    Raises:
        LocalAzureError: another engine is at work there.
    """
    for lock in (state / ".pulumi" / "locks").rglob("*.json"):
        owner = _json(lock).get("pid")
        if owner and psutil.pid_exists(owner):
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
        details: one line per resource that changes.
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
        errors: list[str] = []

        def on_event(event: automation.EngineEvent) -> None:
            _collect_error(event, errors)
            if event.resource_pre_event:
                metadata = event.resource_pre_event.metadata
                if metadata.op != automation.OpType.SAME:
                    plan.details.append(_describe(metadata))

        try:
            result = self._stack.preview(on_event=on_event, on_output=self._to_log("preview"))
        except automation.CommandError as error:
            raise self._failure("preview", errors, error) from error
        # Declared as OpType, yet text when it comes from the engine.
        plan.changes = {automation.OpType(operation).value: count for operation, count in result.change_summary.items()}
        return plan

    def update(self) -> None:
        """Makes the stack what the program says; shows each resource as it is done.

        Raises:
            LocalAzureError: something failed; what was done stays, and the next update goes on from there.
        """
        errors: list[str] = []

        def on_event(event: automation.EngineEvent) -> None:
            _collect_error(event, errors)
            if event.res_outputs_event:
                metadata = event.res_outputs_event.metadata
                if metadata.op != automation.OpType.SAME and metadata.type != "pulumi:pulumi:Stack":
                    self._progress.say(f"    {metadata.op.value:<8} {_short(metadata.urn)}")

        try:
            self._stack.up(on_event=on_event, on_output=self._to_log("up"))
        except automation.CommandError as error:
            raise self._failure("up", errors, error) from error

    def outputs(self) -> dict[str, Any]:
        return {name: output.value for name, output in self._stack.outputs().items()}

    def _to_log(self, command: str):
        log = self._sandbox.log(f"pulumi-{command}")
        log.write_text("")

        def write(line: str) -> None:
            with log.open("a") as output:
                output.write(line if line.endswith("\n") else f"{line}\n")

        return write

    def _failure(self, command: str, errors: list[str], error: automation.CommandError) -> LocalAzureError:
        text = "\n".join(dict.fromkeys(errors)) or _COLORS.sub("", str(error)).strip()
        return LocalAzureError(f"{text}\n(`pulumi {command}` of the stack `{STACK}` stopped; its whole output is in {self._sandbox.log(f'pulumi-{command}')})")


def _collect_error(event: automation.EngineEvent, errors: list[str]) -> None:
    diagnostic = event.diagnostic_event
    if diagnostic and diagnostic.severity == "error" and "update failed" not in diagnostic.message:
        errors.append(_COLORS.sub("", diagnostic.message).strip())


def _short(urn: str) -> str:
    """The type and name of a resource, without stack and project."""
    kind, name = urn.split("::")[2:4]
    return f"{kind.split('$')[-1]} {name}"


def _describe(metadata: automation.StepEventMetadata) -> str:
    properties = ", ".join(sorted(metadata.detailed_diff or ())) if metadata.detailed_diff else ""
    return f"{metadata.op.value:<8} {_short(metadata.urn)}" + (f" [{properties}]" if properties else "")
