"""Series computed ahead, under the names that AKS' dashboards and queries look for.

Names and meaning are those of the rule groups that `az aks create --enable-azure-monitor-metrics` makes for Linux nodes, which an ARM deployment does not
get by itself: Azure/prometheus-collector, AddonArmTemplate/FullAzureMonitorMetricsProfile.json. They in turn come from node-mixin and kubernetes-mixin.
Left out: Windows nodes, of which there are none, and the rules of the portal's preview of Container Insights over Prometheus.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class RecordingRule:
    """One series."""

    record: str
    expression: str
    labels: dict[str, str] = field(default_factory=dict)


_NODE = 'job="node"'
_STATE = 'job="kube-state-metrics"'
_CADVISOR = 'job="cadvisor", image!=""'
_FREE_BYTES = (
    f"node_memory_MemAvailable_bytes{{{_NODE}}} or (node_memory_Buffers_bytes{{{_NODE}}} + node_memory_Cached_bytes{{{_NODE}}}"
    f" + node_memory_MemFree_bytes{{{_NODE}}} + node_memory_Slab_bytes{{{_NODE}}})"
)
_LIVE = 'max by (cluster, namespace, pod) (kube_pod_status_phase{phase=~"Pending|Running"} == 1)'
_NODE_OF_POD = 'topk by (cluster, namespace, pod) (1, max by (cluster, namespace, pod, node) (kube_pod_info{node!=""}))'


def _of_disk(series: str) -> RecordingRule:
    return RecordingRule(
        record=f"instance_device:node_disk_{series}_seconds:rate5m", expression=f'rate(node_disk_{series}_seconds_total{{{_NODE}, device!=""}}[5m])'
    )


def _of_network(series: str) -> RecordingRule:
    return RecordingRule(
        record=f"instance:node_network_{series}_excluding_lo:rate5m",
        expression=f'sum without (device) (rate(node_network_{series}_total{{{_NODE}, device!="lo"}}[5m]))',
    )


def _of_memory(series: str) -> RecordingRule:
    memory = f"container_memory_{series}"
    return RecordingRule(
        record=f"node_namespace_pod_container:{memory}",
        expression=f"{memory}{{{_CADVISOR}}} * on (cluster, namespace, pod) group_left (node) {_NODE_OF_POD}",
    )


def _of_share(resource: str, share: str) -> tuple[RecordingRule, RecordingRule]:
    """What live pods have asked for, or may use: per container, and summed up per namespace."""
    metric = f"kube_pod_container_resource_{share}"
    series = f'{metric}{{resource="{resource}", {_STATE}}}'
    live = f"on (cluster, namespace, pod) group_left () {_LIVE}"
    per_pod = f"sum by (cluster, namespace, pod) (max by (cluster, namespace, pod, container) ({series}) * {live})"
    return (
        RecordingRule(record=f"cluster:namespace:pod_{resource}:active:{metric}", expression=f"{series} * {live}"),
        RecordingRule(record=f"namespace_{resource}:{metric}:sum", expression=f"sum by (cluster, namespace) ({per_pod})"),
    )


def _of_owner(kind: str) -> RecordingRule:
    """Which workload a pod belongs to."""
    owner = f'kube_pod_owner{{{_STATE}, owner_kind="{kind}"}}'
    return RecordingRule(
        record="namespace_workload_pod:kube_pod_owner:relabel",
        expression=f'max by (cluster, namespace, workload, pod) (label_replace({owner}, "workload", "$1", "owner_name", "(.*)"))',
        labels={"workload_type": kind.lower()},
    )


def _of_deployment() -> RecordingRule:
    """The same through the ReplicaSet in between."""
    pods = f'label_replace(kube_pod_owner{{{_STATE}, owner_kind="ReplicaSet"}}, "replicaset", "$1", "owner_name", "(.*)")'
    sets = f"topk by (cluster, namespace, replicaset) (1, max by (cluster, namespace, replicaset, owner_name) (kube_replicaset_owner{{{_STATE}}}))"
    owned = f"{pods} * on (cluster, namespace, replicaset) group_left (owner_name) {sets}"
    return RecordingRule(
        record="namespace_workload_pod:kube_pod_owner:relabel",
        expression=f'max by (cluster, namespace, workload, pod) (label_replace({owned}, "workload", "$1", "owner_name", "(.*)"))',
        labels={"workload_type": "deployment"},
    )


NODE_RULES = (
    RecordingRule(record="instance:node_num_cpu:sum", expression=f'count without (cpu, mode) (node_cpu_seconds_total{{{_NODE}, mode="idle"}})'),
    RecordingRule(
        record="instance:node_cpu_utilisation:rate5m",
        expression=f'1 - avg without (cpu) (sum without (mode) (rate(node_cpu_seconds_total{{{_NODE}, mode=~"idle|iowait|steal"}}[5m])))',
    ),
    RecordingRule(record="instance:node_load1_per_cpu:ratio", expression=f"node_load1{{{_NODE}}} / instance:node_num_cpu:sum{{{_NODE}}}"),
    RecordingRule(record="instance:node_memory_utilisation:ratio", expression=f"1 - (({_FREE_BYTES}) / node_memory_MemTotal_bytes{{{_NODE}}})"),
    RecordingRule(record="instance:node_vmstat_pgmajfault:rate5m", expression=f"rate(node_vmstat_pgmajfault{{{_NODE}}}[5m])"),
    *(_of_disk(series) for series in ("io_time", "io_time_weighted")),
    *(_of_network(f"{direction}_{what}") for what in ("bytes", "drop") for direction in ("receive", "transmit")),
)
"""Utilisation, saturation and errors of nodes."""
KUBERNETES_RULES = (
    RecordingRule(
        record="node_namespace_pod_container:container_cpu_usage_seconds_total:sum_irate",
        expression=(
            f"sum by (cluster, namespace, pod, container) (irate(container_cpu_usage_seconds_total{{{_CADVISOR}}}[5m]))"
            f" * on (cluster, namespace, pod) group_left (node) {_NODE_OF_POD}"
        ),
    ),
    *(_of_memory(series) for series in ("working_set_bytes", "rss", "cache", "swap")),
    *(rule for share in ("requests", "limits") for resource in ("memory", "cpu") for rule in _of_share(resource, share)),
    _of_deployment(),
    *(_of_owner(kind) for kind in ("DaemonSet", "StatefulSet", "Job")),
    RecordingRule(record=":node_memory_MemAvailable_bytes:sum", expression=f"sum by (cluster) ({_FREE_BYTES})"),
    RecordingRule(
        record="cluster:node_cpu:ratio_rate5m",
        expression=(
            f'sum by (cluster) (rate(node_cpu_seconds_total{{{_NODE}, mode!~"idle|iowait|steal"}}[5m]))'
            f" / count by (cluster) (sum by (cluster, instance, cpu) (node_cpu_seconds_total{{{_NODE}}}))"
        ),
    ),
)
"""What pods use of what they asked for."""
