"""Microsoft.Insights and Microsoft.Monitor."""

from local_azure.arm.spec import NOWHERE, Context, NameRule, Properties, ResourceType, basics, drawn_id, short_hash

_INSIGHTS = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.Insights"
_COLLECTION_NAME = NameRule(
    pattern=r"[a-zA-Z0-9]([\w.-]{1,42}[a-zA-Z0-9])",
    words="3 to 44 letters, digits, hyphens, underscores and periods, starting and ending with a letter or digit",
)
_RULE_NAME = NameRule(
    pattern=r"[^*<>%{}&:\\?/#|+@]{0,259}[^*<>%{}&:\\?/#|+@. ]",
    words="1 to 260 characters without * < > % { } & : \\ ? / # | + @, not ending with a space or period",
)
_SETTING_NAME = NameRule(
    pattern=r"[^:<>+/&%\\?|*]{0,259}[^:<>+/&%\\?|*. ]", words="1 to 260 characters without : < > + / & % \\ ? | *, not ending with a space or period"
)
_REST = "https://learn.microsoft.com/rest/api/monitor"


def _workspace(_context: Context, identifier: str, inputs: Properties) -> Properties:
    name = inputs["azureMonitorWorkspaceName"]
    location = inputs.get("location", "global")
    group = f"{identifier.split('/resourceGroups/', maxsplit=1)[0]}/resourceGroups/MA_{name}_{location}_managed/providers/Microsoft.Insights"
    return {
        "name": name,
        "type": "Microsoft.Monitor/accounts",
        "provisioningState": "Succeeded",
        "accountId": drawn_id(identifier, "account"),
        "metrics": {
            "internalId": f"mac_{drawn_id(identifier, 'account')}",
            "prometheusQueryEndpoint": f"https://{name.lower()}-{short_hash(identifier)[:4]}.{location}.prometheus.monitor.azure.com{NOWHERE}",
        },
        "defaultIngestionSettings": {
            "dataCollectionEndpointResourceId": f"{group}/dataCollectionEndpoints/{name}",
            "dataCollectionRuleResourceId": f"{group}/dataCollectionRules/{name}",
        },
    }


def _endpoint(_context: Context, identifier: str, inputs: Properties) -> Properties:
    name, location = inputs["dataCollectionEndpointName"], inputs.get("location", "global")
    host = f"{name.lower()}-{short_hash(identifier)[:4]}.{location}-1"
    return {
        "name": name,
        "type": "Microsoft.Insights/dataCollectionEndpoints",
        "provisioningState": "Succeeded",
        "immutableId": f"dce-{drawn_id(identifier).replace('-', '')}",
        "configurationAccess": {"endpoint": f"https://{host}.handler.control.monitor.azure.com{NOWHERE}"},
        "logsIngestion": {"endpoint": f"https://{host}.ingest.monitor.azure.com{NOWHERE}"},
        "metricsIngestion": {"endpoint": f"https://{host}.metrics.ingest.monitor.azure.com{NOWHERE}"},
    }


def _collection_rule(_context: Context, identifier: str, inputs: Properties) -> Properties:
    return {
        "name": inputs["dataCollectionRuleName"],
        "type": "Microsoft.Insights/dataCollectionRules",
        "provisioningState": "Succeeded",
        "immutableId": f"dcr-{drawn_id(identifier).replace('-', '')}",
    }


AZURE_MONITOR_WORKSPACE = ResourceType(
    pulumi_type="azure-native:monitor:AzureMonitorWorkspace",
    arm_type="Microsoft.Monitor/accounts",
    identifier="/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.Monitor/accounts/{azureMonitorWorkspaceName}",
    name_property="azureMonitorWorkspaceName",
    name_rule=NameRule(pattern=r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]", words="4 to 63 letters, digits and hyphens, not at either end"),
    immutable=frozenset({"location"}),
    compute=_workspace,
    sources=("https://learn.microsoft.com/azure/azure-monitor/metrics/azure-monitor-workspace-manage",),
)

DATA_COLLECTION_ENDPOINT = ResourceType(
    pulumi_type="azure-native:monitor:DataCollectionEndpoint",
    arm_type="Microsoft.Insights/dataCollectionEndpoints",
    identifier=f"{_INSIGHTS}/dataCollectionEndpoints/{{dataCollectionEndpointName}}",
    name_property="dataCollectionEndpointName",
    name_rule=_COLLECTION_NAME,
    immutable=frozenset({"location", "kind"}),
    filled_in=("immutableId",),
    compute=_endpoint,
    sources=(f"{_REST}/data-collection-endpoints/create",),
)

