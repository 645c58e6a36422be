"""Metrics that managed Prometheus does not collect by itself: those of the services, and of the Istio add-on's ingress gateway."""

from collections.abc import Sequence

import pulumi
import yaml
from pulumi_kubernetes import core, meta

from components.alert_rules import GATEWAY_JOB
from components.model_deployment import CONTAINER_PORT, METRICS_PATH
from components.service_access import GATEWAY_NAMESPACE

SERVICES_JOB = "services"
"""Job by which the services' own metrics are scraped."""
_GATEWAY_PORT = 15020
"""Where a gateway serves its own metrics and Envoy's as one."""
_GATEWAY_METRICS = "istio_requests_total|istio_request_duration_milliseconds_(bucket|count|sum)"
"""An Envoy has thousands of series; these answer who failed and how long it took."""
_SERVICE_METRICS = "(http|rpc)_server_.+|inference_.+|process_.+"
"""What the app measures; what a library adds to it is left out, since every series costs."""


def scraping(name: str, namespaces: Sequence[str], *, gateway: bool, parent: pulumi.Resource) -> core.v1.ConfigMap:
    """Has the cluster's metrics agent read the pods of services, and the gateway's.

    The agent looks for a ConfigMap of this very name, of which a cluster has one: only for a cluster of one's own. It restarts when that changes.

    Args:
        name: logical name.
        namespaces: of the services.
        gateway: is there one?
        parent: who declares it; its Kubernetes provider is used.
    """
    jobs = [_job(SERVICES_JOB, namespaces, CONTAINER_PORT, METRICS_PATH, _SERVICE_METRICS)]
    if gateway:
        jobs.append(_job(GATEWAY_JOB, [GATEWAY_NAMESPACE], _GATEWAY_PORT, "/stats/prometheus", _GATEWAY_METRICS))
    return core.v1.ConfigMap(
        name,
        metadata=meta.v1.ObjectMetaArgs(
            name="ama-metrics-prometheus-config",
            namespace="kube-system",
            labels={"app.kubernetes.io/managed-by": "pulumi"},
            annotations={"pulumi.com/patchFieldManager": "converge"},
        ),
        data={"prometheus-config": yaml.safe_dump({"scrape_configs": jobs}, sort_keys=False)},
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _job(name: str, namespaces: Sequence[str], port: int, path: str, kept: str) -> dict[str, object]:
    return {
        "job_name": name,
        "scrape_interval": "30s",
        "metrics_path": path,
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": list(namespaces)}}],
        "relabel_configs": [
            # A pod is found once per port that it declares; with one address for all of them it is read once.
            {"source_labels": ["__meta_kubernetes_pod_ip"], "regex": "(.+)", "target_label": "__address__", "replacement": f"$1:{port}"},
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        ],
        "metric_relabel_configs": [{"source_labels": ["__name__"], "regex": kept, "action": "keep"}],
    }
