"""The parts of a stack file: what each key means, its type and its default."""

from typing import Annotated, Any, Literal, Protocol, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from settings.fields import (
    AddressSpace,
    AppFolder,
    Audience,
    CertificateName,
    ClusterId,
    Count,
    Cpu,
    DnsZoneId,
    EmailAddress,
    Guid,
    Host,
    HourOfDay,
    IstioRevision,
    KeyVaultId,
    KubernetesVersion,
    Memory,
    Name,
    NamespaceName,
    NodeSize,
    OptionalGuid,
    OutwardRange,
    PoolName,
    Port,
    RegistryId,
    ResourceGroupId,
    SecretName,
    StorageAccountId,
    SubnetId,
    UtcOffset,
    VariableName,
    VariableValue,
    bytes_of,
    millicores_of,
    no_repeats,
    not_taken,
    repeated,
    replica_range,
)


class Typed(BaseModel):
    """Keys as typed in YAML (camelCase); nothing unknown, nothing converted, nothing changed later."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True, protected_namespaces=())


class Replicas(Typed):
    """How many pods; with min below max an autoscaler decides in between."""

    min: Count = Field(description="Fewest pods.")
    max: Count = Field(description="Most pods.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError("max that is not below min")
        return self


class Resources(Typed):
    """What one pod of a service asks for and may use."""

    cpu: Cpu = Field(default="250m", description="Processor time that a pod is promised.")
    memory: Memory = Field(default="512Mi", description="Memory that a pod is promised and may use at most.")
    cpu_limit: Cpu = Field(default="1", description="Processor time that a pod may use at most.")

    @model_validator(mode="after")
    def _useful(self) -> Self:
        if millicores_of(self.cpu) < 100 or bytes_of(self.memory) < 100 * 2**20:
            raise ValueError("at least 100m of cpu and 100Mi of memory (the smallest that AKS deployment safeguards accept)")
        if millicores_of(self.cpu_limit) < millicores_of(self.cpu):
            raise ValueError("cpuLimit that is not below cpu")
        return self


class Reach(Typed):
    """Something that the pods of a service may call."""

    cidr: OutwardRange = Field(default="", description="IPv4 address or range outside the cluster.")
    namespace: NamespaceName = Field(default="", description="Instead of `cidr`: namespace of the cluster, all of whose pods are meant.")
    port: Port = Field(description="TCP port.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.cidr) == bool(self.namespace):
            raise ValueError("a port with either cidr or namespace")
        return self


class Service(Typed):
    """One app with one model."""

    name: Annotated[Name, AfterValidator(not_taken)] = Field(description="Name of the service, and of its image repository and entry in the lock.")
    namespace: Annotated[NamespaceName, AfterValidator(not_taken)] = Field(
        default="", validate_default=False, description="Name of the namespace, where several stacks share a cluster; the service's own name unless given."
    )
    app: AppFolder = Field(default="app_template", description="Folder of the app, with its Dockerfile.")
    model: Name = Field(default="", validate_default=False, description="Name of the model; the service's own name unless given.")
    replicas: Annotated[Replicas, BeforeValidator(replica_range)] = Field(
        default=Replicas(min=2, max=2), description="Number of pods, or `{min, max}` for an autoscaler."
    )
    resources: Resources = Field(default=Resources(), description="What a pod asks for and may use.")
    startup_seconds: int = Field(default=60, ge=10, le=1800, description="How long a pod may take to load its model.")
    exposure: Literal["cluster", "network", "internet"] = Field(
        default="cluster",
        description="Where the service is reached from: inside the cluster, the virtual network, or anywhere; the last two with TLS and a token of Entra.",
    )
    host: Host = Field(default="", description="DNS name that callers outside the cluster use.")
    certificate: CertificateName = Field(default="", description="Name of the certificate for `host` in the key vault `ingress.keyVaultId`.")
    audience: Audience = Field(default="", description="Application (id or URI) that callers' Entra tokens must be issued for.")
    environment: dict[VariableName, VariableValue] = Field(default={}, description="Settings of the app, as environment variables; no secrets.")
    secret: SecretName = Field(
        default="", description="Name of a Kubernetes Secret in the service's namespace, whose entries the app finds as files in `/run/secrets/app`."
    )
    reaches: tuple[Reach, ...] = Field(default=(), description="What the pods may call: nothing unless given; with it also the cluster's DNS.")

    @property
    def plain_values(self) -> dict[str, Any]:
        """What the deployment takes as it stands here."""
        return self.model_dump(include={"startup_seconds", "environment", "secret", "reaches"})

    @property
    def reached(self) -> bool:
        """Is the service reached from outside the cluster?"""
        return self.exposure != "cluster"

    @property
    def namespace_name(self) -> str:
        """Name of the namespace, given or derived."""
        return self.namespace or self.name

    @property
    def model_name(self) -> str:
        """Name of the model, given or derived."""
        return self.model or self.name


def different_services(services: tuple[Service, ...]) -> tuple[Service, ...]:
    """Refuses two services of one name."""
    if twice := repeated([service.name for service in services]):
        raise ValueError(f"a list of services with different names; {twice} is there more than once")
    if twice := repeated([service.namespace_name for service in services]):
        raise ValueError(f"a list of services with namespaces of their own; {twice} is there more than once")
    return services


class ModelStorage(Typed):
    """The storage account of the models."""

    sku: Literal["Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS"] = Field(
        default="Standard_LRS", description="Redundancy of the storage account."
    )
    soft_delete_days: int = Field(default=7, ge=1, le=365, description="How long deleted models and containers can be restored.")
    write_once_days: int = Field(
        default=0, ge=0, le=146000, description="For how many days nobody, administrators included, can change or delete a published model; 0 for never."
    )
    contributor_group_id: OptionalGuid = Field(default="", description="Object id of the Entra group that may publish models.")
    resource_group_id: ResourceGroupId = Field(default="", description="Resource group that exists already; one is made unless given.")
    account_id: StorageAccountId = Field(default="", description="Storage account that exists already, with a container `models`; one is made unless given.")


class Registry(Typed):
    """The container registry."""

    sku: Literal["Basic", "Standard", "Premium"] = Field(
        default="Standard", description="Tier of the registry; Premium is spread over zones and can be private."
    )
    resource_group_id: ResourceGroupId = Field(default="", description="Resource group that exists already; one is made unless given.")
    registry_id: RegistryId = Field(default="", description="Registry that exists already; one is made unless given.")


class _Nodes(Protocol):
    """A number of nodes that the autoscaler chooses from."""

    min_nodes: int
    max_nodes: int


_Pool = TypeVar("_Pool", bound=_Nodes)


def _nodes_in_order(pool: _Pool) -> _Pool:
    if pool.max_nodes < pool.min_nodes:
        raise ValueError("maxNodes that is not below minNodes")
    return pool


def _different_pools(pools: "tuple[UserPool, ...]") -> "tuple[UserPool, ...]":
    if twice := repeated(["system", *(pool.name for pool in pools)]):
        raise ValueError(f"a list of pools with different names, none of them `system`; {twice} is there more than once")
    return pools


class UserPool(Typed):
    """Nodes for services, apart from those for the cluster's own pods."""

    name: PoolName = Field(description="Name of the pool.")
    node_size: NodeSize = Field(default="Standard_D4ds_v5", description="Size of a node; it needs 64 GiB of local disk for its ephemeral OS disk.")
    min_nodes: Count = Field(default=1, description="Fewest nodes.")
    max_nodes: Count = Field(default=3, description="Most nodes.")

    _in_order = model_validator(mode="after")(_nodes_in_order)


