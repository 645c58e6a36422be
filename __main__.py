"""The program: settings -> model storage -> registry -> cluster -> images -> deployments -> exports. The same for every stack."""

import sys
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_azure_native import authorization

import settings
from components import build_context, naming
from components.application_image import ApplicationImage, ApplicationImageArgs
from components.container_registry import ContainerRegistry, ContainerRegistryArgs
from components.kubernetes_cluster import KubernetesCluster, KubernetesClusterArgs
from components.model_deployment import ModelDeployment, ModelDeploymentArgs
from components.model_storage import ModelStorage, ModelStorageArgs
from components.role_grants import Principal

_SHOWN_ALREADY = 32
"""Exit code by which Pulumi knows that the message has been shown, and adds nothing."""


def main(chosen: settings.Settings, contexts: dict[str, build_context.BuildContext]) -> None:
    """Declares what the stack is to be."""
    stack, unique = chosen.stack, chosen.unique_name
    shared = {"tags": stack.tags, "allowed_ip_ranges": stack.allowed_ip_ranges}
    us = authorization.get_client_config_output()
    deployer = Principal(id=stack.deployer.principal_id or us.object_id, type=stack.deployer.principal_type or None)

    storage_name = stack.storage_account_name or naming.storage_account("converge", unique)
    storage_args = ModelStorageArgs(account_name=storage_name, deployer=deployer, **stack.model_storage.model_dump(), **shared)
    models = ModelStorage("converge-models", storage_args, pulumi.ResourceOptions(protect=stack.protect_data))

    registry_name = stack.registry_name or naming.registry("converge", unique)
    registry_args = ContainerRegistryArgs(registry_name=registry_name, deployer=deployer, sku=stack.registry.sku, tags=stack.tags)
    registry = ContainerRegistry("converge-registry", registry_args)

    cluster_args = KubernetesClusterArgs(registry_id=registry.registry_id, tenant_id=us.tenant_id, deployer=deployer, **stack.cluster.model_dump(), **shared)
    cluster = KubernetesCluster("converge-cluster", cluster_args)
    workloads = kubernetes.Provider(
        "converge-workloads",
        kubeconfig=cluster.kubeconfig,
        # Without it a kubeconfig that reads differently would replace every object.
        cluster_identifier=cluster.cluster_id,
        enable_server_side_apply=True,
        opts=pulumi.ResourceOptions(parent=cluster),
    )

    services = {}
    for service, locked in chosen.deployed:
        source = {"context": contexts[service.app], "base_image": stack.base_image, "model_store": models.container_url}
        image_args = ApplicationImageArgs(registry=registry.login_server, repository=service.name, model=locked.model, pinned_digest=locked.image, **source)
        image = ApplicationImage(f"{service.name}-image", image_args).image
        size = {"min_replicas": service.replicas.min, "max_replicas": service.replicas.max, **service.resources.model_dump()}
        deployment_args = ModelDeploymentArgs(image=image, model=locked.model, startup_seconds=service.startup_seconds, **size)
        deployment = ModelDeployment(service.name, deployment_args, pulumi.ResourceOptions(providers=[workloads]))
        model = {"name": locked.model.name, "version": locked.model.version, "sha256": locked.model.sha256}
        reached = {"namespace": deployment.namespace, "service": deployment.service_name, "port": deployment.port}
        services[service.name] = {**reached, "image": image, "model": model}

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
