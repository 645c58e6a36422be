"""A service as the outputs of its stack have it."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from delivery.errors import DeliveryError


class DeployedModel(BaseModel):
    """The model of a deployed service."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} v{self.version} (sha256 {self.sha256[:12]})"


class Deployed(BaseModel):
    """Where a service is, and what it is to run.

    Attributes:
        image: <registry>/<repository>@sha256:<digest>.
        url: for callers outside the cluster; empty when there are none.
    """

    model_config = ConfigDict(frozen=True)

    namespace: str
    service: str
    port: int
    image: Annotated[str, Field(pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$")]
    model: DeployedModel
    url: str = ""

    @property
    def digest(self) -> str:
        """sha256:<digest> of the image."""
        return self.image.rpartition("@")[2]


def deployed_services(outputs: Mapping[str, Any]) -> dict[str, Deployed]:
    """The services that a stack runs, by name; none before its first deployment.

    Raises:
        DeliveryError: the outputs are those of another program.
    """
    try:
        return {name: Deployed.model_validate(service) for name, service in (outputs.get("services") or {}).items()}
    except (ValidationError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise DeliveryError(f"the stack's output `services` is not what this program writes; run `pulumi up` with it once ({reason})") from error
