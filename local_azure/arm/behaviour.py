"""What ARM and the azure-native plugin do with a type besides checking its body: what ARM fills in, what replaces a resource, what ARM refuses to change.

Keyed by Pulumi's type, beside the declarative types: those say what a body may hold.
"""

from collections.abc import Mapping
from typing import Any, Final

from local_azure.arm.spec import Context, Properties, drawn_id
from local_azure.arm.wire import UNKNOWN

_CLUSTER: Final = "azure-native:containerservice:ManagedCluster"
_POOL: Final = "azure-native:containerservice:AgentPool"
_ACCOUNT: Final = "azure-native:storage:StorageAccount"
_CONTAINER: Final = "azure-native:storage:BlobContainer"
_REGISTRY: Final = "azure-native:containerregistry:Registry"
_ENDPOINT: Final = "azure-native:network:PrivateEndpoint"

_POOL_DEFAULTS: Final[Properties] = {
    "enableEncryptionAtHost": False,
    "enableFIPS": False,
    "enableUltraSSD": False,
    "kubeletDiskType": "OS",
    "maxPods": 250,
    "osType": "Linux",
    "powerState": {"code": "Running"},
    "scaleDownMode": "Delete",
    "upgradeSettings": {"maxUnavailable": "0"},
}

DEFAULTS: Final[Mapping[str, Properties]] = {
    _CLUSTER: {
        "agentPoolProfiles": [{**_POOL_DEFAULTS, "type": "VirtualMachineScaleSets"}],
        "networkProfile": {
            "podCidr": "10.244.0.0/16",
            "podCidrs": ["10.244.0.0/16"],
            "serviceCidr": "10.0.0.0/16",
            "serviceCidrs": ["10.0.0.0/16"],
            "dnsServiceIP": "10.0.0.10",
            "ipFamilies": ["IPv4"],
            "loadBalancerProfile": {"managedOutboundIPs": {"count": 1}, "backendPoolType": "nodeIPConfiguration"},
        },
        "metricsProfile": {"costAnalysis": {"enabled": False}},
        "supportPlan": "KubernetesOfficial",
        "windowsProfile": {"adminUsername": "azureuser", "enableCSIProxy": True},
        "workloadAutoScalerProfile": {},
    },
    _POOL: {**_POOL_DEFAULTS, "type": "VirtualMachineScaleSets"},
    _ACCOUNT: {
        "accessTier": "Hot",
        "encryption": {
            "keySource": "Microsoft.Storage",
            "services": {"blob": {"enabled": True, "keyType": "Account"}, "file": {"enabled": True, "keyType": "Account"}},
        },
        "networkRuleSet": {"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": []},
    },
    "azure-native:network:NatGateway": {"idleTimeoutInMinutes": 4},
    "azure-native:network:PublicIPAddress": {
        "ddosSettings": {"protectionMode": "VirtualNetworkInherited"},
        "idleTimeoutInMinutes": 4,
        "publicIPAddressVersion": "IPv4",
        "publicIPAllocationMethod": "Dynamic",
    },
    "azure-native:network:VirtualNetwork": {
        "enableDdosProtection": False,
        "privateEndpointVNetPolicies": "Disabled",
        "subnets": [{"privateEndpointNetworkPolicies": "Disabled", "privateLinkServiceNetworkPolicies": "Enabled"}],
    },
    "azure-native:operationalinsights:Workspace": {
        "publicNetworkAccessForIngestion": "Enabled",
        "publicNetworkAccessForQuery": "Enabled",
        "retentionInDays": 30,
        "sku": {"name": "PerGB2018"},
    },
    "azure-native:keyvault:Vault": {"properties": {"enableSoftDelete": True, "publicNetworkAccess": "Enabled", "softDeleteRetentionInDays": 90}},
    _CONTAINER: {"defaultEncryptionScope": "$account-encryption-key", "denyEncryptionScopeOverride": False},
    _REGISTRY: {
        "anonymousPullEnabled": False,
        "dataEndpointEnabled": False,
        "encryption": {"status": "disabled"},
        "networkRuleBypassOptions": "AzureServices",
        "policies": {
            "azureADAuthenticationAsArmPolicy": {"status": "enabled"},
            "exportPolicy": {"status": "enabled"},
            "quarantinePolicy": {"status": "disabled"},
            "retentionPolicy": {"days": 7, "status": "disabled"},
            "softDeletePolicy": {"retentionDays": 7, "status": "disabled"},
            "trustPolicy": {"status": "disabled", "type": "Notary"},
        },
        "publicNetworkAccess": "Enabled",
        "zoneRedundancy": "Disabled",
    },
}
"""What reading a resource gives where the body said nothing. In a list the one element stands for each."""