DATA_COLLECTION_RULE = ResourceType(
    pulumi_type="azure-native:monitor:DataCollectionRule",
    arm_type="Microsoft.Insights/dataCollectionRules",
    identifier=f"{_INSIGHTS}/dataCollectionRules/{{dataCollectionRuleName}}",
    name_property="dataCollectionRuleName",
    name_rule=NameRule(
        pattern=r"[a-zA-Z0-9]([\w.-]{1,62}[a-zA-Z0-9])",
        words="3 to 64 letters, digits, hyphens, underscores and periods, starting and ending with a letter or digit",
    ),
    immutable=frozenset({"location", "kind"}),
    compute=_collection_rule,
    sources=(f"{_REST}/data-collection-rules/create",),
    unchecked="whether streams and destinations fit each other; extension settings",
)

DATA_COLLECTION_RULE_ASSOCIATION = ResourceType(
    pulumi_type="azure-native:monitor:DataCollectionRuleAssociation",
    arm_type="Microsoft.Insights/dataCollectionRuleAssociations",
    identifier="{resourceUri}/providers/Microsoft.Insights/dataCollectionRuleAssociations/{associationName}",
    name_property="associationName",
    compute=basics("Microsoft.Insights/dataCollectionRuleAssociations", "associationName", provisioningState="Succeeded"),
    unchecked="the name, of which Azure documents no rule",
    sources=(f"{_REST}/data-collection-rule-associations/create",),
)

DIAGNOSTIC_SETTING = ResourceType(
    pulumi_type="azure-native:monitor:DiagnosticSetting",
    arm_type="Microsoft.Insights/diagnosticSettings",
    identifier="{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}",
    name_property="name",
    name_rule=_SETTING_NAME,
    compute=basics("Microsoft.Insights/diagnosticSettings", "name"),
    sources=("https://learn.microsoft.com/azure/azure-monitor/platform/diagnostic-settings",),
    unchecked="categories that a type has",
)

ACTION_GROUP = ResourceType(
    pulumi_type="azure-native:monitor:ActionGroup",
    arm_type="Microsoft.Insights/actionGroups",
    identifier=f"{_INSIGHTS}/actionGroups/{{actionGroupName}}",
    name_property="actionGroupName",
    name_rule=_SETTING_NAME,
    immutable=frozenset({"location"}),
    compute=basics("Microsoft.Insights/actionGroups", "actionGroupName"),
    sources=(f"{_REST}/action-groups/create-or-update",),
)

METRIC_ALERT = ResourceType(
    pulumi_type="azure-native:monitor:MetricAlert",
    arm_type="Microsoft.Insights/metricAlerts",
    identifier=f"{_INSIGHTS}/metricAlerts/{{ruleName}}",
    name_property="ruleName",
    name_rule=_RULE_NAME,
    immutable=frozenset({"location"}),
    compute=basics("Microsoft.Insights/metricAlerts", "ruleName"),
    sources=(f"{_REST}/metric-alerts/create-or-update",),
    unchecked="whether the metric exists and the window fits it",
)

SCHEDULED_QUERY_RULE = ResourceType(
    pulumi_type="azure-native:monitor:ScheduledQueryRule",
    arm_type="Microsoft.Insights/scheduledQueryRules",
    identifier=f"{_INSIGHTS}/scheduledQueryRules/{{ruleName}}",
    name_property="ruleName",
    name_rule=_RULE_NAME,
    immutable=frozenset({"location", "kind"}),
    compute=basics("Microsoft.Insights/scheduledQueryRules", "ruleName"),
    sources=(f"{_REST}/scheduled-query-rules/create-or-update",),
    unchecked="the query; whether frequency and window fit each other",
)

TYPES = (
    *(AZURE_MONITOR_WORKSPACE, DATA_COLLECTION_ENDPOINT, DATA_COLLECTION_RULE, DATA_COLLECTION_RULE_ASSOCIATION, DIAGNOSTIC_SETTING),
    *(ACTION_GROUP, METRIC_ALERT, SCHEDULED_QUERY_RULE),
)
