from typing import Any

import pulumi
import pytest

from components.monitoring import Monitoring, MonitoringArgs
from tests.unit.components.recording import SUBSCRIPTION, UNKNOWN, Recording, Secret, record

GROUP = "azure-native:resources:ResourceGroup"
LOGS = "azure-native:operationalinsights:Workspace"
METRICS = "azure-native:monitor:AzureMonitorWorkspace"
PEOPLE = "azure-native:monitor:ActionGroup"
RULE = "azure-native:monitor:ScheduledQueryRule"
_PROVIDERS = f"{SUBSCRIPTION}/resourceGroups/monitoring-group/providers"


def _recorded(*, preview: bool = False, **changes: Any) -> Recording:
    return record(lambda: Monitoring("monitoring", MonitoringArgs(**changes)), preview=preview)


def test_the_workspaces_lie_in_a_group_of_their_own():
    recording = _recorded()
    assert {resource.type: resource.parent for resource in recording.resources if resource.parent == "monitoring"} == dict.fromkeys(
        [GROUP, LOGS, METRICS], "monitoring"
    )
    for kind in (LOGS, METRICS):
        assert recording.only(kind).inputs["resourceGroupName"] == "monitoring-group"


def test_nothing_else_is_made_without_addresses_and_cap():
    assert [resource.type for resource in _recorded().resources if resource.parent == "monitoring"] == [GROUP, LOGS, METRICS]


def test_an_adopted_group_is_used_and_none_is_made():
    recording = _recorded(resource_group_id=f"{SUBSCRIPTION}/resourceGroups/hub", alert_emails=["a@example.com"], daily_quota_gb=1)
    assert recording.of(GROUP) == []
    assert {recording.only(kind).inputs["resourceGroupName"] for kind in (LOGS, METRICS, PEOPLE, RULE)} == {"hub"}
    assert recording.outputs_of("monitoring")["resource_group_name"] == "hub"


def test_the_log_workspace_knows_no_key_and_shows_logs_to_whoever_may_see_the_resource():
    inputs = _recorded(retention_days=90, daily_quota_gb=5).only(LOGS).inputs
    assert inputs["features"] == {"disableLocalAuth": True, "enableLogAccessUsingOnlyResourcePermissions": True}
    assert inputs["retentionInDays"] == 90
    assert inputs["workspaceCapping"] == {"dailyQuotaGb": 5}
    assert inputs["sku"] == {"name": "PerGB2018"}


def test_without_a_cap_azure_is_told_that_there_is_none():
    assert _recorded().only(LOGS).inputs["workspaceCapping"] == {"dailyQuotaGb": -1}


def test_everybody_named_gets_a_mail_in_the_common_form():
    inputs = _recorded(alert_emails=["a@example.com", "b@example.com"]).only(PEOPLE).inputs
    assert inputs["emailReceivers"] == [{"name": email, "emailAddress": email, "useCommonAlertSchema": True} for email in ("a@example.com", "b@example.com")]
    assert (inputs["location"], inputs["enabled"], inputs["groupShortName"]) == ("global", True, "converge")
    assert len(inputs["groupShortName"]) <= 12


def test_a_cap_that_is_reached_is_told():
    recording = _recorded(daily_quota_gb=5, alert_emails=["a@example.com"])
    inputs = recording.only(RULE).inputs
    assert inputs["scopes"] == [f"{_PROVIDERS}/Microsoft.OperationalInsights/workspaces/monitoring-logs"]
    assert inputs["actions"] == {"actionGroups": [f"{_PROVIDERS}/Microsoft.Insights/actionGroups/monitoring-people"]}
    (condition,) = inputs["criteria"]["allOf"]
    assert condition["query"] == '_LogOperation | where Category =~ "Ingestion" | where Detail has "OverQuota"'
    assert inputs["description"].endswith("What to do: docs/on-call.md#logcapreached")


def test_a_reached_cap_is_seen_in_the_portal_without_addresses():
    assert _recorded(daily_quota_gb=5).only(RULE).inputs["actions"] == {"actionGroups": []}


def test_the_outputs():
    outputs = _recorded(alert_emails=["a@example.com"]).outputs_of("monitoring")
    assert outputs == {
        "resource_group_name": "monitoring-group",
        "log_workspace_id": f"{_PROVIDERS}/Microsoft.OperationalInsights/workspaces/monitoring-logs",
        "metrics_workspace_id": f"{_PROVIDERS}/Microsoft.Monitor/accounts/monitoring-metrics",
        "action_group_id": f"{_PROVIDERS}/Microsoft.Insights/actionGroups/monitoring-people",
    }
    assert not any(isinstance(value, Secret) for value in outputs.values())


def test_without_addresses_there_is_no_action_group_to_name():
    assert _recorded().outputs_of("monitoring").get("action_group_id") is None


def test_before_anything_exists_its_outputs_are_unknown():
    outputs = _recorded(preview=True, alert_emails=["a@example.com"]).outputs_of("monitoring")
    assert set(outputs.values()) == {UNKNOWN}


def test_tags_are_on_everything():
    recording = _recorded(tags={"application": "converge"}, alert_emails=["a@example.com"], daily_quota_gb=1)
    for kind in (GROUP, LOGS, METRICS, PEOPLE, RULE):
        assert recording.only(kind).inputs["tags"] == {"application": "converge"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"retention_days": 29}, "is 29; Azure allows 30 to 730"),
        ({"retention_days": 731}, "is 731; Azure allows 30 to 730"),
        ({"daily_quota_gb": 0}, "is 0; it must be -1, for no cap, or at least 0.023"),
        ({"daily_quota_gb": -2}, "is -2; it must be -1, for no cap, or at least 0.023"),
        ({"alert_emails": ["a@example.com", "A@example.com"]}, r"are \['a@example.com', 'A@example.com'\]; each may be named once"),
    ],
)
def test_what_azure_would_refuse_is_refused_at_once(wrong: dict[str, Any], message: str):
    with pytest.raises(pulumi.InputPropertyError, match=message):
        MonitoringArgs(**wrong)
