"""Microsoft.ContainerService."""

from typing import Any

from local_azure.arm.spec import NOWHERE, Context, NameRule, Properties, ResourceType, at, basics, drawn_id, short_hash, with_identities
from local_azure.arm.types.cluster_relations import CLUSTER_RELATIONS
from local_azure.arm.types.cluster_rules import CLUSTER_RULES
from local_azure.arm.types.pool_rules import POOL_RULES
from local_azure.arm.wire import UNKNOWN

_CLUSTER_ID = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.ContainerService/managedClusters/{resourceName}"
_NEWEST_PATCH = "4"
_DEFAULT_VERSION = "1.34"


def _cluster(context: Context, identifier: str, inputs: Properties) -> Properties:
    version = inputs.get("kubernetesVersion", _DEFAULT_VERSION)
    outputs: Properties = {
        "name": inputs["resourceName"],
        "type": "Microsoft.ContainerService/ManagedClusters",
        "provisioningState": "Succeeded",
        "powerState": {"code": "Running"},
        "fqdn": f"{fqdn_prefix(inputs)}-{short_hash(identifier)}.hcp.{inputs['location']}.azmk8s.io{NOWHERE}",
        "currentKubernetesVersion": version if version.count(".") > 1 else f"{version}.{_NEWEST_PATCH}",
        "nodeResourceGroup": inputs.get("nodeResourceGroup") or f"MC_{inputs['resourceGroupName']}_{inputs['resourceName']}_{inputs['location']}",
        "maxAgentPools": 100,
        "resourceUID": drawn_id(identifier, "uid").replace("-", "")[:24],
    }
    if addons := _with_identities_of_addons(inputs, identifier, outputs["nodeResourceGroup"]):
        outputs["addonProfiles"] = addons
    if at(inputs, "apiServerAccessProfile.enablePrivateCluster"):
        outputs["privateFQDN"] = outputs["fqdn"].replace(".hcp.", ".privatelink.")
    if at(inputs, "oidcIssuerProfile.enabled"):
        issuer = f"https://{inputs['location']}.oic.prod-aks.azure.com/{context.tenant_id}/{drawn_id(identifier, 'issuer')}/"
        outputs["oidcIssuerProfile"] = {**inputs["oidcIssuerProfile"], "issuerURL": issuer}
    return outputs


def _with_identities_of_addons(inputs: Properties, identifier: str, node_group: str) -> Properties:
    """AKS makes an identity for each add-on that is on, in the nodes' resource group."""
    group = "/".join([*identifier.split("/")[:4], node_group])
    return {
        name: {**addon, "identity": _addon_identity(identifier, group, name)} if addon.get("enabled") else addon
        for name, addon in (inputs.get("addonProfiles") or {}).items()
    }


def _addon_identity(identifier: str, group: str, name: str) -> Properties:
    resource = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name.lower()}-{identifier.rsplit('/', 1)[-1]}"
    return {"resourceId": resource, "clientId": drawn_id(resource, "client"), "objectId": drawn_id(resource, "principal")}


def _with_unknown_identity(addon: Any) -> Any:
    return {**addon, "identity": UNKNOWN} if isinstance(addon, dict) and addon.get("enabled") else addon


def _answered_cluster(inputs: Properties) -> Properties:
    issuer = inputs.get("oidcIssuerProfile")
    answered = {**inputs, "oidcIssuerProfile": {**issuer, "issuerURL": UNKNOWN}} if isinstance(issuer, dict) and issuer.get("enabled") else inputs
    if isinstance(inputs.get("addonProfiles"), dict):
        answered = {**answered, "addonProfiles": {name: _with_unknown_identity(addon) for name, addon in inputs["addonProfiles"].items()}}
    return with_identities(answered)


def fqdn_prefix(inputs: Properties) -> str:
    """First part of the API server's host name."""
    return inputs.get("dnsPrefix") or inputs["resourceName"]


MANAGED_CLUSTER = ResourceType(
    pulumi_type="azure-native:containerservice:ManagedCluster",
    arm_type="Microsoft.ContainerService/managedClusters",
    identifier=_CLUSTER_ID,
    name_property="resourceName",
    name_rule=NameRule(
        pattern=r"[a-zA-Z0-9]([\w-]{0,61}[a-zA-Z0-9])?", words="1 to 63 letters, digits, underscores and hyphens, starting and ending with a letter or digit"
    ),
    immutable=frozenset(
        [
            "location",
            "dnsPrefix",
            "fqdnSubdomain",
            "nodeResourceGroup",
            "enableRBAC",
            "diskEncryptionSetID",
            "extendedLocation",
            "networkProfile.podCidr",
            "networkProfile.serviceCidr",
            "networkProfile.dnsServiceIP",
            "networkProfile.loadBalancerSku",
            "linuxProfile",
            "servicePrincipalProfile.clientId",
            "apiServerAccessProfile.enablePrivateCluster",
        ]
    ),
    filled_in=("nodeResourceGroup",),
    compute=_cluster,
    respond=_answered_cluster,
    rules=CLUSTER_RULES,
    relations=CLUSTER_RELATIONS,
    unchecked="Kubernetes versions and VM sizes that a region has; disk sizes of VM sizes",
    sources=("https://learn.microsoft.com/rest/api/aks/managed-clusters/create-or-update", "https://learn.microsoft.com/azure/aks/private-clusters"),
)


AGENT_POOL = ResourceType(
    pulumi_type="azure-native:containerservice:AgentPool",
    arm_type="Microsoft.ContainerService/managedClusters/agentPools",
    identifier=f"{_CLUSTER_ID}/agentPools/{{agentPoolName}}",
    name_property="agentPoolName",
    name_rule=NameRule(pattern=r"[a-z][a-z0-9]{0,11}", words="1 to 12 lower-case letters and digits, starting with a letter"),
    immutable=frozenset({"resourceName", "vmSize", "osType", "osDiskType", "osDiskSizeGB", "availabilityZones", "maxPods", "vnetSubnetID"}),
    # `type` is the kind of pool here, not ARM's type.
    compute=lambda _context, _identifier, inputs: {
        "name": inputs["agentPoolName"],
        "provisioningState": "Succeeded",
        "powerState": {"code": "Running"},
    },
    rules=POOL_RULES,
    unchecked="Kubernetes versions and VM sizes that a region has; disk sizes of VM sizes",
    sources=("https://learn.microsoft.com/rest/api/aks/agent-pools/create-or-update", "https://learn.microsoft.com/azure/aks/create-node-pools"),
)

_WINDOWS = ("default", "aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule")

MAINTENANCE_CONFIGURATION = ResourceType(
    pulumi_type="azure-native:containerservice:MaintenanceConfiguration",
    arm_type="Microsoft.ContainerService/managedClusters/maintenanceConfigurations",
    identifier=f"{_CLUSTER_ID}/maintenanceConfigurations/{{configName}}",
    name_property="configName",
    name_rule=NameRule(pattern="|".join(_WINDOWS), words=", ".join(_WINDOWS)),
    compute=basics("Microsoft.ContainerService/managedClusters/maintenanceConfigurations", "configName"),
    sources=("https://learn.microsoft.com/azure/aks/planned-maintenance",),
    unchecked="the least length of a window for each schedule",
)

TYPES = (MANAGED_CLUSTER, AGENT_POOL, MAINTENANCE_CONFIGURATION)
