"""What holds for every resource of the whole program, in every stack, in preview and in up."""

import importlib
import inspect
import os
import runpy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pulumi
import pytest
import yaml

from components import application_image
from components.application_image import ApplicationImage
from components.cluster_monitoring import ClusterMonitoring
from components.container_registry import ContainerRegistry
from components.kubernetes_cluster import KubernetesCluster
from components.model_deployment import ModelDeployment
from components.model_storage import ModelStorage
from components.monitoring import Monitoring
from components.role_grants import Role
from components.service_access import ServiceAccess
from components.virtual_network import VirtualNetwork
from model_store import Lock, LockedModel, LockedService, write_lock
from tests.unit.components.recording import (
    CLIENT,
    CLIENT_CONFIG,
    CREDENTIALS,
    DIGEST,
    GET_ACCOUNT,
    GET_CLUSTER,
    GET_REGISTRY,
    GROUP,
    KUBECONFIG,
    LOCK,
    SUBSCRIPTION,
    TOKEN,
    UNKNOWN,
    USER_CREDENTIALS,
    VAULT_READER,
    Recording,
    Secret,
    record,
)
from tests.unit.model_store.samples import locked
from tests.unit.settings.stack_files import ROOT, as_pulumi_does, stack_values

_ALWAYS = {VirtualNetwork, ModelStorage, ContainerRegistry, KubernetesCluster, ApplicationImage, ModelDeployment}
_COMPONENTS: Mapping[str, set[type[pulumi.ComponentResource]]] = {"dev": _ALWAYS, "prod": _ALWAYS | {Monitoring, ClusterMonitoring, ServiceAccess}}
_TOKENS = "kubernetes:security.istio.io/v1:RequestAuthentication"
_SENSITIVE = ("key", "password", "token", "kubeconfig")
_MODEL = locked(
    3,
    inputs=[{"name": "image", "datatype": "FP32", "shape": [-1, 64]}],
    outputs=[{"name": "label", "datatype": "INT64", "shape": [-1]}, {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
)
_SHARED = "/subscriptions/00000000-0000-0000-0000-000000000099/resourceGroups/shared"
_SUBNETS = {name: f"{_SHARED}/providers/Microsoft.Network/virtualNetworks/hub/subnets/{name}" for name in ("nodes", "api-server", "endpoints")}
_ZONES = {name: f"{_SHARED}/providers/Microsoft.Network/privateDnsZones/privatelink.{name}" for name in ("blob.core.windows.net", "azurecr.io")}
_ACCOUNT = f"{_SHARED}/providers/Microsoft.Storage/storageAccounts/theirmodels"
_REGISTRY = f"{_SHARED}/providers/Microsoft.ContainerRegistry/registries/images"
_CLUSTER = f"{_SHARED}/providers/Microsoft.ContainerService/managedClusters/platform"
_ADOPTED: Mapping[str, dict[str, Any]] = {
    "network": {
        "nodeSubnetId": _SUBNETS["nodes"],
        "apiServerSubnetId": _SUBNETS["api-server"],
        "endpointSubnetId": _SUBNETS["endpoints"],
        "blobZoneId": _ZONES["blob.core.windows.net"],
        "registryZoneId": _ZONES["azurecr.io"],
        "private": True,
        "outbound": "userDefinedRouting",
    },
    "modelStorage": {"accountId": _ACCOUNT},
    "registry": {"registryId": _REGISTRY},
    "cluster": {"clusterId": _CLUSTER},
}
"""Settings by which a part of the stack is one that exists already."""
_FOUND: Mapping[str, dict[str, Any]] = {
    GET_ACCOUNT: {"primaryEndpoints": {"blob": "https://theirmodels.blob.core.windows.net/"}},
    GET_REGISTRY: {"loginServer": "images.azurecr.io"},
    GET_CLUSTER: {
        "identityProfile": {"kubeletidentity": {"objectId": "their-kubelet"}},
        "addonProfiles": {"azureKeyvaultSecretsProvider": {"enabled": True, "identity": VAULT_READER}},
    },
}
"""What Azure knows about them."""
_LOCK = Lock(services={"digits": LockedService(model=_MODEL)})


def _signed(_url: str, model: LockedModel) -> Mapping[str, str]:
    return {file: f"https://store.example/{file}?sig=x" for file in model.files}


@contextmanager
def _checkout(folder: Path, stack: str, lock: Lock) -> Iterator[None]:
    """A project folder with the template's app and a lock, and a store that signs."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "app_template").exists():
        (folder / "app_template").symlink_to(ROOT / "app_template", target_is_directory=True)
    write_lock(folder / "locks" / f"{stack}.json", lock)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("PULUMI_CONFIG", raising=False)
        patch.setattr(application_image, "_ask_store", _signed)
        yield


def _run(folder: Path, stack: str = "dev", *, preview: bool = False, lock: Lock = _LOCK, into: Recording | None = None, **changes: Any) -> Recording:
    """The program as it is, with the stack's committed settings; `changes` replace keys, with __ for the colon."""
    config = as_pulumi_does({**stack_values(stack), **{key.replace("__", ":"): value for key, value in changes.items()}})
    calls = {CLIENT_CONFIG: CLIENT, USER_CREDENTIALS: CREDENTIALS, **_FOUND}
    with _checkout(folder, stack, lock):
        return record(lambda: runpy.run_path(os.fspath(ROOT / "__main__.py")), preview=preview, calls=calls, config=config, stack=stack, into=into)


@dataclass(frozen=True)
class _Case:
    stack: str
    preview: bool
    recording: Recording


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bool], Recording]:
    """A stack as it is committed, in preview or not; run once."""
    return cache(lambda stack, preview: _run(tmp_path_factory.mktemp("checkout"), stack, preview=preview))


