"""What `converge predictions` compares: images by digest, or releases."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from delivery.errors import DeliveryError

if TYPE_CHECKING:
    from delivery.release.record import Record

_IMAGE = re.compile(r"^[^\s@]+@sha256:[0-9a-f]{64}$")
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
_RELEASE = re.compile(r"^([A-Za-z0-9_.-]{1,100})(?::([0-9A-Za-z-]+))?$")
_FORMS = "an image (registry/repository@sha256:...), a digest (sha256:...), a stack for what it runs (prod), or a release of one (prod:20261124T231847Z)"


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        label: for people.
        image: <registry>/<repository>@sha256:<digest>.
    """

    label: str
    image: str

    @property
    def repository(self) -> str:
        """<registry>/<repository>."""
        return self.image.rpartition("@")[0]


def sides(checkout: Path, old: str, new: str, service: str | None) -> tuple[Side, Side]:
    """What the two texts name.

    Args:
        service: which one of a release; needed where it has several.

    Raises:
        DeliveryError: a text names nothing; says what would.
    """
    known = [None if _DIGEST.fullmatch(text) else _named(checkout, text, service) for text in (old, new)]
    # A digest alone is of the repository that the other side names.
    repository = next((side.repository for side in known if side), None)
    if repository is None:
        raise DeliveryError(f"two digests alone do not say where the images are; name {old} as registry/repository@{old}")
    found = [side or Side(f"{text[:19]}...", f"{repository}@{text}") for side, text in zip(known, (old, new), strict=True)]
    return found[0], found[1]


def _named(checkout: Path, text: str, service: str | None) -> Side:
    if _IMAGE.fullmatch(text):
        repository, _, digest = text.rpartition("@")
        return Side(f"{repository.rpartition('/')[2]}@{digest[:19]}...", text)
    release = _RELEASE.fullmatch(text)
    if release is None:
        raise DeliveryError(f"{text!r} is no image and no release; allowed are {_FORMS}")
    record = _record(checkout, release[1], release[2])
    name = _service(record, service)
    return Side(f"{name} of {record.stack} {record.id}", record.services[name].image)


def _record(checkout: Path, stack: str, release: str | None) -> "Record":
    from delivery.release.ledger import Ledger  # noqa: PLC0415 - images need none

    ledger = Ledger.of(checkout)
    record = ledger.find(stack, release) if release else ledger.latest(stack)
    if record is None:
        raise DeliveryError(f"no release of the stack {stack!r} is recorded; name an image instead: registry/repository@sha256:...")
    return record


def _service(record: "Record", service: str | None) -> str:
    names = sorted(record.services)
    if not names:
        raise DeliveryError(f"release {record.id} of {record.stack} runs no service")
    if service is None and len(names) == 1:
        return names[0]
    if service in names:
        return str(service)
    chosen = f"has no service {service!r}" if service else "has several services; name one with --service"
    raise DeliveryError(f"release {record.id} of {record.stack} {chosen}: {', '.join(names)}")
