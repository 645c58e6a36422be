"""What any registry can be asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json", *INDEXES)
"""All that an image can be. A registry that is not told about Docker's types answers with an older form, which has another digest."""


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """An image in a repository.

    Attributes:
        size: bytes of all its layers, shared ones included.
        created: when it was built, as it says itself. A build from a cache may say the time of the first one, so nothing is decided by it.
        changed: when the registry got it, or last changed something about it; since when it has been marked, where a registry keeps no times. None: not known.
        locked: the registry lets nobody delete it.
        held: it is locked in a way that `protect` does not, by somebody who had a reason.
    """

    digest: str
    tags: tuple[str, ...]
    size: int
    created: datetime | None
    changed: datetime | None = None
    locked: bool = False
    held: bool = False


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A manifest as it is stored; `size` is that of its own bytes."""

    digest: str
    document: Mapping[str, Any]
    media_type: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a manifest refers to.

    Attributes:
        parts: manifests that an index is made of; none of any other image.
        subject: the image that this one is about, such as a signature's.
    """

    parts: tuple[str, ...] = ()
    subject: str | None = None

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Contents":
        """Read from a manifest."""
        subject = manifest.get("subject")
        return cls(
            parts=tuple(str(part["digest"]) for part in manifest.get("manifests") or () if isinstance(part, Mapping) and "digest" in part),
            subject=str(subject["digest"]) if isinstance(subject, Mapping) and "digest" in subject else None,
        )


class Registry(Protocol):
    """A registry. Every method raises RegistryError, with one message, when it cannot do its work."""

    @property
    def host(self) -> str:
        """Its name, as images have it."""
        ...

    @property
    def has_locks(self) -> bool:
        """Whether `protect` keeps others from deleting."""
        ...

    def has(self, repository: str, digest: str) -> bool:
        """Whether an image is there."""
        ...

    def tags(self, repository: str) -> dict[str, str]:
        """Digest by tag; none of a repository that is not there."""
        ...

    def digest_of(self, repository: str, tag: str) -> str | None:
        """What a tag points at now; None when there is no such tag."""
        ...

    def images(self, repository: str) -> list[StoredImage]:
        """Everything in a repository, as far as the registry lists it: one of Azure's lists all, any other what has a tag."""
        ...

    def image(self, repository: str, digest: str) -> StoredImage | None:
        """One image, without its tags where they would have to be searched for; None when it is not there."""
        ...

    def contents(self, repository: str, digest: str) -> Contents | None:
        """What an image's manifest refers to; None when it is not there."""
        ...

    def delete(self, repository: str, digest: str) -> None:
        """Deletes an image and every tag of it. It is no error when it is gone already."""
        ...

    def mark(self, repository: str, digest: str, moment: datetime) -> None:
        """Makes a note that an image was there then, where a registry keeps no times: the first one is its `changed` from now on."""
        ...

    def protect(self, repository: str, digest: str) -> bool:
        """Keeps an image from being deleted.

        Returns:
            False where a registry has no locks. There it gets a tag of its own instead, because clean-ups look for images without one.
        """
        ...

    def unprotect(self, repository: str, digest: str) -> None:
        """Takes the lock away, if there is one."""
        ...


class ArtifactRegistry(Registry, Protocol):
    """A registry that documents about an image can be laid beside it in."""

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """A manifest by digest or tag; None when it is not there."""
        ...

    def blob(self, repository: str, digest: str) -> bytes | None:
        """The content of a blob; None when it is not there."""
        ...

    def put_blob(self, repository: str, content: bytes) -> str:
        """Stores a blob; returns its digest."""
        ...

    def put_manifest(self, repository: str, tag: str, content: bytes, media_type: str) -> bool:
        """Stores a manifest under a tag.

        Returns:
            Whether the registry itself finds it for whoever asks what is about its subject (the referrers API of OCI 1.1).
        """
        ...
