"""Alerts about Azure resources, from their logs and platform metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import monitor

from components.alert_rules import Alert

RESOURCE = "<resource id>"
_REFUSED = f'where _ResourceId =~ "{RESOURCE}" | where ResultType == "429" or ResultDescription has "429"'
_STORAGE = "Microsoft.Storage/storageAccounts"
_THROTTLED = (
    "ClientAccountBandwidthThrottlingError",
    "ClientAccountRequestThrottlingError",
    "ClientThrottlingError",
    "ServerBusyError",
    "SuccessWithThrottling",
)


@dataclass(frozen=True, kw_only=True)
class LogAlert(Alert):
    """A query over the workspace's logs that finds something."""

    query: str
    """KQL; `RESOURCE` in it stands for the Azure resource id of what it is about."""
    window: str
    """How far back each run looks, ISO 8601."""
    frequency: str
    """How often it runs, ISO 8601. Azure's price follows from it."""


@dataclass(frozen=True, kw_only=True)
class MetricAlert(Alert):
    """A platform metric of a resource on the wrong side of a threshold."""

    metric: str
    namespace: str
    aggregation: monitor.AggregationTypeEnum
    operator: monitor.Operator
    threshold: float
    dimensions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Only these values of these dimensions count."""
    window: str = "PT15M"
    frequency: str = "PT5M"


@dataclass(frozen=True, kw_only=True)
class AlertPlace:
    """Where alert rules lie, and whom they tell."""

    resource_group_name: pulumi.Input[str]
    """Resource group of the rules."""
    action_group_ids: Sequence[pulumi.Input[str]]
    """Who is told. Empty: alerts are only seen in the portal."""
    tags: Mapping[str, str]
    """Tags of every rule."""


LOG_CAP_REACHED = LogAlert(
    name="LogCapReached",
    severity=2,
    summary="The day's share of logs is used up: nothing more is collected until the next reset.",
    query='_LogOperation | where Category =~ "Ingestion" | where Detail has "OverQuota"',
    window="PT1H",
    frequency="PT15M",
)
REGISTRY_THROTTLED = LogAlert(
    name="RegistryThrottled",
    severity=2,
    summary="The registry answers 429, too many requests: pods start late, builds push late.",
    # Seen by the registry itself, or by a node that pulls. Fuzzy: a table that nothing has been written to yet is no error.
    query=(
        f"union isfuzzy=true (ContainerRegistryRepositoryEvents | {_REFUSED}), (ContainerRegistryLoginEvents | {_REFUSED}),"
        ' (KubeEvents | where Message has "429 Too Many Requests" or Message has "toomanyrequests")'
    ),
    window="PT15M",
    frequency="PT5M",
)
STORAGE_ALERTS = (
    MetricAlert(
        name="StorageUnavailable",
        severity=1,
        summary="The storage account of the models fails more than one request in a thousand: images cannot be built, models not be published.",
        metric="Availability",
        namespace=_STORAGE,
        aggregation=monitor.AggregationTypeEnum.AVERAGE,
        operator=monitor.Operator.LESS_THAN,
        threshold=99.9,
    ),
    MetricAlert(
        name="StorageThrottled",
        severity=3,
        summary="The storage account of the models slows requests down because there are too many.",
        metric="Transactions",
        namespace=_STORAGE,
        aggregation=monitor.AggregationTypeEnum.TOTAL,
        operator=monitor.Operator.GREATER_THAN,
        threshold=0,
        dimensions={"ResponseType": _THROTTLED},
    ),
)


def log_alert(
    name: str,
    alert: LogAlert,
    *,
    resource: pulumi.Input[str] = "",
    workspace: pulumi.Input[str],
    location: pulumi.Input[str] | None = None,
    place: AlertPlace,
    parent: pulumi.Resource,
) -> monitor.ScheduledQueryRule:
    """Declares an alert over a workspace's logs; `resource` is what the query is about, where it is about one."""
    condition = monitor.ConditionArgs(
        query=pulumi.Output.from_input(resource).apply(lambda known: alert.query.replace(RESOURCE, known)),
        time_aggregation=monitor.TimeAggregation.COUNT,
        # In words: the SDK's enumeration of this name has another API's values (`gt`), which this one refuses.
        operator="GreaterThan",
        threshold=0,
        failing_periods=monitor.ConditionFailingPeriodsArgs(number_of_evaluation_periods=1, min_failing_periods_to_alert=1),
    )
    return monitor.ScheduledQueryRule(
        name,
        resource_group_name=place.resource_group_name,
        location=location,
        kind=monitor.Kind.LOG_ALERT,
        display_name=alert.name,
        description=described(alert),
        severity=alert.severity,
        enabled=True,
        scopes=[workspace],
        criteria=monitor.ScheduledQueryRuleCriteriaArgs(all_of=[condition]),
        evaluation_frequency=alert.frequency,
        window_size=alert.window,
        auto_mitigate=True,
        # Azure would refuse the rule until the first line has been written to each table.
        skip_query_validation=True,
        actions=monitor.ActionsArgs(action_groups=list(place.action_group_ids)),
        tags=place.tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def metric_alert(name: str, alert: MetricAlert, *, resource: pulumi.Input[str], place: AlertPlace, parent: pulumi.Resource) -> monitor.MetricAlert:
    """Declares an alert over a resource's platform metric."""
    criterion = monitor.MetricCriteriaArgs(
        criterion_type="StaticThresholdCriterion",
        name=alert.name,
        metric_name=alert.metric,
        metric_namespace=alert.namespace,
        time_aggregation=alert.aggregation,
        operator=alert.operator,
        threshold=alert.threshold,
        dimensions=[monitor.MetricDimensionArgs(name=key, operator="Include", values=list(values)) for key, values in alert.dimensions.items()],
    )
    return monitor.MetricAlert(
        name,
        resource_group_name=place.resource_group_name,
        # Rules over metrics belong to no region.
        location="global",
        description=described(alert),
        severity=alert.severity,
        enabled=True,
        scopes=[resource],
        criteria=monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
            odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria", all_of=[criterion]
        ),
        evaluation_frequency=alert.frequency,
        window_size=alert.window,
        auto_mitigate=True,
        actions=[monitor.MetricAlertActionArgs(action_group_id=group) for group in place.action_group_ids],
        tags=place.tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def described(alert: Alert) -> str:
    """What the notification says."""
    return f"{alert.summary} What to do: {alert.runbook}"
