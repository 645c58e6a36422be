"""Microsoft.AlertsManagement."""

from local_azure.arm.spec import NameRule, ResourceType, basics

PROMETHEUS_RULE_GROUP = ResourceType(
    pulumi_type="azure-native:alertsmanagement:PrometheusRuleGroup",
    arm_type="Microsoft.AlertsManagement/prometheusRuleGroups",
    identifier="/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.AlertsManagement/prometheusRuleGroups/{ruleGroupName}",
    name_property="ruleGroupName",
    name_rule=NameRule(pattern=r"[^:@/#{}%&+*<>?]{1,260}", words="1 to 260 characters without : @ / # { } % & + * < > ?"),
    immutable=frozenset({"location"}),
    compute=basics("Microsoft.AlertsManagement/prometheusRuleGroups", "ruleGroupName"),
    sources=("https://learn.microsoft.com/rest/api/monitor/prometheus-rule-groups/create-or-update",),
    unchecked="the expressions; how many rules a group may have",
)

TYPES = (PROMETHEUS_RULE_GROUP,)
