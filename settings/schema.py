"""What a stack file can say: every key with its type, default and meaning."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

_TAKEN_NAMESPACES = {"default", "gatekeeper-system", "calico-system", "app-routing-system", "dapr-system"}
_NOT_PUBLIC = [
    IPv4Network(network)
    for network in ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3")
]
"""IANA's special-purpose registry, without the ranges for documentation, which stand in the committed stack files."""
_RANGE_BITS = range(8, 31)
"""Widest range that still is a choice, and the narrowest that Azure Storage takes; a single address is written without a mask."""
_MOST = 1000
ALLOWED: dict[str, str] = {}
"""What a message says is allowed, by the pattern that refused."""


def _text(pattern: str, allowed: str) -> StringConstraints:
    ALLOWED[pattern] = allowed
    return StringConstraints(pattern=pattern)


def _not_taken(name: str) -> str:
    if name in _TAKEN_NAMESPACES or name.startswith("kube-"):
        raise ValueError("a name that is not one of Kubernetes' or AKS' own namespaces")
    return name


def _public_range(text: str) -> str:
    """Storage and AKS both take a single address without a mask, and neither takes private ones here."""
    try:
        network = IPv4Network(text)
    except ValueError:
        network = None
    if network is None or any(network.overlaps(other) for other in _NOT_PUBLIC) or network.prefixlen not in (*_RANGE_BITS, 32):
        raise ValueError("a public IPv4 address, or a range from /8 to /30, such as 203.0.113.7 or 203.0.113.0/24")
    return str(network).removesuffix("/32")


def _replicas(value: object) -> object:
    """A number is a range of one; both forms mean the same to everyone who reads settings."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST:
        return {"min": value, "max": value}
    if isinstance(value, dict):
        return value
    raise ValueError(f"a whole number from 1 to {_MOST}, or {{min: ..., max: ...}}")


def _bytes(quantity: str) -> int:
    return int(quantity[:-2]) * {"Mi": 2**20, "Gi": 2**30}[quantity[-2:]]


def _millicores(quantity: str) -> int:
    return int(quantity[:-1]) if quantity.endswith("m") else int(quantity) * 1000


_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
Guid = Annotated[str, _text(rf"^{_GUID}$", "a GUID, such as 11111111-2222-3333-4444-555555555555")]
OptionalGuid = Annotated[str, _text(rf"^({_GUID})?$", "a GUID, or nothing")]
Name = Annotated[
    str, _text(r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", "1 to 63 lower-case letters, digits and hyphens, starting with a letter, not ending with a hyphen")
]
Cpu = Annotated[str, _text(r"^([1-9][0-9]*m|[1-9][0-9]?)$", "cores, such as 250m or 2")]
Memory = Annotated[str, _text(r"^[1-9][0-9]*(Mi|Gi)$", "bytes with the unit Mi or Gi, such as 512Mi")]
_PART = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
AppFolder = Annotated[str, _text(rf"^{_PART}(/{_PART})*$", "a folder inside the project, relative and without ..")]
ImageByDigest = Annotated[str, _text(r"^[^\s@]+@sha256:[0-9a-f]{64}$", "an image by digest: <repository>[:<tag>]@sha256:<64 hexadecimal digits>")]
AccountName = Annotated[str, _text(r"^([a-z0-9]{3,24})?$", "3 to 24 lower-case letters and digits")]
RegistryName = Annotated[str, _text(r"^([a-zA-Z0-9]{5,50})?$", "5 to 50 letters and digits")]
KubernetesVersion = Annotated[str, _text(r"^1\.[0-9]{2}$", "a minor version in quotes, such as '1.34'")]
NodeSize = Annotated[str, _text(r"^Standard_[A-Za-z0-9_]+$", "an Azure VM size, such as Standard_D4ds_v5")]
Count = Annotated[int, Field(ge=1, le=_MOST)]


class _Typed(BaseModel):
    """Keys as typed in YAML (camelCase); nothing unknown, nothing converted, nothing changed later."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True, protected_namespaces=())


