"""What a change does to those who use the stack: data that goes, services that stop, nodes that are replaced."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from delivery.plan.report import Effect, EffectKind, Operation
from local_azure.differences import ABSENT, Difference

_GONE = (Operation.DELETE, Operation.REPLACE)
_IN_PLACE = (Operation.UPDATE,)
_VERSION = re.compile(r"^(azure-native:[a-z]+)/v[0-9a-z]+:")
"""A program may choose an API version; the resource is the same."""


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """One effect of certain operations on certain types; of updates, only where a path matches."""

    kind: EffectKind
    types: tuple[str, ...]
    reason: str
    operations: tuple[Operation, ...] = _GONE
    paths: str = ""
    worse: Callable[[Any, Any], bool] = lambda _before, _after: True


def _lower(before: Any, after: Any) -> bool:
    """Less than before: turned off, taken away, or a smaller number."""
    if isinstance(before, bool) or before is ABSENT:
        return before is True and after is not True
    return after is ABSENT or (isinstance(before, int | float) and isinstance(after, int | float) and after < before)


_POOL = r"(agentPoolProfiles\[\d+\]\.)?"
_RULES = (
    _Rule(kind=EffectKind.DATA_LOSS, types=("resources:ResourceGroup",), reason="deletes everything that lies in the resource group"),
    _Rule(kind=EffectKind.DATA_LOSS, types=("storage:StorageAccount",), reason="deletes every blob of the account"),
    _Rule(kind=EffectKind.DATA_LOSS, types=("storage:BlobContainer",), reason="deletes every blob of the container"),
    _Rule(
        kind=EffectKind.DATA_LOSS,
        types=("storage:BlobServiceProperties",),
        operations=(*_GONE, *_IN_PLACE),
        paths=r"(isVersioningEnabled|(container)?[dD]eleteRetentionPolicy(\..*)?|restorePolicy(\..*)?)",
        worse=_lower,
        reason="less of what is deleted or overwritten can be restored",
    ),
    _Rule(
        kind=EffectKind.DATA_LOSS,
        types=("storage:BlobContainerImmutabilityPolicy",),
        operations=(*_GONE, *_IN_PLACE),
        paths=r"immutabilityPeriodSinceCreationInDays",
        worse=_lower,
        reason="blobs can be deleted or overwritten that could not before",
    ),
    _Rule(
        kind=EffectKind.DATA_LOSS,
        types=("storage:ManagementPolicy",),
        operations=_IN_PLACE,
        paths=r"policy\..*\.(delete|daysAfter\w+)(\..*)?",
        reason="other blobs than before are deleted by age",
    ),
    _Rule(kind=EffectKind.DATA_LOSS, types=("authorization:ManagementLockByScope",), reason="what the lock kept from being deleted can be deleted"),
    _Rule(kind=EffectKind.DATA_LOSS, types=("keyvault:Vault", "keyvault:Key", "keyvault:Secret"), reason="what was encrypted with its keys cannot be read"),
    _Rule(kind=EffectKind.DATA_LOSS, types=("containerregistry:Registry",), reason="deletes every image, also those that run and those to roll back to"),
    _Rule(kind=EffectKind.DATA_LOSS, types=("operationalinsights:Workspace",), reason="deletes the logs"),
    _Rule(kind=EffectKind.DATA_LOSS, types=("monitor:AzureMonitorWorkspace",), reason="deletes the metrics"),
    _Rule(kind=EffectKind.DATA_LOSS, types=("core/v1:PersistentVolumeClaim", "core/v1:PersistentVolume"), reason="deletes what the volume holds"),
    _Rule(kind=EffectKind.DOWNTIME, types=("containerservice:ManagedCluster",), reason="nothing is served until the new cluster runs the services"),
    _Rule(kind=EffectKind.DOWNTIME, types=("providers:kubernetes",), reason="every object goes to another cluster"),
    _Rule(kind=EffectKind.DOWNTIME, types=("core/v1:Namespace",), reason="deletes everything in the namespace, the running service included"),
    _Rule(kind=EffectKind.DOWNTIME, types=("apps/v1:Deployment", "apps/v1:StatefulSet", "apps/v1:DaemonSet"), reason="its pods are gone before new ones serve"),
    _Rule(kind=EffectKind.DOWNTIME, types=("core/v1:Service",), reason="callers find no address until the new one is there"),
    _Rule(
        kind=EffectKind.DOWNTIME,
        types=("networking.istio.io/v1:Gateway", "networking.istio.io/v1:VirtualService", "networking.k8s.io/v1:Ingress"),
        reason="callers from outside find nothing until the new one is there",
    ),
    _Rule(
        kind=EffectKind.DOWNTIME,
        types=("network:VirtualNetwork", "network:NatGateway", "network:PublicIPAddress"),
        reason="connections through it end, and the address may be another one",
    ),
    _Rule(
        kind=EffectKind.DOWNTIME,
        types=("network:PrivateEndpoint", "network:PrivateDnsZoneGroup", "privatedns:PrivateZone", "privatedns:VirtualNetworkLink"),
        reason="what it leads to cannot be reached until the new one is there",
    ),
    _Rule(
        kind=EffectKind.DOWNTIME,
        types=("authorization:RoleAssignment",),
        operations=(Operation.REPLACE,),
        reason="the right is missing until Azure has spread the new grant, which takes minutes",
    ),
    _Rule(kind=EffectKind.DOWNTIME, types=("managedidentity:UserAssignedIdentity",), reason="the identity's grants end with it"),
    _Rule(kind=EffectKind.NODE_ROLL, types=("containerservice:AgentPool",), reason="its nodes are deleted with what runs on them"),
    _Rule(
        kind=EffectKind.NODE_ROLL,
        types=("containerservice:AgentPool", "containerservice:ManagedCluster"),
        operations=_IN_PLACE,
        paths=_POOL
        + r"(vmSize|osSKU|osDiskSizeGB|osDiskType|kubeletDiskType|availabilityZones(\[\d+\])?|maxPods|vnetSubnetID|podSubnetID|enableEncryptionAtHost"
        + r"|enableFIPS|orchestratorVersion|(kubeletConfig|linuxOSConfig)(\..*)?)",
        reason="the nodes are replaced one after the other",
    ),
    _Rule(
        kind=EffectKind.NODE_ROLL,
        types=("containerservice:ManagedCluster",),
        operations=_IN_PLACE,
        paths=r"kubernetesVersion|networkProfile\.network(Dataplane|Policy|PluginMode)|identityProfile(\..*)?|httpProxyConfig(\..*)?",
        reason="every node of the cluster is replaced or imaged anew",
    ),
    _Rule(
        kind=EffectKind.ROLL_OUT,
        types=("apps/v1:Deployment", "apps/v1:StatefulSet", "apps/v1:DaemonSet"),
        operations=_IN_PLACE,
        paths=r"spec\.template(\..*)?",
        reason="its pods are replaced one after the other",
    ),
)


def effects_of(kind: str, operation: Operation, values: Sequence[Difference]) -> list[Effect]:
    """The effects of a change.

    Args:
        kind: the resource's type, with its provider.
        values: the inputs that differ.
    """
    return list(_effects(kind, operation, values))


def _effects(kind: str, operation: Operation, values: Sequence[Difference]) -> Iterator[Effect]:
    kind = _VERSION.sub(r"\1:", kind)
    # Of what only may happen, what cannot be undone is told.
    replaced = operation is Operation.MAY_REPLACE
    rules = [rule for rule in _RULES if rule.kind is EffectKind.DATA_LOSS] if replaced else _RULES
    operation = Operation.REPLACE if replaced else operation
    for rule in rules:
        if operation not in rule.operations or not kind.endswith(tuple(f":{one}" for one in rule.types)):
            continue
        if operation is Operation.UPDATE and not any(re.fullmatch(rule.paths, value.path) and rule.worse(value.before, value.after) for value in values):
            continue
        yield Effect(kind=rule.kind, reason=rule.reason)
