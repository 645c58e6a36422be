"""A bootstrap from beginning to end: find the state, take over, show, make, move the state to where it belongs."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from delivery.azure.errors import AzureError
from delivery.bootstrap import existing
from delivery.bootstrap.engine import PROJECT, Backend, Bootstrap, Step, home
from delivery.bootstrap.wanted import Wanted
from local_azure.engine import repair_state
from local_azure.errors import LocalAzureError


class Container(Protocol):
    """What is asked of the state container."""

    def wait_until_open(self, say: Callable[[str], None]) -> None:
        """Returns as soon as this login may use it: the grant was made a moment ago."""

    def expect_open(self) -> None:
        """Returns when this login may use it, and raises an AzureError at once when not."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the state of bootstrap may be.

    Attributes:
        local: on this machine, while the container is not there yet.
        container: in the container, where it stays.
    """

    local: Backend
    container: Backend

    @classmethod
    def of(cls, wanted: Wanted, environment: Mapping[str, str] = os.environ) -> "Places":
        """The places on this machine and in Azure. One folder per subscription and stack: two stacks never meet."""
        folder = home(environment) / wanted.subscription_id / wanted.stack
        state = folder / "state"
        return cls(
            local=Backend(url=f"file://{state}", work=folder / "work", variables={}),
            container=Backend(url=wanted.backend_url, work=folder / "work", variables={}),
        )

    @property
    def local_state(self) -> Path:
        """The folder of the local state."""
        return Path(self.local.url.removeprefix("file://"))

    @property
    def local_state_exists(self) -> bool:
        """Whether an earlier run on this machine was cut off before it moved its state: then that state is the one that knows most."""
        return any(self.local_state.glob(f".pulumi/stacks/{PROJECT}/*.json"))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How one talks to the person who runs it."""

    say: Callable[[str], None]
    confirm: Callable[[Sequence[Step]], bool]
    """Shows what would happen; False: it is not to happen."""


def run(wanted: Wanted, places: Places, exists: existing.Exists, container: Container, asked: Asked) -> dict[str, str] | None:
    """Makes what must exist before a stack, or finds that it does.

    Returns:
        The outputs; None when the person said no.

    Raises:
        AzureError: something is refused. Nothing is lost: the next run goes on from there.
    """
    moved = not places.local_state_exists and _container_exists(wanted, exists)
    if moved:
        container.expect_open()
    else:
        places.local_state.mkdir(mode=0o700, parents=True, exist_ok=True)
        _repair(places.local_state)
    stack = Bootstrap(wanted, places.container if moved else places.local)
    steps, taken = stack.plan(exists)
    if taken:
        asked.say(f"  {len(taken)} resources are there already and belong to bootstrap's state from now on")
    if steps and not asked.confirm(steps):
        return None
    outputs = stack.update(lambda step: asked.say(f"  {step.operation:<8} {step.kind} {step.name}")) if steps else stack.outputs()
    if not moved:
        container.wait_until_open(asked.say)
        move(stack, Bootstrap(wanted, places.container), places.local_state)
        asked.say(f"  bootstrap's own state has moved to {places.container.url}")
    return outputs


def move(source: Bootstrap, target: Bootstrap, local_state: Path) -> None:
    """Brings the state into the container. Cut off anywhere, it can be repeated: the local one goes only when the other one is complete.

    Raises:
        AzureError: what arrived is not what was sent.
    """
    before = source.resources()
    target.replace_state(source.export())
    if (after := target.resources()) != before:
        raise AzureError(f"{after} of {before} resources arrived in {target.backend.url}; the state here is untouched, run this again")
    shutil.rmtree(local_state)


def _repair(local_state: Path) -> None:
    """Puts a state in order whose engine was killed; its lock would be there for ever."""
    try:
        repair_state(local_state)
    except LocalAzureError as error:
        raise AzureError(str(error)) from error


def _container_exists(wanted: Wanted, exists: existing.Exists) -> bool:
    names = {"resourceGroupName": wanted.group, "accountName": wanted.account, "containerName": "state"}
    kind = "azure-native:storage:BlobContainer"
    return existing.is_there(kind, existing.id_of(kind, names, wanted.subscription_id), exists)
