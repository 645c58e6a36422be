"""Management locks: what they forbid, to everybody, on their scope and all that lies below it."""

from collections.abc import Mapping
from typing import Any, Literal

from local_azure.arm.errors import ArmError

_LOCKS = ("azure-native:authorization:ManagementLockByScope", "azure-native:authorization:ManagementLockAtResourceGroupLevel")


def check(operation: Literal["write", "delete"], identifier: str, resources: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses what a lock forbids.

    A delete takes everything below with it, so that a lock below forbids it, too. Locks themselves can be made and removed.

    Raises:
        ArmError: names the locked scopes.
    """
    target = f"{identifier.lower()}/"
    if "/providers/microsoft.authorization/locks/" in target:
        return
    scopes = [
        scope
        for record in resources.values()
        if record["token"] in _LOCKS and (operation == "delete" or record["inputs"].get("level") == "ReadOnly")
        for scope in [_scope(record)]
        if target.startswith(f"{scope.lower()}/") or (operation == "delete" and f"{scope.lower()}/".startswith(target))
    ]
    if scopes:
        words = f"The scope '{identifier}' cannot perform {operation} operation because following scope(s) are locked: '{','.join(dict.fromkeys(scopes))}'."
        raise ArmError("ScopeLocked", f"{words} Please remove the lock and try again.", 409)


def _scope(record: Mapping[str, Any]) -> str:
    """The scope without slashes around it, which the plugin accepts, too."""
    scope: str = record["id"].lower().split("/providers/microsoft.authorization/locks/")[0]
    return record["id"][: len(scope)].rstrip("/")
