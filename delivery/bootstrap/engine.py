"""Pulumi's engine for bootstrap's own small stack, in whichever place its state is."""

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulumi import automation
from pulumi.automation._stack import ImportResource

from delivery.azure.errors import AzureError
from delivery.bootstrap import existing
from delivery.bootstrap.program import declare
from delivery.bootstrap.wanted import Wanted

PROJECT = "converge-bootstrap"
_COLORS = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine writes for a value that is known only when it is done."""
_ROUNDS = 5
"""Of taking over: the names of grants are known only once the identities are."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What would happen to a resource, or did."""

    operation: str
    kind: str
    name: str
    changes: tuple[str, ...] = ()
    """Paths of what an update or replacement changes."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Where bootstrap's state is.

    Attributes:
        work: folder for the engine's own files; kept with a local state.
        variables: on top of the caller's environment.
        pulumi: folder with `bin/pulumi`; None: the one on PATH.
    """

    url: str
    work: Path
    variables: Mapping[str, str]
    pulumi: Path | None = None


class Bootstrap:
    """Bootstrap's stack of one stack of the program."""

    def __init__(self, wanted: Wanted, backend: Backend) -> None:
        """Makes the stack where it is not there yet.

        Raises:
            AzureError: there is no Pulumi, or the state cannot be reached.
        """
        self._wanted = wanted
        self.backend = backend
        backend.work.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = automation.LocalWorkspaceOptions(
            work_dir=str(backend.work),
            # No secret is in this state, so an empty passphrase guards nothing that could be read.
            env_vars={"PULUMI_CONFIG_PASSPHRASE": "", "PULUMI_SKIP_UPDATE_CHECK": "true", **backend.variables, "PULUMI_BACKEND_URL": backend.url},
            project_settings=automation.ProjectSettings(name=PROJECT, runtime="python"),
            pulumi_command=_command(backend.pulumi),
        )
        try:
            # It would print the whole call stack of an engine that was killed.
            logging.getLogger("grpc").setLevel(logging.CRITICAL)
            self._stack = automation.create_or_select_stack(wanted.stack, PROJECT, lambda: declare(wanted), opts=options)
            self._stack.set_all_config(
                {
                    "azure-native:subscriptionId": automation.ConfigValue(wanted.subscription_id),
                    "azure-native:tenantId": automation.ConfigValue(wanted.tenant_id),
                    "azure-native:location": automation.ConfigValue(wanted.location),
                }
            )
        except automation.CommandError as error:
            raise AzureError(_first_error(str(error))) from error

    def plan(self, exists: existing.Exists) -> tuple[list[Step], list[str]]:
        """What an update would do. What is in Azure already and would be created is written into the state first; nothing changes in Azure.

        Returns:
            The steps, none when there is nothing to do, and the ids of what was taken over.
        """
        taken: list[str] = []
        for _ in range(_ROUNDS):
            planned = self._planned()
            created = [metadata for metadata in planned if metadata.op == automation.OpType.CREATE and metadata.new]
            found = {metadata.urn: identifier for metadata in created if metadata.new and (identifier := self._existing(metadata.new, exists))}
            if not found:
                return [_step(metadata) for metadata in planned if metadata.op != automation.OpType.SAME and _is_real(metadata)], taken
            self._import(created, found)
            taken += found.values()
        raise AzureError(f"what exists cannot be taken over completely: {', '.join(taken)}; somebody changes it at this moment, run this again later")

    def outputs(self) -> dict[str, str]:
        """What the last update exported."""
        return {name: output.value for name, output in self._wrapped(self._stack.outputs).items()}

    def update(self, on_step: Callable[[Step], None]) -> dict[str, str]:
        """Makes it so.

        Returns:
            The program's outputs.

        Raises:
            AzureError: what Azure or the engine refused; what was done stays, and the next run goes on from there.
        """

        def on_event(event: automation.EngineEvent) -> None:
            if event.res_outputs_event:
                metadata = event.res_outputs_event.metadata
                if metadata.op not in (automation.OpType.SAME, automation.OpType.REFRESH) and _is_real(metadata):
                    on_step(_step(metadata))

        result = self._run(lambda listen: self._stack.up(on_event=listen, refresh=True), on_event)
        return {name: output.value for name, output in result.outputs.items()}

    def resources(self) -> int:
        """How many resources the state knows."""
        return len((self.export().deployment or {}).get("resources") or [])

    def export(self) -> automation.Deployment:
        """The whole state."""
        return self._wrapped(self._stack.export_stack)

    def replace_state(self, state: automation.Deployment) -> None:
        """Makes the state another one."""
        self._wrapped(lambda: self._stack.import_stack(state))

    def _planned(self) -> list[automation.StepEventMetadata]:
        planned: list[automation.StepEventMetadata] = []

        def on_event(event: automation.EngineEvent) -> None:
            if event.resource_pre_event and event.resource_pre_event.metadata.op != automation.OpType.REFRESH:
                planned.append(event.resource_pre_event.metadata)

        # What somebody took away by hand (a lock, to change a grant below it) is put back.
        self._run(lambda listen: self._stack.preview(on_event=listen, refresh=True), on_event)
        return planned

    def _existing(self, planned: automation.StepEventStateMetadata, exists: existing.Exists) -> str:
        # A name that comes from a resource is unknown until that one is there; these are known anyway.
        names = {"resourceGroupName": self._wanted.group, "accountName": self._wanted.account, "vaultName": self._wanted.vault}
        inputs = {**names, **{name: value for name, value in (planned.inputs or {}).items() if value != _UNKNOWN}}
        identifier = existing.id_of(planned.type, inputs, self._wanted.subscription_id)
        return identifier if identifier and existing.is_there(planned.type, identifier, exists) else ""

    def _import(self, created: list[automation.StepEventMetadata], found: Mapping[str, str]) -> None:
        """Imports resources below the components that the program puts them in; components that the state lacks come along."""
        components = {metadata.urn: metadata for metadata in created if metadata.new and not metadata.new.custom}
        parents = {metadata.new.parent for metadata in created if metadata.urn in found and metadata.new}
        missing = [components[urn] for urn in components if urn in parents]
        known = {_name(urn): urn for urn in parents if urn not in components and urn.split("::")[2] != "pulumi:pulumi:Stack"}
        resources = [ImportResource(type=metadata.type, name=_name(metadata.urn), component=True) for metadata in missing]
        for metadata in created:
            if metadata.urn in found and metadata.new:
                resource = ImportResource(type=metadata.type, name=_name(metadata.urn), id=found[metadata.urn])
                if metadata.new.parent and _name(metadata.new.parent) in {*known, *(_name(urn) for urn in components)}:
                    resource["parent"] = _name(metadata.new.parent)
                resources.append(resource)
        self._run(lambda _listen: self._stack.import_resources(resources=resources, name_table=known, protect=False, generate_code=False), None)

    def _run(self, command: Callable[[Callable[[automation.EngineEvent], None]], Any], on_event: Callable[[automation.EngineEvent], None] | None) -> Any:
        errors: list[str] = []

        def listen(event: automation.EngineEvent) -> None:
            diagnostic = event.diagnostic_event
            if diagnostic and diagnostic.severity == "error" and "update failed" not in diagnostic.message:
                errors.append(_COLORS.sub("", diagnostic.message).strip())
            if on_event:
                on_event(event)

        try:
            return command(listen)
        except automation.CommandError as error:
            raise AzureError(_explained("\n".join(dict.fromkeys(errors)) or _first_error(str(error)), self._wanted)) from error

    def _wrapped(self, command: Callable[[], Any]) -> Any:
        return self._run(lambda _listen: command(), None)