@pytest.fixture(
    scope="module", params=[("dev", True), ("dev", False), ("prod", True), ("prod", False)], ids=["dev preview", "dev up", "prod preview", "prod up"]
)
def case(request: pytest.FixtureRequest, committed: Callable[[str, bool], Recording]) -> _Case:
    stack, preview = request.param
    return _Case(stack, preview, committed(stack, preview))


@pytest.fixture(scope="module")
def up(committed: Callable[[str, bool], Recording]) -> Recording:
    return committed("dev", False)


@pytest.fixture(scope="module")
def prod(committed: Callable[[str, bool], Recording]) -> Recording:
    return committed("prod", False)


def test_the_program_runs_to_its_end(case: _Case):
    assert {resource.type.rpartition(":")[2] for resource in case.recording.resources if resource.type.startswith("converge:")} == {
        component.__name__ for component in _COMPONENTS[case.stack]
    }
    assert set(case.recording.exports) == {"resourceGroup", "storageAccount", "modelStore", "registry", "cluster", "services", "notDeployed"}
    assert case.recording.logs == []


def test_every_resource_descends_from_a_component(case: _Case):
    by_urn = {resource.urn: resource for resource in case.recording.resources}
    for resource in case.recording.resources:
        if resource.type.startswith(("converge:", "pulumi:pulumi:Stack")):
            continue
        assert by_urn[resource.request.parent].type.startswith("converge:index:"), resource.urn


def _declared(component: type[pulumi.ComponentResource]) -> tuple[set[str], set[str]]:
    """The outputs that a class declares: those that are always there, and those that may be None."""
    always, perhaps = set[str](), set[str]()
    for name, kind in component.__annotations__.items():
        # Whatever is no output is for the program alone: an engine could not keep it.
        if _is_output(kind):
            always.add(name)
        elif any(_is_output(choice) for choice in get_args(kind)):
            perhaps.add(name)
    return always, perhaps


def _is_output(kind: object) -> bool:
    return get_origin(kind) is pulumi.Output


def test_every_component_registered_what_its_class_declares(case: _Case):
    declared = {f"converge:index:{component.__name__}": _declared(component) for component in _COMPONENTS[case.stack]}
    made = [resource for resource in case.recording.resources if resource.type.startswith("converge:")]
    assert made
    for resource in made:
        always, perhaps = declared[resource.type]
        # None is not sent, so that what may be None is there or not.
        assert set(case.recording.outputs[resource.urn]) - perhaps == always, resource.urn


def test_only_ways_in_and_what_to_wait_for_are_declared_beside_outputs():
    """Or the test above would see nothing."""
    beside = {(component.__name__, name) for component in _COMPONENTS["prod"] for name in set(component.__annotations__).difference(*_declared(component))}
    ways = {("VirtualNetwork", "blob_access"), ("VirtualNetwork", "registry_access")}
    assert beside == ways | {("ModelStorage", "reading"), ("ContainerRegistry", "pushing")}
    assert _declared(Monitoring)[1] == {"action_group_id"}


