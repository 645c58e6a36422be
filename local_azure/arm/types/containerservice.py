"""Microsoft.ContainerService."""

from local_azure.arm.spec import Context, NameRule, Properties, ResourceType, chosen, drawn_id, short_hash, with_identities

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
        "fqdn": f"{fqdn_prefix(inputs)}-{short_hash(identifier)}.hcp.{inputs['location']}.azmk8s.io",
        "currentKubernetesVersion": version if version.count(".") > 1 else f"{version}.{_NEWEST_PATCH}",
        "nodeResourceGroup": inputs.get("nodeResourceGroup") or f"MC_{inputs['resourceGroupName']}_{inputs['resourceName']}_{inputs['location']}",
        "maxAgentPools": 100,
        "resourceUID": drawn_id(identifier, "uid").replace("-", "")[:24],
    }
    if inputs.get("oidcIssuerProfile", {}).get("enabled"):
        issuer = f"https://{inputs['location']}.oic.prod-aks.azure.com/{context.tenant_id}/{drawn_id(identifier, 'issuer')}/"
        outputs["oidcIssuerProfile"] = {**inputs["oidcIssuerProfile"], "issuerURL": issuer}
    return outputs


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
    properties=frozenset(
        [
            "aadProfile",
            "addonProfiles",
            "agentPoolProfiles",
            "aiToolchainOperatorProfile",
            "apiServerAccessProfile",
            "autoScalerProfile",
            "autoUpgradeProfile",
            "azureMonitorProfile",
            "bootstrapProfile",
            "disableLocalAccounts",
            "diskEncryptionSetID",
            "dnsPrefix",
            "enableRBAC",
            "extendedLocation",
            "fqdnSubdomain",
            "httpProxyConfig",
            "identity",
            "identityProfile",
            "ingressProfile",
            "kind",
            "kubernetesVersion",
            "linuxProfile",
            "location",
            "metricsProfile",
            "networkProfile",
            "nodeProvisioningProfile",
            "nodeResourceGroup",
            "nodeResourceGroupProfile",
            "oidcIssuerProfile",
            "podIdentityProfile",
            "privateLinkResources",
            "publicNetworkAccess",
            "resourceGroupName",
            "resourceName",
            "securityProfile",
            "serviceMeshProfile",
            "servicePrincipalProfile",
            "sku",
            "storageProfile",
            "supportPlan",
            "tags",
            "upgradeSettings",
            "windowsProfile",
            "workloadAutoScalerProfile",
        ]
    ),
    required=frozenset({"resourceGroupName"}),
    choices={
        "sku.name": chosen("Base", "Automatic"),
        "sku.tier": chosen("Free", "Standard", "Premium"),
        "publicNetworkAccess": chosen("Enabled", "Disabled"),
        "networkProfile.networkPlugin": chosen("azure", "kubenet", "none"),
        "networkProfile.networkPluginMode": chosen("overlay"),
        "networkProfile.networkDataplane": chosen("azure", "cilium"),
        "networkProfile.networkPolicy": chosen("azure", "calico", "cilium", "none"),
        "networkProfile.loadBalancerSku": chosen("standard", "basic"),
        "networkProfile.outboundType": chosen(
            "loadBalancer", "userDefinedRouting", "managedNATGateway", "userAssignedNATGateway", "managedNATGatewayV2", "none"
        ),
        "autoUpgradeProfile.upgradeChannel": chosen("rapid", "stable", "patch", "node-image", "none"),
        "autoUpgradeProfile.nodeOSUpgradeChannel": chosen("None", "Unmanaged", "NodeImage", "SecurityPatch"),
        "agentPoolProfiles[].mode": chosen("System", "User", "Gateway"),
        "agentPoolProfiles[].osDiskType": chosen("Managed", "Ephemeral"),
        "agentPoolProfiles[].osSKU": chosen("Ubuntu", "Ubuntu2204", "Ubuntu2404", "AzureLinux", "AzureLinux3", "CBLMariner", "Windows2019", "Windows2022"),
        "nodeResourceGroupProfile.restrictionLevel": chosen("Unrestricted", "ReadOnly"),
        "nodeProvisioningProfile.mode": chosen("Manual", "Auto"),
    },
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
    outputs=(
        *("azureApiVersion", "currentKubernetesVersion", "fqdn", "maxAgentPools", "name", "powerState", "provisioningState", "resourceUID", "type"),
        *("nodeResourceGroup", "privateFQDN"),
    ),
    compute=_cluster,
    respond=with_identities,
)


def _pool(_context: Context, _identifier: str, inputs: Properties) -> Properties:
    return {
        "name": inputs["agentPoolName"],
        "type": "Microsoft.ContainerService/managedClusters/agentPools",
        "provisioningState": "Succeeded",
        "powerState": {"code": "Running"},
    }


AGENT_POOL = ResourceType(
    pulumi_type="azure-native:containerservice:AgentPool",
    arm_type="Microsoft.ContainerService/managedClusters/agentPools",
    identifier=f"{_CLUSTER_ID}/agentPools/{{agentPoolName}}",
    name_property="agentPoolName",
    name_rule=NameRule(pattern=r"[a-z][a-z0-9]{0,11}", words="1 to 12 lower-case letters and digits, starting with a letter"),
    properties=frozenset(
        [
            "agentPoolName",
            "availabilityZones",
            "count",
            "enableAutoScaling",
            "enableEncryptionAtHost",
            "enableFIPS",
            "enableNodePublicIP",
            "enableUltraSSD",
            "gpuInstanceProfile",
            "kubeletConfig",
            "kubeletDiskType",
            "linuxOSConfig",
            "maxCount",
            "maxPods",
            "minCount",
            "mode",
            "networkProfile",
            "nodeLabels",
            "nodeTaints",
            "orchestratorVersion",
            "osDiskSizeGB",
            "osDiskType",
            "osSKU",
            "osType",
            "podSubnetID",
            "powerState",
            "proximityPlacementGroupID",
            "resourceGroupName",
            "resourceName",
            "scaleDownMode",
            "scaleSetEvictionPolicy",
            "scaleSetPriority",
            "securityProfile",
            "spotMaxPrice",
            "tags",
            "type",
            "upgradeSettings",
            "vmSize",
            "vnetSubnetID",
            "workloadRuntime",
        ]
    ),
    required=frozenset({"resourceGroupName", "resourceName"}),
    choices={"mode": chosen("System", "User", "Gateway"), "osDiskType": chosen("Managed", "Ephemeral")},
    immutable=frozenset({"resourceName", "vmSize", "osType", "osDiskType", "osDiskSizeGB", "availabilityZones", "maxPods", "vnetSubnetID"}),
    outputs=("azureApiVersion", "name", "powerState", "provisioningState", "type"),
    compute=_pool,
)

TYPES = (MANAGED_CLUSTER, AGENT_POOL)
