from typing import Any

import pulumi
import pytest

from components.diagnostics import diagnostics
from tests.unit.components.recording import SUBSCRIPTION, Recording, record

REGISTRY = f"{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r"
WORKSPACE = f"{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/w"


def _recorded(**changes: Any) -> Recording:
    def program() -> None:
        owner = pulumi.ComponentResource("test:index:Owner", "owner", None, pulumi.ResourceOptions(protect=True))
        diagnostics("logs", resource=REGISTRY, workspace=WORKSPACE, parent=owner, **changes)

    return record(program)


def test_categories_go_to_the_workspace_and_metrics_do_not():
    setting = _recorded(categories=["ContainerRegistryRepositoryEvents", "ContainerRegistryLoginEvents"]).named("logs")
    assert setting.inputs == {
        "resourceUri": REGISTRY,
        "workspaceId": WORKSPACE,
        "logs": [{"category": "ContainerRegistryRepositoryEvents", "enabled": True}, {"category": "ContainerRegistryLoginEvents", "enabled": True}],
    }
    assert setting.parent == "owner"


def test_a_group_of_categories_stands_for_all_of_them():
    assert _recorded(category_groups=["audit"]).named("logs").inputs["logs"] == [{"categoryGroup": "audit", "enabled": True}]


def test_metrics_alone_are_something():
    inputs = _recorded(metrics=True).named("logs").inputs
    assert (inputs["logs"], inputs["metrics"]) == ([], [{"category": "AllMetrics", "enabled": True}])


def test_tables_of_their_own_are_asked_for_only_where_the_type_lets_one_choose():
    assert _recorded(categories=["kube-audit-admin"], resource_specific=True).named("logs").inputs["logAnalyticsDestinationType"] == "Dedicated"
    assert "logAnalyticsDestinationType" not in _recorded(categories=["kube-audit-admin"]).named("logs").inputs


def test_the_setting_of_protected_data_can_be_changed():
    assert not _recorded(category_groups=["audit"]).named("logs").protected


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "are empty, and so are category_groups and metrics; Azure refuses a setting that sends nothing"),
        (
            {"categories": ["kube-audit"], "category_groups": ["audit"]},
            r"are \['kube-audit'\] beside category_groups \['audit'\]; Azure takes one or the other",
        ),
    ],
)
def test_what_azure_would_refuse_is_refused_at_once(wrong: dict[str, Any], message: str):
    with pytest.raises(pulumi.InputPropertyError, match=message):
        _recorded(**wrong)
