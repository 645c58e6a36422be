"""The cluster: the constraints of AKS Automatic, and what others forget. Identifiers that start with `cluster-` are the specification's own."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from policies.planned import Mark, PlannedResource, entries
from policies.rule import Rule, Severity, each, must_be, requires
from policies.rules.kinds import CLUSTER

SPECIFICATION = "AKS Automatic constraint specification 1.2.0 (microsoft/skills, constraint-spec-v1.yaml)"
_cluster = partial(Rule, looks_at=frozenset({CLUSTER}))


def _own_network(cluster: PlannedResource) -> bool:
    """Do its nodes lie in a subnet that is not AKS' own? A subnet whose id is not known yet is one, too."""
    return any(isinstance(pool, Mark) or pool.get("vnetSubnetID") for pool in entries(cluster.at("agentPoolProfiles")))


def _automatic(cluster: PlannedResource) -> bool:
    return cluster.at("sku.name") == "Automatic"


def _constraint(name: str, title: str, reason: str, fix: str, *, severity: Severity = "high", **values: Any) -> Rule:
    return _cluster(id=f"cluster-{name}", title=title, severity=severity, reason=reason, fix=fix, source=SPECIFICATION, check=each(requires(**values)))


def _of_automatic_only(name: str, title: str, otherwise: str, fix: str, **values: Any) -> Rule:
    """AKS turns these on in clusters of the SKU Automatic; in the SKU Base they are a choice."""
    return _cluster(
        id=f"cluster-{name}",
        title=title,
        severity="medium",
        reason="AKS refuses a cluster of the SKU Automatic without it.",
        fix=fix,
        source=SPECIFICATION,
        check=each(requires(**values)),
        applies=_automatic,
        otherwise=otherwise,
    )


POLICY_ADDON = _constraint(
    "azure-policy-addon",
    "The Azure Policy add-on is on",
    "Without it no rule about workloads is enforced in the cluster itself, and compliance shows nothing.",
    "set addon_profiles['azurepolicy'] enabled.",
    addonProfiles__azurepolicy__enabled=True,
)


def _secrets_provider(cluster: PlannedResource) -> Iterator[str | Mark]:
    yield from must_be(cluster.properties, "addonProfiles.azureKeyvaultSecretsProvider.enabled", True)
    yield from must_be(cluster.properties, "addonProfiles.azureKeyvaultSecretsProvider.config.enableSecretRotation", "true")


