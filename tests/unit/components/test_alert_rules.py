import re
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest

from components.alert_rules import GATEWAY_JOB, PLATFORM_ALERTS, Alert, PrometheusAlert, traffic_alerts, workload_alerts
from components.recording_rules import KUBERNETES_RULES, NODE_RULES
from components.resource_alerts import LOG_CAP_REACHED, REGISTRY_THROTTLED, RESOURCE, STORAGE_ALERTS, LogAlert, MetricAlert

DOCS = Path(__file__).parents[3] / "docs"
_ABOUT_SERVICES = workload_alerts(["digits", "letters"])
_ABOUT_TRAFFIC = traffic_alerts({"digits": "digits"})
PROMETHEUS = (*PLATFORM_ALERTS, *_ABOUT_SERVICES, *_ABOUT_TRAFFIC)
EVERY: tuple[Alert, ...] = (*PROMETHEUS, REGISTRY_THROTTLED, *STORAGE_ALERTS, LOG_CAP_REACHED)
EXPRESSIONS = [(alert.name, alert.expression) for alert in PROMETHEUS] + [(rule.record, rule.expression) for rule in (*NODE_RULES, *KUBERNETES_RULES)]
every_expression = pytest.mark.parametrize("expression", [expression for _, expression in EXPRESSIONS], ids=[name for name, _ in EXPRESSIONS])
KEPT = {
    # What managed Prometheus keeps of each of its own targets (Azure/prometheus-collector, "minimal ingestion profile"), as far as we ask for it.
    "kube-state-metrics": {
        "kube_deployment_spec_replicas",
        "kube_deployment_status_replicas_available",
        "kube_deployment_status_replicas_ready",
        "kube_deployment_status_replicas_updated",
        "kube_horizontalpodautoscaler_spec_max_replicas",
        "kube_horizontalpodautoscaler_spec_min_replicas",
        "kube_horizontalpodautoscaler_status_current_replicas",
        "kube_node_info",
        "kube_node_status_condition",
        "kube_pod_container_resource_limits",
        "kube_pod_container_resource_requests",
        "kube_pod_container_status_last_terminated_reason",
        "kube_pod_container_status_restarts_total",
        "kube_pod_container_status_waiting_reason",
        "kube_pod_info",
        "kube_pod_owner",
        "kube_pod_status_phase",
        "kube_replicaset_owner",
    },
    "node": {
        "node_cpu_seconds_total",
        "node_disk_io_time_seconds_total",
        "node_disk_io_time_weighted_seconds_total",
        "node_load1",
        "node_memory_Buffers_bytes",
        "node_memory_Cached_bytes",
        "node_memory_MemAvailable_bytes",
        "node_memory_MemFree_bytes",
        "node_memory_MemTotal_bytes",
        "node_memory_Slab_bytes",
        "node_network_receive_bytes_total",
        "node_network_receive_drop_total",
        "node_network_transmit_bytes_total",
        "node_network_transmit_drop_total",
        "node_vmstat_pgmajfault",
    },
    "cadvisor": {
        "container_cpu_usage_seconds_total",
        "container_memory_cache",
        "container_memory_rss",
        "container_memory_swap",
        "container_memory_working_set_bytes",
    },
    # Not Azure's but ours: components/scraping.py, whose test holds that both are kept.
    GATEWAY_JOB: {"istio_requests_total", "istio_request_duration_milliseconds_bucket", "up"},
}
AKS_SERIES = {
    "instance:node_num_cpu:sum",
    "instance:node_cpu_utilisation:rate5m",
    "instance:node_load1_per_cpu:ratio",
    "instance:node_memory_utilisation:ratio",
    "instance:node_vmstat_pgmajfault:rate5m",
    "instance_device:node_disk_io_time_seconds:rate5m",
    "instance_device:node_disk_io_time_weighted_seconds:rate5m",
    "instance:node_network_receive_bytes_excluding_lo:rate5m",
    "instance:node_network_transmit_bytes_excluding_lo:rate5m",
    "instance:node_network_receive_drop_excluding_lo:rate5m",
    "instance:node_network_transmit_drop_excluding_lo:rate5m",
    "node_namespace_pod_container:container_cpu_usage_seconds_total:sum_irate",
    "node_namespace_pod_container:container_memory_working_set_bytes",
    "node_namespace_pod_container:container_memory_rss",
    "node_namespace_pod_container:container_memory_cache",
    "node_namespace_pod_container:container_memory_swap",
    "cluster:namespace:pod_memory:active:kube_pod_container_resource_requests",
    "namespace_memory:kube_pod_container_resource_requests:sum",
    "cluster:namespace:pod_cpu:active:kube_pod_container_resource_requests",
    "namespace_cpu:kube_pod_container_resource_requests:sum",
    "cluster:namespace:pod_memory:active:kube_pod_container_resource_limits",
    "namespace_memory:kube_pod_container_resource_limits:sum",
    "cluster:namespace:pod_cpu:active:kube_pod_container_resource_limits",
    "namespace_cpu:kube_pod_container_resource_limits:sum",
    "namespace_workload_pod:kube_pod_owner:relabel",
    ":node_memory_MemAvailable_bytes:sum",
    "cluster:node_cpu:ratio_rate5m",
}


