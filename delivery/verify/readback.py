"""What Azure itself says about what was made: the locks of what holds data, and every grant of the stack."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from delivery.azure.arm import Arm
from delivery.azure.errors import AzureError

_LOCKS = "2020-05-01"
_ASSIGNMENTS = "2022-04-01"
_LOCKED = ("azure-native:containerregistry:Registry", "azure-native:storage:StorageAccount")


def check(arm: Arm, exported: str) -> str:
    """Compares Azure with the stack's state.

    Args:
        exported: what `pulumi stack export` prints.

    Returns:
        What was found, for people.

    Raises:
        AzureError: a lock or a grant is missing, or is another one.
    """
    resources: Sequence[Mapping[str, Any]] = json.loads(exported)["deployment"].get("resources") or []
    holders = [str(one["id"]) for one in resources if one.get("type") in _LOCKED and one.get("id")]
    grants = [one for one in resources if one.get("type") == "azure-native:authorization:RoleAssignment"]
    problems = [*_missing_locks(arm, holders), *(problem for grant in grants if (problem := _wrong_grant(arm, grant)))]
    if not holders or not grants:
        problems.append("the state has no registry, storage account or grant at all")
    if problems:
        raise AzureError("\n".join(problems))
    return f"{len(holders)} locks and {len(grants)} grants are as they should be"


def _missing_locks(arm: Arm, holders: Sequence[str]) -> Sequence[str]:
    problems = []
    for holder in holders:
        levels = [str(lock.get("properties", {}).get("level")) for lock in arm.list(f"{holder}/providers/Microsoft.Authorization/locks", _LOCKS)]
        if "CanNotDelete" not in levels:
            problems.append(f"{holder} has no lock against deletion (found: {', '.join(levels) or 'none'})")
    return problems


def _wrong_grant(arm: Arm, grant: Mapping[str, Any]) -> str:
    found = arm.get(str(grant["id"]), _ASSIGNMENTS)
    if found is None:
        return f"grant {grant['id']} is not in Azure"
    properties, inputs = found.get("properties", {}), grant.get("inputs", {})
    for name in ("principalId", "roleDefinitionId"):
        if str(properties.get(name, "")).rsplit("/", 1)[-1].lower() != str(inputs.get(name, "")).rsplit("/", 1)[-1].lower():
            return f"grant {grant['id']}: {name} is {properties.get(name)}, wanted is {inputs.get(name)}"
    return ""