def _open_values(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """What is not secret, with the keys that lead to it."""
    match value:
        case dict():
            for key, entry in value.items():
                yield from _open_values(entry, f"{path}.{key}")
        case list():
            for entry in value:
                yield from _open_values(entry, path)
        case Secret():
            return
        case _:
            yield path, value


def test_no_output_that_sounds_secret_is_open(case: _Case):
    found = [path for urn, outputs in case.recording.outputs.items() for path, _ in _open_values(outputs, urn.rpartition("::")[2])]
    assert found
    assert not [path for path in found if any(word in path.rpartition(".")[2].lower() for word in _SENSITIVE)]


def test_no_open_value_holds_a_credential(case: _Case):
    everything = [resource.inputs for resource in case.recording.resources] + list(case.recording.outputs.values())
    # Or nothing would have been looked at.
    assert case.preview or (TOKEN in str(everything) and "sig=x" in str(everything))
    for credential in (KUBECONFIG, "sig=x", TOKEN):
        assert not [path for values in everything for path, value in _open_values(values) if credential in str(value)]


def test_every_kubernetes_object_goes_to_the_stacks_own_cluster(case: _Case):
    provider = case.recording.only("pulumi:providers:kubernetes")
    objects = [resource for resource in case.recording.resources if resource.type.startswith("kubernetes:")]
    assert objects
    assert {resource.provider for resource in objects} == {(provider.urn, UNKNOWN if case.preview else "id-of-converge-workloads")}
    assert provider.name == "converge-workloads"
    assert provider.parent == "converge-cluster"


def test_there_is_no_default_kubernetes_provider():
    config = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert config["pulumi:disable-default-providers"] == {"value": ["kubernetes"]}
    for stack in ("dev", "prod"):
        assert "pulumi:disable-default-providers" not in stack_values(stack)


def test_data_is_protected_where_the_settings_say_so(case: _Case):
    protected = {resource.name for resource in case.recording.resources if resource.protected}
    models = {"converge-models", *(f"converge-models-{part}" for part in ("group", "account", "blobs", "container", "write-once"))}
    images = {"converge-registry", *(f"converge-registry-{part}" for part in ("group", "registry"))}
    # Without their cluster all services stop; pools hold nothing and may be made anew, grants too.
    whole = {"converge-cluster", *(f"converge-cluster-{part}" for part in ("group", "control-plane", "kubelet", "aks"))}
    assert protected == (models | images | whole if case.stack == "prod" else set())


def test_azure_refuses_to_delete_data_where_the_settings_say_so(case: _Case):
    locked = {(lock.name, lock.inputs["level"]) for lock in case.recording.of(LOCK)}
    assert locked == ({("converge-models-lock", "CanNotDelete"), ("converge-registry-lock", "CanNotDelete")} if case.stack == "prod" else set())


def test_whatever_can_have_tags_has_the_stacks(case: _Case):
    taggable = [resource for resource in case.recording.resources if resource.type.startswith("azure-native:") and _can_have_tags(resource.type)]
    assert len(taggable) > 9
    for resource in taggable:
        assert resource.inputs["tags"] == stack_values(case.stack)["converge:tags"], resource.urn


def _can_have_tags(kind: str) -> bool:
    _, module, name = kind.split(":")
    return "tags" in inspect.signature(getattr(importlib.import_module(f"pulumi_azure_native.{module}"), name)._internal_init).parameters


def test_no_public_address_but_the_way_out(case: _Case):
    """Dev leaves through the balancer that AKS brings; in prod the one public address is for what goes out."""
    addresses = {resource.name for resource in case.recording.of("azure-native:network:PublicIPAddress")}
    assert addresses == ({"converge-network-outbound"} if case.stack == "prod" else set())


def test_prod_is_reached_from_its_network_only(case: _Case):
    public = {
        resource.type.rpartition(":")[2]: resource.inputs["publicNetworkAccess"]
        for kind in ("storage:StorageAccount", "containerregistry:Registry", "containerservice:ManagedCluster")
        for resource in case.recording.of(f"azure-native:{kind}")
    }
    assert public == dict.fromkeys(("StorageAccount", "Registry", "ManagedCluster"), "Disabled" if case.stack == "prod" else "Enabled")


def test_an_update_proves_every_right_that_it_needs_before_it_uses_it(case: _Case):
    exports = case.recording.exports
    needed = {("may read models", exports["modelStore"]), ("may push", exports["registry"]), ("may deploy", KUBECONFIG)}
    # Once, however many ask; and a preview asks nobody.
    assert sorted(case.recording.probes) == ([] if case.preview else sorted(needed))


def test_what_azure_cannot_be_asked_yet_is_not_asked_in_a_preview(case: _Case):
    assert [token for token, _ in case.recording.calls] == ([CLIENT_CONFIG] if case.preview else [CLIENT_CONFIG, USER_CREDENTIALS])


def test_in_a_first_preview_secrets_are_unknown_and_marked(tmp_path: Path):
    recording = _run(tmp_path, preview=True)
    assert recording.only("docker-build:index:Image").inputs["secrets"] == Secret(UNKNOWN)
    assert recording.only("pulumi:providers:kubernetes").inputs["kubeconfig"] == Secret(UNKNOWN)


def test_the_provider_is_bound_to_the_cluster_and_comes_after_its_grants(up: Recording):
    provider = up.only("pulumi:providers:kubernetes")
    assert provider.inputs["kubeconfig"] == Secret(KUBECONFIG)
    # A kubeconfig that only reads differently must not replace every object.
    assert provider.inputs["clusterIdentifier"] == up.outputs_of("converge-cluster")["cluster_id"]
    assert provider.inputs["enableServerSideApply"] == "true"
    assert {"converge-cluster-deployer", "converge-cluster-pull"} <= provider.dependencies


def test_the_image_is_built_only_once_the_deployer_may_read_and_push(up: Recording):
    image = up.only("docker-build:index:Image")
    assert {"converge-registry-push", "converge-models-delegator", "converge-models-reader"} <= image.dependencies
    assert {"converge-models-delegator", "converge-models-reader"} <= image.dependencies_of("secrets")


def test_pods_run_the_image_that_was_built(up: Recording):
    deployment = up.only("kubernetes:apps/v1:Deployment")
    (container,) = deployment.inputs["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{up.exports['registry']}/digits@{DIGEST}"
    assert "digits-image-image" in deployment.dependencies


def _rights(stack: str, recording: Recording) -> set[tuple[str, str, str, str | None]]:
    """What everybody in a stack may do, and where."""
    deployer, groups = stack_values(stack)["converge:deployer"]["principalId"], f"{SUBSCRIPTION}/resourceGroups"
    storage = f"{groups}/converge-models-group/providers/Microsoft.Storage/storageAccounts/{recording.exports['storageAccount']}"
    cluster = f"{groups}/converge-cluster-group/providers"
    registries = f"{groups}/converge-registry-group/providers/Microsoft.ContainerRegistry/registries"
    registry = f"{registries}/{recording.exports['registry'].removesuffix('.azurecr.io')}"
    subnets = f"{groups}/converge-network-group/providers/Microsoft.Network/virtualNetworks/converge-network-network/subnets"
    kubelet = f"{cluster}/Microsoft.ManagedIdentity/userAssignedIdentities/converge-cluster-kubelet"
    manager = "converge-cluster-control-plane-principal"
    return {
        (Role.STORAGE_BLOB_DELEGATOR.value, storage, deployer, "Group"),
        (Role.STORAGE_BLOB_DATA_READER.value, f"{storage}/blobServices/default/containers/models", deployer, "Group"),
        (Role.ACR_PUSH.value, registry, deployer, "Group"),
        (Role.ACR_PULL.value, registry, "converge-cluster-kubelet-principal", "ServicePrincipal"),
        (Role.MANAGED_IDENTITY_OPERATOR.value, kubelet, manager, "ServicePrincipal"),
        (Role.NETWORK_CONTRIBUTOR.value, f"{subnets}/nodes", manager, "ServicePrincipal"),
        (Role.NETWORK_CONTRIBUTOR.value, f"{subnets}/api-server", manager, "ServicePrincipal"),
        (Role.AKS_RBAC_CLUSTER_ADMIN.value, f"{cluster}/Microsoft.ContainerService/managedClusters/converge-cluster-aks", deployer, "Group"),
    }


def test_nobody_has_any_other_right(up: Recording):
    assert up.grants == _rights("dev", up)


def test_in_prod_gateways_may_read_certificates_and_nobody_has_any_other_right(prod: Recording):
    vault = stack_values("prod")["converge:ingress"]["keyVaultId"]
    assert prod.grants - _rights("prod", prod) == {(Role.KEY_VAULT_SECRETS_USER.value, vault, VAULT_READER["objectId"], "ServicePrincipal")}
    assert prod.grants > _rights("prod", prod)


def test_unless_settings_name_a_deployer_it_is_whoever_runs_the_update(tmp_path: Path):
    recording = _run(tmp_path, converge__deployer={})
    assert sum(principal == CLIENT["objectId"] for _, _, principal, _ in recording.grants) == 4


def test_the_cluster_belongs_to_our_tenant(up: Recording):
    assert up.only("azure-native:containerservice:ManagedCluster").inputs["aadProfile"]["tenantID"] == CLIENT["tenantId"]


def test_exports_say_where_things_are_and_which_model_runs(up: Recording):
    account = up.exports["storageAccount"]
    assert up.exports == {
        "resourceGroup": "converge-cluster-group",
        "storageAccount": account,
        "modelStore": f"https://{account}.blob.core.windows.net/models",
        "registry": f"{account}.azurecr.io",
        "cluster": "converge-cluster-aks",
        "services": {
            "digits": {
                "namespace": "digits",
                "service": "digits",
                "port": 80,
                "image": f"{account}.azurecr.io/digits@{DIGEST}",
                "model": {"name": "digits", "version": 3, "sha256": "a" * 64},
            }
        },
        "notDeployed": [],
    }


def test_names_can_be_chosen(tmp_path: Path):
    recording = _run(tmp_path, preview=True, converge__storageAccountName="mymodels", converge__registryName="myImages")
    assert recording.only("azure-native:storage:StorageAccount").inputs["accountName"] == "mymodels"
    assert recording.only("azure-native:containerregistry:Registry").inputs["registryName"] == "myImages"


def test_stacks_never_share_a_name(tmp_path: Path):
    recordings = [_run(tmp_path, stack, preview=True) for stack in ("dev", "prod")]
    for kind, key in (("azure-native:storage:StorageAccount", "accountName"), ("azure-native:containerregistry:Registry", "registryName")):
        assert len({recording.only(kind).inputs[key] for recording in recordings}) == 2


def test_settings_reach_the_resources(tmp_path: Path):
    tags, ranges = {"owner": "us"}, ["203.0.113.0/24"]
    recording = _run(
        tmp_path,
        converge__services=[
            {"name": "digits", "replicas": {"min": 3, "max": 9}, "resources": {"cpu": "500m", "memory": "1Gi", "cpuLimit": "2"}, "startupSeconds": 90}
        ],
        converge__modelStorage={"sku": "Standard_GRS", "softDeleteDays": 30, "contributorGroupId": "00000000-0000-0000-0000-000000000009"},
        converge__registry={"sku": "Premium"},
        converge__cluster={"minNodes": 2, "maxNodes": 5, "nodeSize": "Standard_D8ds_v5", "tier": "Premium", "kubernetesVersion": "1.33", "zones": ["1", "3"]},
        converge__allowedIpRanges=ranges,
        converge__tags=tags,
    )
    account = recording.only("azure-native:storage:StorageAccount").inputs
    assert account["sku"] == {"name": "Standard_GRS"}
    assert [rule["iPAddressOrRange"] for rule in account["networkRuleSet"]["ipRules"]] == ranges
    assert recording.only("azure-native:storage:BlobServiceProperties").inputs["deleteRetentionPolicy"]["days"] == 30
    assert Role.STORAGE_BLOB_DATA_CONTRIBUTOR.value in {role for role, *_ in recording.grants}
    assert recording.only("azure-native:containerregistry:Registry").inputs["sku"] == {"name": "Premium"}
    cluster = recording.only("azure-native:containerservice:ManagedCluster").inputs
    assert cluster["apiServerAccessProfile"]["authorizedIPRanges"] == ranges
    assert (cluster["sku"]["tier"], cluster["kubernetesVersion"]) == ("Premium", "1.33")
    (pool,) = cluster["agentPoolProfiles"]
    assert (pool["vmSize"], pool["minCount"], pool["maxCount"], pool["availabilityZones"]) == ("Standard_D8ds_v5", 2, 5, ["1", "3"])
    (container,) = recording.only("kubernetes:apps/v1:Deployment").inputs["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
    assert container["startupProbe"]["failureThreshold"] == 90
    autoscaler = recording.only("kubernetes:autoscaling/v2:HorizontalPodAutoscaler").inputs["spec"]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (3, 9)
    tagged = [resource.inputs["tags"] for resource in recording.resources if resource.type.startswith("azure-native:") and "tags" in resource.inputs]
    # Four groups, rules, network, account, registry, two identities, cluster.
    assert len(tagged) == 11
    assert all(found == tags for found in tagged)


def _adopting(folder: Path, *parts: str) -> Recording:
    """Prod, where some parts exist already."""
    changes: dict[str, Any] = {f"converge__{part}": _ADOPTED[part] for part in parts}
    return _run(folder, "prod", **changes)


def _declared_by(recording: Recording, component: str) -> set[str]:
    return {resource.name.removeprefix(f"{component}-") for resource in recording.resources if resource.parent == component}


def _asked(recording: Recording) -> set[str]:
    return {token for token, _ in recording.calls} - {CLIENT_CONFIG, USER_CREDENTIALS}


def test_a_network_that_exists_is_used_by_everything_that_is_private(tmp_path: Path):
    recording = _adopting(tmp_path, "network")
    assert _declared_by(recording, "converge-network") == set()
    cluster = recording.only("azure-native:containerservice:ManagedCluster").inputs
    assert {pool["vnetSubnetID"] for pool in cluster["agentPoolProfiles"]} == {_SUBNETS["nodes"]}
    assert recording.only("azure-native:containerservice:AgentPool").inputs["vnetSubnetID"] == _SUBNETS["nodes"]
    assert cluster["apiServerAccessProfile"]["subnetId"] == _SUBNETS["api-server"]
    assert cluster["networkProfile"]["outboundType"] == "userDefinedRouting"
    assert {endpoint.inputs["subnet"]["id"] for endpoint in recording.of("azure-native:network:PrivateEndpoint")} == {_SUBNETS["endpoints"]}
    zones = {names.inputs["privateDnsZoneConfigs"][0]["privateDnsZoneId"] for names in recording.of("azure-native:network:PrivateDnsZoneGroup")}
    assert zones == set(_ZONES.values())
    joins = {(scope, who) for role, scope, who, _ in recording.grants if role == Role.NETWORK_CONTRIBUTOR.value}
    assert joins == {(_SUBNETS[name], "converge-cluster-control-plane-principal") for name in ("nodes", "api-server")}


def test_models_can_be_in_an_account_that_exists(tmp_path: Path):
    recording = _adopting(tmp_path, "modelStorage")
    assert _declared_by(recording, "converge-models") == {"delegator", "reader", "existing"}
    assert _asked(recording) == {GET_ACCOUNT}
    assert (recording.exports["storageAccount"], recording.exports["modelStore"]) == ("theirmodels", "https://theirmodels.blob.core.windows.net/models")
    watched = {scope for alert in recording.of("azure-native:monitor:MetricAlert") for scope in alert.inputs["scopes"]}
    assert watched == {_ACCOUNT}


def test_images_can_be_in_a_registry_that_exists(tmp_path: Path):
    recording = _adopting(tmp_path, "registry")
    assert _declared_by(recording, "converge-registry") == {"push", "existing"}
    assert _asked(recording) == {GET_REGISTRY}
    assert recording.exports["registry"] == "images.azurecr.io"
    assert recording.exports["services"]["digits"]["image"] == f"images.azurecr.io/digits@{DIGEST}"
    assert (Role.ACR_PULL.value, _REGISTRY, "converge-cluster-kubelet-principal", "ServicePrincipal") in recording.grants
    assert (Role.ACR_PUSH.value, _REGISTRY, stack_values("prod")["converge:deployer"]["principalId"], "Group") in recording.grants


def test_services_can_run_on_a_cluster_that_exists(tmp_path: Path):
    recording = _adopting(tmp_path, "cluster")
    assert _declared_by(recording, "converge-cluster") == {"pull", "deployer", "certificates", "converge-workloads", "existing"}
    assert _asked(recording) == {GET_CLUSTER}
    assert (recording.exports["cluster"], recording.exports["resourceGroup"]) == ("platform", "shared")
    provider = recording.only("pulumi:providers:kubernetes")
    assert (provider.inputs["kubeconfig"], provider.inputs["clusterIdentifier"]) == (Secret(KUBECONFIG), _CLUSTER)
    # What is collected from it is for its owner to decide.
    assert not [resource for resource in recording.resources if resource.type.startswith("azure-native:monitor:DataCollection")]
    assert {scope for role, scope, who, _ in recording.grants if who == "their-kubelet"} == {recording.outputs_of("converge-registry")["registry_id"]}


def test_all_of_it_can_exist_and_then_a_stack_is_grants_and_services(tmp_path: Path):
    changes: dict[str, Any] = {f"converge__{part}": values for part, values in _ADOPTED.items()}
    recording = _run(tmp_path, "dev", converge__allowedIpRanges=[], **changes)
    assert {resource.type for resource in recording.resources if resource.type.startswith("azure-native:")} == {"azure-native:authorization:RoleAssignment"}
    deployer = stack_values("dev")["converge:deployer"]["principalId"]
    assert recording.grants == {
        (Role.STORAGE_BLOB_DELEGATOR.value, _ACCOUNT, deployer, "Group"),
        (Role.STORAGE_BLOB_DATA_READER.value, f"{_ACCOUNT}/blobServices/default/containers/models", deployer, "Group"),
        (Role.ACR_PUSH.value, _REGISTRY, deployer, "Group"),
        (Role.ACR_PULL.value, _REGISTRY, "their-kubelet", "ServicePrincipal"),
        (Role.AKS_RBAC_CLUSTER_ADMIN.value, _CLUSTER, deployer, "Group"),
    }
    assert recording.exports["services"]["digits"]["image"] == f"images.azurecr.io/digits@{DIGEST}"


def test_resource_groups_can_exist(tmp_path: Path):
    given = stack_values("prod")
    parts = ("network", "modelStorage", "registry", "cluster", "monitoring")
    ours = f"/subscriptions/{given['azure-native:subscriptionId']}/resourceGroups/shared"
    changes: dict[str, Any] = {f"converge__{part}": {**given[f"converge:{part}"], "resourceGroupId": ours} for part in parts}
    recording = _run(tmp_path, "prod", **changes)
    assert recording.of(GROUP) == []
    assert {resource.inputs["resourceGroupName"] for resource in recording.resources if "resourceGroupName" in resource.inputs} == {"shared"}


def _reached(name: str, exposure: str) -> dict[str, Any]:
    return {"name": name, "model": "digits", "exposure": exposure, "host": f"{name}.example.com", "certificate": name, "audience": f"api://{name}"}


def test_each_service_is_reached_from_where_its_settings_say(tmp_path: Path):
    lock = Lock(services={name: LockedService(model=_MODEL) for name in ("inside", "near", "far")})
    services = [{"name": "inside", "model": "digits"}, _reached("near", "network"), _reached("far", "internet")]
    recording = _run(tmp_path, "prod", lock=lock, converge__services=services)
    urls = {name: service.get("url") for name, service in recording.exports["services"].items()}
    assert urls == {"inside": None, "near": "https://near.example.com", "far": "https://far.example.com"}
    mesh = recording.only("azure-native:containerservice:ManagedCluster").inputs["serviceMeshProfile"]["istio"]
    assert [gateway["mode"] for gateway in mesh["components"]["ingressGateways"]] == ["External", "Internal"]
    gateways = {gateway.inputs["spec"]["servers"][0]["hosts"][0]: gateway.inputs for gateway in recording.of("kubernetes:networking.istio.io/v1:Gateway")}
    assert {host: gateway["spec"]["selector"]["istio"] for host, gateway in gateways.items()} == {
        "near.example.com": "aks-istio-ingressgateway-internal",
        "far.example.com": "aks-istio-ingressgateway-external",
    }
    # Past the gateway nobody asks for a token, so nobody else may call.
    callers = {name: recording.named(f"{name}-allow").inputs["spec"]["ingress"][0]["from"] for name in ("inside", "near", "far")}
    only_gateways = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "aks-istio-ingress"}}}]
    assert callers == {"inside": [{"namespaceSelector": {}}], "near": only_gateways, "far": only_gateways}
    (rule,) = recording.only("azure-native:network:NetworkSecurityGroup").inputs["securityRules"]
    assert (rule["sourceAddressPrefix"], rule["destinationPortRange"]) == ("Internet", "443")
    tenants = {rule["issuer"] for resource in recording.of(_TOKENS) for rule in resource.inputs["spec"]["jwtRules"]}
    assert all(CLIENT["tenantId"] in issuer for issuer in tenants)


