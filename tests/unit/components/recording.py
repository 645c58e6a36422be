"""Runs a program without an engine and keeps every request that an engine would have got."""

import asyncio
import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pulumi
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import mocks
from pulumi.runtime.proto import engine_pb2, resource_pb2

from components import application_image, kubernetes_cluster, registry_login

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
TOKEN = "a-registry-token"
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: converge
clusters:
- name: converge
  cluster:
    server: https://converge.hcp.westeurope.azmk8s.io.invalid
contexts:
- name: converge
  context:
    cluster: converge
    user: clusterUser
users:
- name: clusterUser
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: kubelogin
      args:
      - get-token
"""
"""As a simulated Azure gives it: behind the server's name nobody is asked for a right."""
DIGEST = f"sha256:{'e' * 64}"
CLIENT = {"objectId": "us", "tenantId": "our-tenant", "clientId": "our-client", "subscriptionId": SUBSCRIPTION.rpartition("/")[2]}
CLIENT_CONFIG = "azure-native:authorization:getClientConfig"
USER_CREDENTIALS = "azure-native:containerservice:listManagedClusterUserCredentials"
CREDENTIALS = {"kubeconfigs": [{"name": "clusterUser", "value": base64.b64encode(KUBECONFIG.encode()).decode()}]}
GRANT = "azure-native:authorization:RoleAssignment"
LOCK = "azure-native:authorization:ManagementLockByScope"
GROUP = "azure-native:resources:ResourceGroup"
GET_ACCOUNT = "azure-native:storage:getStorageAccount"
GET_REGISTRY = "azure-native:containerregistry:getRegistry"
GET_CLUSTER = "azure-native:containerservice:getManagedCluster"
VAULT_READER = {"objectId": "vault-reader-object", "clientId": "vault-reader-client"}
"""Identity of the add-on that brings secrets of a key vault to pods."""

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@dataclass(frozen=True)
class Secret:
    """A value that was marked secret on its way to the engine."""

    value: Any


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()
"""A value that a preview does not know."""


@dataclass(frozen=True)
class Registered:
    """One request to register a resource."""

    urn: str
    request: resource_pb2.RegisterResourceRequest

    @property
    def type(self) -> str:
        return self.request.type

    @property
    def name(self) -> str:
        return self.request.name

    @property
    def parent(self) -> str:
        """Name of the parent."""
        return _name(self.request.parent)

    @property
    def inputs(self) -> dict[str, Any]:
        """In Python values, with secrets and unknowns marked."""
        return {key: _plain(value) for key, value in self.request.object.fields.items()}

    @property
    def dependencies(self) -> set[str]:
        """Names of everything that has to be there first, whether said with depends_on or followed from an input."""
        return {_name(urn) for urn in self.request.dependencies}

    def dependencies_of(self, key: str) -> set[str]:
        """Names of what one input follows from."""
        return {_name(urn) for urn in self.request.propertyDependencies[key].urns}

    @property
    def provider(self) -> tuple[str, str | _Unknown]:
        """URN and id of the provider; two empty texts for the default one."""
        urn, _, id_ = self.request.provider.rpartition("::")
        return urn, UNKNOWN if id_ == _UNKNOWN else id_

    @property
    def protected(self) -> bool:
        return self.request.protect


