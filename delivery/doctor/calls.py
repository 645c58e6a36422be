"""The table of calls and roles: everything that a preview and an update ask of Azure, and the role that gives it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, Flag, auto

from delivery.azure.roles import BuiltIn
from delivery.azure.stack_file import StackFile


class Scope(Enum):
    """Where a right is needed."""

    SUBSCRIPTION = "the subscription"
    STORAGE = "the storage account"
    CONTAINER = "the container of the models"
    REGISTRY = "the registry"
    CLUSTER = "the cluster"
    STATE = "the container of the state"
    KEY = "the key of the state's secrets"


class Use(Flag):
    """When and how a right is used."""

    UPDATE = auto()
    PREVIEW = auto()
    """A preview needs it, too."""
    DATA = auto()
    """A data action: the content, not the resource."""
    GRANTED = auto()
    """The update itself gives it to `converge:deployer`, so that it cannot be there before the first one."""


@dataclass(frozen=True)
class Call:
    """A request to Azure and the right that it needs."""

    action: str
    role: BuiltIn
    """The smallest of the built-in roles here that gives it."""
    why: str
    scope: Scope = Scope.SUBSCRIPTION
    use: Use = Use.UPDATE

    @property
    def data(self) -> bool:
        """Whether it is a data action."""
        return Use.DATA in self.use

    @property
    def preview(self) -> bool:
        """Whether a preview needs it."""
        return Use.PREVIEW in self.use

    @property
    def granted_by_update(self) -> bool:
        """Whether an update gives it by itself."""
        return Use.GRANTED in self.use


def _always(_file: StackFile) -> bool:
    return True


def _locked(file: StackFile) -> bool:
    return bool(file.get("converge:protectData", default=False))


def _own_network(file: StackFile) -> bool:
    return not file.get("converge:network.nodeSubnetId")


def _nat(file: StackFile) -> bool:
    return _own_network(file) and file.get("converge:network.outbound") == "natGateway"


def _private(file: StackFile) -> bool:
    return bool(file.get("converge:network.private", default=False))


def _own_cluster(file: StackFile) -> bool:
    return not file.get("converge:cluster.clusterId")


def _own_storage(file: StackFile) -> bool:
    return not file.get("converge:modelStorage.accountId")


def _own_registry(file: StackFile) -> bool:
    return not file.get("converge:registry.registryId")


def _write_once(file: StackFile) -> bool:
    return _own_storage(file) and bool(file.get("converge:modelStorage.writeOnceDays", default=0))


def _monitored(file: StackFile) -> bool:
    return bool(file.get("converge:monitoring.enabled", default=False))


_RESOURCES: tuple[tuple[str, BuiltIn, str, Callable[[StackFile], bool]], ...] = (
    ("Microsoft.Resources/subscriptions/resourceGroups", BuiltIn.CONTRIBUTOR, "resource groups", _always),
    ("Microsoft.Authorization/roleAssignments", BuiltIn.RBAC_ADMINISTRATOR, "grants between the parts", _always),
    ("Microsoft.Authorization/locks", BuiltIn.LOCKS_CONTRIBUTOR, "locks on models and images", _locked),
    ("Microsoft.Network/networkSecurityGroups", BuiltIn.CONTRIBUTOR, "network", _own_network),
    ("Microsoft.Network/virtualNetworks", BuiltIn.CONTRIBUTOR, "network", _own_network),
    ("Microsoft.Network/publicIPAddresses", BuiltIn.CONTRIBUTOR, "way out of the nodes", _nat),
    ("Microsoft.Network/natGateways", BuiltIn.CONTRIBUTOR, "way out of the nodes", _nat),
    ("Microsoft.Network/privateEndpoints", BuiltIn.CONTRIBUTOR, "private endpoints", _private),
    ("Microsoft.Network/privateEndpoints/privateDnsZoneGroups", BuiltIn.CONTRIBUTOR, "names of private endpoints", _private),
    ("Microsoft.Network/privateDnsZones", BuiltIn.CONTRIBUTOR, "names of private endpoints", _private),
    ("Microsoft.Network/privateDnsZones/virtualNetworkLinks", BuiltIn.CONTRIBUTOR, "names of private endpoints", _private),
    ("Microsoft.Storage/storageAccounts", BuiltIn.CONTRIBUTOR, "model storage", _own_storage),
    ("Microsoft.Storage/storageAccounts/blobServices", BuiltIn.CONTRIBUTOR, "versions and soft delete of models", _own_storage),
    ("Microsoft.Storage/storageAccounts/blobServices/containers", BuiltIn.CONTRIBUTOR, "container of the models", _own_storage),
    ("Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies", BuiltIn.CONTRIBUTOR, "write-once models", _write_once),
    ("Microsoft.Storage/storageAccounts/managementPolicies", BuiltIn.CONTRIBUTOR, "clearing away of old versions", _own_storage),
    ("Microsoft.ContainerRegistry/registries", BuiltIn.CONTRIBUTOR, "registry", _own_registry),
    ("Microsoft.ManagedIdentity/userAssignedIdentities", BuiltIn.CONTRIBUTOR, "the cluster's identities", _own_cluster),
    ("Microsoft.ContainerService/managedClusters", BuiltIn.CONTRIBUTOR, "cluster", _own_cluster),
    ("Microsoft.ContainerService/managedClusters/agentPools", BuiltIn.CONTRIBUTOR, "node pools", _own_cluster),
    ("Microsoft.ContainerService/managedClusters/maintenanceConfigurations", BuiltIn.CONTRIBUTOR, "maintenance windows", _own_cluster),
    ("Microsoft.OperationalInsights/workspaces", BuiltIn.CONTRIBUTOR, "logs", _monitored),
    ("Microsoft.Monitor/accounts", BuiltIn.CONTRIBUTOR, "metrics", _monitored),
    ("Microsoft.Insights/dataCollectionEndpoints", BuiltIn.CONTRIBUTOR, "metrics", _monitored),
    ("Microsoft.Insights/dataCollectionRules", BuiltIn.CONTRIBUTOR, "logs and metrics", _monitored),
    ("Microsoft.Insights/dataCollectionRuleAssociations", BuiltIn.CONTRIBUTOR, "logs and metrics", _monitored),
    ("Microsoft.Insights/diagnosticSettings", BuiltIn.CONTRIBUTOR, "logs", _monitored),
    ("Microsoft.Insights/actionGroups", BuiltIn.CONTRIBUTOR, "alerts", _monitored),
    ("Microsoft.Insights/metricAlerts", BuiltIn.CONTRIBUTOR, "alerts", _monitored),
    ("Microsoft.Insights/scheduledQueryRules", BuiltIn.CONTRIBUTOR, "alerts", _monitored),
    ("Microsoft.AlertsManagement/prometheusRuleGroups", BuiltIn.CONTRIBUTOR, "alerts", _monitored),
)
"""Types that the program declares; each is read by a preview, and written and deleted by an update."""

_AKS = "Microsoft.ContainerService/managedClusters"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
_ACR = "Microsoft.ContainerRegistry/registries"
_APPROVAL = "privateEndpointConnectionsApproval/action"
_SEEN, _MADE = Use.PREVIEW | Use.DATA, Use.DATA | Use.GRANTED
_ACTIONS: tuple[tuple[Call, Callable[[StackFile], bool]], ...] = (
    (Call("Microsoft.Network/virtualNetworks/subnets/join/action", BuiltIn.CONTRIBUTOR, "nodes and endpoints join subnets"), _always),
    (Call("Microsoft.Network/networkSecurityGroups/join/action", BuiltIn.CONTRIBUTOR, "rules of subnets"), _own_network),
    (Call("Microsoft.Network/natGateways/join/action", BuiltIn.CONTRIBUTOR, "way out of the nodes"), _nat),
    (Call("Microsoft.Network/publicIPAddresses/join/action", BuiltIn.CONTRIBUTOR, "way out of the nodes"), _nat),
    (Call("Microsoft.Network/privateDnsZones/join/action", BuiltIn.CONTRIBUTOR, "names of private endpoints"), _private),
    (Call("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", BuiltIn.CONTRIBUTOR, "the cluster gets its identities"), _own_cluster),
    (Call(f"Microsoft.Storage/storageAccounts/{_APPROVAL}", BuiltIn.CONTRIBUTOR, "private endpoint of the storage"), _private),
    (Call(f"{_ACR}/{_APPROVAL}", BuiltIn.CONTRIBUTOR, "private endpoint of the registry"), _private),
    (Call("Microsoft.OperationalInsights/workspaces/sharedKeys/action", BuiltIn.CONTRIBUTOR, "logs are sent to the workspace"), _monitored),
    (Call(f"{_AKS}/listClusterUserCredential/action", BuiltIn.AKS_CLUSTER_USER, "the users' kubeconfig", Scope.CLUSTER, Use.PREVIEW), _always),
    (Call(f"{_AKS}/apps/deployments/read", BuiltIn.AKS_RBAC_READER, "what runs is compared", Scope.CLUSTER, _SEEN | Use.GRANTED), _always),
    (Call(f"{_AKS}/namespaces/write", BuiltIn.AKS_RBAC_CLUSTER_ADMIN, "namespaces of the services", Scope.CLUSTER, _MADE), _always),
    (Call(f"{_AKS}/apps/deployments/write", BuiltIn.AKS_RBAC_CLUSTER_ADMIN, "the services", Scope.CLUSTER, _MADE), _always),
    (Call(f"{_BLOBS}/generateUserDelegationKey/action", BuiltIn.BLOB_DELEGATOR, "the build reads one model", Scope.STORAGE, Use.GRANTED), _always),
    (Call(f"{_BLOBS}/containers/blobs/read", BuiltIn.BLOB_DATA_READER, "the build reads one model", Scope.CONTAINER, _MADE), _always),
    (Call(f"{_ACR}/push/write", BuiltIn.ACR_PUSH, "images", Scope.REGISTRY, Use.GRANTED), _always),
    (Call(f"{_ACR}/pull/read", BuiltIn.ACR_PUSH, "layers that are there already", Scope.REGISTRY, Use.GRANTED), _always),
    (Call(f"{_BLOBS}/containers/blobs/read", BuiltIn.BLOB_DATA_READER, "Pulumi's state", Scope.STATE, _SEEN), _always),
    (Call(f"{_BLOBS}/containers/blobs/write", BuiltIn.BLOB_DATA_CONTRIBUTOR, "Pulumi's state and its lock", Scope.STATE, Use.DATA), _always),
    (Call(f"{_BLOBS}/containers/blobs/delete", BuiltIn.BLOB_DATA_CONTRIBUTOR, "Pulumi's lock", Scope.STATE, Use.DATA), _always),
    (Call("Microsoft.KeyVault/vaults/keys/decrypt/action", BuiltIn.KEY_VAULT_CRYPTO_USER, "secrets in the state", Scope.KEY, _SEEN), _always),
    (Call("Microsoft.KeyVault/vaults/keys/encrypt/action", BuiltIn.KEY_VAULT_CRYPTO_USER, "secrets in the state", Scope.KEY, Use.DATA), _always),
)
"""What is asked besides: actions on them, and their content."""


def needed(file: StackFile) -> Iterator[Call]:
    """The calls of this stack: what its settings leave out needs no right."""
    for kind, role, why, applies in _RESOURCES:
        if applies(file):
            yield Call(f"{kind}/read", BuiltIn.READER, why, use=Use.PREVIEW)
            yield Call(f"{kind}/write", role, why)
            yield Call(f"{kind}/delete", role, why)
    for call, applies in _ACTIONS:
        if applies(file):
            yield call
