"""Where services run: AKS with identities of its own, whose rights exist before its first pod starts."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import yaml
from pulumi_azure_native import containerservice, managedidentity

from components import azure_ids, cluster_body
from components.cluster_args import KubernetesClusterArgs
from components.cluster_entry import may_deploy
from components.diagnostics import diagnostics
from components.existing import asking_about
from components.resource_group import group_name
from components.rights import proven
from components.role_grants import Principal, Role, after, awaited, grant
from components.spreading_grants import retrying

_UPGRADES = ("aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule")
"""AKS' own names for the two kinds of upgrade that it does by itself."""
_RECORDED = ("kube-audit-admin", "guard", "cluster-autoscaler", "kube-controller-manager")
"""Who changed what, who was let in, why nodes came and went; the whole audit log would cost many times more."""

_AZURES_OWN = ["kubernetesVersion", "agentPoolProfiles[*].count", "agentPoolProfiles[*].orchestratorVersion"]
"""What Azure changes by itself: the upgrade channel the version, the autoscaler the count. Paths are camelCase, or they have no effect."""
_FIXED = [f"agentPoolProfiles[*].{name}" for name in cluster_body.FIXED_NODES]
"""What Azure cannot change in a pool: the plan is to say that the cluster is made anew, instead of Azure refusing half-way through an update."""


class KubernetesCluster(pulumi.ComponentResource):
    """A cluster that only Entra identities can enter, made in a resource group of its own, or adopted."""

    resource_group_name: pulumi.Output[str]
    """Resource group of the cluster."""
    cluster_name: pulumi.Output[str]
    """Name of the cluster."""
    cluster_id: pulumi.Output[str]
    """Azure resource id: what tells this cluster from another."""
    vault_reader: pulumi.Output[str]
    """Client id of the identity that fetches certificates from the key vault; empty without gateways. Known only once it may."""
    kubeconfig: pulumi.Output[str]
    """Secret. Kubeconfig of the deployer, YAML. Known only once the deployer may create workloads and the nodes may pull images."""

    def __init__(self, name: str, args: KubernetesClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:index:KubernetesCluster", name, None, opts)
        cluster = _adopted(name, args, self) if args.cluster_id else _created(name, args, self)
        admin = grant(f"{name}-deployer", role=Role.AKS_RBAC_CLUSTER_ADMIN, scope=cluster.id, principal=args.deployer, parent=self)
        self.resource_group_name, self.cluster_name, self.cluster_id = cluster.group, cluster.name, cluster.id
        self.vault_reader = self._vault_reader(name, args, cluster) if args.gateways else pulumi.Output.from_input("")
        entering = [awaited(Role.AKS_RBAC_CLUSTER_ADMIN, cluster.id, args.deployer, "the deployer")]
        ready = after(_kubeconfig(cluster), admin, *cluster.ready)
        self.kubeconfig = proven(ready, may_deploy, what="the right to deploy to the cluster", grants=entering)
        self.register_outputs(
            {
                "resource_group_name": self.resource_group_name,
                "cluster_name": self.cluster_name,
                "cluster_id": self.cluster_id,
                "vault_reader": self.vault_reader,
                "kubeconfig": self.kubeconfig,
            }
        )

    def _vault_reader(self, name: str, args: KubernetesClusterArgs, cluster: "_Cluster") -> pulumi.Output[str]:
        reader = cluster.addons.apply(_secrets_provider)
        principal = Principal(id=reader.apply(lambda identity: identity.object_id or ""), type="ServicePrincipal")
        read = grant(f"{name}-certificates", role=Role.KEY_VAULT_SECRETS_USER, scope=args.key_vault_id, principal=principal, parent=self)
        return after(reader.apply(lambda identity: identity.client_id or ""), read)


@dataclass(frozen=True, kw_only=True)
class _Cluster:
    """A cluster, and what must be there before workloads come."""

    id: pulumi.Output[str]
    group: pulumi.Output[str]
    name: pulumi.Output[str]
    addons: pulumi.Output[Any]
    ready: Sequence[pulumi.CustomResource]
    asked: pulumi.InvokeOutputOptions
    """How Azure is asked about it."""


def _created(name: str, args: KubernetesClusterArgs, parent: pulumi.Resource) -> _Cluster:
    child = pulumi.ResourceOptions(parent=parent)
    group = group_name(f"{name}-group", existing=args.resource_group_id, tags=args.tags, parent=parent)
    control_plane = managedidentity.UserAssignedIdentity(f"{name}-control-plane", resource_group_name=group, tags=args.tags, opts=child)
    kubelet = managedidentity.UserAssignedIdentity(f"{name}-kubelet", resource_group_name=group, tags=args.tags, opts=child)
    # All before the cluster: AKS checks the control plane's when it is created, and pods would start without the pull (Azure needs minutes to spread a grant).
    manager, puller = _principal(control_plane.principal_id), _principal(kubelet.principal_id)
    needed = {
        "operates-kubelet": (Role.MANAGED_IDENTITY_OPERATOR, kubelet.id),
        "joins-nodes": (Role.NETWORK_CONTRIBUTOR, args.node_subnet_id),
        "joins-api-server": (Role.NETWORK_CONTRIBUTOR, args.api_server_subnet_id),
    }
    grants = [grant(f"{name}-{what}", role=role, scope=scope, principal=manager, parent=parent) for what, (role, scope) in needed.items()]
    grants.append(grant(f"{name}-pull", role=Role.ACR_PULL, scope=args.registry_id, principal=puller, parent=parent))
    spreading = [awaited(role, scope, manager, "the cluster's control plane") for role, scope in needed.values()]
    identity = containerservice.UserAssignedIdentityArgs(resource_id=kubelet.id, client_id=kubelet.client_id, object_id=kubelet.principal_id)
    cluster = containerservice.ManagedCluster(
        f"{name}-aks",
        cluster_body.cluster(args, group, control_plane=control_plane.id, kubelet=identity),
        opts=pulumi.ResourceOptions.merge(
            pulumi.ResourceOptions(parent=parent, depends_on=grants, ignore_changes=_AZURES_OWN, replace_on_changes=_FIXED), retrying(f"{name}-aks", spreading)
        ),
    )
    pools = [
        containerservice.AgentPool(
            f"{name}-{pool.name}",
            **cluster_body.user_pool(args, pool, group, cluster.name),
            opts=pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions(
                    parent=parent,
                    ignore_changes=["count", "orchestratorVersion"],
                    replace_on_changes=list(cluster_body.FIXED_NODES),
                    # Its name is taken while the old one is there. A pool of another name comes before the old one goes.
                    delete_before_replace=True,
                    protect=False,
                ),
                retrying(f"{name}-{pool.name}", spreading),
            ),
        )
        for pool in args.user_pools
    ]
    unprotected = pulumi.ResourceOptions(parent=parent, protect=False)
    for what in _UPGRADES:
        containerservice.MaintenanceConfiguration(f"{name}-{what}", **cluster_body.maintenance(args, group, cluster.name, what), opts=unprotected)
    if args.log_workspace_id is not None:
        diagnostics(f"{name}-logs", resource=cluster.id, workspace=args.log_workspace_id, categories=_RECORDED, resource_specific=True, parent=parent)
    return _Cluster(
        id=cluster.id, group=group, name=cluster.name, addons=cluster.addon_profiles, ready=[*grants, *pools], asked=pulumi.InvokeOutputOptions(parent=parent)
    )


