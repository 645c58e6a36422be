"""One way to break each rule: a setting, a component's argument or, where neither offers the mistake, an input or a resource of the SDK."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_docker_build as docker_build
import pulumi_kubernetes as kubernetes
from pulumi_azure_native import authorization, containerservice, keyvault, network, privatedns, storage
from pulumi_kubernetes import core, meta, rbac
from pulumi_kubernetes import storage as kubernetes_storage

from components.model_deployment import ModelDeployment, ModelDeploymentArgs
from components.model_storage import ModelStorage, ModelStorageArgs
from components.role_grants import Principal
from policies.rules import kinds
from tests.unit.model_store.samples import locked
from tests.unit.policies.changed import Input
from tests.unit.settings.stack_files import stack_values

_OURS, _THEIRS = "/subscriptions/11111111-1111-1111-1111-111111111111", "/subscriptions/22222222-2222-2222-2222-222222222222"
_READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
_OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
_CONTAINER = "spec.template.spec.containers[0]"
_POD = "spec.template.spec"
_DIGITS = f"registry.example/digits@sha256:{'a' * 64}"


@dataclass(frozen=True, kw_only=True)
class Break:
    """A mistake, and what the refusal says about it."""

    rule: str
    how: str
    """What is changed, for the list of rules."""
    says: str
    """Part of the violation's message that nothing else brings about."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    beside: Callable[[], object] | None = None
    apart: str = ""
    """Breaks with the same word are tried together, and never with others: they need, or spoil, what others change."""


def _setting(rule: str, key: str, value: Any, says: str, *, also: Mapping[str, Any] | None = None, apart: str = "") -> Break:
    part, _, name = key.partition(".")
    changed = {f"converge:{part}": {name: value} if name else value}
    shown = "one pod" if key == "services" else json.dumps(value)
    return Break(rule=rule, how=f"setting converge:{key}: {shown}", says=says, settings={**changed, **_nested(also, changed)}, apart=apart)


def _nested(also: Mapping[str, Any] | None, changed: Mapping[str, Any]) -> Mapping[str, Any]:
    made: dict[str, Any] = {}
    for key, value in (also or {}).items():
        part, _, name = key.partition(".")
        full = f"converge:{part}"
        made[full] = {**changed.get(full, {}), **made.get(full, {}), name: value}
    return made


def _input(rule: str, kind: str, path: str, value: Any, says: str, *, also: tuple[Input, ...] = (), apart: str = "") -> Break:
    shown = (
        type(value[0]).__name__ if isinstance(value, list) and value and not isinstance(value[0], str) else type(value).__name__ if _is_args(value) else value
    )
    return Break(rule=rule, how=f"SDK input of {kind.rpartition(':')[2]}: {path} = {shown}", says=says, inputs=(Input(kind, path, value), *also), apart=apart)


def _is_args(value: Any) -> bool:
    return type(value).__name__.endswith("Args")


def _declared(rule: str, how: str, beside: Callable[[], object], says: str) -> Break:
    return Break(rule=rule, how=f"SDK resource: {how}", says=says, beside=beside)


def _argument(rule: str, how: str, beside: Callable[[], object], says: str) -> Break:
    return Break(rule=rule, how=f"argument {how}", says=says, beside=beside)


def _of_cluster(rule: str, path: str, value: Any, says: str) -> Break:
    return _input(rule, kinds.CLUSTER, path, value, says)


def _of_user_pool(rule: str, path: str, value: Any, says: str) -> Break:
    return _input(rule, kinds.AGENT_POOL, path, value, says)


def _of_deployment(rule: str, path: str, value: Any, says: str) -> Break:
    return _input(rule, kinds.DEPLOYMENT, path, value, says)


_AUTOMATIC = Input(kinds.CLUSTER, "sku.name", "Automatic")
_AKS_NETWORK = Input(kinds.CLUSTER, "agent_pool_profiles[0].vnet_subnet_id", None)


def _of_automatic(rule: str, path: str, says: str, *also: Input, apart: str = "automatic") -> Break:
    return Break(rule=rule, how=f"SDK input of ManagedCluster: sku.name = Automatic, without {path}", says=says, inputs=(_AUTOMATIC, *also), apart=apart)


def _role_assignment(name: str, *, scope: str, role: str, subscription: str = _OURS) -> Callable[[], object]:
    definition = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    return lambda: authorization.RoleAssignment(
        f"wrong-{name}", role_assignment_name=name, scope=scope, role_definition_id=definition, principal_id="us", principal_type="Group"
    )