@dataclass
class Recording:
    """Everything that a program asked for."""

    resources: list[Registered] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What components and the stack registered as outputs, by URN."""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    probes: list[tuple[str, str]] = field(default_factory=list)
    """Which right was proven, and of what."""
    logs: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[Registered]:
        return [resource for resource in self.resources if resource.type == kind]

    def only(self, kind: str) -> Registered:
        (found,) = self.of(kind)
        return found

    def named(self, name: str) -> Registered:
        (found,) = (resource for resource in self.resources if resource.name == name)
        return found

    def outputs_of(self, name: str) -> dict[str, Any]:
        (found,) = (outputs for urn, outputs in self.outputs.items() if _name(urn) == name)
        return found

    @property
    def exports(self) -> dict[str, Any]:
        (found,) = (outputs for urn, outputs in self.outputs.items() if "::pulumi:pulumi:Stack::" in urn)
        return found

    @property
    def grants(self) -> set[tuple[str, str, str, str | None]]:
        """Who may do what where: GUID of the role, scope, principal, type of the principal."""
        found = [resource.inputs for resource in self.of(GRANT)]
        rights = {(inputs["roleDefinitionId"].rpartition("/")[2], inputs["scope"], inputs["principalId"], inputs.get("principalType")) for inputs in found}
        assert len(rights) == len(found)
        return rights


class Azure(mocks.Mocks):
    """Answers with what Azure, Kubernetes and the image builder would know; whatever else the program asks fails the test."""

    def __init__(self, calls: Mapping[str, dict[str, Any]]) -> None:
        self._calls = calls

    def call(self, args: mocks.MockCallArgs) -> tuple[dict, list[tuple[str, str]] | None]:
        assert args.token in self._calls, f"unexpected call of {args.token}"
        return self._calls[args.token], None

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict]:
        if args.typ.startswith("kubernetes:"):
            metadata = args.inputs["metadata"]
            return "/".join(filter(None, [metadata.get("namespace"), metadata["name"]])), args.inputs
        assert args.typ in _ANSWERS, f"unexpected resource {args.typ}"
        place, answer = _ANSWERS[args.typ], dict[str, Any]()
        id_ = place(args, answer)
        return id_, answer


def _in_group(args: mocks.MockResourceArgs, kind: str, name: str, answer: dict[str, Any]) -> str:
    answer["name"] = name
    return f"{SUBSCRIPTION}/resourceGroups/{args.inputs['resourceGroupName']}/providers/{kind}/{name}"


def _group(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    answer["name"] = args.name
    return f"{SUBSCRIPTION}/resourceGroups/{args.name}"


def _account(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    name = args.inputs["accountName"]
    answer["primaryEndpoints"] = {"blob": f"https://{name}.blob.core.windows.net/"}
    return _in_group(args, "Microsoft.Storage/storageAccounts", name, answer)


def _blob_service(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    return _in_group(args, f"Microsoft.Storage/storageAccounts/{args.inputs['accountName']}/blobServices", "default", answer)


def _container(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    kind = f"Microsoft.Storage/storageAccounts/{args.inputs['accountName']}/blobServices/default/containers"
    return _in_group(args, kind, args.inputs["containerName"], answer)


def _registry(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    name = args.inputs["registryName"]
    answer["loginServer"] = f"{name}.azurecr.io"
    return _in_group(args, "Microsoft.ContainerRegistry/registries", name, answer)


def _identity(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    answer.update(principalId=f"{args.name}-principal", clientId=f"{args.name}-client")
    return _in_group(args, "Microsoft.ManagedIdentity/userAssignedIdentities", args.name, answer)


def _cluster(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    # Azure answers with a mapping where it takes a list.
    identities: dict[str, Any] = {name: {} for name in args.inputs["identity"]["userAssignedIdentities"]}
    answer["identity"] = {"type": "UserAssigned", "userAssignedIdentities": identities}
    # Azure makes an identity for each add-on that needs one.
    answer["addonProfiles"] = {name: {**profile, "identity": VAULT_READER} for name, profile in args.inputs["addonProfiles"].items()}
    return _in_group(args, "Microsoft.ContainerService/managedClusters", args.name, answer)


def _part_of_cluster(kind: str, name_key: str) -> Callable[[mocks.MockResourceArgs, dict[str, Any]], str]:
    """For a type that belongs to a cluster."""

    def place(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
        return _in_group(args, f"Microsoft.ContainerService/managedClusters/{args.inputs['resourceName']}/{kind}", args.inputs[name_key], answer)

    return place


def _write_once(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    inputs = args.inputs
    kind = f"Microsoft.Storage/storageAccounts/{inputs['accountName']}/blobServices/default/containers/{inputs['containerName']}/immutabilityPolicies"
    return _in_group(args, kind, "default", answer)


def _lock(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    answer["name"] = args.name
    return f"{args.inputs['scope']}/providers/Microsoft.Authorization/locks/{args.name}"


def _zone(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    return _in_group(args, "Microsoft.Network/privateDnsZones", args.inputs["privateZoneName"], answer)


def _zone_link(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    return _in_group(args, f"Microsoft.Network/privateDnsZones/{args.inputs['privateZoneName']}/virtualNetworkLinks", args.name, answer)


def _endpoint_names(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    return _in_group(args, f"Microsoft.Network/privateEndpoints/{args.inputs['privateEndpointName']}/privateDnsZoneGroups", "default", answer)


def _role_assignment(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    answer["name"] = args.inputs["roleAssignmentName"]
    return f"{args.inputs['scope']}/providers/Microsoft.Authorization/roleAssignments/{answer['name']}"


def _image(args: mocks.MockResourceArgs, answer: dict[str, Any]) -> str:
    # As the provider does it: whatever it derives from inputs of which one is secret, is secret.
    answer["digest"] = {_SIGNATURE: _SECRET_SIGNATURE, "value": DIGEST}
    return args.name


def _placed(kind: str) -> Callable[[mocks.MockResourceArgs, dict[str, Any]], str]:
    """For a type that answers with nothing but its name."""
    return lambda args, answer: _in_group(args, kind, args.name, answer)


def _something(args: mocks.MockResourceArgs, _: dict[str, Any]) -> str:
    return f"id-of-{args.name}"


_ANSWERS: Mapping[str, Callable[[mocks.MockResourceArgs, dict[str, Any]], str]] = {
    GROUP: _group,
    "azure-native:network:NetworkSecurityGroup": _placed("Microsoft.Network/networkSecurityGroups"),
    "azure-native:network:PublicIPAddress": _placed("Microsoft.Network/publicIPAddresses"),
    "azure-native:network:NatGateway": _placed("Microsoft.Network/natGateways"),
    "azure-native:network:VirtualNetwork": _placed("Microsoft.Network/virtualNetworks"),
    "azure-native:network:PrivateEndpoint": _placed("Microsoft.Network/privateEndpoints"),
    "azure-native:network:PrivateDnsZoneGroup": _endpoint_names,
    "azure-native:privatedns:PrivateZone": _zone,
    "azure-native:privatedns:VirtualNetworkLink": _zone_link,
    "azure-native:storage:StorageAccount": _account,
    "azure-native:storage:BlobServiceProperties": _blob_service,
    "azure-native:storage:BlobContainer": _container,
    "azure-native:storage:BlobContainerImmutabilityPolicy": _write_once,
    "azure-native:containerregistry:Registry": _registry,
    "azure-native:managedidentity:UserAssignedIdentity": _identity,
    "azure-native:containerservice:ManagedCluster": _cluster,
    "azure-native:containerservice:AgentPool": _part_of_cluster("agentPools", "agentPoolName"),
    "azure-native:containerservice:MaintenanceConfiguration": _part_of_cluster("maintenanceConfigurations", "configName"),
    GRANT: _role_assignment,
    LOCK: _lock,
    "docker-build:index:Image": _image,
    "pulumi:providers:kubernetes": _something,
    "pulumi:providers:azure-native": _something,
    "test:index:Consumer": _something,
    "azure-native:operationalinsights:Workspace": _placed("Microsoft.OperationalInsights/workspaces"),
    "azure-native:monitor:AzureMonitorWorkspace": _placed("Microsoft.Monitor/accounts"),
    "azure-native:monitor:ActionGroup": _placed("Microsoft.Insights/actionGroups"),
    "azure-native:monitor:DataCollectionEndpoint": _placed("Microsoft.Insights/dataCollectionEndpoints"),
    "azure-native:monitor:DataCollectionRule": _placed("Microsoft.Insights/dataCollectionRules"),
    "azure-native:monitor:DataCollectionRuleAssociation": _something,
    "azure-native:monitor:DiagnosticSetting": _something,
    "azure-native:monitor:MetricAlert": _placed("Microsoft.Insights/metricAlerts"),
    "azure-native:monitor:ScheduledQueryRule": _placed("Microsoft.Insights/scheduledQueryRules"),
    "azure-native:alertsmanagement:PrometheusRuleGroup": _placed("Microsoft.AlertsManagement/prometheusRuleGroups"),
}
"""Fills in what a resource's creation makes known, and returns its id."""