def test_where_nobody_outside_is_to_reach_a_service_there_is_no_gateway(up: Recording):
    assert "serviceMeshProfile" not in up.only("azure-native:containerservice:ManagedCluster").inputs
    assert up.only("azure-native:network:NetworkSecurityGroup").inputs["securityRules"] == []
    assert not [resource for resource in up.resources if "istio" in resource.type]


def test_a_service_without_a_model_has_no_door_yet(tmp_path: Path):
    recording = _run(tmp_path, "prod", lock=Lock())
    assert not [resource for resource in recording.resources if "istio" in resource.type]
    # The gateway itself is there: it takes long to make, and who owns the host's zone needs its address.
    assert recording.only("azure-native:containerservice:ManagedCluster").inputs["serviceMeshProfile"]["mode"] == "Istio"


def test_services_have_everything_twice_and_share_the_cluster(tmp_path: Path):
    lock = Lock(services={name: LockedService(model=_MODEL) for name in ("digits", "other")})
    recording = _run(tmp_path, lock=lock, converge__services=[{"name": "digits"}, {"name": "other", "model": "digits"}])
    assert len(recording.of("docker-build:index:Image")) == len(recording.of("kubernetes:core/v1:Namespace")) == 2
    assert len(recording.of("azure-native:containerservice:ManagedCluster")) == 1
    assert {name: service["namespace"] for name, service in recording.exports["services"].items()} == {"digits": "digits", "other": "other"}
    assert recording.exports["services"]["other"]["image"].partition("@")[0].endswith("/other")


