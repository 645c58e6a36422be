"""What Azure changes by itself, by type of resource."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from delivery.drift.paths import value_at
from delivery.drift.resources import Change, Resource
from delivery.drift.rules import Rule
from local_azure.differences import ABSENT

_LEARN = "https://learn.microsoft.com/azure"
_API = "https://learn.microsoft.com/rest/api"
_CLUSTER, _POOL = "azure-native:containerservice:ManagedCluster", "azure-native:containerservice:AgentPool"
_PATCH, _MINOR = ("patch",), ("stable", "rapid")
_IMAGES = ("NodeImage", "SecurityPatch")


def _autoscaled(change: Change, _stack: Sequence[Resource]) -> bool:
    """Whether the pool scales by itself and the count is within its bounds: what lies outside of them, somebody set."""
    pool = value_at(change.resource.outputs, change.parts[:-1])
    if not isinstance(pool, Mapping) or not pool.get("enableAutoScaling") or not isinstance(change.now, int):
        return False
    return pool.get("minCount", 0) <= change.now <= pool.get("maxCount", 0)


def _upgraded(change: Change, stack: Sequence[Resource]) -> bool:
    """Whether the cluster's upgrade channel does that: `patch` stays within the minor version, `stable` and `rapid` do not."""
    channel = _profile(change, stack).get("upgradeChannel")
    if change.now is ABSENT or channel not in (*_PATCH, *_MINOR):
        return False
    return channel in _MINOR or change.before in (ABSENT, None) or _minor(change.before) == _minor(change.now)


def _new_image(change: Change, stack: Sequence[Resource]) -> bool:
    """Whether one of the cluster's two upgrade channels brings node images."""
    profile = _profile(change, stack)
    return change.now is not ABSENT and (profile.get("nodeOSUpgradeChannel") in _IMAGES or profile.get("upgradeChannel") in (*_PATCH, *_MINOR, "node-image"))


def _profile(change: Change, stack: Sequence[Resource]) -> Mapping[str, Any]:
    """The upgrade profile of the cluster that a change belongs to."""
    own = change.resource.id.lower()
    clusters = [one for one in stack if one.kind == _CLUSTER and f"{own}/".startswith(f"{one.id.lower()}/")]
    found = clusters[0].outputs.get("autoUpgradeProfile") if clusters else None
    return found if isinstance(found, Mapping) else {}


def _minor(version: Any) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", str(version))[:2])


def _pool_of_the_stack(change: Change, stack: Sequence[Resource]) -> bool:
    """Whether a pool that the cluster lists is a resource of the stack by itself."""
    name = value_at(change.resource.now, (*change.parts[:2], "name"))
    own = f"{change.resource.id}/agentPools/{name}".lower()
    return value_at(change.resource.outputs, change.parts[:2]) is ABSENT and any(one.id.lower() == own for one in stack if one.kind == _POOL)


def _endpoint_of_the_stack(change: Change, stack: Sequence[Resource]) -> bool:
    """Whether a connection that a service lists is that of a private endpoint of the stack."""
    found = value_at(change.resource.now, (*change.parts[:2], "privateEndpoint", "id"))
    return isinstance(found, str) and any(one.id.lower() == found.lower() for one in stack)


def _keys_unused(change: Change, _stack: Sequence[Resource]) -> bool:
    """Whether the account refuses its keys."""
    return change.resource.now is not None and change.resource.now.get("allowSharedKeyAccess") is False


def _nothing(change: Change, _stack: Sequence[Resource]) -> bool:
    """Whether the value says nothing, before and now."""
    return change.before in (ABSENT, None, "", [], {}) and change.now in (ABSENT, None, "", [], {})