def _adopted(name: str, args: KubernetesClusterArgs, parent: pulumi.Resource) -> _Cluster:
    cluster, group = azure_ids.name(args.cluster_id), azure_ids.resource_group(args.cluster_id)
    asked = asking_about(name, args.cluster_id, parent)
    found = containerservice.get_managed_cluster_output(resource_group_name=group, resource_name=cluster, opts=asked)
    puller = _principal(found.identity_profile.apply(_kubelet))
    pull = grant(f"{name}-pull", role=Role.ACR_PULL, scope=args.registry_id, principal=puller, parent=parent)
    existing = pulumi.Output.from_input
    return _Cluster(id=existing(args.cluster_id), group=existing(group), name=existing(cluster), addons=found.addon_profiles, ready=[pull], asked=asked)


def _principal(object_id: pulumi.Input[str]) -> Principal:
    return Principal(id=object_id, type="ServicePrincipal")


def _secrets_provider(addons: Any) -> Any:
    """Identity of the add-on that brings secrets of a key vault to pods."""
    addon = (addons or {}).get("azureKeyvaultSecretsProvider")
    if addon is None or addon.identity is None:
        raise pulumi.RunError(
            "the cluster has no add-on that reads certificates; enable it with "
            "`az aks enable-addons --addons azure-keyvault-secrets-provider --resource-group <group> --name <cluster>`"
        )
    return addon.identity


def _kubelet(profiles: Any) -> str:
    """Object id of the identity that pulls images."""
    identity = (profiles or {}).get("kubeletidentity")
    if identity is None or not identity.object_id:
        raise pulumi.RunError(
            "the cluster has no kubelet identity that could pull images; move it from its service principal with `az aks update --enable-managed-identity`"
        )
    return identity.object_id


def _kubeconfig(cluster: _Cluster) -> pulumi.Output[str]:
    """The users' kubeconfig, which logs in through kubelogin. Neither SDK nor provider marks it secret."""
    credentials = containerservice.list_managed_cluster_user_credentials_output(
        resource_group_name=cluster.group,
        # Of a cluster that is being made, the id comes after it; of one that exists it is known at once.
        resource_name=pulumi.Output.all(cluster.name, cluster.id).apply(lambda known: known[0]),
        format="exec",
        opts=cluster.asked,
    )
    return pulumi.Output.secret(credentials).apply(lambda answer: portable(base64.b64decode((answer.kubeconfigs or [])[0].value).decode()))


def portable(kubeconfig: str) -> str:
    """The kubeconfig without the way to log in that AKS wrote into it (a browser's device code, where nobody sits in a pipeline).

    kubelogin then takes it from AAD_LOGIN_METHOD: the same text for everybody, and no change from one machine to the next.
    """
    document = yaml.safe_load(kubeconfig)
    for user in document.get("users", []):
        command = user["user"].get("exec", {})
        arguments = command.get("args", [])
        if "--login" in arguments:
            place = arguments.index("--login")
            command["args"] = arguments[:place] + arguments[place + 2 :]
    return yaml.safe_dump(document, sort_keys=False)
