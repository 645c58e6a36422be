"""What a stack file can say: every key with its type, default and meaning."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field
from pydantic.alias_generators import to_camel

from settings.delivery import Delivery
from settings.fields import AccountName, ImageByDigest, PublicRange, RegistryName
from settings.parts import Cluster, Deployer, Ingress, ModelStorage, Monitoring, Network, Registry, Service, Typed, different_services


class StackSettings(Typed):
    """Everything that a stack file can say in the namespace `converge`."""

    base_image: ImageByDigest = Field(description="Python base image of the services, by digest.")
    services: Annotated[tuple[Service, ...], AfterValidator(different_services)] = Field(
        default=(Service(name="digits"),), description="The services, each an app with a model."
    )
    storage_account_name: AccountName = Field(default="", description="Name of the storage account; derived from subscription and stack unless given.")
    registry_name: RegistryName = Field(default="", description="Name of the registry; derived from subscription and stack unless given.")
    network: Network = Field(default=Network(), description="The virtual network.")
    model_storage: ModelStorage = Field(default=ModelStorage(), description="The storage account of the models.")
    registry: Registry = Field(default=Registry(), description="The container registry.")
    cluster: Cluster = Field(default=Cluster(), description="The Kubernetes cluster.")
    monitoring: Monitoring = Field(default=Monitoring(), description="Logs, metrics and alerts.")
    ingress: Ingress = Field(default=Ingress(), description="What services that are reached from outside the cluster share.")
    allowed_ip_ranges: tuple[PublicRange, ...] = Field(
        default=(), description="Public addresses that may reach storage and the cluster's API server; nobody else can."
    )
    deployer: Deployer = Field(default=Deployer(), description="Who deploys.")
    delivery: Delivery = Field(default=Delivery(), description="What a deployment, a promotion and a clean-up go by.")
    protect_data: bool = Field(default=False, description="Refuse any update that would delete models, images or cluster, and lock the first two in Azure.")
    policies: Literal["warn", "refuse"] = Field(default="warn", description="What the policy pack does with a plan that breaks a rule.")
    tags: dict[str, str] = Field(default={}, description="Tags of every Azure resource.")

    @property
    def open_to_internet(self) -> bool:
        """Is any service reached from anywhere?"""
        return any(service.exposure == "internet" for service in self.services)

    @property
    def gateways(self) -> list[Literal["External", "Internal"]]:
        """The gateways that services are reached through, in AKS' words."""
        exposures = {service.exposure for service in self.services}
        known: list[tuple[str, Literal["External", "Internal"]]] = [("internet", "External"), ("network", "Internal")]
        return [gateway for exposure, gateway in known if exposure in exposures]


def nested_models(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The keys of a model that hold keys of their own, or a list of such, with the model of these."""
    for name, field in model.model_fields.items():
        for candidate in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                yield to_camel(name), candidate