def _selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    found: list[promql_parser.VectorSelector] = []

    def visit(node: object) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expression), pre_visit=visit)
    yield from found


def _matched(selector: promql_parser.VectorSelector) -> dict[str, str]:
    return {matcher.name: matcher.value for matcher in selector.matchers.matchers}


@every_expression
def test_expressions_are_promql_of_the_right_types(expression: str):
    promql_parser.parse(expression)


def test_what_is_no_promql_is_noticed():
    for wrong in ("sum(rate(up[5m])", "rate(up)", "histogram_quantile(0.99, up[5m])"):
        with pytest.raises(ValueError, match=r"unclosed|expected type"):
            promql_parser.parse(wrong)


@every_expression
def test_nothing_is_asked_of_a_metric_that_is_not_kept(expression: str):
    """An alert over a metric that the agent drops never fires, and nobody notices."""
    kept = set[str]().union(*KEPT.values()) | {rule.record for rule in NODE_RULES}
    names = {selector.name for selector in _selectors(expression)}
    assert names
    assert names <= kept


@pytest.mark.parametrize("alert", PROMETHEUS, ids=lambda alert: alert.name)
def test_a_metric_is_asked_of_the_job_that_has_it(alert: PrometheusAlert):
    for selector in _selectors(alert.expression):
        job = _matched(selector).get("job")
        assert job is None or selector.name in KEPT[job]


@pytest.mark.parametrize("alert", _ABOUT_SERVICES, ids=lambda alert: alert.name)
def test_every_part_of_an_alert_about_pods_is_limited_to_our_namespaces(alert: PrometheusAlert):
    assert all(_matched(selector)["namespace"] == "digits|letters" for selector in _selectors(alert.expression))


def test_every_part_of_an_alert_about_traffic_is_limited_to_our_services():
    services = {
        _matched(selector).get("destination_service")
        for alert in traffic_alerts({"digits": "digits", "letters": "alphabet"})
        for selector in _selectors(alert.expression)
    }
    (ours,) = services - {None}
    assert ours is not None
    assert re.fullmatch(ours, "digits.digits.svc.cluster.local")
    assert re.fullmatch(ours, "letters.alphabet.svc.cluster.local")
    assert not re.fullmatch(ours, "digits.foreign.svc.cluster.local")
    assert not re.fullmatch(ours, "digits-digits.svc.cluster.local")


@pytest.mark.parametrize("alert", EVERY, ids=lambda alert: alert.name)
def test_every_alert_says_how_urgent_it_is_what_happened_and_what_to_do(alert: Alert):
    assert alert.severity in range(5)
    assert alert.summary.endswith(".")
    assert len(alert.summary) > 20
    sections = dict(re.findall(r"^### (\w+)\n(.+?)(?=^#|\Z)", (DOCS / "on-call.md").read_text(), re.MULTILINE | re.DOTALL))
    assert alert.runbook == f"docs/on-call.md#{alert.name.lower()}"
    assert len(sections[alert.name].split()) > 15


