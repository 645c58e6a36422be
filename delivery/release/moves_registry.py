"""What a move asks of registries: does a stack get an image, and which releases' images are still there?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delivery.errors import DeliveryError
from delivery.registry import Registry, open_registry, split_host
from delivery.release.images import present
from delivery.release.record import Record

if TYPE_CHECKING:
    from settings.schema import StackSettings

Opener = Callable[[str], Registry]
_AZURE = ".azurecr."


@dataclass(frozen=True)
class Puller:
    """A stack that is to run images of another one.

    Attributes:
        newest: its newest release; None before the first.
        outputs: asks the stack itself; raises DeliveryError where it does not answer.
    """

    stack: str
    settings: "StackSettings"
    newest: Record | None
    outputs: Callable[[], Mapping[str, Any]]

    def other_registry(self, host: str) -> str | None:
        """Where it pulls from, when that is another registry than this one; empty when it is the same, None when that is not known."""
        adopted = self.settings.registry.registry_id.rpartition("/")[2].lower()
        if adopted:
            # One of Azure's has its name in its host; the simulated Azure of a machine has one registry only.
            return "" if host.partition(".")[0] == adopted or _AZURE not in host else adopted
        theirs = self._host()
        return theirs if theirs != host else ""

    def _host(self) -> str | None:
        if self.newest and self.newest.services:
            return split_host(next(iter(self.newest.services.values())).repository)[0]
        try:
            return str(self.outputs()["registry"])
        except (DeliveryError, KeyError):
            return None


@dataclass(frozen=True)
class Images:
    """What was found out about images.

    Attributes:
        refused: why a stack cannot run the image of a service.
        unknown: why nobody can say whether it can.
    """

    refused: Mapping[str, str]
    unknown: Mapping[str, str]


def images_for(puller: Puller, release: Record, services: Sequence[str], opener: Opener = open_registry) -> Images:
    """Whether a stack gets the images of some services of another one's release."""
    refused, unknown = dict[str, str](), dict[str, str]()
    for name in services:
        host = split_host(release.services[name].repository)[0]
        theirs = puller.other_registry(host)
        if theirs is None:
            unknown[name] = f"it is not known whether {puller.stack} pulls from {host}: its settings name no registry, and no release of it is recorded"
        elif theirs:
            refused[name] = f"its image is in {host}, but {puller.stack} pulls from {theirs}; stacks share a registry by converge:registry.registryId"
    there = presence(release, [name for name in services if name not in refused], opener)
    for name in there:
        if there[name] is False:
            refused[name] = f"its image {release.services[name].image} is no longer there; deploy {release.stack} again"
        elif there[name] is None:
            unknown[name] = f"the registry could not be asked whether it has {release.services[name].image}"
    return Images(refused, {name: why for name, why in unknown.items() if name not in refused})


def presence(release: Record, services: Sequence[str], opener: Opener = open_registry) -> dict[str, bool | None]:
    """Whether the registry still has the images of services; None where it could not be asked."""
    asked = {name: release.services[name] for name in services}
    there = present([release.model_copy(update={"services": asked})], opener=opener) if asked else {}
    return {name: there[service.digest] for name, service in asked.items()}


def still_there(records: Sequence[Record], services: Sequence[str], opener: Opener = open_registry) -> list[Record]:
    """The releases that succeeded, have all of these services, and whose images for them are all there."""
    able = [record.model_copy(update={"services": {name: record.services[name] for name in services}}) for record in records if _has(record, services)]
    there = present(able, opener=opener)
    return [record for record in able if all(there[service.digest] for service in record.services.values())]


def _has(record: Record, services: Sequence[str]) -> bool:
    return record.succeeded and all(name in record.services for name in services)


def outputs_of(checkout: Path, stack: str) -> Callable[[], Mapping[str, Any]]:
    """Asks a stack for its outputs, when it is called."""

    def ask() -> Mapping[str, Any]:
        from delivery.deploy.engine import Engine  # noqa: PLC0415 - rarely needed

        return Engine(checkout, stack).outputs()

    return ask
