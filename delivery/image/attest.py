"""Lays beside the images of a release what is in them and what they were made from."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from delivery.checkout import settings_of
from delivery.errors import DeliveryError
from delivery.git import Git
from delivery.image.documents import PROVENANCE_TYPE, SBOM_TYPE, Origin, provenance, sbom
from delivery.image.inventory import inventory
from delivery.image.referrers import Kind, attach, find
from delivery.registry import NotKnownError, Reference, RegistryError, open_artifacts, split_host
from delivery.release.record import Record, ReleasedService

SBOM = Kind(suffix="sbom", media_type=SBOM_TYPE)
PROVENANCE = Kind(suffix="provenance", media_type=PROVENANCE_TYPE)
_FILES = ("Dockerfile", "requirements.txt")


def attest(checkout: Path, record: Record) -> Iterator[str]:
    """Attaches what is missing; a line for each image. What is there already stays: the first build's provenance is the one that counts.

    Raises:
        RegistryError: an image cannot be read, or nothing can be laid beside it.
    """
    for name, service in sorted(record.services.items()):
        try:
            done = _of_service(checkout, record, service)
        except NotKnownError:
            continue  # a simulated registry has no images
        yield f"{name}: {service.image}: {done}"


def _of_service(checkout: Path, record: Record, service: ReleasedService) -> str:
    host, repository = split_host(service.repository)
    registry = open_artifacts(host)
    done: list[str] = []
    if find(registry, repository, service.digest, SBOM) is None:
        attach(registry, repository, service.digest, SBOM, sbom(repository, service.digest, inventory(registry, repository, service.digest)))
        done.append("SBOM attached")
    if find(registry, repository, service.digest, PROVENANCE) is None:
        origin = _origin(checkout, record, service)
        if origin is None:
            done.append("no provenance: this checkout did not build it; `converge image attest` where it was built attaches it")
        else:
            attach(registry, repository, service.digest, PROVENANCE, provenance(repository, service.digest, origin))
            done.append("provenance attached")
    return ", ".join(done) or "SBOM and provenance are there already"


def _origin(checkout: Path, record: Record, service: ReleasedService) -> Origin | None:
    """None where it was built elsewhere, or from a commit that is not the one here: nobody could say from what."""
    if service.pinned or Git(checkout).ask("rev-parse", "HEAD") != record.commit:
        return None
    try:
        base_image = settings_of(checkout, record.stack).base_image
        files = {f"{service.app}/{name}": hashlib.sha256((checkout / service.app / name).read_bytes()).hexdigest() for name in _FILES}
    except OSError as error:
        raise DeliveryError(f"{error.filename}: cannot be read: {error.strerror}") from error
    return Origin(
        commit=service.app_commit or record.commit,
        dirty=record.dirty,
        app=service.app,
        base_image=str(base_image),
        files=files,
        model=service.model.name,
        model_version=service.model.version,
        model_files={name: file.sha256 for name, file in service.model.files.items()},
        run=record.run,
    )


def document_of(image: str, kind: Kind) -> bytes:
    """What is attached to an image, by <registry>/<repository>@sha256:<digest>.

    Raises:
        RegistryError: nothing is.
    """
    named = Reference.parse(image)
    if named.digest is None:
        raise RegistryError(f"{image} names no digest, so it may be another image tomorrow; give <registry>/<repository>@sha256:<digest>")
    found = find(open_artifacts(named.host), named.repository, named.digest, kind)
    if found is None:
        raise RegistryError(f"{image} has no {kind.suffix} beside it; `converge image attest STACK` attaches it")
    return found
