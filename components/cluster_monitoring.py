"""What is collected from a cluster, and what about it wakes somebody up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import alertsmanagement, monitor

from components.alert_rules import PLATFORM_ALERTS, PrometheusAlert, traffic_alerts, workload_alerts
from components.recording_rules import KUBERNETES_RULES, NODE_RULES, RecordingRule
from components.resource_alerts import REGISTRY_THROTTLED, STORAGE_ALERTS, AlertPlace, described, log_alert, metric_alert
from components.scraping import scraping

_METRICS = "Microsoft-PrometheusMetrics"
_LOGS = ("Microsoft-ContainerLogV2", "Microsoft-KubeEvents", "Microsoft-KubePodInventory")
"""Logs and events. Container Insights' own metrics would cost as much again as Prometheus', which say the same."""
_METRICS_DESTINATION = "metrics"
_LOGS_DESTINATION = "logs"
_LONGEST_NAME = 32
"""A data collection endpoint's name has at most 44 characters, with what is added to this one."""


@dataclass(frozen=True, kw_only=True)
class ClusterMonitoringArgs:
    """What the monitoring of a cluster needs to know."""

    cluster_id: pulumi.Input[str]
    """Azure resource id of the cluster."""
    cluster_name: pulumi.Input[str]
    """Its name: what metrics carry as `cluster`."""
    resource_group_name: pulumi.Input[str]
    """Resource group of what is created here."""
    location: pulumi.Input[str] | None = None
    """Region of both workspaces: collection rules must lie where what they write to does. None: the provider's."""
    log_workspace_id: pulumi.Input[str]
    """Azure resource id of the Log Analytics workspace."""
    metrics_workspace_id: pulumi.Input[str]
    """Azure resource id of the Azure Monitor workspace."""
    action_group_ids: Sequence[pulumi.Input[str]] = ()
    """Who is told. Empty: alerts are only seen in the portal."""
    registry_id: pulumi.Input[str]
    """Azure resource id of the registry that the cluster pulls from."""
    storage_account_id: pulumi.Input[str] | None = None
    """Azure resource id of the models' account. None: it is not watched."""
    services: Mapping[str, str] = field(default_factory=dict)
    """The services that run there, with the namespace of each. Plain, because rules name them."""
    reached_services: Sequence[str] = ()
    """Those of them that callers reach through the ingress gateway, which measures errors and latency."""
    adopted: bool = False
    """The cluster is somebody else's: what is collected from it, and where to, is for its owner to decide. Only registry and storage are watched."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of every resource."""

    def __post_init__(self) -> None:
        strangers = [service for service in self.reached_services if service not in self.services]
        if strangers:
            raise pulumi.InputPropertyError("reached_services", f"has {strangers}, which services has not: {list(self.services)}")

    @property
    def place(self) -> AlertPlace:
        """Where alert rules lie, and whom they tell."""
        return AlertPlace(resource_group_name=self.resource_group_name, action_group_ids=self.action_group_ids, tags=self.tags)