def test_a_pinned_digest_runs_without_a_build(tmp_path: Path):
    pinned = f"sha256:{'d' * 64}"
    recording = _run(tmp_path, lock=Lock(services={"digits": LockedService(model=_MODEL, image=pinned)}))
    assert recording.of("docker-build:index:Image") == []
    assert recording.exports["services"]["digits"]["image"].endswith(f"/digits@{pinned}")


def test_without_a_model_there_is_infrastructure_and_a_hint(tmp_path: Path):
    recording = _run(tmp_path, lock=Lock())
    assert recording.exports["notDeployed"] == ["digits"]
    assert recording.exports["services"] == {}
    assert not [resource for resource in recording.resources if resource.type.startswith(("kubernetes:", "docker-build:"))]
    (hint,) = recording.logs
    assert hint.startswith("service digits is not deployed: locks/dev.json has no model for it. ")


def _wrong_settings(_: Path) -> dict[str, Any]:
    return {"converge__protectData": "perhaps"}


def _wrong_app(folder: Path) -> dict[str, Any]:
    app = folder / "app"
    (app / "app").mkdir(parents=True)
    (app / "Dockerfile").write_text("FROM scratch\n")
    (app / "app" / "contract.json").write_text((ROOT / "app_template" / "app" / "contract.json").read_text())
    (app / ".dockerignore").write_text("node_modules\n")
    return {"converge__services": [{"name": "digits", "app": "app"}]}


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (_wrong_settings, 'converge:protectData: was "perhaps"; allowed is true or false'),
        (_wrong_app, "app/.dockerignore: must start with * and then let through what the Dockerfile copies, as in app_template"),
    ],
)
def test_a_mistake_is_shown_once_and_changes_nothing(tmp_path: Path, mistake: Callable[[Path], dict[str, Any]], message: str):
    recording = Recording()
    with pytest.raises(SystemExit) as error:
        _run(tmp_path, into=recording, **mistake(tmp_path))
    # Pulumi's own code for a message that has been shown: it adds neither a traceback nor another error.
    assert error.value.code == 32
    assert [resource.type for resource in recording.resources] == ["pulumi:pulumi:Stack"]
    (shown,) = recording.logs
    assert message in shown
