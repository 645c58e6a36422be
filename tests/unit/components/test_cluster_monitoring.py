from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
import yaml

from components.alert_rules import PLATFORM_ALERTS, traffic_alerts, workload_alerts
from components.cluster_monitoring import ClusterMonitoring, ClusterMonitoringArgs
from components.recording_rules import KUBERNETES_RULES, NODE_RULES
from tests.unit.components.recording import SUBSCRIPTION, UNKNOWN, Recording, Secret, record

GROUP = f"{SUBSCRIPTION}/resourceGroups/monitoring"
CLUSTER = f"{SUBSCRIPTION}/resourceGroups/cluster/providers/Microsoft.ContainerService/managedClusters/aks"
REGISTRY = f"{SUBSCRIPTION}/resourceGroups/registry/providers/Microsoft.ContainerRegistry/registries/acr"
STORAGE = f"{SUBSCRIPTION}/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/models"
LOGS = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/logs"
METRICS = f"{GROUP}/providers/Microsoft.Monitor/accounts/metrics"
PEOPLE = f"{GROUP}/providers/Microsoft.Insights/actionGroups/people"
ENDPOINT = f"{GROUP}/providers/Microsoft.Insights/dataCollectionEndpoints/watch-dce"
COLLECTION = f"{GROUP}/providers/Microsoft.Insights/dataCollectionRules"
RULES = "azure-native:alertsmanagement:PrometheusRuleGroup"
COMPONENT = "converge:index:ClusterMonitoring"
TAGS = {"application": "converge"}


def _args(**changes: Any) -> ClusterMonitoringArgs:
    ids = {"cluster_id": CLUSTER, "registry_id": REGISTRY, "storage_account_id": STORAGE, "log_workspace_id": LOGS, "metrics_workspace_id": METRICS}
    usual = {**ids, "cluster_name": "aks", "resource_group_name": "monitoring", "location": "westeurope", "action_group_ids": [PEOPLE], "tags": TAGS}
    return ClusterMonitoringArgs(**{**usual, "services": {"digits": "digits", "letters": "letters"}, "reached_services": ["digits"], **changes})


def _recorded(*, name: str = "watch", preview: bool = False, **changes: Any) -> Recording:
    return record(lambda: ClusterMonitoring(name, _args(**changes)), preview=preview)


def _own(recording: Recording) -> set[str]:
    return {resource.name for resource in recording.resources if resource.parent == "watch"}


def test_metrics_go_through_an_endpoint_to_the_azure_monitor_workspace():
    recording = _recorded()
    assert recording.named("watch-dce").inputs == {
        "resourceGroupName": "monitoring",
        "location": "westeurope",
        "kind": "Linux",
        "networkAcls": {"publicNetworkAccess": "Enabled"},
        "tags": TAGS,
    }
    assert recording.named("watch-metrics-rule").inputs == {
        "resourceGroupName": "monitoring",
        "location": "westeurope",
        "kind": "Linux",
        "dataCollectionEndpointId": ENDPOINT,
        "dataSources": {"prometheusForwarder": [{"name": "PrometheusDataSource", "streams": ["Microsoft-PrometheusMetrics"]}]},
        "destinations": {"monitoringAccounts": [{"name": "metrics", "accountResourceId": METRICS}]},
        "dataFlows": [{"streams": ["Microsoft-PrometheusMetrics"], "destinations": ["metrics"]}],
        "tags": TAGS,
    }
    assert recording.named("watch-metrics").inputs == {"resourceUri": CLUSTER, "dataCollectionRuleId": f"{COLLECTION}/watch-metrics-rule"}


def test_logs_and_events_go_to_log_analytics_and_container_insights_own_metrics_are_not_paid_for_twice():
    recording = _recorded()
    streams = ["Microsoft-ContainerLogV2", "Microsoft-KubeEvents", "Microsoft-KubePodInventory"]
    settings = {"interval": "5m", "namespaceFilteringMode": "Off", "enableContainerLogV2": True}
    assert recording.named("watch-logs-rule").inputs == {
        "resourceGroupName": "monitoring",
        "location": "westeurope",
        "kind": "Linux",
        "dataSources": {
            "extensions": [
                {
                    "name": "ContainerInsightsExtension",
                    "extensionName": "ContainerInsights",
                    "extensionSettings": {"dataCollectionSettings": settings},
                    "streams": streams,
                }
            ]
        },
        "destinations": {"logAnalytics": [{"name": "logs", "workspaceResourceId": LOGS}]},
        "dataFlows": [{"streams": streams, "destinations": ["logs"]}],
        "tags": TAGS,
    }
    assert recording.named("watch-logs").inputs == {
        "resourceUri": CLUSTER,
        "associationName": "ContainerInsightsExtension",
        "dataCollectionRuleId": f"{COLLECTION}/watch-logs-rule",
    }