class Monitor(mocks.MockMonitor):
    """Keeps the raw requests: they hold parent, options, dependencies and marks, which mocks alone do not get to see."""

    def __init__(self, answers: Azure, recording: Recording, *, preview: bool) -> None:
        super().__init__(answers)
        self._recording = recording
        self._preview = preview

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:  # noqa: N802 - gRPC's name
        registered = Registered(self.make_urn(request.parent, request.type, request.name), request)
        self._recording.resources.append(registered)
        if not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=registered.urn)
        if self._preview:
            # Before a resource is there, its id is unknown, and so are outputs; only Kubernetes' are what was put in.
            known = request.object if request.type.startswith("kubernetes:") else struct_pb2.Struct()
            return resource_pb2.RegisterResourceResponse(urn=registered.urn, id="", object=known)
        args = mocks.MockResourceArgs(typ=request.type, name=request.name, inputs=_revealed(registered.inputs), provider=request.provider, custom=True)
        id_, outputs = self.mocks.new_resource(args)
        return resource_pb2.RegisterResourceResponse(urn=registered.urn, id=id_ or "", object=_struct(outputs))

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> empty_pb2.Empty:  # noqa: N802 - gRPC's name
        assert request.urn not in self._recording.outputs, f"{request.urn} registered its outputs twice"
        self._recording.outputs[request.urn] = {key: _plain(value) for key, value in request.outputs.fields.items()}
        return empty_pb2.Empty()

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:  # noqa: N802 - gRPC's name
        arguments = {key: _plain(value) for key, value in request.args.fields.items()}
        self._recording.calls.append((request.tok, arguments))
        answer, _ = self.mocks.call(mocks.MockCallArgs(token=request.tok, args=arguments, provider=request.provider))
        response = resource_pb2.ResourceInvokeResponse()
        # A keyword of Python, so the field has no other name.
        getattr(response, "return").CopyFrom(_struct(answer))
        return response