def _vault(name: str, **changes: Any) -> Callable[[], object]:
    good = {"enable_purge_protection": True, "enable_rbac_authorization": True, "public_network_access": "Disabled"}
    properties = keyvault.VaultPropertiesArgs(tenant_id="ours", sku=keyvault.SkuArgs(family="A", name=keyvault.SkuName.STANDARD), **{**good, **changes})
    return lambda: keyvault.Vault(f"wrong-{name}", vault_name=name, resource_group_name="vaults", properties=properties)


def _deployment(name: str, image: str = _DIGITS, **changes: Any) -> Callable[[], object]:
    return lambda: ModelDeployment(f"wrong-{name}", ModelDeploymentArgs(image=image, model=locked(3), **changes))


def _open_storage() -> object:
    arguments = ModelStorageArgs(account_name="wrongopen", deployer=Principal(id="us", type="Group"), allowed_ip_ranges=["0.0.0.0/0"])
    return ModelStorage("wrong-open", arguments)


def _twins() -> None:
    for name in ("wrong-first", "wrong-second"):
        core.v1.Service(name, metadata=meta.v1.ObjectMetaArgs(name=name, namespace="twins"), spec=core.v1.ServiceSpecArgs(selector={"app": "one"}))


def _one_pod() -> list[dict[str, Any]]:
    return [{**service, "replicas": 1} for service in stack_values("prod")["converge:services"]]


_PUBLIC = {"network.private": False}
_UNWATCHED = {"cluster.defender": False, "monitoring.alertEmails": []}
_SSH = network.SecurityRuleArgs(
    name="ssh",
    priority=200,
    direction=network.SecurityRuleDirection.INBOUND,
    access=network.SecurityRuleAccess.ALLOW,
    protocol=network.SecurityRuleProtocol.TCP,
    source_address_prefix="*",
    source_port_range="*",
    destination_address_prefix="*",
    destination_port_range="22",
)

