"""Documents beside an image in its registry, as OCI 1.1 has them: found from the image, without being part of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from delivery.registry import ArtifactRegistry, Manifest, RegistryError
from delivery.registry.kinds import INDEXES

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_EMPTY = "application/vnd.oci.empty.v1+json"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of document: the end of its tag, and its media type."""

    suffix: str
    media_type: str


def tag_of(digest: str, suffix: str = "") -> str:
    """The tag of a document about an image; without a suffix that of the list of all, where a registry does not make it.

    Everything has a tag: no clean-up of untagged images takes it, and it is found also where nobody can ask what is about an image.
    """
    return digest.replace(":", "-") + (f".{suffix}" if suffix else "")


def find(registry: ArtifactRegistry, repository: str, digest: str, kind: Kind) -> bytes | None:
    """The document of that kind; None when there is none."""
    found = registry.manifest(repository, tag_of(digest, kind.suffix))
    if found is None or _subject(found) != digest:
        return None
    return registry.blob(repository, str(found.document["layers"][0]["digest"]))


def attach(registry: ArtifactRegistry, repository: str, digest: str, kind: Kind, document: Mapping[str, Any]) -> None:
    """Lays a document beside an image, in place of one of its kind. The image stays as it is. Doing it again changes nothing.

    Raises:
        RegistryError: there is no such image, or the registry does not take it.
    """
    subject = registry.manifest(repository, digest)
    if subject is None:
        raise RegistryError(f"{registry.host}/{repository}@{digest} is not there, so nothing can be laid beside it")
    content = json.dumps(document, indent=2, sort_keys=True).encode()
    empty = registry.put_blob(repository, b"{}")
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "artifactType": kind.media_type,
        "config": {"mediaType": _EMPTY, "digest": empty, "size": 2},
        "layers": [{"mediaType": kind.media_type, "digest": registry.put_blob(repository, content), "size": len(content)}],
        "subject": {"mediaType": subject.media_type, "digest": digest, "size": subject.size},
    }
    tag = tag_of(digest, kind.suffix)
    if not registry.put_manifest(repository, tag, json.dumps(manifest, sort_keys=True).encode(), _MANIFEST):
        _list(registry, repository, digest, kind, tag)


def _list(registry: ArtifactRegistry, repository: str, digest: str, kind: Kind, tag: str) -> None:
    """What the specification wants of whoever pushes where the registry itself keeps no list: an index under the image's digest as a tag."""
    stored = registry.manifest(repository, tag)
    if stored is None:
        raise RegistryError(f"{registry.host}/{repository} took {tag} and does not have it")
    listed = registry.manifest(repository, tag_of(digest))
    before = [part for part in (listed.document.get("manifests") or () if listed else ()) if part.get("artifactType") != kind.media_type]
    entry = {"mediaType": _MANIFEST, "digest": stored.digest, "size": stored.size, "artifactType": kind.media_type}
    parts = sorted([*before, entry], key=lambda part: (str(part.get("artifactType")), str(part.get("digest"))))
    if listed is None or listed.document.get("manifests") != parts:
        index = {"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": parts}
        registry.put_manifest(repository, tag_of(digest), json.dumps(index, sort_keys=True).encode(), INDEXES[0])


def _subject(manifest: Manifest) -> str | None:
    subject = manifest.document.get("subject")
    return str(subject.get("digest")) if isinstance(subject, Mapping) else None
