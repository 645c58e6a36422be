"""Which model of which azure-mgmt package tells what ARM takes for a type.

Chosen per package, as an exact pin in the `dev` extra: the release whose API version is nearest to the one that the azure-native SDK uses, and of equally near
ones the last that autorest generated, since its models still carry lengths, patterns and limits (the ones made from TypeSpec do not).
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Source:
    """A model.

    Attributes:
        package: as pip knows it.
        module: that has `models` and `operations`.
        model: class of the body that a create sends.
    """

    package: str
    module: str
    model: str


def _from(package: str, version: str = "", module: str = "") -> tuple[str, str]:
    name = module or f"azure.mgmt.{package}"
    return f"azure-mgmt-{package}", f"{name}.{version}" if version else name


def _source(place: tuple[str, str], model: str) -> Source:
    return Source(package=place[0], module=place[1], model=model)


_NETWORK = _from("network")
_STORAGE = _from("storage")
_CONTAINER_SERVICE = _from("containerservice")
_PRIVATE_DNS = _from("privatedns")
_KEY_VAULT = _from("keyvault")
_IDENTITY = _from("msi", "v2023_01_31")
_DATA_COLLECTION = _from("monitor", "v2022_06_01")

SOURCES: dict[str, Source] = {
    "azure-native:alertsmanagement:PrometheusRuleGroup": _source(_from("prometheusrulegroups"), "PrometheusRuleGroupResource"),
    "azure-native:authorization:ManagementLockByScope": _source(_from("resource-locks", module="azure.mgmt.resource.locks"), "ManagementLockObject"),
    "azure-native:authorization:RoleAssignment": _source(_from("authorization", "v2022_04_01"), "RoleAssignmentCreateParameters"),
    "azure-native:containerregistry:Registry": _source(_from("containerregistry", "v2023_01_01_preview"), "Registry"),
    "azure-native:containerservice:AgentPool": _source(_CONTAINER_SERVICE, "AgentPool"),
    "azure-native:containerservice:MaintenanceConfiguration": _source(_CONTAINER_SERVICE, "MaintenanceConfiguration"),
    "azure-native:containerservice:ManagedCluster": _source(_CONTAINER_SERVICE, "ManagedCluster"),
    "azure-native:keyvault:Key": _source(_KEY_VAULT, "KeyCreateParameters"),
    "azure-native:keyvault:Vault": _source(_KEY_VAULT, "VaultCreateOrUpdateParameters"),
    "azure-native:managedidentity:FederatedIdentityCredential": _source(_IDENTITY, "FederatedIdentityCredential"),
    "azure-native:managedidentity:UserAssignedIdentity": _source(_IDENTITY, "Identity"),
    "azure-native:monitor:ActionGroup": _source(_from("monitor", "v2023_01_01"), "ActionGroupResource"),
    "azure-native:monitor:AzureMonitorWorkspace": _source(_from("monitor", "v2021_06_03_preview"), "AzureMonitorWorkspaceResource"),
    "azure-native:monitor:DataCollectionEndpoint": _source(_DATA_COLLECTION, "DataCollectionEndpointResource"),
    "azure-native:monitor:DataCollectionRule": _source(_DATA_COLLECTION, "DataCollectionRuleResource"),
    "azure-native:monitor:DataCollectionRuleAssociation": _source(_DATA_COLLECTION, "DataCollectionRuleAssociationProxyOnlyResource"),
    "azure-native:monitor:DiagnosticSetting": _source(_from("monitor", "v2021_05_01_preview"), "DiagnosticSettingsResource"),
    "azure-native:monitor:MetricAlert": _source(_from("monitor", "v2018_03_01"), "MetricAlertResource"),
    "azure-native:monitor:ScheduledQueryRule": _source(_from("monitor", "v2022_08_01_preview"), "ScheduledQueryRuleResource"),
    "azure-native:network:NatGateway": _source(_NETWORK, "NatGateway"),
    "azure-native:network:NetworkSecurityGroup": _source(_NETWORK, "NetworkSecurityGroup"),
    "azure-native:network:PrivateDnsZoneGroup": _source(_NETWORK, "PrivateDnsZoneGroup"),
    "azure-native:network:PrivateEndpoint": _source(_NETWORK, "PrivateEndpoint"),
    "azure-native:network:PublicIPAddress": _source(_NETWORK, "PublicIPAddress"),
    "azure-native:network:VirtualNetwork": _source(_NETWORK, "VirtualNetwork"),
    "azure-native:operationalinsights:Workspace": _source(_from("loganalytics"), "Workspace"),
    "azure-native:privatedns:PrivateZone": _source(_PRIVATE_DNS, "PrivateZone"),
    "azure-native:privatedns:VirtualNetworkLink": _source(_PRIVATE_DNS, "VirtualNetworkLink"),
    "azure-native:resources:ResourceGroup": _source(_from("resource", module="azure.mgmt.resource.resources"), "ResourceGroup"),
    "azure-native:storage:BlobContainer": _source(_STORAGE, "BlobContainer"),
    "azure-native:storage:BlobContainerImmutabilityPolicy": _source(_STORAGE, "ImmutabilityPolicy"),
    "azure-native:storage:BlobServiceProperties": _source(_STORAGE, "BlobServiceProperties"),
    "azure-native:storage:ManagementPolicy": _source(_STORAGE, "ManagementPolicy"),
    "azure-native:storage:StorageAccount": _source(_STORAGE, "StorageAccountCreateParameters"),
}

EXAMPLES_ONLY = {"DataFlow.streams", "ExtensionDataSource.streams"}
"""Enumerations that name only some of the allowed values: Container insights has streams of its own (learn.microsoft.com/azure/azure-monitor/containers)."""

FROM_MODEL = {"Condition.operator"}
"""Enumerations for which the SDK gives those of another service that has a class of the same name."""

PLACES = {
    "ActionGroup.incidentReceivers": "properties.incidentReceivers",
    "AzureMonitorWorkspace.publicNetworkAccess": "properties.publicNetworkAccess",
    "ScheduledQueryRule.resolveConfiguration": "properties.resolveConfiguration",
    "Subnet.serviceGateway": "properties.serviceGateway",
}
"""Where a property stands in the body that the model does not have yet (Azure's REST reference of the SDK's API version)."""

DIFFERENCES = {
    "azure-native:monitor:ActionGroup": "the newest model is two years older: incident receivers and identities are checked against the SDK alone.",
    "azure-native:monitor:AzureMonitorWorkspace": (
        "azure-mgmt-monitor 7 has the SDK's version, but not the versions of diagnostic settings and data collection, and two releases cannot be installed "
        "together: `publicNetworkAccess` is checked against the SDK alone."
    ),
    "azure-native:monitor:ScheduledQueryRule": "dynamic thresholds and `resolveConfiguration` are newer than the model, and checked against the SDK alone.",
    "azure-native:operationalinsights:Workspace": (
        "no stable release has the SDK's version. The model is newer, has every property of the SDK, and no limits that the older version might not have."
    ),
    "azure-native:resources:ResourceGroup": "no release has the SDK's version. The body of a resource group is the same in both.",
}
"""What it means that SDK and model do not speak of the same API version."""