class Maintenance(Typed):
    """When Azure may upgrade nodes and Kubernetes by itself, every week."""

    day: Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] = Field(default="Sunday", description="Day of the week.")
    start: HourOfDay = Field(default="02:00", description="Time of day.")
    hours: int = Field(default=4, ge=4, le=24, description="How long, in hours.")
    utc_offset: UtcOffset = Field(default="+00:00", description="Time zone of `start`, as its distance from UTC.")


class Cluster(Typed):
    """The Kubernetes cluster."""

    kubernetes_version: KubernetesVersion = Field(default="1.34", description="Minor version at creation; later the upgrade channel decides.")
    upgrade_channel: Literal["patch", "stable", "rapid"] = Field(
        default="stable", description="Which Kubernetes versions AKS upgrades to by itself: newest patch, last minor but one, or newest."
    )
    maintenance: Maintenance = Field(default=Maintenance(), description="When Azure may upgrade.")
    tier: Literal["Free", "Standard", "Premium"] = Field(default="Free", description="Tier of the control plane; Standard has an SLA.")
    node_size: NodeSize = Field(
        default="Standard_D2ds_v5", description="Size of a node of the system pool; it needs 64 GiB of local disk for its ephemeral OS disk."
    )
    min_nodes: Count = Field(default=1, description="Fewest nodes of the system pool.")
    max_nodes: Count = Field(default=3, description="Most nodes of the system pool.")
    user_pools: Annotated[tuple[UserPool, ...], AfterValidator(_different_pools)] = Field(
        default=(), description="Pools for services; without one they share the system pool."
    )
    zones: Annotated[tuple[Literal["1", "2", "3"], ...], AfterValidator(no_repeats)] = Field(default=(), description="Availability zones of the nodes.")
    encryption_at_host: bool = Field(
        default=False, description="Encrypt disks on the host, too; the subscription must have registered the feature Microsoft.Compute/EncryptionAtHost."
    )
    defender: bool = Field(default=False, description="Microsoft Defender for Containers; needs `monitoring.enabled`.")
    azure_policy: bool = Field(default=False, description="Azure Policy add-on.")
    admin_group_ids: Annotated[tuple[Guid, ...], AfterValidator(no_repeats)] = Field(
        default=(), description="Object ids of the Entra groups that administer the cluster."
    )
    resource_group_id: ResourceGroupId = Field(default="", description="Resource group that exists already; one is made unless given.")
    cluster_id: ClusterId = Field(default="", description="Cluster that exists already, with Entra and Azure RBAC; one is made unless given.")

    _in_order = model_validator(mode="after")(_nodes_in_order)

    @property
    def system_pool(self) -> dict[str, Any]:
        """Size and numbers of the nodes for the cluster's own pods."""
        return self.model_dump(include={"node_size", "min_nodes", "max_nodes"})

    @property
    def plain_values(self) -> dict[str, Any]:
        """Everything that is neither a pool nor a window in time."""
        return self.model_dump(exclude={"node_size", "min_nodes", "max_nodes", "user_pools", "maintenance"})