def _command(folder: Path | None) -> automation.PulumiCommand:
    try:
        return automation.PulumiCommand(root=str(folder) if folder else None, skip_version_check=folder is not None)
    except FileNotFoundError as error:
        raise AzureError("there is no Pulumi on PATH; https://www.pulumi.com/docs/install has it for every system") from error


def _step(metadata: automation.StepEventMetadata) -> Step:
    return Step(
        operation=automation.OpType(metadata.op).value,
        kind=metadata.type.removeprefix("azure-native:"),
        name=_name(metadata.urn),
        changes=tuple(sorted(metadata.detailed_diff or {})),
    )


def _is_real(metadata: automation.StepEventMetadata) -> bool:
    """A resource of Azure's: no component, provider or stack."""
    return metadata.type.startswith("azure-native:")


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def _first_error(text: str) -> str:
    """The engine's message out of all that its command printed."""
    lines = [line.strip() for line in _COLORS.sub("", text).splitlines() if line.strip()]
    return next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), lines[-1] if lines else "Pulumi failed without a word")


_EXPLAINED = (
    (
        r"ScopeLocked",
        "the lock on {group} keeps a grant from being removed; remove it (az lock delete --name converge-state --resource-group {group}) and run this again",
    ),
    (
        r"StorageAccountAlreadyTaken|VaultAlreadyExists",
        "the name belongs to somebody else, who may have taken it on purpose: it follows from subscription and stack. Name the stack differently",
    ),
    (
        r"cannot create already existing resource|RoleAssignmentExists",
        "somebody else runs bootstrap at this moment, or did. Run it again: it takes over what is there",
    ),
    (r"AuthorizationFailed|does not have authorization", "the login lacks a right; `converge doctor {stack}` says which"),
    (
        r"the stack is currently locked",
        "another run is at work on this state. When it was killed: PULUMI_BACKEND_URL='{backend}' pulumi cancel organization/converge-bootstrap/{stack}",
    ),
)


def _explained(message: str, wanted: Wanted) -> str:
    """The message, and what to do where the reason is a known one."""
    for pattern, words in _EXPLAINED:
        if re.search(pattern, message):
            advice = words.format(group=wanted.group, account=wanted.account, stack=wanted.stack, backend=wanted.backend_url)
            return f"{message}\n{advice}"
    return message


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """Where local state of bootstrap lies: the user's own folder for state, never the checkout."""
    return Path(environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "/root")) / ".local" / "state") / "converge" / "bootstrap"