def test_the_page_for_on_call_explains_no_alert_that_does_not_exist():
    alerts = (DOCS / "on-call.md").read_text().partition("\n## Alerts\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^### (\w+)$", alerts, re.MULTILINE)) == {alert.name for alert in EVERY}


def test_links_within_the_page_for_on_call_lead_somewhere():
    text = (DOCS / "on-call.md").read_text()
    headings = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


def test_names_are_different():
    assert len({alert.name for alert in EVERY}) == len(EVERY)


@pytest.mark.parametrize("rules", [NODE_RULES, KUBERNETES_RULES, PLATFORM_ALERTS, _ABOUT_SERVICES, _ABOUT_TRAFFIC])
def test_a_group_has_no_more_rules_than_azure_takes(rules: tuple[object, ...]):
    assert 0 < len(rules) <= 20


def test_the_series_of_aks_are_all_there_and_each_is_labelled_as_aks_does():
    assert {rule.record for rule in (*NODE_RULES, *KUBERNETES_RULES)} == AKS_SERIES
    labelled = [rule.labels["workload_type"] for rule in KUBERNETES_RULES if rule.record == "namespace_workload_pod:kube_pod_owner:relabel"]
    assert labelled == ["deployment", "daemonset", "statefulset", "job"]


def test_a_series_is_recorded_before_another_one_needs_it():
    """Azure runs the rules of a group in their order."""
    before: set[str] = set()
    for rule in NODE_RULES:
        needed = {selector.name for selector in _selectors(rule.expression)} & {other.record for other in NODE_RULES}
        assert needed <= before
        before.add(rule.record)


@pytest.mark.parametrize("alert", EVERY, ids=lambda alert: alert.name)
def test_times_are_minutes_or_hours_in_iso_8601(alert: Alert):
    times = [alert.lasting] if isinstance(alert, PrometheusAlert) else [alert.window, alert.frequency] if isinstance(alert, LogAlert | MetricAlert) else []
    assert times
    assert all(re.fullmatch(r"PT[1-9]\d?[MH]", time) for time in times)


def test_only_a_query_about_one_resource_names_it():
    assert REGISTRY_THROTTLED.query.count(RESOURCE) == 2
    assert RESOURCE not in LOG_CAP_REACHED.query


def _asked(alert: Alert) -> tuple[str, str]:
    """What is asked, and for how long it must hold or how far the question looks back."""
    match alert:
        case PrometheusAlert():
            return alert.expression, alert.lasting
        case LogAlert():
            return alert.query, alert.window
        case MetricAlert():
            values = "".join(f", {key} in {', '.join(values)}" for key, values in alert.dimensions.items())
            return f"{alert.metric}, {alert.aggregation.value.lower()} {alert.operator.value} {alert.threshold:g}{values}", alert.window
        case _:
            raise AssertionError(alert)


def _table() -> str:
    lines = ["| alert | severity | for, or looking back | expression or query, for a service `digits` |", "|---|---|---|---|"]
    examples = (*PLATFORM_ALERTS, *workload_alerts(["digits"]), *_ABOUT_TRAFFIC, REGISTRY_THROTTLED, *STORAGE_ALERTS, LOG_CAP_REACHED)
    for alert in examples:
        asked, time = _asked(alert)
        lines.append(f"| [{alert.name}](on-call.md#{alert.name.lower()}) | {alert.severity} | {time} | `{asked.replace('|', chr(92) + '|')}` |")
    return "\n".join(lines)


def test_the_table_in_the_docs_is_what_the_code_says():
    shown = re.search(r"<!-- alerts: .+? -->\n(.*?)\n?<!-- /alerts -->", (DOCS / "monitoring.md").read_text(), re.DOTALL)
    assert shown
    assert shown[1] == _table(), f"docs/monitoring.md has another table; it must be\n{_table()}"
