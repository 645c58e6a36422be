"""What an AKS cluster looks like in ARM: pure functions from arguments to properties."""

from typing import Any

import pulumi
from pulumi_azure_native import containerservice as aks

from components.cluster_args import KubernetesClusterArgs, NodePool

_NOBODY = ["0.0.0.0/32"]
"""AKS' own way to say that no address from outside reaches the API server (an empty list would let everybody in)."""
_OS_DISK_GB = 64
"""Fits the local disk of the smallest size that a system pool should have."""
_PODS, _SERVICES, _DNS = "192.168.0.0/16", "172.16.0.0/16", "172.16.0.10"
"""Addresses inside the cluster; settings keep the network apart from them."""
_SYSTEM_ONLY = "CriticalAddonsOnly=true:NoSchedule"
_CLEANED_HOURS = 48
"""How often images that nothing runs any more leave a node."""
FIXED_NODES = ("vmSize", "availabilityZones", "enableEncryptionAtHost", "osDiskType", "osDiskSizeGB", "vnetSubnetID")
"""What Azure never changes in a pool that exists (learn.microsoft.com/azure/aks: resize-node-pool, availability-zones, enable-host-encryption)."""
_OUTBOUND = {"natGateway": "userAssignedNATGateway"}
"""AKS' word for ours, where it has another one: the gateway is ours, at our subnet."""


def cluster(
    args: KubernetesClusterArgs, group: pulumi.Input[str], *, control_plane: pulumi.Input[str], kubelet: aks.UserAssignedIdentityArgs
) -> aks.ManagedClusterArgs:
    """The cluster with its system pool.

    Args:
        args: of the component.
        group: name of the resource group.
        control_plane: id of the identity that manages load balancers and nodes.
        kubelet: the identity that pulls images.
    """
    return aks.ManagedClusterArgs(
        resource_group_name=group,
        dns_prefix="converge",
        sku=aks.ManagedClusterSKUArgs(name=aks.ManagedClusterSKUName.BASE, tier=args.tier),
        kubernetes_version=args.kubernetes_version,
        identity=aks.ManagedClusterIdentityArgs(type=aks.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[control_plane]),
        identity_profile={"kubeletidentity": kubelet},
        # Nobody has a certificate: who enters is known to Entra, and what they may do is a grant in Azure.
        disable_local_accounts=True,
        enable_rbac=True,
        aad_profile=aks.ManagedClusterAADProfileArgs(
            managed=True, enable_azure_rbac=True, tenant_id=args.tenant_id, admin_group_object_ids=list(args.admin_group_ids)
        ),
        public_network_access=aks.PublicNetworkAccess.DISABLED if args.private else aks.PublicNetworkAccess.ENABLED,
        api_server_access_profile=_api_server(args),
        oidc_issuer_profile=aks.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
        security_profile=_security(args),
        addon_profiles=_addons(args),
        azure_monitor_profile=_metrics() if args.log_workspace_id is not None else None,
        service_mesh_profile=_mesh(args) if args.gateways else None,
        network_profile=_network(args),
        auto_upgrade_profile=aks.ManagedClusterAutoUpgradeProfileArgs(
            upgrade_channel=args.upgrade_channel, node_os_upgrade_channel=aks.NodeOSUpgradeChannel.NODE_IMAGE
        ),
        node_resource_group_profile=aks.ManagedClusterNodeResourceGroupProfileArgs(restriction_level=aks.RestrictionLevel.READ_ONLY),
        storage_profile=aks.ManagedClusterStorageProfileArgs(
            disk_csi_driver=aks.ManagedClusterStorageProfileDiskCSIDriverArgs(enabled=False),
            file_csi_driver=aks.ManagedClusterStorageProfileFileCSIDriverArgs(enabled=False),
            snapshot_controller=aks.ManagedClusterStorageProfileSnapshotControllerArgs(enabled=False),
        ),
        agent_pool_profiles=[_system_pool(args)],
        tags=args.tags,
    )


def _api_server(args: KubernetesClusterArgs) -> aks.ManagedClusterAPIServerAccessProfileArgs:
    """In our network, so that nodes reach it without leaving; from outside it answers to the given addresses or not at all."""
    integrated = {"enable_vnet_integration": True, "subnet_id": args.api_server_subnet_id, "disable_run_command": True}
    if args.private:
        return aks.ManagedClusterAPIServerAccessProfileArgs(enable_private_cluster=True, private_dns_zone="system", **integrated)
    return aks.ManagedClusterAPIServerAccessProfileArgs(
        enable_private_cluster=False, authorized_ip_ranges=list(args.allowed_ip_ranges) or _NOBODY, **integrated
    )


def _network(args: KubernetesClusterArgs) -> aks.ContainerServiceNetworkProfileArgs:
    return aks.ContainerServiceNetworkProfileArgs(
        network_plugin=aks.NetworkPlugin.AZURE,
        network_plugin_mode=aks.NetworkPluginMode.OVERLAY,
        network_dataplane=aks.NetworkDataplane.CILIUM,
        network_policy=aks.NetworkPolicy.CILIUM,
        load_balancer_sku=aks.LoadBalancerSku.STANDARD,
        outbound_type=_OUTBOUND.get(args.outbound, args.outbound),
        pod_cidr=_PODS,
        service_cidr=_SERVICES,
        dns_service_ip=_DNS,
    )


