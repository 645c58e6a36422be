"""Where logs and metrics go, and who is told when something is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import monitor, operationalinsights

from components.resource_alerts import LOG_CAP_REACHED, AlertPlace, log_alert
from components.resource_group import group_name

_NO_CAP = -1
_SMALLEST_CAP_GB = 0.023
_SHORT_NAME = "converge"
"""Sender of text messages and subject of mails: at most 12 characters."""


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What monitoring needs to know."""

    resource_group_id: str = ""
    """A resource group that exists already. Plain."""
    retention_days: int = 30
    """How long logs are kept: 30 to 730. The first 31 days cost nothing."""
    daily_quota_gb: float = _NO_CAP
    """Most logs of a day. -1: no cap."""
    alert_emails: Sequence[str] = ()
    """Who gets a mail. Empty: alerts are only seen in the portal. Plain, because it decides whether the action group exists."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of every resource."""

    def __post_init__(self) -> None:
        if not 30 <= self.retention_days <= 730:
            raise pulumi.InputPropertyError("retention_days", f"is {self.retention_days}; Azure allows 30 to 730")
        if self.daily_quota_gb != _NO_CAP and self.daily_quota_gb < _SMALLEST_CAP_GB:
            raise pulumi.InputPropertyError("daily_quota_gb", f"is {self.daily_quota_gb}; it must be -1, for no cap, or at least {_SMALLEST_CAP_GB}")
        if len({email.lower() for email in self.alert_emails}) < len(self.alert_emails):
            raise pulumi.InputPropertyError("alert_emails", f"are {list(self.alert_emails)}; each may be named once")

    @property
    def capped(self) -> bool:
        """Does collecting stop when a day's share is used up?"""
        return self.daily_quota_gb != _NO_CAP


class Monitoring(pulumi.ComponentResource):
    """A Log Analytics workspace for logs, an Azure Monitor workspace for Prometheus metrics, and the people to tell."""

    resource_group_name: pulumi.Output[str]
    """Resource group of both workspaces; alert rules go there, too."""
    log_workspace_id: pulumi.Output[str]
    """Azure resource id of the Log Analytics workspace."""
    metrics_workspace_id: pulumi.Output[str]
    """Azure resource id of the Azure Monitor workspace."""
    action_group_id: pulumi.Output[str] | None
    """Azure resource id of the action group; None without addresses."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:index:Monitoring", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.resource_group_name = group_name(f"{name}-group", existing=args.resource_group_id, tags=args.tags, parent=self)
        logs = operationalinsights.Workspace(f"{name}-logs", _log_workspace(args, self.resource_group_name), opts=child)
        metrics = monitor.AzureMonitorWorkspace(
            f"{name}-metrics",
            resource_group_name=self.resource_group_name,
            # Agents write with an Entra identity through the data collection endpoint; a private way would be an Azure Monitor Private Link Scope.
            public_network_access=monitor.PublicNetworkAccess.ENABLED,
            tags=args.tags,
            opts=child,
        )
        self.log_workspace_id = logs.id
        self.metrics_workspace_id = metrics.id
        self.action_group_id = None
        if args.alert_emails:
            self.action_group_id = monitor.ActionGroup(f"{name}-people", _action_group(args, self.resource_group_name), opts=child).id
        if args.capped:
            told = [] if self.action_group_id is None else [self.action_group_id]
            place = AlertPlace(resource_group_name=self.resource_group_name, action_group_ids=told, tags=args.tags)
            log_alert(f"{name}-log-cap", LOG_CAP_REACHED, workspace=logs.id, place=place, parent=self)
        self.register_outputs(
            {
                "resource_group_name": self.resource_group_name,
                "log_workspace_id": self.log_workspace_id,
                "metrics_workspace_id": self.metrics_workspace_id,
                "action_group_id": self.action_group_id,
            }
        )


def _log_workspace(args: MonitoringArgs, group: pulumi.Input[str]) -> operationalinsights.WorkspaceArgs:
    return operationalinsights.WorkspaceArgs(
        resource_group_name=group,
        sku=operationalinsights.WorkspaceSkuArgs(name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018),
        retention_in_days=args.retention_days,
        workspace_capping=operationalinsights.WorkspaceCappingArgs(daily_quota_gb=args.daily_quota_gb),
        features=operationalinsights.WorkspaceFeaturesArgs(
            # No workspace key exists for anybody: agents and people come with an Entra identity.
            disable_local_auth=True,
            # Who may see a resource may see its logs, and nothing else in here.
            enable_log_access_using_only_resource_permissions=True,
        ),
        public_network_access_for_ingestion=operationalinsights.PublicNetworkAccessType.ENABLED,
        public_network_access_for_query=operationalinsights.PublicNetworkAccessType.ENABLED,
        tags=args.tags,
    )


def _action_group(args: MonitoringArgs, group: pulumi.Input[str]) -> monitor.ActionGroupInitArgs:
    return monitor.ActionGroupInitArgs(
        resource_group_name=group,
        # Action groups belong to no region: they must work when one does not.
        location="global",
        group_short_name=_SHORT_NAME,
        enabled=True,
        email_receivers=[
            monitor.MicrosoftCommonEmailReceiverArgs(name=email, email_address=email, use_common_alert_schema=True) for email in args.alert_emails
        ],
        tags=args.tags,
    )
