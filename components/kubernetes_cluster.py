"""Where services run: AKS with identities of its own, whose rights exist before its first pod starts."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import containerservice, managedidentity, resources

from components.role_grants import Principal, Role, after, grant

_NOBODY = ["0.0.0.0/32"]
"""AKS' own way to say that no address from outside reaches the API server (an empty list would let everybody in)."""
_OS_DISK_GB = 64
"""Fits the local disk of the smallest size that a system pool should have."""


@dataclass(frozen=True, kw_only=True)
class KubernetesClusterArgs:
    """What a cluster needs to know."""

    registry_id: pulumi.Input[str]
    """Azure resource id of the registry that nodes pull from."""
    tenant_id: pulumi.Input[str]
    """Entra tenant of the people and identities that use the cluster."""
    deployer: Principal
    """Who deploys workloads: gets Azure Kubernetes Service RBAC Cluster Admin, since namespaces are made, too."""
    admin_group_ids: Sequence[str] = ()
    """Entra groups that administer the cluster."""
    kubernetes_version: str = "1.34"
    """Minor version at creation; the upgrade channel goes on from there."""
    tier: str = "Free"
    """`Free`, or `Standard` or `Premium` for an SLA."""
    node_size: str = "Standard_D2ds_v5"
    """Azure VM size with at least 64 GiB of local disk."""
    min_nodes: int = 1
    """Fewest nodes."""
    max_nodes: int = 3
    """Most nodes."""
    zones: Sequence[str] = ()
    """Availability zones of the nodes."""
    allowed_ip_ranges: Sequence[str] = ()
    """Public addresses that may reach the API server. Empty: none may."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of every resource."""

    def __post_init__(self) -> None:
        if self.max_nodes < self.min_nodes:
            raise pulumi.InputPropertyError("max_nodes", f"is {self.max_nodes}, fewer than min_nodes, which is {self.min_nodes}")
        if "0.0.0.0/0" in self.allowed_ip_ranges:
            raise pulumi.InputPropertyError("allowed_ip_ranges", "has 0.0.0.0/0, which is everybody; name the addresses that deploy")


class KubernetesCluster(pulumi.ComponentResource):
    """A cluster that only Entra identities can enter, in a resource group of its own."""

    resource_group_name: pulumi.Output[str]
    """Resource group of the cluster."""
    cluster_name: pulumi.Output[str]
    """Name of the cluster."""
    cluster_id: pulumi.Output[str]
    """Azure resource id: what tells this cluster from another."""
    kubeconfig: pulumi.Output[str]
    """Secret. Kubeconfig of the deployer, YAML. Known only once the deployer may create workloads and the nodes may pull images."""

    def __init__(self, name: str, args: KubernetesClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:index:KubernetesCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = resources.ResourceGroup(f"{name}-group", tags=args.tags, opts=child)
        control_plane = managedidentity.UserAssignedIdentity(f"{name}-control-plane", resource_group_name=group.name, tags=args.tags, opts=child)
        kubelet = managedidentity.UserAssignedIdentity(f"{name}-kubelet", resource_group_name=group.name, tags=args.tags, opts=child)
        # Both before the cluster: AKS checks the first when it is created, and pods would start without the second (Azure needs minutes to spread a grant).
        operator = grant(f"{name}-operates-kubelet", role=Role.MANAGED_IDENTITY_OPERATOR, scope=kubelet.id, principal=_identity(control_plane), parent=self)
        pull = grant(f"{name}-pull", role=Role.ACR_PULL, scope=args.registry_id, principal=_identity(kubelet), parent=self)
        cluster = containerservice.ManagedCluster(
            f"{name}-aks",
            _cluster(args, group.name, control_plane, kubelet),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[operator, pull],
                # Azure changes these by itself: the upgrade channel the version, the autoscaler the count. Paths are camelCase, or they have no effect.
                ignore_changes=["kubernetesVersion", "agentPoolProfiles[*].count", "agentPoolProfiles[*].orchestratorVersion"],
            ),
        )
        admin = grant(f"{name}-deployer", role=Role.AKS_RBAC_CLUSTER_ADMIN, scope=cluster.id, principal=args.deployer, parent=self)
        self.resource_group_name = group.name
        self.cluster_name = cluster.name
        self.cluster_id = cluster.id
        self.kubeconfig = after(_kubeconfig(group.name, cluster, self), admin, pull)
        self.register_outputs(
            {
                "resource_group_name": self.resource_group_name,
                "cluster_name": self.cluster_name,
                "cluster_id": self.cluster_id,
                "kubeconfig": self.kubeconfig,
            }
        )


def _identity(identity: managedidentity.UserAssignedIdentity) -> Principal:
    return Principal(id=identity.principal_id, type="ServicePrincipal")


