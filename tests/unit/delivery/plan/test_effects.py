"""Which changes are dangerous, and which only look so."""

from typing import Any

import pytest

from delivery.plan.effects import effects_of
from delivery.plan.report import EffectKind, Operation
from local_azure.differences import ABSENT, Difference

LOSS, DOWN, ROLL, OUT = EffectKind.DATA_LOSS, EffectKind.DOWNTIME, EffectKind.NODE_ROLL, EffectKind.ROLL_OUT


def kinds(kind: str, operation: Operation, *values: Difference) -> list[EffectKind]:
    return [effect.kind for effect in effects_of(kind, operation, values)]


@pytest.mark.parametrize("operation", [Operation.DELETE, Operation.REPLACE])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("azure-native:resources:ResourceGroup", [LOSS]),
        ("azure-native:storage:StorageAccount", [LOSS]),
        ("azure-native:storage/v20240101:StorageAccount", [LOSS]),
        ("azure-native:storage:BlobContainer", [LOSS]),
        ("azure-native:storage:BlobContainerImmutabilityPolicy", [LOSS]),
        ("azure-native:keyvault:Vault", [LOSS]),
        ("azure-native:keyvault:Key", [LOSS]),
        ("azure-native:authorization:ManagementLockByScope", [LOSS]),
        ("azure-native:containerregistry:Registry", [LOSS]),
        ("azure-native:operationalinsights:Workspace", [LOSS]),
        ("azure-native:monitor:AzureMonitorWorkspace", [LOSS]),
        ("azure-native:monitor:MetricAlert", []),
        ("azure-native:containerservice:ManagedCluster", [DOWN]),
        ("azure-native:containerservice:AgentPool", [ROLL]),
        ("azure-native:network:VirtualNetwork", [DOWN]),
        ("azure-native:network:PrivateEndpoint", [DOWN]),
        ("azure-native:privatedns:PrivateZone", [DOWN]),
        ("azure-native:managedidentity:UserAssignedIdentity", [DOWN]),
        ("pulumi:providers:kubernetes", [DOWN]),
        ("kubernetes:core/v1:Namespace", [DOWN]),
        ("kubernetes:core/v1:Service", [DOWN]),
        ("kubernetes:core/v1:ServiceAccount", []),
        ("kubernetes:apps/v1:Deployment", [DOWN]),
        ("kubernetes:core/v1:PersistentVolumeClaim", [LOSS]),
        ("kubernetes:networking.istio.io/v1:Gateway", [DOWN]),
    ],
)
def test_what_goes_takes_with_it(kind: str, operation: Operation, expected: list[EffectKind]):
    assert kinds(kind, operation) == expected
    assert kinds(kind, Operation.CREATE) == []
    assert kinds(kind, Operation.FORGET) == []


def test_a_new_grant_in_the_place_of_an_old_one_leaves_a_gap_and_one_that_was_taken_away_does_not():
    grant = "azure-native:authorization:RoleAssignment"
    assert kinds(grant, Operation.REPLACE) == [DOWN]
    assert kinds(grant, Operation.DELETE) == []


@pytest.mark.parametrize(
    ("kind", "path", "before", "after", "expected"),
    [
        ("storage:BlobServiceProperties", "isVersioningEnabled", True, False, [LOSS]),
        ("storage:BlobServiceProperties", "isVersioningEnabled", True, ABSENT, [LOSS]),
        ("storage:BlobServiceProperties", "isVersioningEnabled", False, True, []),
        ("storage:BlobServiceProperties", "isVersioningEnabled", ABSENT, True, []),
        ("storage:BlobServiceProperties", "deleteRetentionPolicy.days", 30, 7, [LOSS]),
        ("storage:BlobServiceProperties", "deleteRetentionPolicy.days", 7, 30, []),
        ("storage:BlobServiceProperties", "deleteRetentionPolicy.days", 7, ABSENT, [LOSS]),
        ("storage:BlobServiceProperties", "containerDeleteRetentionPolicy.enabled", True, False, [LOSS]),
        ("storage:BlobServiceProperties", "changeFeed.enabled", True, False, []),
        ("storage:BlobContainerImmutabilityPolicy", "immutabilityPeriodSinceCreationInDays", 30, 10, [LOSS]),
        ("storage:BlobContainerImmutabilityPolicy", "immutabilityPeriodSinceCreationInDays", 10, 30, []),
        ("storage:ManagementPolicy", "policy.rules[0].definition.actions.version.delete.daysAfterCreationGreaterThan", 90, 30, [LOSS]),
        ("storage:StorageAccount", "publicNetworkAccess", "Enabled", "Disabled", []),
        ("containerservice:ManagedCluster", "agentPoolProfiles[0].vmSize", "Standard_D2ds_v5", "Standard_D4ds_v5", [ROLL]),
        ("containerservice:ManagedCluster", "agentPoolProfiles[1].availabilityZones[0]", ABSENT, "1", [ROLL]),
        ("containerservice:ManagedCluster", "agentPoolProfiles[0].maxCount", 3, 9, []),
        ("containerservice:ManagedCluster", "kubernetesVersion", "1.33", "1.34", [ROLL]),
        ("containerservice:ManagedCluster", "networkProfile.networkDataplane", "azure", "cilium", [ROLL]),
        ("containerservice:ManagedCluster", "tags.a", "1", "2", []),
        ("containerservice:AgentPool", "osSKU", "Ubuntu", "AzureLinux3", [ROLL]),
        ("containerservice:AgentPool", "kubeletConfig.podMaxPids", 100, 200, [ROLL]),
        ("containerservice:AgentPool", "maxCount", 3, 9, []),
    ],
)
def test_an_update_in_place_is_dangerous_by_what_it_changes(kind: str, path: str, before: Any, after: Any, expected: list[EffectKind]):
    assert kinds(f"azure-native:{kind}", Operation.UPDATE, Difference(path, before, after)) == expected


def test_a_changed_template_rolls_out_and_a_changed_size_does_not():
    deployment = "kubernetes:apps/v1:Deployment"
    assert kinds(deployment, Operation.UPDATE, Difference("spec.template.spec.containers[0].image", "a", "b")) == [OUT]
    assert kinds(deployment, Operation.UPDATE, Difference("spec.replicas", 2, 3), Difference("metadata.labels.x", "a", "b")) == []