class Replicas(_Typed):
    """How many pods; with min below max an autoscaler decides in between."""

    min: Count = Field(description="Fewest pods.")
    max: Count = Field(description="Most pods.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError("max that is not below min")
        return self


class Resources(_Typed):
    """What one pod of a service asks for and may use."""

    cpu: Cpu = Field(default="250m", description="Processor time that a pod is promised.")
    memory: Memory = Field(default="512Mi", description="Memory that a pod is promised and may use at most.")
    cpu_limit: Cpu = Field(default="1", description="Processor time that a pod may use at most.")

    @model_validator(mode="after")
    def _useful(self) -> Self:
        if _millicores(self.cpu) < 100 or _bytes(self.memory) < 100 * 2**20:
            raise ValueError("at least 100m of cpu and 100Mi of memory (the smallest that AKS deployment safeguards accept)")
        if _millicores(self.cpu_limit) < _millicores(self.cpu):
            raise ValueError("cpuLimit that is not below cpu")
        return self


class Service(_Typed):
    """One app with one model."""

    name: Annotated[Name, AfterValidator(_not_taken)] = Field(description="Name of the service, and of its namespace, image repository and entry in the lock.")
    app: AppFolder = Field(default="app_template", description="Folder of the app, with its Dockerfile.")
    model: Name = Field(default="", validate_default=False, description="Name of the model; the service's own name unless given.")
    replicas: Annotated[Replicas, BeforeValidator(_replicas)] = Field(
        default=Replicas(min=2, max=2), description="Number of pods, or `{min, max}` for an autoscaler."
    )
    resources: Resources = Field(default=Resources(), description="What a pod asks for and may use.")
    startup_seconds: int = Field(default=60, ge=10, le=1800, description="How long a pod may take to load its model.")
    exposure: Literal["cluster"] = Field(default="cluster", description="How the service is reached; so far only from inside the cluster.")

    @property
    def model_name(self) -> str:
        """Name of the model, given or derived."""
        return self.model or self.name


_Items = TypeVar("_Items", bound=tuple[str, ...])


def _repeated(items: Sequence[str]) -> str:
    return ", ".join(sorted({item for item in items if items.count(item) > 1}))


def _no_repeats(items: _Items) -> _Items:
    if twice := _repeated(items):
        raise ValueError(f"a list in which nothing is repeated; {twice} is there more than once")
    return items


def _different(services: tuple[Service, ...]) -> tuple[Service, ...]:
    if twice := _repeated([service.name for service in services]):
        raise ValueError(f"a list of services with different names; {twice} is there more than once")
    return services


class ModelStorage(_Typed):
    """The storage account of the models."""

    sku: Literal["Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS"] = Field(
        default="Standard_LRS", description="Redundancy of the storage account."
    )
    soft_delete_days: int = Field(default=7, ge=1, le=365, description="How long deleted models and containers can be restored.")
    contributor_group_id: OptionalGuid = Field(default="", description="Object id of the Entra group that may publish models.")


class Registry(_Typed):
    """The container registry."""

    sku: Literal["Basic", "Standard", "Premium"] = Field(default="Standard", description="Tier of the registry; Premium is spread over zones.")


class Cluster(_Typed):
    """The Kubernetes cluster."""

    kubernetes_version: KubernetesVersion = Field(default="1.34", description="Minor version at creation; later the upgrade channel decides.")
    tier: Literal["Free", "Standard", "Premium"] = Field(default="Free", description="Tier of the control plane; Standard has an SLA.")
    node_size: NodeSize = Field(default="Standard_D2ds_v5", description="Size of a node; it needs 64 GiB of local disk for its ephemeral OS disk.")
    min_nodes: Count = Field(default=1, description="Fewest nodes.")
    max_nodes: Count = Field(default=3, description="Most nodes.")
    zones: Annotated[tuple[Literal["1", "2", "3"], ...], AfterValidator(_no_repeats)] = Field(default=(), description="Availability zones of the nodes.")
    admin_group_ids: Annotated[tuple[Guid, ...], AfterValidator(_no_repeats)] = Field(
        default=(), description="Object ids of the Entra groups that administer the cluster."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_nodes < self.min_nodes:
            raise ValueError("maxNodes that is not below minNodes")
        return self


class Deployer(_Typed):
    """Who deploys and therefore needs rights on data, registry and cluster."""

    principal_id: OptionalGuid = Field(default="", description="Object id of the identity or group that deploys; whoever runs the update unless given.")
    principal_type: Literal["", "User", "Group", "ServicePrincipal"] = Field(default="", description="What `principalId` is; Azure looks it up unless given.")


class StackSettings(_Typed):
    """Everything that a stack file can say in the namespace `converge`."""

    base_image: ImageByDigest = Field(description="Python base image of the services, by digest.")
    services: Annotated[tuple[Service, ...], AfterValidator(_different)] = Field(
        default=(Service(name="digits"),), description="The services, each an app with a model."
    )
    storage_account_name: AccountName = Field(default="", description="Name of the storage account; derived from subscription and stack unless given.")
    registry_name: RegistryName = Field(default="", description="Name of the registry; derived from subscription and stack unless given.")
    model_storage: ModelStorage = Field(default=ModelStorage(), description="The storage account of the models.")
    registry: Registry = Field(default=Registry(), description="The container registry.")
    cluster: Cluster = Field(default=Cluster(), description="The Kubernetes cluster.")
    allowed_ip_ranges: tuple[Annotated[str, AfterValidator(_public_range)], ...] = Field(
        default=(), description="Public addresses that may reach storage and the cluster's API server; nobody else can."
    )
    deployer: Deployer = Field(default=Deployer(), description="Who deploys.")
    protect_data: bool = Field(default=False, description="Refuse any update that would delete the models.")
    tags: dict[str, str] = Field(default={}, description="Tags of every Azure resource.")


def nested_models(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The keys of a model that hold keys of their own, or a list of such, with the model of these."""
    for name, field in model.model_fields.items():
        for candidate in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                yield to_camel(name), candidate
