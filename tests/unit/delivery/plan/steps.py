"""Steps of a preview as `pulumi preview --json --show-sames` prints them, for tests."""

from typing import Any

STORAGE = "azure-native:storage:StorageAccount"
_PARENT = "urn:pulumi:dev::converge::converge:index:ModelStorage::converge-models"


def urn(kind: str, name: str, component: str = "converge:index:ModelStorage") -> str:
    return f"urn:pulumi:dev::converge::{component}${kind}::{name}"


def step(
    operation: str, kind: str = STORAGE, name: str = "account", *, old: dict[str, Any] | None = None, new: dict[str, Any] | None = None, **state: Any
) -> dict[str, Any]:
    """One step.

    Args:
        old: inputs before; None: there was nothing.
        new: inputs after.
        state: more of the resource's state: protect, parent, retainOnDelete.
    """
    states = {
        key: {"type": kind, "custom": True, "parent": _PARENT, "inputs": inputs, **state}
        for key, inputs in (("oldState", old), ("newState", new))
        if inputs is not None
    }
    return {"op": operation, "urn": urn(kind, name), **states}


def because(one: dict[str, Any], **paths: str) -> dict[str, Any]:
    """The step with the engine's own account of what differs: `update`, `add-replace`, ... by path, with __ for the dot."""
    return {**one, "detailedDiff": {path.replace("__", "."): {"kind": kind, "inputDiff": True} for path, kind in paths.items()}}
