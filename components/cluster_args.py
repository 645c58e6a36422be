"""What a cluster needs to know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pulumi

from components.role_grants import Principal


@dataclass(frozen=True, kw_only=True)
class NodePool:
    """Nodes of one kind, between two numbers of which the autoscaler chooses."""

    name: str = "system"
    """1 to 12 lower-case letters and digits."""
    node_size: str = "Standard_D2ds_v5"
    """Azure VM size with at least 64 GiB of local disk."""
    min_nodes: int = 1
    """Fewest nodes."""
    max_nodes: int = 3
    """Most nodes."""

    def __post_init__(self) -> None:
        if self.max_nodes < self.min_nodes:
            raise pulumi.InputPropertyError("max_nodes", f"is {self.max_nodes} in pool {self.name}, fewer than min_nodes, which is {self.min_nodes}")


@dataclass(frozen=True, kw_only=True)
class MaintenanceWindow:
    """When Azure may upgrade by itself, every week."""

    day: str = "Sunday"
    """Day of the week, in English."""
    start: str = "02:00"
    """Hours and minutes."""
    hours: int = 4
    """How long; AKS wants at least 4."""
    utc_offset: str = "+00:00"
    """Time zone of `start`."""


@dataclass(frozen=True, kw_only=True)
class KubernetesClusterArgs:
    """What a cluster needs to know. What decides which resources exist is plain, and says so."""

    registry_id: pulumi.Input[str]
    """Azure resource id of the registry that nodes pull from."""
    tenant_id: pulumi.Input[str]
    """Entra tenant of the people and identities that use the cluster."""
    deployer: Principal
    """Who deploys workloads: gets Azure Kubernetes Service RBAC Cluster Admin, since namespaces are made, too."""
    node_subnet_id: pulumi.Input[str]
    """Subnet of the nodes. The control plane gets Network Contributor there."""
    api_server_subnet_id: pulumi.Input[str]
    """Subnet of the API server, delegated to AKS. The control plane gets Network Contributor there."""
    cluster_id: str = ""
    """A cluster that exists already, with Entra and Azure RBAC; of it nothing is declared but grants. Plain."""
    resource_group_id: str = ""
    """A resource group that exists already. Plain."""
    admin_group_ids: Sequence[str] = ()
    """Entra groups that administer the cluster."""
    kubernetes_version: str = "1.34"
    """Minor version at creation; the upgrade channel goes on from there."""
    upgrade_channel: str = "stable"
    """`patch`, `stable` or `rapid`."""
    maintenance: MaintenanceWindow = field(default_factory=MaintenanceWindow)
    """When Azure may upgrade."""
    tier: str = "Free"
    """`Free`, or `Standard` or `Premium` for an SLA."""
    system_pool: NodePool = field(default_factory=NodePool)
    """Nodes of the cluster's own pods, and of services when there is no other pool."""
    user_pools: Sequence[NodePool] = ()
    """Nodes of services. Plain."""
    zones: Sequence[str] = ()
    """Availability zones of the nodes."""
    encryption_at_host: bool = False
    """Encrypt disks on the host, too; a feature that the subscription must have registered."""
    private: bool = False
    """Is the API server reached from the network only? Plain."""
    outbound: str = "loadBalancer"
    """How nodes reach the internet: `loadBalancer`, `natGateway` or `userDefinedRouting`, as the subnet has it."""
    allowed_ip_ranges: Sequence[str] = ()
    """Public addresses that may reach the API server, unless it is private. Empty: none may."""
    log_workspace_id: pulumi.Input[str] | None = None
    """Log Analytics workspace for container insights and Defender; None: neither. Plain whether it is None."""
    defender: bool = False
    """Microsoft Defender for Containers; needs the workspace. Plain."""
    azure_policy: bool = False
    """Azure Policy add-on."""
    gateways: Sequence[Literal["External", "Internal"]] = ()
    """Istio gateways that services are reached through: from the internet, from the network. Plain."""
    key_vault_id: str = ""
    """Key vault with the certificates of the hosts behind the gateways, which the cluster may then read. Plain."""
    istio_revision: str = "asm-1-29"
    """Revision of AKS' Istio, when there are gateways."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of every resource."""

    def __post_init__(self) -> None:
        if "0.0.0.0/0" in self.allowed_ip_ranges:
            raise pulumi.InputPropertyError("allowed_ip_ranges", "has 0.0.0.0/0, which is everybody; name the addresses that deploy")
        if self.gateways and not self.key_vault_id:
            raise pulumi.InputPropertyError("key_vault_id", "is missing; gateways need certificates")
        if self.defender and self.log_workspace_id is None:
            raise pulumi.InputPropertyError("defender", "is True, but there is no log_workspace_id to report to")
