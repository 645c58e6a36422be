"""Metrics of the Istio add-on's ingress gateway, which managed Prometheus does not collect by itself."""

import pulumi
import yaml
from pulumi_kubernetes import core, meta

from components.alert_rules import GATEWAY_JOB
from components.service_access import GATEWAY_NAMESPACE

_PORT = 15020
"""Where a gateway serves its own metrics and Envoy's as one."""
_KEPT = "istio_requests_total|istio_request_duration_milliseconds_(bucket|count|sum)"
"""An Envoy has thousands of series; these answer who failed and how long it took."""


def gateway_scraping(name: str, *, parent: pulumi.Resource) -> core.v1.ConfigMap:
    """Has the cluster's metrics agent read the gateway's pods.

    The agent looks for a ConfigMap of this very name, of which a cluster has one: only for a cluster of one's own. It restarts when that changes.

    Args:
        name: logical name.
        parent: who declares it; its Kubernetes provider is used.
    """
    return core.v1.ConfigMap(
        name,
        metadata=meta.v1.ObjectMetaArgs(
            name="ama-metrics-prometheus-config",
            namespace="kube-system",
            labels={"app.kubernetes.io/managed-by": "pulumi"},
            annotations={"pulumi.com/patchFieldManager": "converge"},
        ),
        data={"prometheus-config": yaml.safe_dump(_scrape_config(), sort_keys=False)},
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _scrape_config() -> dict[str, object]:
    job = {
        "job_name": GATEWAY_JOB,
        "scrape_interval": "30s",
        "metrics_path": "/stats/prometheus",
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [GATEWAY_NAMESPACE]}}],
        "relabel_configs": [
            # A pod is found once per port that it declares; with one address for all of them it is read once.
            {"source_labels": ["__meta_kubernetes_pod_ip"], "regex": "(.+)", "target_label": "__address__", "replacement": f"$1:{_PORT}"},
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        ],
        "metric_relabel_configs": [{"source_labels": ["__name__"], "regex": _KEPT, "action": "keep"}],
    }
    return {"scrape_configs": [job]}