def test_rules_are_about_this_cluster_only_and_run_every_minute():
    groups = _recorded().of(RULES)
    assert len(groups) == 5
    for group in groups:
        inputs = group.inputs
        assert (inputs["scopes"], inputs["clusterName"], inputs["interval"], inputs["enabled"]) == ([METRICS, CLUSTER], "aks", "PT1M", True)
        assert (inputs["location"], inputs["resourceGroupName"]) == ("westeurope", "monitoring")


@pytest.mark.parametrize(("group", "rules"), [("watch-node-series", NODE_RULES), ("watch-pod-series", KUBERNETES_RULES)])
def test_series_are_recorded(group: str, rules: tuple[Any, ...]):
    expected = [{"record": rule.record, "expression": rule.expression, "enabled": True, **({"labels": rule.labels} if rule.labels else {})} for rule in rules]
    assert _recorded().named(group).inputs["rules"] == expected


@pytest.mark.parametrize(
    ("group", "alerts"),
    [
        ("watch-platform-alerts", PLATFORM_ALERTS),
        ("watch-workload-alerts", workload_alerts(["digits", "letters"])),
        ("watch-traffic-alerts", traffic_alerts({"digits": "digits"})),
    ],
)
def test_alerts_tell_people_what_to_do_and_end_by_themselves(group: str, alerts: tuple[Any, ...]):
    rules = _recorded().named(group).inputs["rules"]
    assert [rule["alert"] for rule in rules] == [alert.name for alert in alerts]
    for rule, alert in zip(rules, alerts, strict=True):
        assert rule == {
            "alert": alert.name,
            "expression": alert.expression,
            "for": alert.lasting,
            "severity": alert.severity,
            "annotations": {
                "summary": alert.summary,
                "runbook": f"docs/on-call.md#{alert.name.lower()}",
                "description": f"{alert.summary} What to do: docs/on-call.md#{alert.name.lower()}",
            },
            "resolveConfiguration": {"autoResolved": True, "timeToResolve": "PT10M"},
            "actions": [{"actionGroupId": PEOPLE}],
            "enabled": True,
        }


def test_without_people_alerts_are_seen_in_the_portal():
    recording = _recorded(action_group_ids=[])
    assert all(rule.get("actions", []) == [] for group in recording.of(RULES) for rule in group.inputs["rules"])
    assert recording.named("watch-registrythrottled").inputs["actions"] == {"actionGroups": []}
    assert recording.named("watch-storagethrottled").inputs["actions"] == []


def test_throttling_by_the_registry_is_looked_for_in_its_log_and_in_events():
    inputs = _recorded().named("watch-registrythrottled").inputs
    (condition,) = inputs.pop("criteria")["allOf"]
    refused = f'where _ResourceId =~ "{REGISTRY}" | where ResultType == "429" or ResultDescription has "429"'
    assert condition == {
        "query": (
            f"union isfuzzy=true (ContainerRegistryRepositoryEvents | {refused}), (ContainerRegistryLoginEvents | {refused}),"
            ' (KubeEvents | where Message has "429 Too Many Requests" or Message has "toomanyrequests")'
        ),
        "timeAggregation": "Count",
        "operator": "GreaterThan",
        "threshold": 0,
        "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
    }
    assert inputs == {
        "resourceGroupName": "monitoring",
        "location": "westeurope",
        "kind": "LogAlert",
        "displayName": "RegistryThrottled",
        "description": "The registry answers 429, too many requests: pods start late, builds push late. What to do: docs/on-call.md#registrythrottled",
        "severity": 2,
        "enabled": True,
        "scopes": [LOGS],
        "evaluationFrequency": "PT5M",
        "windowSize": "PT15M",
        "autoMitigate": True,
        "skipQueryValidation": True,
        "actions": {"actionGroups": [PEOPLE]},
        "tags": TAGS,
    }