SECRETS_PROVIDER = _cluster(
    id="cluster-keyvault-secrets-provider",
    title="Secrets and certificates come from Key Vault and are rotated",
    severity="high",
    reason="Without it secrets are copied into Kubernetes by hand and grow old there.",
    fix="set addon_profiles['azureKeyvaultSecretsProvider'] enabled, with config enableSecretRotation 'true'.",
    source=SPECIFICATION,
    check=each(_secrets_provider),
    applies=lambda cluster: bool(cluster.at("serviceMeshProfile") or cluster.at("ingressProfile")),
    otherwise="no pod reads a secret: models are in the images, and nothing is reached from outside with a certificate",
)
API_SERVER_IN_NETWORK = _constraint(
    "api-server-vnet-integration",
    "Nodes reach the API server inside the virtual network",
    "Otherwise nodes and API server talk through a tunnel or over public addresses, which is slower and one more thing that can break.",
    "set api_server_access_profile enable_vnet_integration and a delegated subnet.",
    apiServerAccessProfile__enableVnetIntegration=True,
)
CILIUM = _constraint(
    "azure-cni-overlay-cilium",
    "Azure CNI overlay with Cilium",
    "kubenet and Azure's own network policies are being retired; pods in an overlay take no addresses of the network.",
    "set network_profile network_plugin azure, network_plugin_mode overlay, network_dataplane cilium and network_policy cilium.",
    networkProfile__networkPlugin="azure",
    networkProfile__networkPluginMode="overlay",
    networkProfile__networkDataplane="cilium",
    networkProfile__networkPolicy="cilium",
)
STANDARD_LOAD_BALANCER = _constraint(
    "standard-load-balancer",
    "The load balancer's SKU is standard",
    "Azure has retired the basic one: it has no zones and no SLA.",
    "set network_profile load_balancer_sku standard.",
    networkProfile__loadBalancerSku="standard",
)
MANAGED_NAT_GATEWAY = _cluster(
    id="cluster-nat-gateway-managed-vnet",
    title="A network that AKS manages goes out through a NAT gateway",
    severity="high",
    reason="A load balancer's ports for outbound connections run out under load, and connections then fail at random.",
    fix="set network_profile outbound_type managedNATGateway, or give the cluster a network of its own.",
    source=SPECIFICATION,
    check=each(requires(networkProfile__outboundType="managedNATGateway")),
    applies=lambda cluster: not _own_network(cluster),
    otherwise="the cluster lies in a network of its own; CVG403 asks for its way out",
)
AUTO_UPGRADE = _constraint(
    "auto-upgrade",
    "Kubernetes and node images upgrade themselves",
    "A version that nobody upgrades falls out of support within a year, and nodes miss security patches.",
    "set auto_upgrade_profile upgrade_channel stable and node_os_upgrade_channel NodeImage.",
    autoUpgradeProfile__upgradeChannel="stable",
    autoUpgradeProfile__nodeOSUpgradeChannel="NodeImage",
)
WEB_APP_ROUTING = _of_automatic_only(
    "web-app-routing",
    "The application routing add-on is on",
    "services are reached through the Istio add-on's gateway, or only from inside; the NGINX behind application routing is being retired",
    "set ingress_profile web_app_routing enabled.",
    ingressProfile__webAppRouting__enabled=True,
)
WORKLOAD_IDENTITY = _constraint(
    "workload-identity-oidc",
    "Pods can have Entra identities without secrets",
    "Without it a pod that needs Azure gets a stored password.",
    "set oidc_issuer_profile enabled and security_profile workload_identity enabled.",
    securityProfile__workloadIdentity__enabled=True,
    oidcIssuerProfile__enabled=True,
)
AZURE_RBAC = _constraint(
    "azure-rbac",
    "Who may do what in the cluster is a grant in Azure",
    "Rights that are kept inside a cluster are seen by no access review.",
    "set aad_profile managed and enable_azure_rbac.",
    severity="critical",
    aadProfile__managed=True,
    aadProfile__enableAzureRBAC=True,
)
NO_LOCAL_ACCOUNTS = _constraint(
    "disable-local-accounts",
    "No certificate logs in as administrator",
    "A local account's kubeconfig is a password for everything that never expires and names nobody.",
    "set disable_local_accounts.",
    severity="critical",
    disableLocalAccounts=True,
)
SYSTEM_ASSIGNED_IDENTITY = _cluster(
    id="cluster-system-assigned-managed-identity",
    title="A cluster in a network that AKS manages has a system-assigned identity",
    severity="medium",
    reason="AKS Automatic takes no other.",
    fix="set identity type SystemAssigned, or give the cluster a network of its own.",
    source=SPECIFICATION,
    check=each(requires(identity__type="SystemAssigned")),
    applies=lambda cluster: _automatic(cluster) and not _own_network(cluster),
    otherwise="an identity of its own is granted its rights before the cluster exists, so that no first pod waits for one (Azure's advice for SKU Base)",
)
IMAGE_CLEANER = _constraint(
    "image-cleaner",
    "Images that nothing runs are removed from nodes",
    "Old images with known holes stay on nodes and fill their disks.",
    "set security_profile image_cleaner enabled.",
    severity="medium",
    securityProfile__imageCleaner__enabled=True,
)
VERTICAL_AUTOSCALER = _of_automatic_only(
    "vpa",
    "The vertical pod autoscaler is on",
    "services scale by number of pods (HorizontalPodAutoscaler); in mode Off it would only recommend",
    "set workload_auto_scaler_profile vertical_pod_autoscaler enabled.",
    workloadAutoScalerProfile__verticalPodAutoscaler__enabled=True,
)
KEDA = _of_automatic_only(
    "keda",
    "KEDA is on",
    "services scale by processor time, which needs no KEDA; it would be one more controller with rights on every namespace",
    "set workload_auto_scaler_profile keda enabled.",
    workloadAutoScalerProfile__keda__enabled=True,
)
NODE_AUTO_PROVISIONING = _of_automatic_only(
    "node-auto-provisioning",
    "Azure chooses sizes of nodes",
    "pools with chosen sizes, zones and bounds are in the plan for a reviewer to see; node auto-provisioning excludes autoscaled pools",
    "set node_provisioning_profile mode Auto.",
    nodeProvisioningProfile__mode="Auto",
)
NODE_GROUP_READ_ONLY = _constraint(
    "node-rg-readonly",
    "The resource group of the nodes cannot be changed by hand",
    "A change there is undone or breaks the next upgrade, and AKS does not support it.",
    "set node_resource_group_profile restriction_level ReadOnly; it can be chosen only when the cluster is created.",
    nodeResourceGroupProfile__restrictionLevel="ReadOnly",
)

