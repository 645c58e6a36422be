"""The program: settings -> network -> monitoring -> model storage -> registry -> cluster -> services -> exports. The same for every stack."""

import sys
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_azure_native import authorization

import settings
from components import build_context, naming
from components.application_image import ApplicationImage, ApplicationImageArgs
from components.cluster_args import KubernetesClusterArgs, MaintenanceWindow, NodePool
from components.cluster_monitoring import ClusterMonitoring, ClusterMonitoringArgs
from components.container_registry import ContainerRegistry, ContainerRegistryArgs
from components.kubernetes_cluster import KubernetesCluster
from components.model_deployment import ModelDeployment, ModelDeploymentArgs
from components.model_storage import ModelStorage, ModelStorageArgs
from components.monitoring import Monitoring, MonitoringArgs
from components.role_grants import Principal
from components.service_access import GATEWAY_NAMESPACE, ServiceAccess, ServiceAccessArgs
from components.virtual_network import VirtualNetwork, VirtualNetworkArgs

Values = dict[str, Any]
_SHOWN_ALREADY = 32
"""Exit code by which Pulumi knows that the message has been shown, and adds nothing."""


def main(chosen: settings.Settings, contexts: dict[str, build_context.BuildContext]) -> None:
    """Declares what the stack is to be."""
    stack, unique = chosen.stack, chosen.unique_name
    tags: Values = {"tags": stack.tags}
    us = authorization.get_client_config_output()
    deployer = Principal(id=stack.deployer.principal_id or us.object_id, type=stack.deployer.principal_type or None)
    closed: Values = {"allowed_ip_ranges": stack.allowed_ip_ranges, **tags}
    kept = pulumi.ResourceOptions(protect=stack.protect_data)

    network_args = VirtualNetworkArgs(open_to_internet=stack.open_to_internet, **stack.network.model_dump(), **tags)
    network = VirtualNetwork("converge-network", network_args)
    monitoring_args = MonitoringArgs(**stack.monitoring.model_dump(exclude={"enabled"}), **tags)
    monitoring = Monitoring("converge-monitoring", monitoring_args) if stack.monitoring.enabled else None
    watched: Values = {"log_workspace_id": monitoring.log_workspace_id if monitoring else None}
    data: Values = {"deployer": deployer, "locked": stack.protect_data, **watched}

    storage_name = stack.storage_account_name or naming.storage_account("converge", unique)
    storage_args = ModelStorageArgs(account_name=storage_name, access=network.blob_access, **stack.model_storage.model_dump(), **data, **closed)
    models = ModelStorage("converge-models", storage_args, kept)

    registry_name = stack.registry_name or naming.registry("converge", unique)
    registry_args = ContainerRegistryArgs(registry_name=registry_name, access=network.registry_access, **stack.registry.model_dump(), **data, **tags)
    registry = ContainerRegistry("converge-registry", registry_args, kept)

    subnets: Values = {"node_subnet_id": network.node_subnet_id, "api_server_subnet_id": network.api_server_subnet_id}
    cluster_args = KubernetesClusterArgs(
        registry_id=registry.registry_id,
        tenant_id=us.tenant_id,
        deployer=deployer,
        system_pool=NodePool(**stack.cluster.system_pool),
        user_pools=[NodePool(**pool.model_dump()) for pool in stack.cluster.user_pools],
        maintenance=MaintenanceWindow(**stack.cluster.maintenance.model_dump()),
        private=stack.network.private,
        outbound=stack.network.outbound,
        gateways=stack.gateways,
        **{**stack.cluster.plain_values, **stack.ingress.model_dump(), **subnets, **watched, **closed},
    )
    cluster = KubernetesCluster("converge-cluster", cluster_args, kept)
    # Without the identifier a kubeconfig that reads differently would replace every object.
    access: Values = {"kubeconfig": cluster.kubeconfig, "cluster_identifier": cluster.cluster_id, "enable_server_side_apply": True}
    unprotected = pulumi.ResourceOptions(parent=cluster, protect=False)
    workloads = pulumi.ResourceOptions(providers=[kubernetes.Provider("converge-workloads", **access, opts=unprotected)])
    if monitoring:
        people = [] if monitoring.action_group_id is None else [monitoring.action_group_id]
        monitored: Values = {"cluster_id": cluster.cluster_id, "cluster_name": cluster.cluster_name, "registry_id": registry.registry_id, **watched}
        served: Values = {"services": chosen.namespaces, "reached_services": [service.name for service in chosen.reached]}
        place: Values = {"resource_group_name": monitoring.resource_group_name, "metrics_workspace_id": monitoring.metrics_workspace_id}
        cluster_monitoring_args = ClusterMonitoringArgs(
            storage_account_id=models.account_id, action_group_ids=people, adopted=bool(stack.cluster.cluster_id), **{**monitored, **served, **place, **tags}
        )
        ClusterMonitoring("converge-cluster-monitoring", cluster_monitoring_args, workloads)

    services = {}
    for service, locked in chosen.deployed:
        source: Values = {"context": contexts[service.app], "base_image": stack.base_image, "model_store": models.container_url, "reading": models.reading}
        place: Values = {"registry": registry.login_server, "repository": service.name, "pushing": registry.pushing}
        image_args = ApplicationImageArgs(model=locked.model, pinned_digest=locked.image, **place, **source)
        image = ApplicationImage(f"{service.name}-image", image_args).image
        size: Values = {"min_replicas": service.replicas.min, "max_replicas": service.replicas.max, **service.resources.model_dump(), **service.plain_values}
        where: Values = {"namespace": service.namespace_name, "callers": GATEWAY_NAMESPACE if service.reached else ""}
        deployment_args = ModelDeploymentArgs(image=image, model=locked.model, **where, **size)
        deployment = ModelDeployment(service.name, deployment_args, workloads)
        model = {"name": locked.model.name, "version": locked.model.version, "sha256": locked.model.sha256}
        reached = {"namespace": deployment.namespace, "service": deployment.service_name, "port": deployment.port}
        services[service.name] = {**reached, "image": image, "model": model}
        if service.reached:
            door: Values = {"host": service.host, "certificate": service.certificate, "audience": service.audience, "exposure": service.exposure}
            behind: Values = {"namespace": deployment.namespace, "service_name": deployment.service_name, "port": deployment.port, "image": image}
            vault: Values = {"key_vault_id": stack.ingress.key_vault_id, "vault_reader": cluster.vault_reader, "tenant_id": us.tenant_id}
            services[service.name]["url"] = ServiceAccess(f"{service.name}-access", ServiceAccessArgs(**door, **behind, **vault), workloads).url

    for service in chosen.not_deployed:
        pulumi.log.info(settings.how_to_get_a_model(service))
    pulumi.export("resourceGroup", cluster.resource_group_name)
    pulumi.export("storageAccount", models.account_name)
    pulumi.export("modelStore", models.container_url)
    pulumi.export("registry", registry.login_server)
    pulumi.export("cluster", cluster.cluster_name)
    pulumi.export("services", services)
    pulumi.export("notDeployed", [service.name for service in chosen.not_deployed])


try:
    chosen = settings.load()
    # Before anything is declared, so that a mistake changes nothing.
    contexts = {service.app: build_context.stage(Path(service.app)) for service, _ in chosen.deployed}
except (settings.SettingsError, build_context.BuildContextError) as error:
    pulumi.log.error(str(error))
    sys.exit(_SHOWN_ALREADY)
main(chosen, contexts)
