"""What the region offers to this subscription: node sizes, processors, the Kubernetes version."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from delivery.doctor.context import Context, Pool
from delivery.doctor.findings import Finding, failure, not_yet, ok, warning
from delivery.doctor.places import CLUSTERS, Places

_SKUS = "2021-07-01"
_USAGES = "2025-04-01"
_FEATURES = "2021-07-01"
_TOTAL = "cores"
_SURGE = 1
"""Nodes more per pool while Azure upgrades; 10 or 33 % are rounded up to at least one."""
_ENCRYPTION = "Microsoft.Compute/EncryptionAtHost"


class _Size(NamedTuple):
    """A node size in the region."""

    family: str
    cores: int
    zones: frozenset[str]
    """Where this subscription can have it."""
    refused: str
    """Why it cannot be had at all; empty when it can."""
    encryption: bool


def sizes_and_quota(context: Context, places: Places) -> Sequence[Finding]:
    """Whether the nodes can be had: the sizes, and enough processors for all pools at their largest."""
    if not context.pools:
        return [ok("node sizes", "the cluster is adopted; its nodes are its owner's")]
    wanted = {pool.size.lower(): pool.size for pool in context.pools}
    sizes = _sizes(context, set(wanted))
    missing = [name for size, name in wanted.items() if size not in sizes]
    region = context.file.location
    if missing:
        sizes_command = f"az vm list-skus --location {region} --resource-type virtualMachines --output table"
        return [failure("node sizes", f"{', '.join(missing)} is not offered in {region}", f"choose another nodeSize: {sizes_command}")]
    return [*_offers(context, wanted, sizes), *_quota(context, places, sizes)]


def kubernetes_version(context: Context, places: Places) -> Sequence[Finding]:
    """Whether the region offers the version that a new cluster would get; one that exists is upgraded by its channel."""
    if places.cluster or context.file.get("converge:cluster.clusterId"):
        return []
    wanted = str(context.file.get("converge:cluster.kubernetesVersion", default="1.34"))
    region = context.file.location
    answer = context.arm.get(f"{context.subscription}/providers/Microsoft.ContainerService/locations/{region}/kubernetesVersions", CLUSTERS)
    versions = {str(item.get("version")): item for item in (answer or {}).get("values", [])}
    regular = sorted((name for name, item in versions.items() if not item.get("isPreview") and _community(item)), key=_in_order)
    check = "Kubernetes version"
    command = f"set converge:cluster.kubernetesVersion in {context.file.path.name}; az aks get-versions --location {region} --output table"
    if wanted not in versions:
        return [failure(check, f"{wanted} is not offered in {region}; offered are {', '.join(regular) or 'none'}", command)]
    if versions[wanted].get("isPreview"):
        return [warning(check, f"{wanted} is a preview in {region}", command)]
    if wanted not in regular:
        return [failure(check, f"{wanted} gets long-term support only, which needs tier Premium; others are {', '.join(regular)}", command)]
    return [ok(check, f"{wanted} is offered in {region}")]


def features(context: Context) -> Sequence[Finding]:
    """Features of the subscription that settings need and somebody must have switched on."""
    if not context.file.get("converge:cluster.encryptionAtHost", default=False) or not context.pools:
        return []
    provider, name = _ENCRYPTION.split("/")
    path = f"{context.subscription}/providers/Microsoft.Features/providers/{provider}/features/{name}"
    state = str(((context.arm.get(path, _FEATURES) or {}).get("properties") or {}).get("state", "NotRegistered"))
    if state == "Registered":
        return [ok("features", f"{_ENCRYPTION} is registered")]
    command = f"az feature register --namespace {provider} --name {name} && az provider register --namespace {provider}"
    return [failure("features", f"{_ENCRYPTION} is {state}, and converge:cluster.encryptionAtHost needs it (registering takes minutes)", command)]


def _sizes(context: Context, wanted: set[str]) -> Mapping[str, _Size]:
    parameters = {"$filter": f"location eq '{context.file.location}'"}
    items = context.arm.list(f"{context.subscription}/providers/Microsoft.Compute/skus", _SKUS, **parameters)
    return {
        str(item["name"]).lower(): _size(item)
        for item in items
        if item.get("resourceType") == "virtualMachines" and str(item.get("name", "")).lower() in wanted
    }


def _size(item: Mapping[str, Any]) -> _Size:
    capabilities = {entry.get("name"): entry.get("value") for entry in item.get("capabilities") or []}
    zones = {zone for place in item.get("locationInfo") or [] for zone in place.get("zones") or []}
    restrictions = item.get("restrictions") or []
    closed = {zone for entry in restrictions if entry.get("type") == "Zone" for zone in (entry.get("restrictionInfo") or {}).get("zones") or []}
    refused = next((str(entry.get("reasonCode", "not available")) for entry in restrictions if entry.get("type") == "Location"), "")
    return _Size(
        family=str(item.get("family", "")),
        cores=int(capabilities.get("vCPUs") or 0),
        zones=frozenset(zones - closed),
        refused=refused,
        encryption=capabilities.get("EncryptionAtHostSupported") == "True",
    )


def _offers(context: Context, wanted: Mapping[str, str], sizes: Mapping[str, _Size]) -> list[Finding]:
    region = context.file.location
    zones = {str(zone) for zone in context.file.get("converge:cluster.zones") or []}
    encrypted = bool(context.file.get("converge:cluster.encryptionAtHost", default=False))
    problems = []
    for size, name in wanted.items():
        offer = sizes[size]
        if offer.refused:
            problems.append(f"{name} cannot be had by this subscription in {region} ({offer.refused})")
        elif lacking := sorted(zones - offer.zones):
            problems.append(f"{name} cannot be had in zone {', '.join(lacking)} of {region}")
        elif encrypted and not offer.encryption:
            problems.append(f"{name} cannot encrypt on the host")
    if problems:
        command = f"choose another nodeSize, zones or region; az vm list-skus --location {region} --resource-type virtualMachines --output table"
        return [failure("node sizes", "; ".join(problems), command)]
    return [ok("node sizes", f"{', '.join(wanted.values())} in {region}{' in zones ' + ', '.join(sorted(zones)) if zones else ''}")]


def _quota(context: Context, places: Places, sizes: Mapping[str, _Size]) -> list[Finding]:
    """Processors that are still to come, compared with what is left. What this stack's own cluster uses already counts for it."""
    region = context.file.location
    usages = {
        str((item.get("name") or {}).get("value", "")).lower(): item
        for item in context.arm.list(f"{context.subscription}/providers/Microsoft.Compute/locations/{region}/usages", _USAGES)
    }
    if not usages:
        return [not_yet("quota", f"Azure tells no quota for {region} before Microsoft.Compute is registered there")]
    most, surging = _cores(context.pools, sizes)
    running = _running(places, sizes)
    findings = []
    for family, cores in most.items():
        usage = usages.get(family.lower(), {})
        left = int(usage.get("limit", 0)) - int(usage.get("currentValue", 0))
        title = str((usage.get("name") or {}).get("localizedValue") or family)
        findings.append(_compared(context, (family, title), cores - running.get(family, 0), surging[family], left))
    return findings