BREAKS: tuple[Break, ...] = (
    # the cluster
    _setting("cluster-azure-policy-addon", "cluster.azurePolicy", False, "addonProfiles.azurepolicy.enabled is false"),
    _of_cluster(
        "cluster-keyvault-secrets-provider",
        "addon_profiles.azureKeyvaultSecretsProvider.config.enableSecretRotation",
        "false",
        "config.enableSecretRotation is false",
    ),
    _of_cluster("cluster-api-server-vnet-integration", "api_server_access_profile.enable_vnet_integration", False, "enableVnetIntegration is false"),
    _of_cluster("cluster-azure-cni-overlay-cilium", "network_profile.network_dataplane", "azure", "networkProfile.networkDataplane is azure"),
    _of_cluster("cluster-standard-load-balancer", "network_profile.load_balancer_sku", "basic", "networkProfile.loadBalancerSku is basic"),
    _input(
        "cluster-nat-gateway-managed-vnet",
        kinds.CLUSTER,
        "network_profile.outbound_type",
        "loadBalancer",
        "networkProfile.outboundType is loadBalancer; it must be managedNATGateway",
        also=(_AUTOMATIC, _AKS_NETWORK),
        apart="automatic",
    ),
    _setting("cluster-auto-upgrade", "cluster.upgradeChannel", "rapid", "autoUpgradeProfile.upgradeChannel is rapid"),
    _of_automatic("cluster-web-app-routing", "ingress_profile.web_app_routing", "ingressProfile.webAppRouting.enabled is not set"),
    _of_cluster("cluster-workload-identity-oidc", "oidc_issuer_profile.enabled", False, "oidcIssuerProfile.enabled is false"),
    _of_cluster("cluster-azure-rbac", "aad_profile.enable_azure_rbac", False, "aadProfile.enableAzureRBAC is false"),
    _of_cluster("cluster-disable-local-accounts", "disable_local_accounts", False, "disableLocalAccounts is false"),
    _of_automatic(
        "cluster-system-assigned-managed-identity",
        "a system-assigned identity",
        "identity.type is UserAssigned",
        _AKS_NETWORK,
        apart="automatic",
    ),
    _of_cluster("cluster-image-cleaner", "security_profile.image_cleaner.enabled", False, "imageCleaner.enabled is false"),
    _of_automatic("cluster-vpa", "vertical_pod_autoscaler", "verticalPodAutoscaler.enabled is not set"),
    _of_automatic("cluster-keda", "keda", "keda.enabled is not set"),
    _of_automatic("cluster-node-auto-provisioning", "node_provisioning_profile", "nodeProvisioningProfile.mode is not set"),
    _of_cluster("cluster-node-rg-readonly", "node_resource_group_profile.restriction_level", "Unrestricted", "restrictionLevel is Unrestricted"),
    _setting("CVG401", "network.private", False, "enablePrivateCluster is false", apart="less"),
    _of_cluster("CVG402", "api_server_access_profile.disable_run_command", False, "disableRunCommand is false"),
    _setting("CVG403", "network.outbound", "loadBalancer", "networkProfile.outboundType is loadBalancer"),
    _setting("CVG404", "cluster.tier", "Free", "sku.tier is Free", also=_PUBLIC, apart="less"),
    _setting("CVG405", "cluster.defender", False, "securityMonitoring.enabled is not set"),
    _setting("CVG406", "monitoring.enabled", False, "azureMonitorProfile.metrics.enabled is not set", also=_UNWATCHED, apart="less"),
    _of_cluster("CVG407", "identity.type", "SystemAssigned", "identity.type is SystemAssigned"),
    # pools
    _input("pool-ephemeral-os-disk", kinds.CLUSTER, "agent_pool_profiles[0].os_disk_type", "Managed", "osDiskType is Managed"),
    _setting("pool-availability-zones", "cluster.zones", ["1"], "availabilityZones is ['1']"),
    _setting("pool-critical-addons-taint", "cluster.userPools", [], "nodeTaints is empty", apart="less"),
    _input("pool-vmss-type", kinds.CLUSTER, "agent_pool_profiles[0].type", "AvailabilitySet", "type is AvailabilitySet"),
    _input("pool-azure-linux-os", kinds.CLUSTER, "agent_pool_profiles[0].os_sku", "Ubuntu", "osSKU is Ubuntu"),
    _of_user_pool("pool-ssh-disabled", "security_profile.ssh_access", "LocalUser", "sshAccess is LocalUser"),
    _setting("CVG451", "cluster.nodeSize", "Standard_B4ms", "vmSize is Standard_B4ms"),
    _of_user_pool("CVG452", "enable_node_public_ip", True, "enableNodePublicIP is true"),
    _setting("CVG453", "cluster.encryptionAtHost", False, "enableEncryptionAtHost is false"),
    _of_user_pool("CVG454", "enable_auto_scaling", False, "enableAutoScaling is false"),
    _of_user_pool("CVG455", "upgrade_settings.max_surge", "0", "upgradeSettings.maxSurge is 0"),
    Break(
        rule="CVG456",
        how="SDK resource: ManagedCluster with two inline pools",
        says="has 2 pools inline",
        beside=lambda: containerservice.ManagedCluster(
            "wrong-cluster",
            resource_group_name="ours",
            agent_pool_profiles=[containerservice.ManagedClusterAgentPoolProfileArgs(name=name) for name in ("system", "apps")],
        ),
        apart="automatic",
    ),
    # safeguards of workloads
    _declared(
        "safeguard-restricted-node-edits",
        "ClusterRole that may patch nodes",
        lambda: rbac.v1.ClusterRole("wrong-role", rules=[rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["nodes"], verbs=["get", "patch"])]),
        "may get, patch nodes",
    ),
    _argument("safeguard-container-resource-requests", "ModelDeploymentArgs.cpu = 50m", _deployment("small", cpu="50m"), "resources.requests.cpu is 50m"),
    _of_deployment("safeguard-pod-enforce-antiaffinity", f"{_POD}.topology_spread_constraints", [], "has neither topologySpreadConstraints nor"),
    _declared(
        "safeguard-restricted-labels",
        "Namespace with the label kubernetes.azure.com/mode",
        lambda: core.v1.Namespace("wrong-labels", metadata=meta.v1.ObjectMetaArgs(name="labels", labels={"kubernetes.azure.com/mode": "user"})),
        "metadata.labels has kubernetes.azure.com/mode",
    ),
    _of_user_pool("safeguard-restricted-taints", "node_taints", ["CriticalAddonsOnly=true:NoSchedule"], "nodeTaints has CriticalAddonsOnly"),
    _of_deployment("safeguard-probes-configured", f"{_CONTAINER}.readiness_probe", None, "container app: has no readinessProbe"),
    _declared(
        "safeguard-csi-driver-storage-class",
        "StorageClass of kubernetes.io/azure-disk",
        lambda: kubernetes_storage.v1.StorageClass("wrong-class", provisioner="kubernetes.io/azure-disk"),
        "provisioner is kubernetes.io/azure-disk",
    ),
    _declared("safeguard-unique-service-selectors", "two Services with one selector", _twins, "selects the pods that wrong-"),
    _argument(
        "safeguard-images-no-latest", "ModelDeploymentArgs.image = :latest", _deployment("latest", image="registry.example/digits:latest"), "digits:latest"
    ),
    _of_deployment("safeguard-block-host-namespaces", f"{_POD}.host_pid", True, "hostPID is True"),
    _of_deployment("safeguard-host-network-ports", f"{_POD}.host_network", True, "hostNetwork is true"),
    _of_deployment(
        "safeguard-allowed-sysctls", f"{_POD}.security_context.sysctls", [core.v1.SysctlArgs(name="kernel.msgmax", value="1")], "sysctls has kernel.msgmax"
    ),
    _of_deployment(
        "safeguard-no-host-path-volumes",
        f"{_POD}.volumes",
        [core.v1.VolumeArgs(name="tmp", host_path=core.v1.HostPathVolumeSourceArgs(path="/tmp"))],
        "volume tmp is a hostPath",
    ),
    _of_deployment(
        "safeguard-enforce-apparmor",
        f"{_CONTAINER}.security_context.app_armor_profile",
        core.v1.AppArmorProfileArgs(type="Unconfined"),
        "appArmorProfile.type is Unconfined",
    ),
    _of_deployment(
        "safeguard-enforce-selinux", f"{_CONTAINER}.security_context.se_linux_options", core.v1.SELinuxOptionsArgs(type="spc_t"), "seLinuxOptions.type is spc_t"
    ),
    _of_deployment(
        "safeguard-windows-block-host-process",
        f"{_CONTAINER}.security_context.windows_options",
        core.v1.WindowsSecurityContextOptionsArgs(host_process=True),
        "windowsOptions.hostProcess is True",
    ),
    _of_deployment("safeguard-no-privileged-containers", f"{_CONTAINER}.security_context.privileged", True, "securityContext.privileged is True"),
    _of_deployment("safeguard-no-custom-proc-mount", f"{_CONTAINER}.security_context.proc_mount", "Unmasked", "procMount is Unmasked"),
    _of_deployment("safeguard-container-capabilities", f"{_CONTAINER}.security_context.capabilities.add", ["SYS_ADMIN"], "adds the capability SYS_ADMIN"),
    _of_deployment("safeguard-host-probes", f"{_CONTAINER}.liveness_probe.http_get.host", "169.254.169.254", "httpGet.host is 169.254.169.254"),
    _of_deployment("safeguard-allowed-seccomp-profiles", f"{_POD}.security_context.seccomp_profile.type", "Unconfined", "seccompProfile.type is Unconfined"),
    _of_deployment("safeguard-no-privilege-escalation", f"{_CONTAINER}.security_context.allow_privilege_escalation", True, "allowPrivilegeEscalation is True"),
    _of_deployment("safeguard-allowed-users-groups", f"{_CONTAINER}.security_context.run_as_non_root", False, "may run as root"),
    _input(
        "safeguard-allowed-volume-types",
        kinds.DEPLOYMENT,
        f"{_POD}.volumes",
        [core.v1.VolumeArgs(name="tmp", nfs=core.v1.NFSVolumeSourceArgs(server="files.example", path="/"))],
        "volume tmp is a nfs",
        apart="less",
    ),
    # workloads
    _input("CVG601", kinds.BUDGET, "spec.max_unavailable", 0, "maxUnavailable is 0: no pod of"),
    _input("CVG602", kinds.BUDGET, "spec.unhealthy_pod_eviction_policy", "IfHealthyBudget", "unhealthyPodEvictionPolicy is IfHealthyBudget"),
    _input("CVG603", kinds.BUDGET, "spec.selector.match_labels", {"app": "another"}, "no PodDisruptionBudget selects its pods", apart="less"),
    _setting("CVG604", "services", _one_pod(), "runs with 1 pod at least", apart="less"),
    _of_deployment("CVG605", "spec.replicas", 5, "sets replicas to 5, although an autoscaler decides"),
    _of_deployment("CVG606", f"{_CONTAINER}.env", [core.v1.EnvVarArgs(name="API_TOKEN", value="abc")], "the environment variable API_TOKEN holds a secret"),
    _of_deployment("CVG607", f"{_CONTAINER}.security_context.read_only_root_filesystem", False, "readOnlyRootFilesystem is false"),
    _of_deployment("CVG608", f"{_POD}.automount_service_account_token", True, "automountServiceAccountToken is true"),
    _of_deployment("CVG609", f"{_CONTAINER}.security_context.capabilities.drop", [], "capabilities.drop is empty"),
    _input("CVG610", kinds.NAMESPACE, "metadata.labels", {}, "has no label pod-security.kubernetes.io/enforce: restricted"),
    _input("CVG611", kinds.NETWORK_POLICY, "spec.policy_types", ["Ingress"], "no NetworkPolicy closes it"),
    _of_deployment("CVG612", "spec.strategy.rolling_update.max_unavailable", 1, "rollingUpdate.maxUnavailable is 1"),
    _input("CVG651", kinds.SERVICE, "spec.type", "LoadBalancer", "type is LoadBalancer: a public address"),
    _input("CVG652", kinds.GATEWAY, "spec.servers[0].port.protocol", "HTTP", "answers HTTP on port 443 without TLS"),
    _input("CVG653", kinds.AUTHORIZATION, "spec.rules", [], "no AuthorizationPolicy that demands a principal"),
    # the network
    _argument("CVG101", "ModelStorageArgs.allowed_ip_ranges = [0.0.0.0/0]", _open_storage, "networkRuleSet.ipRules has 0.0.0.0/0, which is everybody"),
    _input("CVG102", kinds.SECURITY_GROUP, "security_rules", [_SSH], "the rule ssh lets everybody in to port 22"),
    _input("CVG103", kinds.NETWORK, "subnets[0].network_security_group", None, "the subnet nodes has no network security group"),
    _input("CVG104", kinds.NETWORK, "subnets[0].default_outbound_access", True, "the subnet nodes has default outbound access"),
    _declared(
        "CVG105",
        "PrivateEndpoint without zone group",
        lambda: network.PrivateEndpoint("wrong-endpoint", private_endpoint_name="wrong", resource_group_name="ours", subnet=network.SubnetArgs(id="s")),
        "has no private DNS zone group",
    ),
    _declared(
        "CVG106",
        "PrivateZone without a link",
        lambda: privatedns.PrivateZone("wrong-zone", private_zone_name="privatelink.example", resource_group_name="ours"),
        "is linked to no network",
    ),
    _setting("CVG107", "network.private", False, "publicNetworkAccess is Enabled", apart="less"),
    _setting("CVG108", "network.private", False, "publicNetworkAccess is Enabled", apart="less"),
    _declared("CVG109", "Vault with a public endpoint", _vault("public", public_network_access="Enabled"), "publicNetworkAccess is Enabled"),
    # storage
    _input("CVG201", kinds.ACCOUNT, "allow_shared_key_access", True, "allowSharedKeyAccess is true"),
    _input("CVG202", kinds.ACCOUNT, "allow_blob_public_access", True, "allowBlobPublicAccess is true"),
    _input("CVG203", kinds.CONTAINER, "public_access", "Blob", "publicAccess is Blob"),
    _input("CVG204", kinds.ACCOUNT, "minimum_tls_version", "TLS1_0", "minimumTlsVersion is TLS1_0"),
    _input("CVG205", kinds.ACCOUNT, "network_rule_set.default_action", "Allow", "networkRuleSet.defaultAction is Allow"),
    _setting("CVG206", "modelStorage.softDeleteDays", 1, "deleteRetentionPolicy.days is 1"),
    _setting("CVG207", "modelStorage.writeOnceDays", 0, "immutableStorageWithVersioning.enabled is not set"),
    _setting("CVG208", "modelStorage.sku", "Standard_LRS", "sku.name is Standard_LRS"),
    _input("CVG209", kinds.ACCOUNT, "sas_policy.sas_expiration_period", "30.00:00:00", "sasExpirationPeriod is 30.00:00:00"),
    _input("CVG210", kinds.ACCOUNT, "is_sftp_enabled", True, "isSftpEnabled is true"),
    _declared(
        "CVG211",
        "Blob",
        lambda: storage.Blob("wrong-blob", account_name="a", container_name="models", resource_group_name="ours", blob_name="model.onnx"),
        "uploads model.onnx with the account's key",
    ),
    _setting("CVG212", "protectData", False, "is not protected"),
    _setting("CVG213", "protectData", False, "has no lock CanNotDelete"),
    _declared("CVG214", "Vault without purge protection", _vault("purgeable", enable_purge_protection=False), "enablePurgeProtection is false"),
    _declared("CVG215", "Vault with access policies", _vault("policies", enable_rbac_authorization=False), "enableRbacAuthorization is false"),
    # registry and images
    _input("CVG301", kinds.REGISTRY, "admin_user_enabled", True, "adminUserEnabled is true"),
    _input("CVG302", kinds.REGISTRY, "anonymous_pull_enabled", True, "anonymousPullEnabled is true"),
    _input("CVG303", kinds.REGISTRY, "policies.retention_policy.status", "enabled", "retentionPolicy.status is enabled"),
    _setting("CVG304", "registry.sku", "Standard", "sku.name is Standard", also=_PUBLIC, apart="less"),
    _input("CVG305", kinds.REGISTRY, "policies.export_policy.status", "enabled", "exportPolicy.status is enabled"),
    _argument("CVG351", "ModelDeploymentArgs.image = :v3", _deployment("tagged", image="registry.example/digits:v3"), "digits:v3, without a digest"),
    _input("CVG352", kinds.IMAGE, "tags", ["registry.example/digits:prod"], "is pushed as registry.example/digits:prod"),
    _declared(
        "CVG353",
        "Image without retain_on_delete",
        lambda: docker_build.Image("wrong-image", push=False, tags=["registry.example/digits:abc"], context=docker_build.BuildContextArgs(location=".")),
        "is deleted from the registry with the resource",
    ),
    _input("CVG354", kinds.IMAGE, "build_args.REGISTRY_TOKEN", "abc", "the build argument REGISTRY_TOKEN holds a secret"),
    _input(
        "CVG355",
        kinds.IMAGE,
        "registries",
        [docker_build.RegistryArgs(address="registry.example", username="us", password="abc")],
        "the password for registry.example is not marked secret",
    ),
    # access
    _declared("CVG501", "RoleAssignment of Owner", _role_assignment("owner", scope=f"{_OURS}/resourceGroups/g", role=_OWNER), "assigns Owner"),
    _setting("CVG502", "deployer.principalType", "", "has no principalType"),
    _declared(
        "CVG503",
        "RoleAssignment with a role of another subscription",
        _role_assignment("foreign", scope=f"{_OURS}/resourceGroups/g", role=_READER, subscription=_THEIRS),
        "names a role definition of the subscription 22222222",
    ),
    _declared("CVG504", "RoleAssignment for a subscription", _role_assignment("wide", scope=_OURS, role=_READER), f"is for all of {_OURS}"),
    _declared(
        "CVG505",
        "an export of a kubeconfig",
        lambda: pulumi.export("kubeconfig", "apiVersion: v1\nkind: Config\n"),
        "the output kubeconfig shows a kubeconfig",
    ),
    _declared(
        "CVG506",
        "Kubernetes provider without cluster_identifier",
        lambda: kubernetes.Provider("wrong-provider", kubeconfig=pulumi.Output.secret("kind: Config")),
        "has no clusterIdentifier",
    ),
    _of_cluster("CVG507", "enable_rbac", False, "enableRBAC is false"),
    _declared(
        "CVG508",
        "Kubernetes provider with an open kubeconfig",
        lambda: kubernetes.Provider("wrong-open", kubeconfig="kind: Config", cluster_identifier="ours"),
        "kubeconfig is not marked secret",
    ),
    # operations
    _input("CVG701", kinds.MAINTENANCE, "config_name", "default", "has no window aksManagedAutoUpgradeSchedule"),
    _setting("CVG702", "monitoring.enabled", False, "has no diagnostic setting", also=_UNWATCHED, apart="less"),
    _setting("CVG703", "monitoring.alertEmails", [], "tells nobody"),
    _setting("CVG704", "monitoring.enabled", False, "there is no alert", also=_UNWATCHED, apart="less"),
    _input("CVG705", kinds.WORKSPACE, "features.disable_local_auth", False, "features.disableLocalAuth is false"),
)
