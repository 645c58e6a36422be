"""The stack's file, as delivery reads it: without Pulumi, and only the keys that it needs. What the values may be is checked by `settings`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from delivery.azure.errors import AzureError

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_STACK = re.compile(r"[\w.-]+")


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """What `Pulumi.<stack>.yaml` says."""

    stack: str
    path: Path
    subscription_id: str
    location: str
    values: Mapping[str, Any]
    """Everything below `config`, by its whole key."""

    def get(self, key: str, *, default: Any = None) -> Any:
        """A value by its key and the names below it, separated by dots: `converge:cluster.maxNodes`."""
        found: Any = self.values
        for part in key.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return default
            found = found[part]
        return default if found is None else found

    def section(self, key: str) -> Mapping[str, Any]:
        """The values below a key; none when it is not there.

        Raises:
            AzureError: it is something else.
        """
        found = self.get(key, default={})
        if not isinstance(found, Mapping):
            raise AzureError(f"{self.path.name}: {key} is {found!r}; it must be names with values, one a line below it")
        return found


def checkout(start: Path) -> Path:
    """The folder with Pulumi.yaml, here or above.

    Raises:
        AzureError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").exists():
            return folder
    raise AzureError(f"no Pulumi.yaml in {start} or above it; run the command in a checkout of the project")


def read(root: Path, stack: str) -> StackFile:
    """The file of a stack.

    Raises:
        AzureError: it is missing, cannot be read, or does not say which subscription and region are meant.
    """
    path = root / f"Pulumi.{stack}.yaml"
    if not _STACK.fullmatch(stack) or not path.is_file():
        there = sorted(file.name.split(".")[1] for file in root.glob("Pulumi.*.yaml"))
        raise AzureError(f"there is no stack {stack!r}: no Pulumi.{stack}.yaml in {root}; stacks here: {', '.join(there) or 'none'}")
    values = _config(path)
    missing = [key for key in ("azure-native:subscriptionId", "azure-native:location") if not isinstance(values.get(key), str) or not values[key].strip()]
    if missing:
        raise AzureError(f"{path.name}: {' and '.join(missing)} missing (text below `config:`); without it nobody knows where the stack is to be")
    subscription = values["azure-native:subscriptionId"]
    if not _GUID.fullmatch(subscription):
        raise AzureError(f"{path.name}: azure-native:subscriptionId is {subscription!r}; it must be a GUID: `az account show --query id --output tsv`")
    return StackFile(stack=stack, path=path, subscription_id=subscription.lower(), location=_region(values["azure-native:location"]), values=values)


def _region(text: str) -> str:
    """West Europe and westeurope are the same to Azure; its answers have the second."""
    return text.replace(" ", "").lower()


def _config(path: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AzureError(f"{path.name} is no YAML: {' '.join(str(error).split())}") from error
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise AzureError(f"{path.name} has no `config:`; docs/infrastructure-engineer.md shows what belongs there")
    return config