def _compared(context: Context, names: tuple[str, str], needed: int, surging: int, left: int) -> Finding:
    region, (family, title) = context.file.location, names
    facts = f"{title} in {region}: {left} vCPUs are left, {max(needed, 0)} more are needed with all pools at their largest"
    command = (
        f"az quota update --resource-name {family} --scope {context.subscription}/providers/Microsoft.Compute/locations/{region} "
        f"--limit-object value=<new limit>; or lower maxNodes in {context.file.path.name}"
    )
    if needed > left:
        return failure("quota", facts, command)
    if needed + surging > left:
        return warning("quota", f"{facts}; an upgrade at that moment needs {surging} besides and would wait", command)
    return ok("quota", facts)


def _cores(pools: Sequence[Pool], sizes: Mapping[str, _Size]) -> tuple[dict[str, int], dict[str, int]]:
    most: dict[str, int] = defaultdict(int)
    surging: dict[str, int] = defaultdict(int)
    for pool in pools:
        size = sizes[pool.size.lower()]
        for family in (size.family, _TOTAL):
            most[family] += pool.most * size.cores
            surging[family] += _SURGE * size.cores
    return most, surging


def _running(places: Places, sizes: Mapping[str, _Size]) -> Mapping[str, int]:
    cores: dict[str, int] = defaultdict(int)
    profiles = (places.cluster or {}).get("properties", {}).get("agentPoolProfiles") or []
    for profile in profiles:
        size = sizes.get(str(profile.get("vmSize", "")).lower())
        for family in (size.family, _TOTAL) if size else ():
            cores[family] += int(profile.get("count") or 0) * (size.cores if size else 0)
    return cores


def _community(item: Mapping[str, Any]) -> bool:
    plans = (item.get("capabilities") or {}).get("supportPlan")
    return not plans or "KubernetesOfficial" in plans


def _in_order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