def _security(args: KubernetesClusterArgs) -> aks.ManagedClusterSecurityProfileArgs:
    defender = aks.ManagedClusterSecurityProfileDefenderArgs(
        log_analytics_workspace_resource_id=args.log_workspace_id,
        security_monitoring=aks.ManagedClusterSecurityProfileDefenderSecurityMonitoringArgs(enabled=True),
    )
    return aks.ManagedClusterSecurityProfileArgs(
        workload_identity=aks.ManagedClusterSecurityProfileWorkloadIdentityArgs(enabled=True),
        image_cleaner=aks.ManagedClusterSecurityProfileImageCleanerArgs(enabled=True, interval_hours=_CLEANED_HOURS),
        defender=defender if args.defender else None,
    )


def _addons(args: KubernetesClusterArgs) -> dict[str, pulumi.Input[aks.ManagedClusterAddonProfileArgs]]:
    addons: dict[str, pulumi.Input[aks.ManagedClusterAddonProfileArgs]] = {
        "azurepolicy": aks.ManagedClusterAddonProfileArgs(enabled=args.azure_policy, config={"version": "v2"} if args.azure_policy else None)
    }
    if args.log_workspace_id is not None:
        logs = {"logAnalyticsWorkspaceResourceID": args.log_workspace_id, "useAADAuth": "true"}
        addons["omsagent"] = aks.ManagedClusterAddonProfileArgs(enabled=True, config=logs)
    if args.gateways:
        rotation = {"enableSecretRotation": "true", "rotationPollInterval": "2m"}
        addons["azureKeyvaultSecretsProvider"] = aks.ManagedClusterAddonProfileArgs(enabled=True, config=rotation)
    return addons


def _metrics() -> aks.ManagedClusterAzureMonitorProfileArgs:
    return aks.ManagedClusterAzureMonitorProfileArgs(metrics=aks.ManagedClusterAzureMonitorProfileMetricsArgs(enabled=True))


def _mesh(args: KubernetesClusterArgs) -> aks.ServiceMeshProfileArgs:
    """AKS' Istio for its gateways; services have no sidecars."""
    gateways = [aks.IstioIngressGatewayArgs(enabled=True, mode=mode) for mode in args.gateways]
    return aks.ServiceMeshProfileArgs(
        mode=aks.ServiceMeshMode.ISTIO,
        istio=aks.IstioServiceMeshArgs(revisions=[args.istio_revision], components=aks.IstioComponentsArgs(ingress_gateways=gateways)),
    )


def _system_pool(args: KubernetesClusterArgs) -> aks.ManagedClusterAgentPoolProfileArgs:
    """The one pool that must be inline; others are resources of their own, or a change of one would hold up all."""
    return aks.ManagedClusterAgentPoolProfileArgs(
        name="system",
        mode=aks.AgentPoolMode.SYSTEM,
        type=aks.AgentPoolType.VIRTUAL_MACHINE_SCALE_SETS,
        count=args.system_pool.min_nodes,
        # Services have pools of their own, or share this one.
        node_taints=[_SYSTEM_ONLY] if args.user_pools else [],
        **_nodes(args, args.system_pool),
    )


def user_pool(args: KubernetesClusterArgs, pool: NodePool, group: pulumi.Input[str], cluster_name: pulumi.Input[str]) -> dict[str, Any]:
    """A pool for services, as keywords of AgentPool: the SDK cannot take AgentPoolArgs, whose `resource_name` it would pass twice."""
    return {
        "agent_pool_name": pool.name,
        "resource_group_name": group,
        "resource_name_": cluster_name,
        "mode": aks.AgentPoolMode.USER,
        "type": aks.AgentPoolType.VIRTUAL_MACHINE_SCALE_SETS,
        "count": pool.min_nodes,
        **_nodes(args, pool),
    }


def _nodes(args: KubernetesClusterArgs, pool: NodePool) -> dict[str, Any]:
    """What every node is like."""
    return {
        "vm_size": pool.node_size,
        "os_type": aks.OSType.LINUX,
        "os_sku": aks.OSSKU.AZURE_LINUX3,
        "os_disk_type": aks.OSDiskType.EPHEMERAL,
        "os_disk_size_gb": _OS_DISK_GB,
        "enable_auto_scaling": True,
        "min_count": pool.min_nodes,
        "max_count": pool.max_nodes,
        "availability_zones": list(args.zones),
        "vnet_subnet_id": args.node_subnet_id,
        "enable_node_public_ip": False,
        "enable_encryption_at_host": args.encryption_at_host,
        "security_profile": aks.AgentPoolSecurityProfileArgs(ssh_access=aks.AgentPoolSSHAccess.DISABLED),
        # A node that cannot be drained is kept and marked, instead of stopping the upgrade of all others.
        "upgrade_settings": aks.AgentPoolUpgradeSettingsArgs(max_surge="33%", undrainable_node_behavior=aks.UndrainableNodeBehavior.CORDON),
        "tags": args.tags,
    }


def maintenance(args: KubernetesClusterArgs, group: pulumi.Input[str], cluster_name: pulumi.Input[str], what: str) -> dict[str, Any]:
    """When AKS may do one kind of upgrade, named as AKS names it; keywords of MaintenanceConfiguration, for the same reason."""
    window = args.maintenance
    weekly = aks.WeeklyScheduleArgs(day_of_week=window.day, interval_weeks=1)
    return {
        "config_name": what,
        "resource_group_name": group,
        "resource_name_": cluster_name,
        "maintenance_window": aks.MaintenanceWindowArgs(
            schedule=aks.ScheduleArgs(weekly=weekly), duration_hours=window.hours, start_time=window.start, utc_offset=window.utc_offset
        ),
    }