class _Engine(mocks.MockEngine):
    def __init__(self, recording: Recording) -> None:
        super().__init__(None)
        self._recording = recording

    def Log(self, request: engine_pb2.LogRequest) -> None:  # noqa: N802 - gRPC's name
        if request.severity != engine_pb2.DEBUG:
            self._recording.logs.append(request.message)


def record(
    program: Callable[[], object],
    *,
    preview: bool = False,
    calls: Mapping[str, dict[str, Any]] | None = None,
    config: Mapping[str, str] | None = None,
    stack: str = "dev",
    into: Recording | None = None,
    answered: bool = True,
) -> Recording:
    """Runs a program to its end, with every output that it makes.

    Args:
        program: what __main__.py would do.
        preview: nothing exists yet, so ids and outputs of resources are unknown.
        calls: answers to provider functions by their token; any other call fails.
        config: of the stack, as Pulumi hands it over.
        stack: its name.
        into: what to write to, for a program that is to fail.
        answered: what an update asks of services outside is answered here. False: the test does it.
    """
    recording = into or Recording()

    def run() -> None:
        pulumi.runtime.reset_options()
        pulumi.runtime.set_all_config(dict(config or {}))
        monitor = Monitor(Azure(calls or {}), recording, preview=preview)
        pulumi.runtime.configure(pulumi.runtime.Settings(project="converge", stack=stack, monitor=monitor, engine=_Engine(recording), dry_run=preview))

        asyncio.run(_run_quietly(program))

    with _nothing_goes_out(recording) if answered else nullcontext():
        # Pulumi keeps everything about a run in context variables.
        copy_context().run(run)
    return recording


@contextmanager
def _nothing_goes_out(recording: Recording) -> Iterator[None]:
    """What an update asks of services outside is answered here at once, and kept: the probes themselves have tests on the wire."""

    def probe(name: str) -> Callable[[str], None]:
        return lambda value: recording.probes.append((name, value))

    with (
        patch.object(application_image, "may_read_models", probe("may read models")),
        patch.object(kubernetes_cluster, "may_deploy", probe("may deploy")),
        patch.object(registry_login, "_password", lambda host: recording.probes.append(("may push", host)) or TOKEN),
    ):
        yield


async def _run_quietly(program: Callable[[], object]) -> None:
    def start() -> None:
        # A program returns nothing; a component that a lambda returns is not to be awaited.
        program()

    # A failure arrives here once. The many futures that fail with it would each be reported, too, whenever they are collected:
    # in the middle of some other test, and there Python 3.11 may even stumble over it (python/cpython#106905).
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    await pulumi.runtime.run_in_stack(start)


def consume(**values: Any) -> None:
    """Declares a resource, `consumer`, with these inputs: what it then depends on is what any consumer waits for."""
    pulumi.CustomResource("test:index:Consumer", "consumer", values)


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _plain(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            made = {key: _plain(entry) for key, entry in value.struct_value.fields.items()}
            return Secret(made["value"]) if made.get(_SIGNATURE) == _SECRET_SIGNATURE else made
        case "list_value":
            return [_plain(entry) for entry in value.list_value.values]
        case "string_value":
            return UNKNOWN if value.string_value == _UNKNOWN else value.string_value
        case "number_value":
            return value.number_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


def _revealed(value: Any) -> Any:
    match value:
        case Secret():
            return _revealed(value.value)
        case dict():
            return {key: _revealed(entry) for key, entry in value.items()}
        case list():
            return [_revealed(entry) for entry in value]
        case _:
            return value
