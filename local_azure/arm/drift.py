"""What Azure changes by itself between two updates: node counts, versions, node images, outputs that come later. Nothing that a person would change."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from local_azure.arm.state import State
from local_azure.sandbox import MARKER

_IMAGE = "AKSAzureLinux-V3gen2-202612.01.0"
_ETAG = '"0x8DE30A2B7C5F001"'
_MOMENT = "2026-12-01T04:00:00.0000000Z"

Record = dict[str, Any]
Change = tuple[str, Any]
"""Where, and the new value."""


def drift(sandbox: Path) -> list[str]:
    """Changes every resource of the simulated Azure that Azure would change by itself.

    Returns:
        A line per change.
    """

    def edit(resources: dict[str, Record]) -> list[str]:
        upgrades = {key: _upgrade(record["inputs"]) for key, record in resources.items()}
        lines = []
        for key, record in resources.items():
            change = _CHANGES.get(record["token"], _nothing_of_its_own)
            upgrade = upgrades.get(key.rsplit("/agentpools/", 1)[0])
            found = [*change(record, upgrade), *_bookkeeping(record["outputs"])]
            lines += [f"{record['id'].rsplit('/', 1)[-1]}: {where} is {value} now" for where, value in found]
        return lines

    return State(sandbox / "arm").change(edit)


def _upgrade(cluster: Record) -> str | None:
    """The patch version that a cluster's upgrade channel brings it to: 1.34 and 1.34.0 become 1.34.1. None without a channel."""
    found = re.fullmatch(r"(\d+)\.(\d+)(?:\.(\d+))?", cluster.get("kubernetesVersion") or "")
    channel = (cluster.get("autoUpgradeProfile") or {}).get("upgradeChannel", "none")
    return f"{found[1]}.{found[2]}.{int(found[3] or 0) + 1}" if found and channel != "none" else None


def _cluster(record: Record, upgrade: str | None) -> Iterator[Change]:
    """The upgrade channels: a patch version for the cluster and its pools, and newer node images."""
    inputs = record["inputs"]
    if upgrade:
        yield _set(inputs, "kubernetesVersion", upgrade)
        yield _set(record["outputs"], "currentKubernetesVersion", upgrade)
    for pool in inputs.get("agentPoolProfiles") or ():
        yield from _pool_changes(pool, pool, upgrade)


def _pool(record: Record, upgrade: str | None) -> Iterator[Change]:
    yield from _pool_changes(record["inputs"], record["outputs"], upgrade)


def _pool_changes(pool: Record, answered: Record, upgrade: str | None) -> Iterator[Change]:
    if pool.get("enableAutoScaling") and pool.get("maxCount", 0) > 1:
        yield _set(pool, "count", pool["maxCount"] if pool.get("count") != pool["maxCount"] else pool.get("minCount", 1))
    if upgrade:
        yield _set(pool, "orchestratorVersion", upgrade)
        yield _set(answered, "currentOrchestratorVersion", upgrade)
    yield _set(answered, "nodeImageVersion", _IMAGE)


def _account(record: Record, _upgrade_to: str | None) -> Iterator[Change]:
    yield _set(record["outputs"], "keyCreationTime", {"key1": _MOMENT, "key2": _MOMENT})


def _container(record: Record, _upgrade_to: str | None) -> Iterator[Change]:
    yield _set(record["outputs"], "lastModifiedTime", _MOMENT)


def _registry(record: Record, _upgrade_to: str | None) -> Iterator[Change]:
    yield _set(record["outputs"], "policies", {"softDeletePolicy": {"lastUpdatedTime": _MOMENT}})


def _workspace(record: Record, _upgrade_to: str | None) -> Iterator[Change]:
    yield _set(record["outputs"], "modifiedDate", _MOMENT)


def _nothing_of_its_own(_record: Record, _upgrade_to: str | None) -> Iterator[Change]:
    yield from ()


def _bookkeeping(outputs: Record) -> Iterator[Change]:
    """What every service keeps about a resource, where its answer has it."""
    if "etag" in outputs:
        yield _set(outputs, "etag", _ETAG)
    if isinstance(outputs.get("systemData"), dict):
        yield _set(outputs, "systemData", {**outputs["systemData"], "lastModifiedAt": _MOMENT})


def _set(target: Record, name: str, value: Any) -> Change:
    target[name] = value
    return name, value


_CHANGES: Final[Mapping[str, Callable[[Record, str | None], Iterator[Change]]]] = {
    "azure-native:containerservice:ManagedCluster": _cluster,
    "azure-native:containerservice:AgentPool": _pool,
    "azure-native:storage:StorageAccount": _account,
    "azure-native:storage:BlobContainer": _container,
    "azure-native:containerregistry:Registry": _registry,
    "azure-native:operationalinsights:Workspace": _workspace,
}


def main() -> int:
    """Changes the sandbox that the first argument names, and prints what."""
    arguments = sys.argv[1:]
    if len(arguments) != 1 or not (Path(arguments[0]) / MARKER).is_file():
        print(f'error: give the folder of a sandbox (it has {MARKER} in it), as in: python -m local_azure.arm.drift "$CONVERGE_SANDBOX"', file=sys.stderr)
        return 1
    print("\n".join(drift(Path(arguments[0]))) or "nothing that Azure would change by itself")
    return 0


if __name__ == "__main__":
    sys.exit(main())
