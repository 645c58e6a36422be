"""Every setting is changed once: the plan says what happens in place and what is made anew, and nothing that holds data goes silently.

One simulated update of a stack that has a bit of everything, then one preview for each group of settings that can be told apart in it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from rich.console import Console

from delivery.plan.changes import infrastructure
from delivery.plan.engine import Stack
from delivery.plan.report import Operation, ResourceChange
from delivery.plan.sandbox import find_engine, plan_sandbox
from local_azure.progress import Progress
from settings.table import rows
from tests.plan.conftest import ROOT, Program, copied
from tests.plan.test_program import lock

_GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups"
_NEW_ID = "00000000-0000-0000-0000-0000000000ff"
_LEARN = "learn.microsoft.com/azure"
_PLUGIN = "github.com/pulumi/pulumi-azure-native provider/pkg/gen/replacement.go"
_HOLDS_DATA = ("StorageAccount", "BlobContainer", "Registry", "Workspace", "AzureMonitorWorkspace")

BASE: Mapping[str, Any] = {
    "modelStorage": {"contributorGroupId": "00000000-0000-0000-0000-00000000000a", "writeOnceDays": 30},
    "cluster": {"adminGroupIds": ["00000000-0000-0000-0000-000000000003"], "userPools": [{"name": "apps"}], "tier": "Standard"},
    "monitoring": {"enabled": True, "alertEmails": ["a@example.com"]},
    "ingress": {"keyVaultId": f"{_GROUP}/shared/providers/Microsoft.KeyVault/vaults/certificates"},
    "services": [
        {
            "name": "digits",
            "exposure": "internet",
            "host": "digits.example.com",
            "certificate": "digits",
            "audience": "api://digits",
            "reaches": [{"cidr": "198.51.100.0/24", "port": 443}],
        }
    ],
}


@dataclass(frozen=True)
class Change:
    """One setting with another value, and what the plan must say.

    Attributes:
        key: as in the table of settings.
        value: the new one.
        resource: name of the resource that it shows in; empty when nothing changes.
        operation: what happens to that resource.
        path: where in it.
        source: where it is documented that Azure or Kubernetes does it so.
    """

    key: str
    value: Any
    resource: str = ""
    operation: Operation = Operation.UPDATE
    path: str = ""
    source: str = ""


_POD = "spec.template.spec.containers[0]"
_UPGRADE = "converge-cluster-aksManagedAutoUpgradeSchedule"
IN_PLACE = (
    Change(
        "network.addressSpace",
        "10.200.0.0/16",
        "converge-network-network",
        path="addressSpace.addressPrefixes[0]",
        source=f"{_LEARN}/virtual-network/manage-virtual-network",
    ),
    Change("services[].exposure", "network", "digits-access-gateway", path="spec.selector.istio"),
    Change("baseImage", f"docker.io/library/python:3.12@sha256:{'1' * 64}", "digits-image-image", path="buildArgs.PYTHON_IMAGE"),
    Change("services[].replicas", 3, "digits-deployment", path="spec.replicas", source="kubernetes.io/docs/concepts/workloads/controllers/deployment"),
    Change("services[].resources.cpu", "500m", "digits-deployment", path=f"{_POD}.resources.requests.cpu"),
    Change("services[].resources.memory", "1Gi", "digits-deployment", path=f"{_POD}.resources.limits.memory"),
    Change("services[].resources.cpuLimit", "2", "digits-deployment", path=f"{_POD}.resources.limits.cpu"),
    Change("services[].startupSeconds", 90, "digits-deployment", path=f"{_POD}.startupProbe.failureThreshold"),
    Change("services[].host", "other.example.com", "digits-access-gateway", path="spec.servers[0].hosts[0]"),
    Change("services[].certificate", "other", "digits-access-secretproviderclass", path="spec.parameters.objects"),
    Change("services[].audience", "api://other", "digits-access-requestauthentication", path="spec.jwtRules[0].audiences[0]"),
    Change("services[].environment", {"MAX_ROWS": 8}, "digits-deployment", path=f"{_POD}.env[2]"),
    Change("services[].secret", "api-keys", "digits-deployment", path="spec.template.spec.volumes[1].secret"),
    Change("services[].reaches[].cidr", "198.51.100.7", "digits-reach", path="spec.egress[1].to[0].ipBlock.cidr"),
    Change("services[].reaches[].port", 4318, "digits-reach", path="spec.egress[1].ports[0].port"),
    Change("modelStorage.sku", "Standard_GRS", "converge-models-account", path="sku.name", source=f"{_LEARN}/storage/common/redundancy-migration"),
    Change("modelStorage.softDeleteDays", 14, "converge-models-blobs", path="deleteRetentionPolicy.days"),
    Change(
        *("modelStorage.writeOnceDays", 60, "converge-models-write-once"),
        path="immutabilityPeriodSinceCreationInDays",
        source=f"{_LEARN}/storage/blobs/immutable-time-based-retention-policy-overview",
    ),
    Change("modelStorage.contributorGroupId", _NEW_ID, "converge-models-publishers", Operation.REPLACE, "principalId", f"{_LEARN}/role-based-access-control"),
    Change("registry.sku", "Premium", "converge-registry-registry", path="sku.name", source=f"{_LEARN}/container-registry/container-registry-skus"),
    Change("cluster.kubernetesVersion", "1.35"),
    Change("cluster.upgradeChannel", "rapid", "converge-cluster-aks", path="autoUpgradeProfile.upgradeChannel", source=f"{_LEARN}/aks/auto-upgrade-cluster"),
    Change("cluster.maintenance.day", "Monday", _UPGRADE, path="maintenanceWindow.schedule.weekly.dayOfWeek", source=f"{_LEARN}/aks/planned-maintenance"),
    Change("cluster.maintenance.start", "03:00", _UPGRADE, path="maintenanceWindow.startTime"),
    Change("cluster.maintenance.hours", 6, _UPGRADE, path="maintenanceWindow.durationHours"),
    Change("cluster.maintenance.utcOffset", "+01:00", _UPGRADE, path="maintenanceWindow.utcOffset"),
    Change("cluster.tier", "Premium", "converge-cluster-aks", path="sku.tier", source=f"{_LEARN}/aks/free-standard-pricing-tiers"),
    Change("cluster.minNodes", 2, "converge-cluster-aks", path="agentPoolProfiles[0].minCount", source=f"{_LEARN}/aks/cluster-autoscaler"),
    Change("cluster.maxNodes", 5, "converge-cluster-aks", path="agentPoolProfiles[0].maxCount", source=f"{_LEARN}/aks/cluster-autoscaler"),
    Change("cluster.userPools[].minNodes", 2, "converge-cluster-apps", path="minCount", source=f"{_LEARN}/aks/cluster-autoscaler"),
    Change("cluster.userPools[].maxNodes", 5, "converge-cluster-apps", path="maxCount", source=f"{_LEARN}/aks/cluster-autoscaler"),
    Change("cluster.defender", True, "converge-cluster-aks", path="securityProfile.defender", source=f"{_LEARN}/defender-for-cloud"),
    Change("cluster.azurePolicy", True, "converge-cluster-aks", path="addonProfiles.azurepolicy.enabled", source=f"{_LEARN}/governance/policy"),
    Change(
        "cluster.adminGroupIds",
        [_NEW_ID],
        "converge-cluster-aks",
        path="aadProfile.adminGroupObjectIDs[0]",
        source=f"{_LEARN}/aks/enable-authentication-microsoft-entra-id",
    ),
    Change("monitoring.retentionDays", 60, "converge-monitoring-logs", path="retentionInDays", source=f"{_LEARN}/azure-monitor/logs/data-retention-configure"),
    Change("monitoring.dailyQuotaGb", 5, "converge-monitoring-logs", path="workspaceCapping.dailyQuotaGb", source=f"{_LEARN}/azure-monitor/logs/daily-cap"),
    Change("monitoring.alertEmails", ["b@example.com"], "converge-monitoring-people", path="emailReceivers[0].emailAddress"),
    Change("ingress.istioRevision", "asm-1-30", "converge-cluster-aks", path="serviceMeshProfile.istio.revisions[0]", source=f"{_LEARN}/aks/istio-upgrade"),
    Change(
        *("ingress.keyVaultId", f"{_GROUP}/shared/providers/Microsoft.KeyVault/vaults/others", "converge-cluster-certificates", Operation.REPLACE, "scope"),
        f"{_LEARN}/role-based-access-control",
    ),
    Change("allowedIpRanges", ["198.51.100.0/24"], "converge-models-account", path="networkRuleSet.ipRules[0].iPAddressOrRange"),
    Change("deployer.principalId", _NEW_ID, "converge-registry-push", Operation.REPLACE, "principalId", f"{_LEARN}/role-based-access-control"),
    Change("deployer.principalType", "ServicePrincipal"),
    Change("protectData", True, "converge-models-lock", Operation.CREATE, source=f"{_LEARN}/azure-resource-manager/management/lock-resources"),
    Change("policies", "refuse"),
    # For commands around the program, which itself does nothing with it.
    Change("delivery.gates", [{"name": "accuracy"}]),
    Change("delivery.gates[].name", "log_loss"),
    Change("delivery.gates[].better", "lower"),
    Change("delivery.gates[].mayWorsenBy", 0.5),
    Change("delivery.reasonRequired", True),
    Change("delivery.slowestMilliseconds", 50),
    Change("delivery.rollBack", True),
    Change("delivery.keepReleases", 3),
    Change("tags", {"owner": "others"}, "converge-registry-group", path="tags.owner"),
)
ANEW = (
    Change(
        "modelStorage.resourceGroupId", f"{_GROUP}/data", "converge-models-account", Operation.REPLACE, "resourceGroupName", f"{_LEARN}/azure-resource-manager"
    ),
    Change(
        "registry.resourceGroupId", f"{_GROUP}/images", "converge-registry-registry", Operation.REPLACE, "resourceGroupName", f"{_LEARN}/azure-resource-manager"
    ),
    Change("cluster.resourceGroupId", f"{_GROUP}/aks", "converge-cluster-aks", Operation.REPLACE, "resourceGroupName", f"{_LEARN}/azure-resource-manager"),
    Change("network.resourceGroupId", f"{_GROUP}/net", "converge-network-network", Operation.REPLACE, "resourceGroupName", f"{_LEARN}/azure-resource-manager"),
    Change("network.outbound", "natGateway", "converge-cluster-aks", Operation.REPLACE, "networkProfile.outboundType", _PLUGIN),
    Change(
        "storageAccountName", "convergeothers", "converge-models-account", Operation.REPLACE, "accountName", f"{_LEARN}/storage/common/storage-account-overview"
    ),
    Change("registryName", "convergeOthers", "converge-registry-registry", Operation.REPLACE, "registryName", f"{_LEARN}/container-registry"),
    Change("cluster.nodeSize", "Standard_D8ds_v5", "converge-cluster-aks", Operation.REPLACE, "agentPoolProfiles[0].vmSize", f"{_LEARN}/aks/resize-node-pool"),
    Change(
        "cluster.zones",
        ["1", "2", "3"],
        "converge-cluster-aks",
        Operation.REPLACE,
        "agentPoolProfiles[0].availabilityZones[0]",
        f"{_LEARN}/aks/availability-zones",
    ),
    Change(
        "cluster.encryptionAtHost",
        True,
        "converge-cluster-aks",
        Operation.REPLACE,
        "agentPoolProfiles[0].enableEncryptionAtHost",
        f"{_LEARN}/aks/enable-host-encryption",
    ),
    Change("cluster.userPools[].nodeSize", "Standard_D8ds_v5", "converge-cluster-apps", Operation.REPLACE, "vmSize", f"{_LEARN}/aks/resize-node-pool"),
    Change(
        "services[].namespace",
        "elsewhere",
        "digits-namespace",
        Operation.REPLACE,
        "",
        "kubernetes.io/docs/concepts/overview/working-with-objects/names",
    ),
)
_PRIVATELY = (
    Change(
        "modelStorage.writeOnceDays",
        0,
        "converge-models-container",
        Operation.REPLACE,
        "immutableStorageWithVersioning.enabled",
        f"{_LEARN}/storage/blobs/immutable-version-level-worm-policies",
    ),
    Change("network.private", True, "converge-models-account", path="publicNetworkAccess", source=f"{_LEARN}/storage/common/storage-private-endpoints"),
    Change(
        "network.private", True, "converge-cluster-aks", path="apiServerAccessProfile.enablePrivateCluster", source=f"{_LEARN}/aks/api-server-vnet-integration"
    ),
    Change("registry.sku", "Premium", "converge-registry-registry", path="publicNetworkAccess"),
    Change("allowedIpRanges", [], "converge-models-endpoint", Operation.CREATE),
    Change("cluster.userPools[].name", "others", "converge-cluster-others", Operation.CREATE),
    Change("services[].name", "numbers", "numbers-deployment", Operation.CREATE),
    Change(
        "monitoring.resourceGroupId", f"{_GROUP}/watch", "converge-monitoring-logs", Operation.REPLACE, "resourceGroupName", f"{_LEARN}/azure-resource-manager"
    ),
    Change(
        "network.blobZoneId",
        f"{_GROUP}/hub/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net",
        "converge-models-names",
        Operation.CREATE,
    ),
    Change(
        "network.registryZoneId",
        f"{_GROUP}/hub/providers/Microsoft.Network/privateDnsZones/privatelink.azurecr.io",
        "converge-registry-names",
        Operation.CREATE,
    ),
)
_HUB = f"{_GROUP}/hub/providers/Microsoft.Network/virtualNetworks/hub/subnets"
ADOPTED = (
    Change("modelStorage", {"accountId": f"{_GROUP}/shared/providers/Microsoft.Storage/storageAccounts/shared"}, "converge-models-account", Operation.DELETE),
    Change(
        "registry", {"registryId": f"{_GROUP}/shared/providers/Microsoft.ContainerRegistry/registries/shared"}, "converge-registry-registry", Operation.DELETE
    ),
    Change("cluster", {"clusterId": f"{_GROUP}/shared/providers/Microsoft.ContainerService/managedClusters/shared"}, "converge-cluster-aks", Operation.DELETE),
    Change("network.nodeSubnetId", f"{_HUB}/nodes", "converge-network-network", Operation.DELETE),
    Change("network.apiServerSubnetId", f"{_HUB}/api-server"),
    Change("network.endpointSubnetId", f"{_HUB}/endpoints"),
    Change("monitoring.enabled", False, "converge-monitoring-logs", Operation.DELETE),
)
GROUPS = {"in place": IN_PLACE, "made anew": ANEW, "private, and elsewhere": _PRIVATELY, "adopted": ADOPTED}
ELSEWHERE = {
    "services": "its own keys are changed",
    "services[].app": "another folder is another app: tests/plan/test_program.py changes what lies in it",
    "services[].reaches": "its own keys are changed",
    "services[].reaches[].namespace": "stands instead of cidr: tests/unit/components/test_model_deployment.py",
    "services[].model": "another model needs another entry in the lock: tests/unit/settings/test_agreement.py",
    "cluster.userPools": "its own keys are changed",
}


class _Planned:
    """A stack that has been updated to BASE, of which previews can be made."""

    def __init__(self, program: Program, stack: Stack) -> None:
        self._program, self._stack = program, stack
        self._committed = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]

    def settings(self, changes: Sequence[Change]) -> dict[str, Any]:
        values = json.loads(
            json.dumps({**{key.removeprefix("converge:"): value for key, value in self._committed.items() if key.startswith("converge:")}, **BASE})
        )
        for change in changes:
            _set(values, change.key, change.value)
        return values

    def write(self, changes: Sequence[Change]) -> None:
        azure = {key: value for key, value in self._committed.items() if key.startswith("azure-native:")}
        values = self.settings(changes)
        config = {**azure, **{f"converge:{key}": value for key, value in values.items()}}
        (self._program.folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))
        name = values["services"][0]["name"]
        self._program.write_lock("dev", {"services": {name: lock(name=name)["services"]["digits"]}})

    def update(self) -> None:
        self.write(())
        outcome = self._stack.update(self._program.folder, lambda _: None)
        assert not outcome.errors, outcome.errors

    def preview(self, changes: Sequence[Change]) -> dict[str, ResourceChange]:
        self.write(changes)
        outcome = self._stack.preview(self._program.folder, lambda _: None)
        assert not outcome.errors, outcome.errors
        return {change.name: change for change in infrastructure(json.loads(outcome.answer)["steps"]).changes}


def _set(document: dict[str, Any], key: str, value: Any) -> None:
    """Sets a value at a key such as cluster.userPools[].nodeSize; `[]` is the first entry."""
    *path, last = key.replace("[]", ".0").split(".")
    place: Any = document
    for part in path:
        place = place[int(part)] if part.isdecimal() else place.setdefault(part, {})
    place[last] = value


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Planned]:
    program = Program(copied(tmp_path_factory.mktemp("changes") / "checkout"), {})
    with Progress(Console(stderr=True)) as progress:
        engine = find_engine(ROOT, progress)
    with plan_sandbox(program.folder, engine) as sandbox:
        stack = Stack(sandbox, "dev")
        stack.create(program.folder)
        made = _Planned(program, stack)
        made.update()
        yield made


def test_every_setting_has_its_change():
    keys = [key for key, _, _ in rows()]
    changed = {change.key for changes in GROUPS.values() for change in changes}
    adopted = {f"{change.key}.{name}" for change in ADOPTED if isinstance(change.value, dict) for name in change.value}
    assert set(keys) - changed - adopted == set(ELSEWHERE)


@pytest.mark.parametrize("group", GROUPS)
def test_the_plan_says_what_a_setting_changes(planned: _Planned, group: str):
    changes = GROUPS[group]
    found = planned.preview(changes)
    wrong = [problem for change in changes for problem in _problems(change, found)]
    assert not wrong, "\n".join(wrong)
    for change in found.values():
        if change.operation in (Operation.DELETE, Operation.REPLACE) and change.type.rpartition(":")[2] in _HOLDS_DATA:
            assert change.dangers, f"{change.name} holds data, and is to go without a word"


def _problems(change: Change, found: Mapping[str, ResourceChange]) -> Iterator[str]:
    if not change.resource:
        return
    title = f"{change.key} -> {change.value}"
    resource = found.get(change.resource)
    if resource is None:
        yield f"{title}: {change.resource} does not change"
        return
    if resource.operation != change.operation:
        yield f"{title}: {change.resource}: {resource.operation}, not {change.operation}"
    values = [value for value in resource.values if value.path.startswith(change.path)]
    if change.path and not values:
        yield f"{title}: {change.path} is none of {[value.path for value in resource.values]}"
    for value in values:
        if change.path and value.replaces != (change.operation is Operation.REPLACE):
            yield f"{title}: {value.path} {'does not make' if change.operation is Operation.REPLACE else 'makes'} {change.resource} anew"