AZURE: Final = (
    Rule(
        _CLUSTER,
        ("agentPoolProfiles * count",),
        "the cluster autoscaler adds and removes nodes",
        f"{_LEARN}/aks/cluster-autoscaler-overview",
        _autoscaled,
        set_by_us=True,
    ),
    Rule(_POOL, ("count",), "the cluster autoscaler adds and removes nodes", f"{_LEARN}/aks/cluster-autoscaler-overview", _autoscaled, set_by_us=True),
    Rule(
        _CLUSTER,
        ("kubernetesVersion", "currentKubernetesVersion", "agentPoolProfiles * orchestratorVersion", "agentPoolProfiles * currentOrchestratorVersion"),
        "the cluster's upgrade channel brings newer versions",
        f"{_LEARN}/aks/auto-upgrade-cluster",
        _upgraded,
        set_by_us=True,
    ),
    Rule(
        _POOL,
        ("orchestratorVersion", "currentOrchestratorVersion"),
        "the cluster's upgrade channel brings newer versions",
        f"{_LEARN}/aks/auto-upgrade-cluster",
        _upgraded,
        set_by_us=True,
    ),
    Rule(
        _CLUSTER,
        ("agentPoolProfiles * nodeImageVersion",),
        "the upgrade channel brings newer node images",
        f"{_LEARN}/aks/auto-upgrade-node-os-image",
        _new_image,
    ),
    Rule(_POOL, ("nodeImageVersion",), "the upgrade channel brings newer node images", f"{_LEARN}/aks/auto-upgrade-node-os-image", _new_image),
    Rule(
        _CLUSTER,
        ("agentPoolProfiles * **",),
        "AKS lists in the cluster the pools that are resources of their own",
        f"{_API}/aks/managed-clusters/get",
        _pool_of_the_stack,
    ),
    Rule(
        _CLUSTER,
        ("networkProfile loadBalancerProfile effectiveOutboundIPs **", "networkProfile natGatewayProfile effectiveOutboundIPs **"),
        "AKS gives the cluster its outbound addresses",
        f"{_API}/aks/managed-clusters/get",
    ),
    Rule(
        "azure-native:storage:StorageAccount",
        ("keyCreationTime **",),
        "when Azure made the account's keys, which nobody may use",
        f"{_API}/storagerp/storage-accounts/get-properties",
        _keys_unused,
    ),
    Rule(
        "azure-native:storage:StorageAccount",
        ("statusOfPrimary", "statusOfSecondary", "geoReplicationStats **", "lastGeoFailoverTime"),
        "how Azure's own copies of the data are doing",
        f"{_API}/storagerp/storage-accounts/get-properties",
    ),
    Rule(
        "azure-native:storage:BlobContainer",
        ("lastModifiedTime", "leaseState", "leaseStatus", "leaseDuration"),
        "what Azure keeps about the container's use",
        f"{_API}/storagerp/blob-containers/get",
    ),
    Rule(
        "azure-native:containerregistry:Registry",
        ("policies * lastUpdatedTime",),
        "when Azure wrote a policy last; a changed policy is told by its values",
        f"{_API}/containerregistry/registries/get",
    ),
    Rule(
        "azure-native:containerregistry:Registry",
        ("zoneRedundancy",),
        "the region decides whether a registry is in several zones",
        f"{_LEARN}/container-registry/zone-redundancy",
        set_by_us=True,
    ),
    Rule(
        "azure-native:operationalinsights:Workspace",
        ("modifiedDate", "workspaceCapping quotaNextResetTime", "workspaceCapping dataIngestionStatus", "sku lastSkuUpdate"),
        "what Azure keeps about the workspace's use",
        f"{_API}/loganalytics/workspaces/get",
    ),
    Rule(
        "azure-native:network:PrivateEndpoint",
        ("customDnsConfigs **", "networkInterfaces **"),
        "Azure gives the endpoint its addresses",
        f"{_LEARN}/private-link/private-endpoint-overview",
        set_by_us=True,
    ),
    Rule(
        "azure-native:*",
        ("privateEndpointConnections * **",),
        "a service lists the connections of the stack's private endpoints",
        f"{_LEARN}/private-link/private-endpoint-overview",
        _endpoint_of_the_stack,
    ),
    Rule(
        "azure-native:network:*",
        ("** ipConfigurations **", "** ipConfiguration **", "** networkInterfaces **", "** privateEndpoints **", "** serviceAssociationLinks **"),
        "nodes, load balancers and endpoints attach themselves and go",
        f"{_API}/virtualnetwork/subnets/get",
    ),
    Rule(
        "azure-native:privatedns:*",
        ("numberOfRecordSets", "numberOfVirtualNetworkLinks", "numberOfVirtualNetworkLinksWithRegistration"),
        "records come and go with what is registered",
        f"{_API}/dns/privatednszones/private-zones/get",
    ),
    Rule(
        "azure-native:authorization:RoleAssignment",
        ("principalType", "createdOn", "createdBy", "updatedOn", "updatedBy"),
        "Azure finds out of what kind the principal is, and keeps who granted",
        f"{_API}/authorization/role-assignments/get",
        set_by_us=True,
    ),
    Rule(
        "azure-native:*",
        ("** etag", "** eTag", "** eTAG"),
        "a mark that every write by a service renews",
        f"{_LEARN}/azure-resource-manager/management/overview",
    ),
    Rule("azure-native:*", ("systemData **",), "Resource Manager keeps who wrote last and when", f"{_API}/resources/resources/get"),
    Rule(
        "azure-native:*",
        ("** provisioningState",),
        "the state of Resource Manager's last operation",
        f"{_LEARN}/azure-resource-manager/management/async-operations",
    ),
    Rule(
        "azure-native:*",
        ("tags hidden-*", "tags aks-managed-*", "tags k8s-azure-*", "tags ms-resource-usage"),
        "a service marks what belongs to it",
        f"{_LEARN}/azure-resource-manager/management/tag-resources",
    ),
    Rule("azure-native:*", ("**",), "Azure answers an empty value where it answered none, or the other way round", f"{_API}/resources/resources/get", _nothing),
)
