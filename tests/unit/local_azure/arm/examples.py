"""One valid resource of every type that the simulation knows, with the properties that our stacks set."""

from typing import Any

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001"
GROUP = f"{SUBSCRIPTION}/resourceGroups/apps"
CLUSTER = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/cluster"
NETWORK = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/net"
WORKSPACE = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/logs"
PLACE = {"resourceGroupName": "apps", "location": "westeurope"}
ROLE = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d"
GUID = "11111111-1111-1111-1111-111111111111"
POOL: dict[str, Any] = {
    "vmSize": "Standard_D4ds_v5",
    "count": 3,
    "minCount": 3,
    "maxCount": 9,
    "enableAutoScaling": True,
    "availabilityZones": ["1", "2", "3"],
    "osDiskType": "Ephemeral",
    "osSKU": "AzureLinux3",
    "vnetSubnetID": f"{NETWORK}/subnets/nodes",
    "nodeTaints": ["CriticalAddonsOnly=true:NoSchedule"],
    "nodeLabels": {"use": "system"},
    "upgradeSettings": {"maxSurge": "33%", "undrainableNodeBehavior": "Cordon"},
    "securityProfile": {"sshAccess": "Disabled"},
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "azure-native:resources:ResourceGroup": {**PLACE, "tags": {"environment": "prod"}},
    "azure-native:authorization:RoleAssignment": {
        "roleAssignmentName": GUID,
        "scope": GROUP,
        "principalId": GUID,
        "principalType": "ServicePrincipal",
        "roleDefinitionId": ROLE,
        "condition": "@Resource[a] StringEquals 'b'",
        "conditionVersion": "2.0",
    },
    "azure-native:authorization:ManagementLockByScope": {"lockName": "keep", "scope": GROUP, "level": "CanNotDelete", "notes": "holds models"},
    "azure-native:managedidentity:UserAssignedIdentity": {**PLACE, "resourceName": "deployer"},
    "azure-native:managedidentity:FederatedIdentityCredential": {
        "resourceGroupName": "apps",
        "resourceName": "deployer",
        "federatedIdentityCredentialResourceName": "main",
        "issuer": "https://token.actions.githubusercontent.com",
        "subject": "repo:example/converge:environment:prod",
        "audiences": ["api://AzureADTokenExchange"],
    },
    "azure-native:network:NetworkSecurityGroup": {
        **PLACE,
        "networkSecurityGroupName": "rules",
        "securityRules": [
            {
                "name": "AllowHttps",
                "priority": 100,
                "direction": "Inbound",
                "access": "Allow",
                "protocol": "Tcp",
                "sourceAddressPrefix": "Internet",
                "sourcePortRange": "*",
                "destinationAddressPrefix": "*",
                "destinationPortRange": "443",
            }
        ],
    },
    "azure-native:network:PublicIPAddress": {
        **PLACE,
        "publicIpAddressName": "outbound",
        "sku": {"name": "Standard"},
        "publicIPAllocationMethod": "Static",
        "zones": ["1"],
        "idleTimeoutInMinutes": 4,
    },
    "azure-native:network:NatGateway": {
        **PLACE,
        "natGatewayName": "way-out",
        "sku": {"name": "Standard"},
        "publicIpAddresses": [{"id": f"{GROUP}/providers/Microsoft.Network/publicIPAddresses/outbound"}],
    },
    "azure-native:network:VirtualNetwork": {
        **PLACE,
        "virtualNetworkName": "net",
        "addressSpace": {"addressPrefixes": ["10.100.0.0/16"]},
        "subnets": [
            {"name": "nodes", "addressPrefix": "10.100.0.0/20", "defaultOutboundAccess": False, "natGateway": {"id": f"{GROUP}/providers/x/natGateways/n"}},
            {
                "name": "api-server",
                "addressPrefix": "10.100.16.0/28",
                "delegations": [{"name": "aks", "serviceName": "Microsoft.ContainerService/managedClusters"}],
            },
            {"name": "private-endpoints", "addressPrefix": "10.100.17.0/24", "privateEndpointNetworkPolicies": "Enabled"},
        ],
    },
    "azure-native:network:PrivateEndpoint": {
        **PLACE,
        "privateEndpointName": "models",
        "subnet": {"id": f"{NETWORK}/subnets/private-endpoints"},
        "privateLinkServiceConnections": [
            {"name": "blob", "privateLinkServiceId": f"{GROUP}/providers/Microsoft.Storage/storageAccounts/models123", "groupIds": ["blob"]}
        ],
    },
    "azure-native:network:PrivateDnsZoneGroup": {
        "resourceGroupName": "apps",
        "privateEndpointName": "models",
        "privateDnsZoneGroupName": "default",
        "privateDnsZoneConfigs": [
            {"name": "blob", "privateDnsZoneId": f"{GROUP}/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"}
        ],
    },
    "azure-native:privatedns:PrivateZone": {"resourceGroupName": "apps", "privateZoneName": "privatelink.azurecr.io", "location": "Global"},
    "azure-native:privatedns:VirtualNetworkLink": {
        "resourceGroupName": "apps",
        "privateZoneName": "privatelink.azurecr.io",
        "virtualNetworkLinkName": "net",
        "location": "Global",
        "registrationEnabled": False,
        "virtualNetwork": {"id": NETWORK},
    },
    "azure-native:storage:StorageAccount": {
        **PLACE,
        "accountName": "models123",
        "kind": "StorageV2",
        "sku": {"name": "Standard_ZRS"},
        "allowSharedKeyAccess": False,
        "enableHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
        "publicNetworkAccess": "Enabled",
        "sasPolicy": {"sasExpirationPeriod": "00.01:00:00", "expirationAction": "Log"},
        "networkRuleSet": {"defaultAction": "Deny", "bypass": "AzureServices", "ipRules": [{"iPAddressOrRange": "198.51.100.0/24", "action": "Allow"}]},
        "encryption": {
            "keySource": "Microsoft.Storage",
            "requireInfrastructureEncryption": True,
            "services": {"blob": {"enabled": True, "keyType": "Account"}},
        },
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one"]},
    },
    "azure-native:storage:BlobServiceProperties": {
        "resourceGroupName": "apps",
        "accountName": "models123",
        "blobServicesName": "default",
        "isVersioningEnabled": True,
        "changeFeed": {"enabled": True, "retentionInDays": 90},
        "deleteRetentionPolicy": {"enabled": True, "days": 30},
        "containerDeleteRetentionPolicy": {"enabled": True, "days": 30},
    },
    "azure-native:storage:BlobContainer": {
        "resourceGroupName": "apps",
        "accountName": "models123",
        "containerName": "models",
        "publicAccess": "None",
        "immutableStorageWithVersioning": {"enabled": True},
    },
    "azure-native:storage:BlobContainerImmutabilityPolicy": {
        "resourceGroupName": "apps",
        "accountName": "models123",
        "containerName": "models",
        "immutabilityPolicyName": "default",
        "immutabilityPeriodSinceCreationInDays": 365,
        "allowProtectedAppendWrites": False,
    },
    "azure-native:storage:ManagementPolicy": {
        "resourceGroupName": "apps",
        "accountName": "models123",
        "managementPolicyName": "default",
        "policy": {
            "rules": [
                {
                    "name": "old-versions",
                    "enabled": True,
                    "type": "Lifecycle",
                    "definition": {
                        "filters": {"blobTypes": ["blockBlob"], "prefixMatch": ["models/"]},
                        "actions": {"version": {"delete": {"daysAfterCreationGreaterThan": 90}}},
                    },
                }
            ]
        },
    },
    "azure-native:containerregistry:Registry": {
        **PLACE,
        "registryName": "converge123",
        "sku": {"name": "Premium"},
        "adminUserEnabled": False,
        "anonymousPullEnabled": False,
        "dataEndpointEnabled": True,
        "networkRuleBypassOptions": "AzureServices",
        "publicNetworkAccess": "Disabled",
        "zoneRedundancy": "Enabled",
        "networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"action": "Allow", "iPAddressOrRange": "198.51.100.0/24"}]},
        "policies": {
            "exportPolicy": {"status": "disabled"},
            "retentionPolicy": {"days": 30, "status": "disabled"},
            "softDeletePolicy": {"retentionDays": 30, "status": "enabled"},
            "azureADAuthenticationAsArmPolicy": {"status": "disabled"},
        },
    },
    "azure-native:containerservice:ManagedCluster": {
        **PLACE,
        "resourceName": "cluster",
        "kubernetesVersion": "1.34",
        "dnsPrefix": "cluster",
        "sku": {"name": "Base", "tier": "Standard"},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/plane"]},
        "identityProfile": {"kubeletidentity": {"resourceId": f"{GROUP}/providers/x", "clientId": GUID, "objectId": GUID}},
        "disableLocalAccounts": True,
        "enableRBAC": True,
        "aadProfile": {"managed": True, "enableAzureRBAC": True, "tenantID": GUID, "adminGroupObjectIDs": [GUID]},
        "agentPoolProfiles": [{**POOL, "name": "system", "mode": "System", "type": "VirtualMachineScaleSets"}],
        "apiServerAccessProfile": {
            "enablePrivateCluster": True,
            "enableVnetIntegration": True,
            "subnetId": f"{NETWORK}/subnets/api-server",
            "disableRunCommand": True,
        },
        "networkProfile": {
            "networkPlugin": "azure",
            "networkPluginMode": "overlay",
            "networkDataplane": "cilium",
            "networkPolicy": "cilium",
            "outboundType": "userAssignedNATGateway",
            "loadBalancerSku": "standard",
            "podCidr": "10.244.0.0/16",
            "serviceCidr": "10.0.0.0/16",
            "dnsServiceIP": "10.0.0.10",
        },
        "oidcIssuerProfile": {"enabled": True},
        "securityProfile": {
            "workloadIdentity": {"enabled": True},
            "imageCleaner": {"enabled": True, "intervalHours": 120},
            "defender": {"logAnalyticsWorkspaceResourceId": WORKSPACE, "securityMonitoring": {"enabled": True}},
        },
        "autoUpgradeProfile": {"upgradeChannel": "stable", "nodeOSUpgradeChannel": "NodeImage"},
        "addonProfiles": {"azurepolicy": {"enabled": True, "config": {"version": "v2"}}},
        "azureMonitorProfile": {"metrics": {"enabled": True}},
        "nodeResourceGroupProfile": {"restrictionLevel": "ReadOnly"},
        "nodeProvisioningProfile": {"mode": "Manual"},
    },
    "azure-native:containerservice:AgentPool": {
        **POOL,
        "resourceGroupName": "apps",
        "resourceName": "cluster",
        "agentPoolName": "apps",
        "mode": "User",
        "osType": "Linux",
    },
    "azure-native:containerservice:MaintenanceConfiguration": {
        "resourceGroupName": "apps",
        "resourceName": "cluster",
        "configName": "aksManagedAutoUpgradeSchedule",
        "maintenanceWindow": {
            "schedule": {"weekly": {"dayOfWeek": "Sunday", "intervalWeeks": 1}},
            "durationHours": 4,
            "utcOffset": "+00:00",
            "startTime": "01:00",
        },
    },
    "azure-native:operationalinsights:Workspace": {
        **PLACE,
        "workspaceName": "logs",
        "sku": {"name": "PerGB2018"},
        "retentionInDays": 30,
        "features": {"disableLocalAuth": True},
        "workspaceCapping": {"dailyQuotaGb": 5.5},
    },
    "azure-native:monitor:AzureMonitorWorkspace": {**PLACE, "azureMonitorWorkspaceName": "metrics", "publicNetworkAccess": "Enabled"},
    "azure-native:monitor:DataCollectionEndpoint": {
        **PLACE,
        "dataCollectionEndpointName": "endpoint",
        "kind": "Linux",
        "networkAcls": {"publicNetworkAccess": "Enabled"},
    },
    "azure-native:monitor:DataCollectionRule": {
        **PLACE,
        "dataCollectionRuleName": "logs",
        "kind": "Linux",
        "dataSources": {
            "extensions": [
                {
                    "name": "ContainerInsightsExtension",
                    "extensionName": "ContainerInsights",
                    "extensionSettings": {"dataCollectionSettings": {"interval": "5m"}},
                    "streams": ["Microsoft-ContainerLogV2"],
                }
            ]
        },
        "destinations": {"logAnalytics": [{"name": "logs", "workspaceResourceId": WORKSPACE}]},
        "dataFlows": [{"streams": ["Microsoft-ContainerLogV2"], "destinations": ["logs"]}],
    },
    "azure-native:monitor:DataCollectionRuleAssociation": {
        "associationName": "ContainerInsightsExtension",
        "resourceUri": CLUSTER,
        "dataCollectionRuleId": f"{GROUP}/providers/Microsoft.Insights/dataCollectionRules/logs",
    },
    "azure-native:monitor:DiagnosticSetting": {
        "name": "audit",
        "resourceUri": CLUSTER,
        "workspaceId": WORKSPACE,
        "logAnalyticsDestinationType": "Dedicated",
        "logs": [{"category": "kube-audit-admin", "enabled": True}],
        "metrics": [{"category": "AllMetrics", "enabled": False}],
    },
    "azure-native:monitor:ActionGroup": {
        "resourceGroupName": "apps",
        "location": "Global",
        "actionGroupName": "people",
        "groupShortName": "converge",
        "enabled": True,
        "emailReceivers": [{"name": "oncall", "emailAddress": "oncall@example.com", "useCommonAlertSchema": True}],
    },
    "azure-native:monitor:MetricAlert": {
        "resourceGroupName": "apps",
        "location": "global",
        "ruleName": "availability",
        "description": "the account answers too seldom",
        "enabled": True,
        "severity": 2,
        "scopes": [f"{GROUP}/providers/Microsoft.Storage/storageAccounts/models123"],
        "evaluationFrequency": "PT5M",
        "windowSize": "PT15M",
        "autoMitigate": True,
        "criteria": {
            "odataType": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
            "allOf": [
                {
                    "criterionType": "StaticThresholdCriterion",
                    "name": "low",
                    "metricName": "Availability",
                    "metricNamespace": "Microsoft.Storage/storageAccounts",
                    "operator": "LessThan",
                    "threshold": 99.5,
                    "timeAggregation": "Average",
                    "dimensions": [{"name": "ApiName", "operator": "Exclude", "values": ["x"]}],
                }
            ],
        },
        "actions": [{"actionGroupId": f"{GROUP}/providers/Microsoft.Insights/actionGroups/people"}],
    },
    "azure-native:monitor:ScheduledQueryRule": {
        **PLACE,
        "ruleName": "throttled",
        "kind": "LogAlert",
        "displayName": "Registry throttles",
        "enabled": True,
        "severity": 2,
        "scopes": [WORKSPACE],
        "evaluationFrequency": "PT5M",
        "windowSize": "PT15M",
        "criteria": {
            "allOf": [
                {
                    "query": "ContainerRegistryRepositoryEvents | where ResultType == 429",
                    "timeAggregation": "Count",
                    "operator": "GreaterThan",
                    "threshold": 0,
                    "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
                }
            ]
        },
        "actions": {"actionGroups": [f"{GROUP}/providers/Microsoft.Insights/actionGroups/people"]},
    },
    "azure-native:alertsmanagement:PrometheusRuleGroup": {
        **PLACE,
        "ruleGroupName": "platform",
        "clusterName": "cluster",
        "enabled": True,
        "interval": "PT1M",
        "scopes": [f"{GROUP}/providers/Microsoft.Monitor/accounts/metrics"],
        "rules": [
            {"record": "cpu:sum", "expression": "sum(cpu)", "labels": {"a": "b"}},
            {
                "alert": "PodNotReady",
                "expression": "up == 0",
                "for": "PT15M",
                "severity": 3,
                "annotations": {"summary": "a pod is not ready"},
                "resolveConfiguration": {"autoResolved": True, "timeToResolve": "PT10M"},
                "actions": [{"actionGroupId": f"{GROUP}/providers/Microsoft.Insights/actionGroups/people"}],
            },
        ],
    },
    "azure-native:keyvault:Vault": {
        **PLACE,
        "vaultName": "converge-state",
        "properties": {
            "tenantId": GUID,
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": True,
            "enablePurgeProtection": True,
            "softDeleteRetentionInDays": 90,
            "publicNetworkAccess": "Enabled",
            "networkAcls": {"defaultAction": "Deny", "bypass": "AzureServices", "ipRules": [{"value": "198.51.100.0/24"}]},
        },
    },
    "azure-native:keyvault:Key": {
        "resourceGroupName": "apps",
        "vaultName": "converge-state",
        "keyName": "pulumi",
        "properties": {"kty": "RSA", "keySize": 3072, "keyOps": ["encrypt", "decrypt"]},
    },
}