INSIDE: Final[Mapping[str, Properties]] = {
    _CLUSTER: {
        "agentPoolProfiles": [{"currentOrchestratorVersion": None, "nodeImageVersion": None, "provisioningState": None, "eTag": None}],
        "oidcIssuerProfile": {"issuerURL": None},
        "networkProfile": {"loadBalancerProfile": {"effectiveOutboundIPs": None}},
    },
    _REGISTRY: {"policies": {"softDeletePolicy": {"lastUpdatedTime": None}, "retentionPolicy": {"lastUpdatedTime": None}}},
}
"""Read-only properties inside of properties that can be written. The plugin never takes them for inputs."""

FORCES_NEW: Final[Mapping[str, frozenset[str]]] = {
    "azure-native:authorization:RoleAssignment": frozenset({"principalId", "scope"}),
    _CLUSTER: frozenset(
        {
            *("diskEncryptionSetID", "dnsPrefix", "fqdnSubdomain", "linuxProfile", "location", "nodeResourceGroup", "windowsProfile"),
            *(f"networkProfile.{name}" for name in ("serviceCidr", "serviceCidrs", "dnsServiceIP", "networkMode", "networkPlugin", "networkPluginMode")),
            *(f"networkProfile.{name}" for name in ("podCidr", "networkDataplane", "networkPolicy", "outboundType")),
        }
    ),
    _POOL: frozenset({"gpuInstanceProfile", "vmSize"}),
    _ENDPOINT: frozenset({"subnet"}),
    "azure-native:network:PublicIPAddress": frozenset({"location", "publicIPAddressVersion", "publicIPPrefix", "sku"}),
    "azure-native:network:VirtualNetwork": frozenset({"location"}),
    "azure-native:resources:ResourceGroup": frozenset({"location"}),
    _ACCOUNT: frozenset({"isHnsEnabled", "location"}),
    _CONTAINER: frozenset(),
}
"""What the azure-native plugin replaces a resource for (its provider/pkg/gen/replacement.go), for the types that it lists.

For every other type the plugin goes by the specification's create-only marks, which the types here call immutable. A listed type's other immutable properties
are planned as an update, and ARM refuses that: a program that wants a replacement asks for it with `replace_on_changes`.
"""

REFUSED: Final[Mapping[str, frozenset[str]]] = {
    _CLUSTER: frozenset(
        f"agentPoolProfiles[].{name}"
        for name in (
            "vmSize",
            "osType",
            "osDiskType",
            "osDiskSizeGB",
            "maxPods",
            "vnetSubnetID",
            "podSubnetID",
            "availabilityZones",
            "enableFIPS",
            "kubeletDiskType",
        )
    ),
    "azure-native:authorization:RoleAssignment": frozenset({"roleDefinitionId"}),
}
"""What ARM does not change in place besides what the types call immutable; in lists the elements are told apart by `name`."""

PARENTS_LIST: Final[Mapping[str, str]] = {_CLUSTER: "agentPoolProfiles"}
"""Types whose answer lists resources of their own: AKS answers with every pool, whoever made it."""