@pytest.mark.parametrize(
    ("name", "severity", "criterion"),
    [
        ("StorageUnavailable", 1, {"metricName": "Availability", "timeAggregation": "Average", "operator": "LessThan", "threshold": 99.9, "dimensions": []}),
        (
            "StorageThrottled",
            3,
            {
                "metricName": "Transactions",
                "timeAggregation": "Total",
                "operator": "GreaterThan",
                "threshold": 0,
                "dimensions": [
                    {
                        "name": "ResponseType",
                        "operator": "Include",
                        "values": [
                            "ClientAccountBandwidthThrottlingError",
                            "ClientAccountRequestThrottlingError",
                            "ClientThrottlingError",
                            "ServerBusyError",
                            "SuccessWithThrottling",
                        ],
                    }
                ],
            },
        ),
    ],
)
def test_the_storage_account_is_watched(name: str, severity: int, criterion: dict[str, Any]):
    inputs = _recorded().named(f"watch-{name.lower()}").inputs
    common = {"criterionType": "StaticThresholdCriterion", "name": name, "metricNamespace": "Microsoft.Storage/storageAccounts"}
    assert inputs["criteria"] == {"odataType": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria", "allOf": [{**common, **criterion}]}
    assert (inputs["scopes"], inputs["severity"], inputs["location"]) == ([STORAGE], severity, "global")
    assert inputs["actions"] == [{"actionGroupId": PEOPLE}]


def test_storage_that_is_not_known_is_not_watched():
    assert _recorded(storage_account_id=None).of("azure-native:monitor:MetricAlert") == []


def test_without_services_nothing_is_asked_about_them():
    assert [group.name for group in _recorded(services={}, reached_services=[]).of(RULES)] == ["watch-node-series", "watch-pod-series", "watch-platform-alerts"]


def test_errors_and_latency_are_asked_of_services_behind_the_gateway_only():
    recording = _recorded(reached_services=[])
    assert "watch-traffic-alerts" not in _own(recording)
    assert "watch-workload-alerts" in _own(recording)


def test_the_metrics_agent_is_told_through_the_given_provider_what_to_read():
    def program() -> None:
        provider = kubernetes.Provider("workloads", kubeconfig="{}")
        ClusterMonitoring("watch", _args(), pulumi.ResourceOptions(providers=[provider]))

    config = record(program).only("kubernetes:core/v1:ConfigMap")
    assert (config.name, config.parent) == ("watch-scraping", "watch")
    urn, _ = config.provider
    assert urn.endswith("::workloads")


def test_services_are_read_and_a_gateway_where_one_is_reached_through_it():
    def read(**changes: Any) -> list[str]:
        configs = _recorded(**changes).of("kubernetes:core/v1:ConfigMap")
        return [job["job_name"] for config in configs for job in yaml.safe_load(config.inputs["data"]["prometheus-config"])["scrape_configs"]]

    assert read() == ["services", "istio-ingress"]
    assert read(reached_services=[]) == ["services"]
    assert read(services={}, reached_services=[]) == []


def test_what_is_collected_from_somebody_elses_cluster_is_left_alone():
    assert _own(_recorded(adopted=True)) == {"watch-registrythrottled", "watch-storageunavailable", "watch-storagethrottled"}


def test_everything_descends_from_the_component_and_carries_its_tags():
    recording = _recorded()
    associations = "azure-native:monitor:DataCollectionRuleAssociation"
    resources = [resource for resource in recording.resources if resource.type.startswith("azure-native:")]
    assert len(resources) == 13
    for resource in resources:
        assert resource.parent == "watch"
        # An association has no tags.
        assert resource.type == associations or resource.inputs["tags"] == TAGS
    assert recording.only(COMPONENT).name == "watch"
    assert recording.outputs_of("watch") == {}


def test_nothing_is_secret():
    def flat(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [part for entry in value.values() for part in flat(entry)]
        return [part for entry in value for part in flat(entry)] if isinstance(value, list) else [value]

    assert not any(isinstance(value, Secret) for resource in _recorded().resources for value in flat(resource.inputs))


def test_a_plan_of_the_first_update_shows_every_alert_although_ids_are_unknown():
    recording = record(
        lambda: ClusterMonitoring("watch", _args(registry_id=pulumi.Output.from_input(REGISTRY).apply(lambda known: known))),
        preview=True,
    )
    assert recording.named("watch-metrics").inputs["dataCollectionRuleId"] == UNKNOWN
    assert [rule["alert"] for rule in recording.named("watch-platform-alerts").inputs["rules"]] == [alert.name for alert in PLATFORM_ALERTS]


def test_a_reached_service_that_does_not_run_is_refused():
    with pytest.raises(pulumi.InputPropertyError, match=r"has \['numbers'\], which services has not: \['digits'\]"):
        _args(services={"digits": "digits"}, reached_services=["digits", "numbers"])


def test_a_name_that_azure_would_refuse_later_is_refused_at_once():
    _recorded(name="w" * 32)
    with pytest.raises(pulumi.InputPropertyError, match="33 characters; at most 32 leave room for Azure's names"):
        _recorded(name="w" * 33)
