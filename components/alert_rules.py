"""What wakes somebody up, and how urgently: pure data and expressions. What to do then stands in docs/on-call.md, in a section per alert.

Managed Prometheus drops every metric of its own targets that is not on its short list (the "minimal ingestion profile"). An alert about a metric that is
dropped never fires and nobody notices; so expressions use listed metrics only, and a test holds it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RUNBOOK = "docs/on-call.md"
GATEWAY_JOB = "istio-ingress"
"""Job by which the ingress gateway's metrics are scraped."""
ERRORS_AT_MOST = 0.05
"""Share of requests that may fail with 5xx."""
P99_MILLISECONDS = 1000
"""A boundary of Istio's histogram, or the quantile would be a guess between two."""
_STATE = 'job="kube-state-metrics"'
_SYSTEM = f'{_STATE}, namespace=~"kube-system|gatekeeper-system|aks-istio-.+"'


@dataclass(frozen=True, kw_only=True)
class Alert:
    """What every alert has."""

    name: str
    severity: int
    """0 critical: users are affected now. 1 error: soon, or some. 2 warning: within the day. 3 informational."""
    summary: str
    """One sentence for whoever is woken; for Prometheus it may name labels."""

    @property
    def runbook(self) -> str:
        """Where it says what to do."""
        return f"{RUNBOOK}#{self.name.lower()}"


@dataclass(frozen=True, kw_only=True)
class PrometheusAlert(Alert):
    """An expression over the cluster's metrics that holds for some time."""

    expression: str
    lasting: str
    """How long it must hold, ISO 8601."""


PLATFORM_ALERTS = (
    PrometheusAlert(
        name="MetricsMissing",
        severity=1,
        summary="No metrics arrive from the cluster: every other alert about it is blind.",
        expression=f"absent(kube_node_info{{{_STATE}}})",
        lasting="PT10M",
    ),
    PrometheusAlert(
        name="NodeNotReady",
        severity=1,
        summary="Node {{ $labels.node }} is not ready.",
        expression=f'kube_node_status_condition{{{_STATE}, condition="Ready", status="true"}} == 0',
        lasting="PT5M",
    ),
    PrometheusAlert(
        name="NodeUnderPressure",
        severity=2,
        summary="Node {{ $labels.node }} reports {{ $labels.condition }}.",
        expression=f'kube_node_status_condition{{{_STATE}, condition=~"(Memory|Disk|PID)Pressure", status="true"}} == 1',
        lasting="PT5M",
    ),
    PrometheusAlert(
        name="SystemPodsNotReady",
        severity=2,
        summary="{{ $labels.namespace }}/{{ $labels.deployment }}, part of the cluster itself, has fewer ready pods than it should.",
        expression=f"kube_deployment_status_replicas_ready{{{_SYSTEM}}} < kube_deployment_spec_replicas{{{_SYSTEM}}}",
        lasting="PT15M",
    ),
)
"""About the cluster, whatever runs on it."""


