"""The only reader of stack configuration and lock: typed, frozen, and with every problem reported at once by the key that was typed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pydantic import ValidationError

from model_store import Lock, LockedService, ModelStoreError, read_lock
from settings import agreement, combinations
from settings.messages import SettingsError, messages, report
from settings.parts import Service
from settings.schema import StackSettings
from settings.values import typed

__all__ = ["Service", "Settings", "SettingsError", "StackSettings", "how_to_get_a_model", "load"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a stack is to be, and what it is to run."""

    stack: StackSettings
    locked: Mapping[str, LockedService]
    """What the lock says, by service; a service that is missing here has no model yet."""
    unique_name: str
    """The same for every run of a stack and different for any other stack: what derived names are made from."""

    @property
    def deployed(self) -> list[tuple[Service, LockedService]]:
        """The services that have a model."""
        return [(service, self.locked[service.name]) for service in self.stack.services if service.name in self.locked]

    @property
    def reached(self) -> list[Service]:
        """The services that have a model and are reached from outside the cluster."""
        return [service for service, _ in self.deployed if service.reached]

    @property
    def namespaces(self) -> dict[str, str]:
        """The namespace of each service that has a model."""
        return {service.name: service.namespace_name for service, _ in self.deployed}

    @property
    def not_deployed(self) -> list[Service]:
        """The services that wait for one."""
        return [service for service in self.stack.services if service.name not in self.locked]


def load(root: Path = Path()) -> Settings:
    """Reads the configuration of the current stack and its lock.

    Args:
        root: folder of the project, where `locks` and the apps lie.

    Raises:
        SettingsError: with every problem that was found.
    """
    stack, project = pulumi.get_stack(), pulumi.get_project()
    azure = pulumi.Config("azure-native")
    problems = [
        f"azure-native:{key}: is missing; set it with `pulumi config set azure-native:{key} <value> --stack {stack}`"
        for key in ("subscriptionId", "location")
        if not azure.get(key)
    ]
    lock = Lock()
    try:
        lock = read_lock(root / "locks" / f"{stack}.json")
    except ModelStoreError as error:
        problems.append(str(error))
    values = None
    try:
        values = StackSettings.model_validate_json(json.dumps(typed({**pulumi.runtime.get_config_env(), **pulumi.runtime.config.CONFIG.get()})))
        problems += combinations.problems(values, azure.get("subscriptionId") or "")
        problems += agreement.problems(values.services, lock, f"locks/{stack}.json", root)
    except ValidationError as error:
        problems += messages(error)
    if problems or values is None:
        raise SettingsError(report(problems, stack))
    return Settings(stack=values, locked=lock.services, unique_name=f"{azure.require('subscriptionId')}/{project}/{stack}")


def how_to_get_a_model(service: Service) -> str:
    """What to do for a service that has none in the lock."""
    stack, model = pulumi.get_stack(), service.model_name
    promote = f"converge model promote {model} latest --stack {stack}" + ("" if model == service.name else f" --service {service.name}")
    return (
        f"service {service.name} is not deployed: locks/{stack}.json has no model for it. Publish one with `converge model publish {model} <folder>`, "
        f"choose it with `{promote}`, then run `pulumi up` again."
    )
