"""Pools of nodes, inline in the cluster or resources of their own. Identifiers that start with `pool-` are AKS Automatic's."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from policies.planned import Mark, PlannedResource, entries, find
from policies.rule import Check, Rule, each, must_be, must_have
from policies.rules.cluster import SPECIFICATION
from policies.rules.kinds import AGENT_POOL, CLUSTER

_pool = partial(Rule, looks_at=frozenset({CLUSTER, AGENT_POOL}))
_SMALL_BURSTS = re.compile(r"^Standard_B\d", re.IGNORECASE)
Verdicts = Callable[[Mapping[str, Any], str], Iterator[str | Mark]]
"""Of a pool and of how messages call it."""


def _pools(resource: PlannedResource) -> Iterator[tuple[Mapping[str, Any] | Mark, str]]:
    if resource.kind == AGENT_POOL:
        yield resource.properties, ""
    else:
        for number, pool in enumerate(entries(resource.at("agentPoolProfiles"))):
            yield pool, f"agentPoolProfiles[{number}]."


def _each_pool(verdicts: Verdicts, *, system_only: bool = False) -> Check:
    def of(resource: PlannedResource) -> Iterator[str | Mark]:
        for pool, called in _pools(resource):
            if isinstance(pool, Mark):
                yield pool
            elif not system_only or pool.get("mode") == "System":
                yield from verdicts(pool, called)

    return each(of)


def _is(path: str, *wanted: Any) -> Verdicts:
    return lambda pool, called: must_be(pool, path, wanted, called=called)


def _has_system_pool(resource: PlannedResource) -> bool:
    return any(isinstance(pool, Mark) or pool.get("mode") == "System" for pool, _ in _pools(resource))


_system = partial(_pool, source=SPECIFICATION, applies=_has_system_pool, otherwise="a pool of the mode User")

EPHEMERAL_DISK = _system(
    id="pool-ephemeral-os-disk",
    title="Nodes of the system pool have ephemeral disks",
    severity="critical",
    reason="A remote disk makes nodes slower to start and to patch, costs money, and cannot be changed later.",
    fix="set os_disk_type Ephemeral and a node size whose local disk is large enough.",
    check=_each_pool(_is("osDiskType", "Ephemeral"), system_only=True),
)


def _three_zones(pool: Mapping[str, Any], called: str) -> Iterator[str | Mark]:
    zones = entries(find(pool, "availabilityZones"))
    if any(isinstance(zone, Mark) for zone in zones):
        yield Mark.UNKNOWN
    elif sorted(zones) != ["1", "2", "3"]:
        yield f"{called}availabilityZones is {zones or 'empty'}; it must be ['1', '2', '3']"


THREE_ZONES = _system(
    id="pool-availability-zones",
    title="The system pool is spread over three zones",
    severity="critical",
    reason="With one zone a fire in one building stops the cluster; zones cannot be added later.",
    fix="set availability_zones to 1, 2 and 3, in a region that has them.",
    check=_each_pool(_three_zones, system_only=True),
)


def _tainted(pool: Mapping[str, Any], _called: str) -> Iterator[str | Mark]:
    yield from must_have(pool, "nodeTaints", "CriticalAddonsOnly=true:NoSchedule")


SYSTEM_TAINT = _system(
    id="pool-critical-addons-taint",
    title="Services do not run on the system pool",
    severity="high",
    reason="A service that takes a node's memory takes DNS and the metrics server with it.",
    fix="set node_taints to CriticalAddonsOnly=true:NoSchedule and give services a pool of the mode User.",
    check=_each_pool(_tainted, system_only=True),
)
SCALE_SETS = _system(
    id="pool-vmss-type",
    title="The system pool is a scale set",
    severity="critical",
    reason="Availability sets cannot be scaled or upgraded by AKS and are being retired.",
    fix="set type VirtualMachineScaleSets.",
    check=_each_pool(_is("type", "VirtualMachineScaleSets"), system_only=True),
)


def _azure_linux(pool: Mapping[str, Any], called: str) -> Iterator[str | Mark]:
    # AzureLinux alone means version 2 in some API versions, which is out of support; 3 has a word of its own.
    yield from must_be(pool, "osSKU", ("AzureLinux", "AzureLinux3"), called=called)


AZURE_LINUX = _system(
    id="pool-azure-linux-os",
    title="The system pool runs Azure Linux",
    severity="critical",
    reason="It is small, patched by Azure and starts fast; the operating system cannot be changed later.",
    fix="set os_sku AzureLinux3.",
    check=_each_pool(_azure_linux, system_only=True),
)
NO_SSH = _pool(
    id="pool-ssh-disabled",
    title="Nobody logs in to nodes",
    severity="high",
    reason="A key that opens one node opens all, and what is changed there by hand is lost with the node.",
    fix="set security_profile ssh_access Disabled.",
    source=SPECIFICATION,
    check=_each_pool(_is("securityProfile.sshAccess", "Disabled")),
)

# --- what others ship ---


def _no_bursts(pool: Mapping[str, Any], called: str) -> Iterator[str | Mark]:
    size = find(pool, "vmSize")
    if isinstance(size, Mark):
        yield size
    elif _SMALL_BURSTS.match(str(size)):
        yield f"{called}vmSize is {size}, of the B series"


NO_B_SERIES = _pool(
    id="CVG451",
    title="Nodes have processors all the time",
    severity="high",
    reason="Sizes of the B series are throttled when their credits are used up: pods then fail their probes under exactly the load that matters.",
    fix="choose a size of the D series, such as Standard_D4ds_v5.",
    source="Azure/AKS documentation, system node pools (B series not supported for them)",
    check=_each_pool(_no_bursts),
)
NO_PUBLIC_NODES = _pool(
    id="CVG452",
    title="Nodes have no public addresses",
    severity="critical",
    reason="A node that can be reached from the internet goes round every gateway.",
    fix="set enable_node_public_ip to false.",
    source="checkov CKV_AZURE_143",
    check=_each_pool(_is("enableNodePublicIP", False, None)),
)
HOST_ENCRYPTION = _pool(
    id="CVG453",
    title="Disks of nodes are encrypted on their host",
    severity="medium",
    reason="Caches and ephemeral disks are otherwise written unencrypted.",
    fix="set enable_encryption_at_host (the feature must be registered in the subscription).",
    source="checkov CKV_AZURE_227; Azure Verified Modules",
    check=_each_pool(_is("enableEncryptionAtHost", True)),
)


def _autoscaled(pool: Mapping[str, Any], called: str) -> Iterator[str | Mark]:
    yield from must_be(pool, "enableAutoScaling", True, called=called)


AUTOSCALED = _pool(
    id="CVG454",
    title="Pools grow and shrink by themselves",
    severity="medium",
    reason="A fixed number of nodes is too small in a rush and paid for at night; pods of an update wait for room.",
    fix="set enable_auto_scaling with min_count and max_count.",
    source="Azure Verified Modules; AKS well-architected guide",
    check=_each_pool(_autoscaled),
)


def _surge(pool: Mapping[str, Any], called: str) -> Iterator[str | Mark]:
    surge = find(pool, "upgradeSettings.maxSurge")
    if isinstance(surge, Mark):
        yield surge
    elif surge in (None, "0", "0%"):
        yield f"{called}upgradeSettings.maxSurge is {surge or 'not set'}"


SURGE = _pool(
    id="CVG455",
    title="An upgrade adds nodes before it drains any",
    severity="medium",
    reason="Without room for the drained pods an upgrade waits or stops services.",
    fix="set upgrade_settings max_surge, such as 33%.",
    source="mspnp/aks-baseline (33%); Azure/terraform-azurerm-avm-ptn-aks-production (10%)",
    check=_each_pool(_surge),
)


def _several_inline(cluster: PlannedResource) -> Iterator[str | Mark]:
    pools = cluster.at("agentPoolProfiles")
    if isinstance(pools, Mark):
        yield pools
    elif len(entries(pools)) > 1:
        yield f"has {len(entries(pools))} pools inline"


ONE_INLINE = Rule(
    id="CVG456",
    title="Pools of services are resources of their own",
    severity="medium",
    reason="A change to one inline pool scales them all, and ignoring the inline list makes later updates fail.",
    fix="keep one system pool inline and make the others AgentPool resources.",
    source="pulumi/pulumi-azure-native#4264, #2719",
    looks_at=frozenset({CLUSTER}),
    check=each(_several_inline),
)
