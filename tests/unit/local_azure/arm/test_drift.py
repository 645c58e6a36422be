import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local_azure.arm.drift import drift
from local_azure.arm.resources import Resources
from local_azure.arm.services import Services
from local_azure.arm.spec import Context
from local_azure.arm.state import State
from local_azure.arm.types.containerservice import AGENT_POOL, MANAGED_CLUSTER
from local_azure.arm.types.resources import RESOURCE_GROUP
from local_azure.sandbox import MARKER

POOL = {"name": "system", "count": 2, "minCount": 2, "maxCount": 6, "enableAutoScaling": True}
CLUSTER: dict[str, Any] = {"resourceGroupName": "g", "resourceName": "aks", "location": "w", "kubernetesVersion": "1.34", "agentPoolProfiles": [POOL]}
STABLE = {"autoUpgradeProfile": {"upgradeChannel": "stable"}}


@pytest.fixture
def arm(tmp_path: Path) -> Resources:
    found = Resources(State(tmp_path / "arm"), Context(subscription_id="s", tenant_id="t", services=Services(tmp_path, "s")))
    found.put(RESOURCE_GROUP, {"resourceGroupName": "g", "location": "w", "tags": {"team": "ml"}})
    return found


def answer(arm: Resources, identifier: str) -> dict[str, Any]:
    found = arm.read(identifier)
    assert found
    return found[1]


def test_an_upgrade_channel_changes_versions_and_the_autoscaler_counts(arm: Resources, tmp_path: Path):
    cluster, _ = arm.put(MANAGED_CLUSTER, {**CLUSTER, **STABLE})
    pool, _ = arm.put(AGENT_POOL, {"resourceGroupName": "g", "resourceName": "aks", "agentPoolName": "user", **{k: v for k, v in POOL.items() if k != "name"}})
    drift(tmp_path)
    after = answer(arm, cluster)
    assert (after["kubernetesVersion"], after["currentKubernetesVersion"]) == ("1.34.1", "1.34.1")
    assert [one["count"] for one in after["agentPoolProfiles"]] == [6, 6]
    assert answer(arm, pool)["orchestratorVersion"] == "1.34.1"
    drift(tmp_path)
    after = answer(arm, cluster)
    assert after["kubernetesVersion"] == "1.34.2"
    assert [one["count"] for one in after["agentPoolProfiles"]] == [2, 2]


def test_without_channel_and_autoscaler_azure_changes_node_images_only(arm: Resources, tmp_path: Path):
    fixed = {**CLUSTER, "agentPoolProfiles": [{"name": "system", "count": 2}]}
    cluster, before = arm.put(MANAGED_CLUSTER, fixed)
    drift(tmp_path)
    after = answer(arm, cluster)
    assert after["kubernetesVersion"] == "1.34"
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"agentPoolProfiles"}
    assert after["agentPoolProfiles"][0].keys() - before["agentPoolProfiles"][0].keys() == {"nodeImageVersion"}


def test_tags_and_groups_stay(arm: Resources, tmp_path: Path):
    assert drift(tmp_path) == []
    assert answer(arm, "/subscriptions/s/resourceGroups/g")["tags"] == {"team": "ml"}


def test_the_command_prints_what_it_changed_and_refuses_what_is_no_sandbox(arm: Resources, tmp_path: Path):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "local_azure.arm.drift", *arguments], capture_output=True, text=True, check=False)

    for arguments in ([], [str(tmp_path)]):
        refused = run(*arguments)
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"error: give the folder of a sandbox (it has {MARKER} in it)")
    (tmp_path / MARKER).touch()
    assert run(str(tmp_path)).stdout == "nothing that Azure would change by itself\n"
    arm.put(MANAGED_CLUSTER, {**CLUSTER, **STABLE})
    assert "aks: kubernetesVersion is 1.34.1 now\n" in run(str(tmp_path)).stdout
