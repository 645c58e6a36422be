"""The first update of an empty subscription, where grants take minutes to take effect: the real engine and its hooks, on a clock that runs fast."""

import json
import time
from typing import Any

import pytest

from tests.plan.conftest import ROOT, Program
from tests.plan.test_arm_plugin import Project, project  # noqa: F401 - a fixture

_PROGRAM = f"""
import sys

sys.path.insert(0, {str(ROOT)!r})
import pulumi
import pulumi_azure_native as azure

from components.patience import AwaitedGrant, Patience
from components.role_grants import Principal, Role, grant
from components.spreading_grants import retrying

patience = Patience(at_most=pulumi.Config().require_float("patience"), first_pause=0.3, longest_pause=1)
stack = pulumi.ComponentResource("test:index:Cluster", "stack")
group = azure.resources.ResourceGroup("aks", location="westeurope")
control_plane = azure.managedidentity.UserAssignedIdentity("control-plane", resource_group_name=group.name)
kubelet = azure.managedidentity.UserAssignedIdentity("kubelet", resource_group_name=group.name)
operator = grant(
    "operator", role=Role.MANAGED_IDENTITY_OPERATOR, scope=kubelet.id, principal=Principal(id=control_plane.principal_id, type="ServicePrincipal"), parent=stack
)
awaited = AwaitedGrant(role="Managed Identity Operator", scope=kubelet.id, principal_id=control_plane.principal_id, holder="the control plane")
azure.containerservice.ManagedCluster(
    "cluster",
    resource_group_name=group.name,
    dns_prefix="converge",
    identity={{"type": "UserAssigned", "user_assigned_identities": [control_plane.id]}},
    identity_profile={{"kubeletidentity": {{"resource_id": kubelet.id, "client_id": kubelet.client_id, "object_id": kubelet.principal_id}}}},
    agent_pool_profiles=[{{"name": "system", "mode": "System", "count": 1, "vm_size": "Standard_D2ds_v5", "os_type": "Linux"}}],
    opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(depends_on=[operator]), retrying("cluster", [awaited], patience)),
)
"""
_OPERATOR = "Managed Identity Operator"


@pytest.fixture
def waiting(project: Project) -> Project:  # noqa: F811 - the fixture
    (project.folder / "__main__.py").write_text(_PROGRAM)
    return project


def up(project: Project, **faults: Any) -> tuple[int, str, float]:  # noqa: F811
    """Exit code, text and seconds of an update."""
    project.faults(**faults)
    started = time.monotonic()
    result = project.pulumi("up", "--yes", "--skip-preview")
    return result.returncode, result.stdout + result.stderr, time.monotonic() - started


def kinds(project: Project) -> list[str]:  # noqa: F811
    return sorted(resource["token"].rpartition(":")[2] for resource in project.resources().values())


@pytest.mark.parametrize("late", [60, 300])
def test_an_update_passes_although_a_grant_is_late(waiting: Project, late: int):
    waiting.set("patience", "40")
    code, text, seconds = up(waiting, clock=50, grants=[{"role": _OPERATOR, "late": late}])
    assert code == 0, text
    assert seconds >= late / 50
    assert "ManagedCluster" in kinds(waiting)
    assert f"cluster waits for '{_OPERATOR}' for the control plane (" in text
    assert "userAssignedIdentities/kubelet" in text


def test_a_grant_that_never_comes_ends_the_update_in_time_with_its_name_and_the_next_one_continues(waiting: Project):
    waiting.set("patience", "4")
    code, text, seconds = up(waiting, grants=[{"role": _OPERATOR, "late": "never"}])
    assert code != 0
    assert seconds < 40
    (kubelet,) = (one for one in waiting.resources().values() if "/kubelet" in one["id"] and one["token"].endswith(":UserAssignedIdentity"))
    assert f"Missing: '{_OPERATOR}' for the control plane (" in text
    assert f"on {kubelet['id']}." in text
    assert "az role assignment list --assignee" in text
    assert "CustomKubeletIdentityMissingPermissionError" in text
    assert "Traceback" not in text
    assert "ManagedCluster" not in kinds(waiting)

    before = json.dumps(waiting.resources())
    code, text, _ = up(waiting)
    assert code == 0, text
    assert "+ 1 created" in text
    after = waiting.resources()
    assert "ManagedCluster" in kinds(waiting)
    assert {key: after[key] for key in json.loads(before)} == json.loads(before)


@pytest.mark.figures
def test_the_first_update_of_dev_passes_although_all_grants_are_five_minutes_late(program: Program):
    program.new_stack("dev")
    (program.sandbox / "arm").mkdir()
    (program.sandbox / "arm" / "faults.json").write_text(json.dumps({"clock": 100, "grants": [{"late": 300}]}))
    started = time.monotonic()
    result = program.pulumi("up", "--yes", "--skip-preview", "--stack", "dev")
    assert result.returncode == 0, result.stdout + result.stderr
    print(f"up of dev from nothing with late grants: {time.monotonic() - started:.1f} s")
    assert f"converge-cluster-aks waits for '{_OPERATOR}' for " in result.stdout
    assert "ManagedCluster" in result.stdout