class ClusterMonitoring(pulumi.ComponentResource):
    """Metrics to the Azure Monitor workspace, logs and events to Log Analytics, rules over both.

    With services it needs the cluster's Kubernetes provider, in `providers`: the metrics agent is told in the cluster what to read.
    """

    def __init__(self, name: str, args: ClusterMonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        if len(name) > _LONGEST_NAME:
            raise pulumi.InputPropertyError("name", f"is {name}, {len(name)} characters; at most {_LONGEST_NAME} leave room for Azure's names")
        super().__init__("converge:index:ClusterMonitoring", name, None, opts)
        if not args.adopted:
            _collect_metrics(name, args, self)
            _collect_logs(name, args, self)
            _watch_cluster(name, args, self)
        _watch_resources(name, args, self)
        self.register_outputs({})


def _collect_metrics(name: str, args: ClusterMonitoringArgs, parent: pulumi.Resource) -> None:
    child = pulumi.ResourceOptions(parent=parent)
    endpoint = monitor.DataCollectionEndpoint(
        f"{name}-dce",
        resource_group_name=args.resource_group_name,
        location=args.location,
        kind=monitor.KnownDataCollectionEndpointResourceKind.LINUX,
        network_acls=monitor.DataCollectionEndpointNetworkAclsArgs(public_network_access=monitor.KnownPublicNetworkAccessOptions.ENABLED),
        tags=args.tags,
        opts=child,
    )
    rule = monitor.DataCollectionRule(
        f"{name}-metrics-rule",
        resource_group_name=args.resource_group_name,
        location=args.location,
        kind=monitor.KnownDataCollectionRuleResourceKind.LINUX,
        data_collection_endpoint_id=endpoint.id,
        data_sources=monitor.DataCollectionRuleDataSourcesArgs(
            prometheus_forwarder=[monitor.PrometheusForwarderDataSourceArgs(name="PrometheusDataSource", streams=[_METRICS])]
        ),
        destinations=monitor.DataCollectionRuleDestinationsArgs(
            monitoring_accounts=[monitor.MonitoringAccountDestinationArgs(name=_METRICS_DESTINATION, account_resource_id=args.metrics_workspace_id)]
        ),
        data_flows=[monitor.DataFlowArgs(streams=[_METRICS], destinations=[_METRICS_DESTINATION])],
        tags=args.tags,
        opts=child,
    )
    monitor.DataCollectionRuleAssociation(f"{name}-metrics", resource_uri=args.cluster_id, data_collection_rule_id=rule.id, opts=child)


def _collect_logs(name: str, args: ClusterMonitoringArgs, parent: pulumi.Resource) -> None:
    child = pulumi.ResourceOptions(parent=parent)
    # Logs are sent as they come; the interval is that of inventory and events.
    settings = {"interval": "5m", "namespaceFilteringMode": "Off", "enableContainerLogV2": True}
    rule = monitor.DataCollectionRule(
        f"{name}-logs-rule",
        resource_group_name=args.resource_group_name,
        location=args.location,
        kind=monitor.KnownDataCollectionRuleResourceKind.LINUX,
        data_sources=monitor.DataCollectionRuleDataSourcesArgs(
            extensions=[
                monitor.ExtensionDataSourceArgs(
                    name="ContainerInsightsExtension",
                    extension_name="ContainerInsights",
                    extension_settings={"dataCollectionSettings": settings},
                    streams=list(_LOGS),
                )
            ]
        ),
        destinations=monitor.DataCollectionRuleDestinationsArgs(
            log_analytics=[monitor.LogAnalyticsDestinationArgs(name=_LOGS_DESTINATION, workspace_resource_id=args.log_workspace_id)]
        ),
        data_flows=[monitor.DataFlowArgs(streams=list(_LOGS), destinations=[_LOGS_DESTINATION])],
        tags=args.tags,
        opts=child,
    )
    # The agent, the portal and az look for this very name.
    association = "ContainerInsightsExtension"
    monitor.DataCollectionRuleAssociation(
        f"{name}-logs", association_name=association, resource_uri=args.cluster_id, data_collection_rule_id=rule.id, opts=child
    )


def _watch_cluster(name: str, args: ClusterMonitoringArgs, parent: pulumi.Resource) -> None:
    groups: dict[str, Sequence[RecordingRule] | Sequence[PrometheusAlert]] = {"node-series": NODE_RULES, "pod-series": KUBERNETES_RULES}
    groups["platform-alerts"] = PLATFORM_ALERTS
    if args.services:
        groups["workload-alerts"] = workload_alerts(list(args.services.values()))
    if args.reached_services:
        groups["traffic-alerts"] = traffic_alerts({service: args.services[service] for service in args.reached_services})
    if args.services:
        scraping(f"{name}-scraping", list(args.services.values()), gateway=bool(args.reached_services), parent=parent)
    for suffix, rules in groups.items():
        alertsmanagement.PrometheusRuleGroup(
            f"{name}-{suffix}",
            resource_group_name=args.resource_group_name,
            location=args.location,
            # Both limit the rules to this cluster: other clusters may write into the same workspace.
            scopes=[args.metrics_workspace_id, args.cluster_id],
            cluster_name=args.cluster_name,
            enabled=True,
            interval="PT1M",
            rules=[_rule(rule, args.action_group_ids) for rule in rules],
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=parent),
        )


def _rule(rule: RecordingRule | PrometheusAlert, told: Sequence[pulumi.Input[str]]) -> alertsmanagement.PrometheusRuleArgs:
    if isinstance(rule, RecordingRule):
        return alertsmanagement.PrometheusRuleArgs(record=rule.record, expression=rule.expression, labels=rule.labels or None, enabled=True)
    return alertsmanagement.PrometheusRuleArgs(
        alert=rule.name,
        expression=rule.expression,
        for_=rule.lasting,
        severity=rule.severity,
        annotations={"summary": rule.summary, "runbook": rule.runbook, "description": described(rule)},
        resolve_configuration=alertsmanagement.PrometheusRuleResolveConfigurationArgs(auto_resolved=True, time_to_resolve="PT10M"),
        actions=[alertsmanagement.PrometheusRuleGroupActionArgs(action_group_id=group) for group in told],
        enabled=True,
    )


def _watch_resources(name: str, args: ClusterMonitoringArgs, parent: pulumi.Resource) -> None:
    workspace = {"workspace": args.log_workspace_id, "location": args.location}
    log_alert(f"{name}-registrythrottled", REGISTRY_THROTTLED, resource=args.registry_id, **workspace, place=args.place, parent=parent)
    if args.storage_account_id is not None:
        for alert in STORAGE_ALERTS:
            metric_alert(f"{name}-{alert.name.lower()}", alert, resource=args.storage_account_id, place=args.place, parent=parent)