# --- what others ship ---


def _private(cluster: PlannedResource) -> Iterator[str | Mark]:
    yield from must_be(cluster.properties, "apiServerAccessProfile.enablePrivateCluster", True)


PRIVATE_API_SERVER = _cluster(
    id="CVG401",
    title="The API server has no public address",
    severity="high",
    reason="Whoever has an address can try every login and every unpatched hole.",
    fix="make the cluster private, and deploy from inside the network.",
    source="mspnp/aks-baseline (private cluster); checkov CKV_AZURE_115",
    check=each(_private),
)
RUN_COMMAND_OFF = _cluster(
    id="CVG402",
    title="Nobody runs commands in the cluster through Azure's own API",
    severity="medium",
    reason="`az aks command invoke` goes round a private API server.",
    fix="set api_server_access_profile disable_run_command.",
    source="mspnp/aks-baseline (disableRunCommand)",
    check=each(requires(apiServerAccessProfile__disableRunCommand=True)),
)
WAY_OUT = _cluster(
    id="CVG403",
    title="A network of its own goes out through a NAT gateway or a firewall",
    severity="high",
    reason="A load balancer's ports for outbound connections run out under load, and its addresses are not ours to tell a partner.",
    fix="set network_profile outbound_type userAssignedNATGateway or userDefinedRouting.",
    source="Azure/AKS documentation, outbound types; AKS Automatic constraint cluster-nat-gateway-managed-vnet for the managed case",
    check=each(requires(networkProfile__outboundType=("userAssignedNATGateway", "userDefinedRouting", "managedNATGatewayV2", "none", "block"))),
    applies=_own_network,
    otherwise="AKS manages the network; cluster-nat-gateway-managed-vnet asks for its way out",
)
SLA = _cluster(
    id="CVG404",
    title="The control plane has an SLA",
    severity="high",
    reason="The tier Free promises no availability and holds few requests.",
    fix="set the tier to Standard or Premium.",
    source="Azure/AKS documentation, pricing tiers; checkov CKV_AZURE_170",
    check=each(requires(sku__tier=("Standard", "Premium"))),
)
DEFENDER = _cluster(
    id="CVG405",
    title="Defender watches the cluster",
    severity="medium",
    reason="Nobody else notices a container that mines coins or a stolen token.",
    fix="set security_profile defender security_monitoring enabled.",
    source="mspnp/aks-baseline; Azure Verified Modules, waf-aligned test",
    check=each(requires(securityProfile__defender__securityMonitoring__enabled=True)),
)
METRICS = _cluster(
    id="CVG406",
    title="Metrics are collected",
    severity="medium",
    reason="Without them no alert can fire and no incident can be explained.",
    fix="set azure_monitor_profile metrics enabled.",
    source="Azure/AKS documentation, managed Prometheus; mspnp/aks-baseline (omsagent)",
    check=each(requires(azureMonitorProfile__metrics__enabled=True)),
)


def _own_identities(cluster: PlannedResource) -> Iterator[str | Mark]:
    yield from must_be(cluster.properties, "identity.type", "UserAssigned")
    if cluster.at("identityProfile.kubeletidentity") is None:
        yield "identityProfile has no kubeletidentity"


OWN_IDENTITIES = _cluster(
    id="CVG407",
    title="Control plane and kubelet have identities that exist before the cluster",
    severity="medium",
    reason="Rights of an identity that is made with the cluster come after it: the first pods cannot pull, for up to ten minutes.",
    fix="make both identities and their grants first, and name them in identity and identity_profile.",
    source="Azure/AKS documentation, bring your own identity; kubernetes/kubernetes#92326",
    check=each(_own_identities),
    applies=lambda cluster: not _automatic(cluster),
    otherwise="a cluster of the SKU Automatic makes them itself",
)