TAKEN: Final[Mapping[str, str]] = {
    _ACCOUNT: "The storage account named {name} is already taken.",
    _REGISTRY: "The registry DNS name {name}.azurecr.io is already in use. You can check if the name is already claimed using following API: "
    "https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability",
    "azure-native:authorization:RoleAssignment": "The role assignment already exists. The ID of the existing role assignment is {bare_name}.",
    "azure-native:keyvault:Vault": "The vault name '{name}' is already in use. Vault names are globally unique so it is possible that the name is already "
    "taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after "
    "being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged before reusing the name.",
}
"""ARM's words when a name, or what else must be unique, belongs to another resource."""


def merged(under: Any, over: Any) -> Any:
    """`over`, completed with what only `under` has; in a list of `under` the one element completes each."""
    if isinstance(under, dict) and isinstance(over, dict):
        return {**under, **{name: merged(under[name], value) if name in under else value for name, value in over.items()}}
    if isinstance(under, list) and isinstance(over, list) and under and isinstance(under[0], dict):
        return [merged(under[0], item) for item in over]
    return over


def completed(pulumi_type: str, answered: Properties) -> Properties:
    """What ARM answers for a body: the body, and its defaults."""
    return merged(DEFAULTS.get(pulumi_type, {}), answered)


def inside(pulumi_type: str, context: Context, identifier: str, inputs: Properties) -> Properties:
    """Read-only properties that ARM puts inside of what was given."""
    if pulumi_type == _CLUSTER and (inputs.get("oidcIssuerProfile") or {}).get("enabled"):
        place = f"{inputs.get('location', 'westeurope')}.oic.prod-aks.azure.com/{context.tenant_id}/{drawn_id(identifier, 'issuer')}"
        return {"oidcIssuerProfile": {"issuerURL": f"https://{place}/"}}
    return {}


def kept(pulumi_type: str, before: Properties, now: Properties) -> Properties:
    """A body with what Azure keeps inside of it from one update to the next; elements of lists are the same when their `name` is."""
    return _kept(INSIDE.get(pulumi_type, {}), before, now)


def _kept(read_only: Any, before: Any, now: Any) -> Any:
    if isinstance(read_only, dict) and isinstance(before, dict) and isinstance(now, dict):
        own = {name: before[name] for name, below in read_only.items() if below is None and name in before}
        return {**own, **{name: _kept(read_only.get(name), before.get(name), value) for name, value in now.items()}}
    if isinstance(read_only, list) and isinstance(before, list) and isinstance(now, list):
        known = {item.get("name"): item for item in before}
        return [_kept(read_only[0], known.get(item.get("name")), item) for item in now]
    return now


def related(record: Mapping[str, Any], resources: Mapping[str, Any]) -> Properties:
    """What ARM answers about a resource for what others are: a private endpoint keeps its names itself, until a group of DNS zones has them."""
    if record["token"] != _ENDPOINT or record["inputs"].get("customDnsConfigs"):
        return {}
    below = f"{record['id'].lower()}/privatednszonegroups/"
    if any(key.startswith(below) for key in resources):
        return {"customDnsConfigs": []}
    connections = record["inputs"].get("privateLinkServiceConnections") or ()
    targets = [str(connection.get("privateLinkServiceId", "")).rsplit("/", 1)[-1] for connection in connections]
    return {"customDnsConfigs": [{"fqdn": target, "ipAddresses": ["10.0.0.4"]} for target in targets]}


def foreseen(pulumi_type: str, answered: Properties) -> Properties:
    """A body as the plugin previews it: what ARM puts inside of it is not known yet."""
    return _with_unknown(INSIDE.get(pulumi_type, {}), answered)


def _with_unknown(read_only: Any, value: Any) -> Any:
    if isinstance(value, dict) and isinstance(read_only, dict):
        unknown = {name: UNKNOWN for name, below in read_only.items() if below is None}
        return {**unknown, **{name: _with_unknown(read_only.get(name), item) for name, item in value.items()}}
    if isinstance(value, list) and isinstance(read_only, list):
        return [_with_unknown(read_only[0], item) for item in value]
    return value