class Network(Typed):
    """The virtual network."""

    address_space: AddressSpace = Field(default="10.100.0.0/16", description="Addresses of the network, cut into subnets for nodes, API server and endpoints.")
    outbound: Literal["loadBalancer", "natGateway", "userDefinedRouting"] = Field(
        default="loadBalancer", description="How nodes reach the internet; userDefinedRouting needs a route table at an existing subnet."
    )
    private: bool = Field(default=False, description="Storage, registry and API server are reached from the network only.")
    resource_group_id: ResourceGroupId = Field(default="", description="Resource group that exists already; one is made unless given.")
    node_subnet_id: SubnetId = Field(default="", description="Subnet that exists already, for nodes; a network is made unless given.")
    api_server_subnet_id: SubnetId = Field(default="", description="The same for the API server, delegated to Microsoft.ContainerService/managedClusters.")
    endpoint_subnet_id: SubnetId = Field(default="", description="The same for private endpoints.")
    blob_zone_id: DnsZoneId = Field(default="", description="Zone privatelink.blob.core.windows.net that exists already; one is made unless given.")
    registry_zone_id: DnsZoneId = Field(default="", description="Zone privatelink.azurecr.io that exists already; one is made unless given.")


def _quota(gigabytes: int) -> int:
    if gigabytes == 0:
        raise ValueError("a whole number from 1 to 1000, or -1 for no limit")
    return gigabytes


class Monitoring(Typed):
    """Logs, metrics and alerts."""

    enabled: bool = Field(default=False, description="Log Analytics, managed Prometheus, container insights and alerts.")
    retention_days: int = Field(default=30, ge=30, le=730, description="How long logs are kept.")
    daily_quota_gb: Annotated[int, AfterValidator(_quota)] = Field(
        default=-1, ge=-1, le=1000, description="Most gigabytes of logs a day, then no more are taken; -1 for no limit."
    )
    alert_emails: Annotated[tuple[EmailAddress, ...], AfterValidator(no_repeats)] = Field(default=(), description="Who gets alerts.")
    resource_group_id: ResourceGroupId = Field(default="", description="Resource group that exists already; one is made unless given.")


class Ingress(Typed):
    """What services that are reached from outside the cluster share."""

    key_vault_id: KeyVaultId = Field(default="", description="Key vault, with Azure RBAC, that holds the certificates of the services' hosts.")
    istio_revision: IstioRevision = Field(default="asm-1-29", description="Revision of AKS' Istio add-on, whose gateways services are reached through.")


class Deployer(Typed):
    """Who deploys and therefore needs rights on data, registry and cluster."""

    principal_id: OptionalGuid = Field(default="", description="Object id of the identity or group that deploys; whoever runs the update unless given.")
    principal_type: Literal["", "User", "Group", "ServicePrincipal"] = Field(default="", description="What `principalId` is; Azure looks it up unless given.")
