"""Resources as a refresh would tell of them."""

from typing import Any

from delivery.drift.judging import judged
from delivery.drift.report import DriftReport
from delivery.drift.resources import Resource, resources_of

SCOPE = "/subscriptions/1/resourceGroups/g/providers"
CLUSTER_ID = f"{SCOPE}/Microsoft.ContainerService/managedClusters/c"
_MARK: Any = object()


def step(kind: str, name: str, before: dict[str, Any], now: dict[str, Any] | None = _MARK, **more: Any) -> dict[str, Any]:
    """A step of `pulumi refresh --json --show-sames`; without `now` nothing differs."""
    inputs = more.pop("inputs", before)
    old = {"custom": True, "id": more.pop("id", f"{SCOPE}/x/{name}"), "inputs": inputs, "outputs": before, "parent": more.pop("parent", "")}
    old |= {"modified": more.pop("modified", "2026-11-24T10:00:00.123456789Z")}
    new = {**old, "inputs": more.pop("inputs_now", inputs), "outputs": before if now is _MARK else now}
    urn = f"urn:pulumi:dev::converge::converge:index:Part${kind}::{name}"
    return {"op": "refresh", "urn": urn, "oldState": old, **({} if now is None else {"newState": new}), **more}


def cluster(channel: str = "patch", images: str = "NodeImage", **changed: Any) -> dict[str, Any]:
    """A cluster with one pool that scales from one to three nodes."""
    before = {
        "kubernetesVersion": "1.34",
        "autoUpgradeProfile": {"upgradeChannel": channel, "nodeOSUpgradeChannel": images},
        "agentPoolProfiles": [{"name": "system", "count": 1, "minCount": 1, "maxCount": 3, "enableAutoScaling": True, "nodeImageVersion": "1"}],
    }
    given = {**before, "agentPoolProfiles": [{"name": "system", "count": 1, "minCount": 1, "maxCount": 3, "enableAutoScaling": True}]}
    pool = {**before["agentPoolProfiles"][0], **changed.pop("pool", {})}
    pools = [pool, *changed.pop("pools", [])]
    now = {**before, **changed, "agentPoolProfiles": pools}
    return step("azure-native:containerservice:ManagedCluster", "c", before, now, id=CLUSTER_ID, inputs=given)


def resources(*steps: dict[str, Any]) -> list[Resource]:
    return resources_of(steps)


def report(*steps: dict[str, Any]) -> DriftReport:
    return judged("dev", resources_of(steps), lambda _resource: None)


def theirs(*steps: dict[str, Any]) -> list[str]:
    """Paths that people changed."""
    return [value.path for resource in report(*steps).people for value in resource.values]