def _kubeconfig(group: pulumi.Output[str], cluster: containerservice.ManagedCluster, parent: pulumi.Resource) -> pulumi.Output[str]:
    """The users' kubeconfig, which logs in through kubelogin. Neither SDK nor provider marks it secret."""
    credentials = containerservice.list_managed_cluster_user_credentials_output(
        resource_group_name=group, resource_name=cluster.name, format="exec", opts=pulumi.InvokeOutputOptions(parent=parent, depends_on=[cluster])
    )
    return pulumi.Output.secret(credentials).apply(lambda answer: base64.b64decode((answer.kubeconfigs or [])[0].value).decode())


def _cluster(
    args: KubernetesClusterArgs,
    group: pulumi.Input[str],
    control_plane: managedidentity.UserAssignedIdentity,
    kubelet: managedidentity.UserAssignedIdentity,
) -> containerservice.ManagedClusterArgs:
    aks = containerservice
    return aks.ManagedClusterArgs(
        resource_group_name=group,
        dns_prefix="converge",
        sku=aks.ManagedClusterSKUArgs(name=aks.ManagedClusterSKUName.BASE, tier=args.tier),
        kubernetes_version=args.kubernetes_version,
        identity=aks.ManagedClusterIdentityArgs(type=aks.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[control_plane.id]),
        identity_profile={"kubeletidentity": aks.UserAssignedIdentityArgs(resource_id=kubelet.id, client_id=kubelet.client_id, object_id=kubelet.principal_id)},
        # Nobody has a certificate: who enters is known to Entra, and what they may do is a grant in Azure.
        disable_local_accounts=True,
        enable_rbac=True,
        aad_profile=aks.ManagedClusterAADProfileArgs(
            managed=True, enable_azure_rbac=True, tenant_id=args.tenant_id, admin_group_object_ids=list(args.admin_group_ids)
        ),
        api_server_access_profile=aks.ManagedClusterAPIServerAccessProfileArgs(
            authorized_ip_ranges=list(args.allowed_ip_ranges) or _NOBODY, disable_run_command=True
        ),
        oidc_issuer_profile=aks.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
        security_profile=aks.ManagedClusterSecurityProfileArgs(
            workload_identity=aks.ManagedClusterSecurityProfileWorkloadIdentityArgs(enabled=True),
            image_cleaner=aks.ManagedClusterSecurityProfileImageCleanerArgs(enabled=True, interval_hours=48),
        ),
        network_profile=aks.ContainerServiceNetworkProfileArgs(
            network_plugin=aks.NetworkPlugin.AZURE,
            network_plugin_mode=aks.NetworkPluginMode.OVERLAY,
            network_dataplane=aks.NetworkDataplane.CILIUM,
            network_policy=aks.NetworkPolicy.CILIUM,
            outbound_type=aks.OutboundType.LOAD_BALANCER,
            load_balancer_sku=aks.LoadBalancerSku.STANDARD,
        ),
        auto_upgrade_profile=aks.ManagedClusterAutoUpgradeProfileArgs(
            upgrade_channel=aks.UpgradeChannel.STABLE, node_os_upgrade_channel=aks.NodeOSUpgradeChannel.NODE_IMAGE
        ),
        node_resource_group_profile=aks.ManagedClusterNodeResourceGroupProfileArgs(restriction_level=aks.RestrictionLevel.READ_ONLY),
        storage_profile=aks.ManagedClusterStorageProfileArgs(
            disk_csi_driver=aks.ManagedClusterStorageProfileDiskCSIDriverArgs(enabled=False),
            file_csi_driver=aks.ManagedClusterStorageProfileFileCSIDriverArgs(enabled=False),
            snapshot_controller=aks.ManagedClusterStorageProfileSnapshotControllerArgs(enabled=False),
        ),
        agent_pool_profiles=[_pool(args)],
        tags=args.tags,
    )


def _pool(args: KubernetesClusterArgs) -> containerservice.ManagedClusterAgentPoolProfileArgs:
    """The one pool that must be inline; further ones would be resources of their own."""
    aks = containerservice
    return aks.ManagedClusterAgentPoolProfileArgs(
        name="system",
        mode=aks.AgentPoolMode.SYSTEM,
        type=aks.AgentPoolType.VIRTUAL_MACHINE_SCALE_SETS,
        vm_size=args.node_size,
        os_type=aks.OSType.LINUX,
        os_sku=aks.OSSKU.AZURE_LINUX3,
        os_disk_type=aks.OSDiskType.EPHEMERAL,
        os_disk_size_gb=_OS_DISK_GB,
        count=args.min_nodes,
        enable_auto_scaling=True,
        min_count=args.min_nodes,
        max_count=args.max_nodes,
        availability_zones=list(args.zones),
        enable_node_public_ip=False,
        security_profile=aks.AgentPoolSecurityProfileArgs(ssh_access=aks.AgentPoolSSHAccess.DISABLED),
        upgrade_settings=aks.AgentPoolUpgradeSettingsArgs(max_surge="33%"),
        tags=args.tags,
    )