def workload_alerts(namespaces: Sequence[str]) -> tuple[PrometheusAlert, ...]:
    """About the pods of services in these namespaces; the namespaces of a shared cluster that are not ours stay out."""
    ours = f'{_STATE}, namespace=~"{"|".join(namespaces)}"'
    return (
        PrometheusAlert(
            name="ServiceDown",
            severity=0,
            summary="{{ $labels.namespace }}/{{ $labels.deployment }} has no ready pod: nobody gets an answer.",
            expression=f"kube_deployment_status_replicas_ready{{{ours}}} == 0 and kube_deployment_spec_replicas{{{ours}}} > 0",
            lasting="PT5M",
        ),
        PrometheusAlert(
            name="PodsNotReady",
            severity=2,
            summary="{{ $labels.namespace }}/{{ $labels.pod }} does not get to run.",
            expression=f'sum by (cluster, namespace, pod) (kube_pod_status_phase{{{ours}, phase=~"Pending|Unknown"}}) > 0',
            lasting="PT15M",
        ),
        PrometheusAlert(
            name="DeploymentReplicasMismatch",
            severity=1,
            summary="{{ $labels.namespace }}/{{ $labels.deployment }} has fewer available pods than it should, and no roll-out is moving.",
            expression=(
                f"kube_deployment_spec_replicas{{{ours}}} > kube_deployment_status_replicas_available{{{ours}}}"
                f" and changes(kube_deployment_status_replicas_updated{{{ours}}}[10m]) == 0"
            ),
            lasting="PT15M",
        ),
        PrometheusAlert(
            name="ContainerCrashLooping",
            severity=1,
            summary="{{ $labels.namespace }}/{{ $labels.pod }} ({{ $labels.container }}) ends as often as it is started.",
            expression=f'max_over_time(kube_pod_container_status_waiting_reason{{{ours}, reason="CrashLoopBackOff"}}[5m]) >= 1',
            lasting="PT5M",
        ),
        PrometheusAlert(
            name="ContainerRestarting",
            severity=2,
            summary="{{ $labels.namespace }}/{{ $labels.pod }} ({{ $labels.container }}) was restarted more than three times in an hour.",
            expression=f"increase(kube_pod_container_status_restarts_total{{{ours}}}[1h]) > 3",
            lasting="PT5M",
        ),
        PrometheusAlert(
            name="ContainerOOMKilled",
            severity=1,
            summary="{{ $labels.namespace }}/{{ $labels.pod }} ({{ $labels.container }}) needed more memory than its limit, and was killed.",
            expression=(
                f"increase(kube_pod_container_status_restarts_total{{{ours}}}[10m]) > 0 and on (cluster, namespace, pod, container)"
                f' kube_pod_container_status_last_terminated_reason{{{ours}, reason="OOMKilled"}} == 1'
            ),
            lasting="PT1M",
        ),
        PrometheusAlert(
            name="ImagePullFailing",
            severity=1,
            summary="{{ $labels.namespace }}/{{ $labels.pod }} ({{ $labels.container }}) does not get its image: {{ $labels.reason }}.",
            expression=f'max_over_time(kube_pod_container_status_waiting_reason{{{ours}, reason=~"ErrImagePull|ImagePullBackOff|InvalidImageName"}}[5m]) >= 1',
            lasting="PT5M",
        ),
        PrometheusAlert(
            name="AutoscalerAtMaximum",
            severity=2,
            summary="{{ $labels.namespace }}/{{ $labels.horizontalpodautoscaler }} runs as many pods as it may; more load makes it slower.",
            expression=(
                f"kube_horizontalpodautoscaler_status_current_replicas{{{ours}}} == kube_horizontalpodautoscaler_spec_max_replicas{{{ours}}}"
                f" and kube_horizontalpodautoscaler_spec_max_replicas{{{ours}}} > kube_horizontalpodautoscaler_spec_min_replicas{{{ours}}}"
            ),
            lasting="PT15M",
        ),
    )


def traffic_alerts(services: Mapping[str, str]) -> tuple[PrometheusAlert, ...]:
    """About what callers of these services see. Measured by the ingress gateway, so only for services that are reached through it.

    Args:
        services: the namespace of each.
    """
    # Pods have no sidecar: only the gateway, the source, reports. Its name for a destination is the Service's.
    ours = (
        f'reporter="source", destination_service=~"{"|".join(f"{service}[.]{namespace}[.]svc[.]cluster[.]local" for service, namespace in services.items())}"'
    )
    failed = f'{ours}, response_code=~"5.."'
    of_service = "sum by (cluster, destination_service)"
    return (
        PrometheusAlert(
            name="ServiceErrorsHigh",
            severity=1,
            summary=f"More than {ERRORS_AT_MOST:.0%} of the requests to " + "{{ $labels.destination_service }} fail with 5xx.",
            # A few failures of a few requests are no reason to wake anybody.
            expression=(
                f"{of_service} (rate(istio_requests_total{{{failed}}}[5m])) / {of_service} (rate(istio_requests_total{{{ours}}}[5m])) > {ERRORS_AT_MOST}"
                f" and {of_service} (increase(istio_requests_total{{{failed}}}[5m])) > 5"
            ),
            lasting="PT5M",
        ),
        PrometheusAlert(
            name="ServiceLatencyHigh",
            severity=2,
            summary="One request in a hundred to {{ $labels.destination_service }} takes " + f"longer than {P99_MILLISECONDS} ms.",
            expression=(
                "histogram_quantile(0.99, sum by (cluster, destination_service, le)"
                f" (rate(istio_request_duration_milliseconds_bucket{{{ours}}}[5m]))) > {P99_MILLISECONDS}"
            ),
            lasting="PT10M",
        ),
        PrometheusAlert(
            name="GatewayMetricsMissing",
            severity=2,
            summary="No metrics arrive from the ingress gateway: errors and latency are not watched.",
            expression=f'absent(up{{job="{GATEWAY_JOB}"}} == 1)',
            lasting="PT15M",
        ),
    )
