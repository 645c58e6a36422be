"""A registry that speaks the OCI distribution API and nothing more."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx

from delivery.registry.errors import RegistryError
from delivery.registry.kinds import MANIFESTS, Contents, Manifest, StoredImage
from delivery.registry.web import RegistryClient

_ACCEPT = ", ".join(MANIFESTS)
_PARALLEL = 8
_PAGES = 1000
_DAY = "%Y%m%d"
_MARKED = re.compile(r"marked-([0-9]{8})-[0-9a-f]{16}")
"""Tag of an image that nobody seemed to need on that day."""
_MEASURED = {"architecture": "amd64", "os": "linux"}
"""Which part of an index stands for all of it in size and age."""


class OciRegistry:
    """Asked anonymously. It lists only what has a tag, and keeps no times: a tag says since when an image has been marked."""

    has_locks = False

    def __init__(self, host: str, client: httpx.Client | None = None) -> None:
        self.host = host
        self._web = RegistryClient(host, client)

    def has(self, repository: str, digest: str) -> bool:
        """As Registry."""
        return self._web.ask("HEAD", repository, f"manifests/{digest}", accept=_ACCEPT) is not None

    def tags(self, repository: str) -> dict[str, str]:
        """As Registry."""
        names = self._tag_names(repository)
        with ThreadPoolExecutor(_PARALLEL) as pool:
            found = pool.map(lambda tag: self.digest_of(repository, tag), names)
        return {tag: digest for tag, digest in zip(names, found, strict=True) if digest}

    def digest_of(self, repository: str, tag: str) -> str | None:
        """As Registry."""
        answer = self._web.ask("HEAD", repository, f"manifests/{tag}", accept=_ACCEPT)
        if answer is not None and (digest := answer.headers.get("docker-content-digest")):
            return str(digest)
        # The header is optional in the specification.
        content = self._manifest(repository, tag) if answer is not None else None
        return f"sha256:{hashlib.sha256(content[0]).hexdigest()}" if content else None

    def images(self, repository: str) -> list[StoredImage]:
        """As Registry."""
        tags: dict[str, list[str]] = {}
        for tag, digest in self.tags(repository).items():
            tags.setdefault(digest, []).append(tag)
        with ThreadPoolExecutor(_PARALLEL) as pool:
            found = pool.map(lambda item: self._image(repository, item[0], tuple(sorted(item[1]))), tags.items())
        return [image for image in found if image]

    def image(self, repository: str, digest: str) -> StoredImage | None:
        """As Registry."""
        return self._image(repository, digest, ())

    def contents(self, repository: str, digest: str) -> Contents | None:
        """As Registry."""
        manifest = self._document(repository, digest)
        return Contents.of(manifest) if manifest is not None else None

    def delete(self, repository: str, digest: str) -> None:
        """As Registry. The bytes go when the registry's own garbage collection runs."""
        self._web.ask("DELETE", repository, f"manifests/{digest}", rights="delete")

    def mark(self, repository: str, digest: str, moment: datetime) -> None:
        """As Registry."""
        self._tag(repository, digest, f"marked-{moment.astimezone(UTC):{_DAY}}-{_short(digest)}")

    def protect(self, repository: str, digest: str) -> bool:
        """As Registry."""
        self._tag(repository, digest, f"kept-{_short(digest)}")
        return False

    def unprotect(self, repository: str, digest: str) -> None:
        """As Registry: there is nothing to do."""

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """As ArtifactRegistry."""
        found = self._manifest(repository, reference)
        if found is None:
            return None
        digest = f"sha256:{hashlib.sha256(found[0]).hexdigest()}"
        return Manifest(digest=digest, document=_json(found[0], self.host), media_type=found[1], size=len(found[0]))

    def blob(self, repository: str, digest: str) -> bytes | None:
        """As ArtifactRegistry."""
        answer = self._web.ask("GET", repository, f"blobs/{digest}")
        if answer is None:
            return None
        if f"sha256:{hashlib.sha256(answer.content).hexdigest()}" != digest:
            raise RegistryError(f"{self.host} gives other bytes for {repository}@{digest}; do not use this image")
        return answer.content

    def put_blob(self, repository: str, content: bytes) -> str:
        """As ArtifactRegistry."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if self._web.ask("HEAD", repository, f"blobs/{digest}") is None:
            begun = self._web.ask("POST", repository, "blobs/uploads/", rights="pull,push")
            if begun is None or not begun.headers.get("location"):
                raise RegistryError(f"{self.host} takes no uploads for {repository}; is it a container registry that you may push to?")
            # Only where to go on is taken from the answer, not to whom.
            path = httpx.URL(begun.headers["location"]).copy_merge_params({"digest": digest}).raw_path.decode()
            self._web.ask("PUT", repository, path, content=content, content_type="application/octet-stream", rights="pull,push")
        return digest

    def put_manifest(self, repository: str, tag: str, content: bytes, media_type: str) -> bool:
        """As ArtifactRegistry."""
        answer = self._web.ask("PUT", repository, f"manifests/{tag}", content=content, content_type=media_type, rights="pull,push")
        return answer is not None and "oci-subject" in answer.headers

    def _tag(self, repository: str, digest: str, tag: str) -> None:
        if found := self._manifest(repository, digest):
            self._web.ask("PUT", repository, f"manifests/{tag}", content=found[0], content_type=found[1], rights="pull,push")

    def _tag_names(self, repository: str) -> list[str]:
        path, names = "tags/list", list[str]()
        for _ in range(_PAGES):
            answer = self._web.ask("GET", repository, path)
            if answer is None:
                break
            names += [str(tag) for tag in _json(answer.content, self.host).get("tags") or ()]
            following = answer.links.get("next", {}).get("url")
            if not following:
                break
            # Only where to go on is taken from the link, not to whom.
            path = httpx.URL(following).raw_path.decode()
        return names

    def _manifest(self, repository: str, reference: str) -> tuple[bytes, str] | None:
        answer = self._web.ask("GET", repository, f"manifests/{reference}", accept=_ACCEPT)
        if answer is None:
            return None
        found = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        if reference.startswith("sha256:") and found != reference:
            raise RegistryError(f"{self.host} gives {found} for {repository}@{reference}; do not use this image")
        return answer.content, answer.headers.get("content-type", "")

    def _document(self, repository: str, digest: str) -> dict[str, Any] | None:
        found = self._manifest(repository, digest)
        return _json(found[0], self.host) if found else None

    def _image(self, repository: str, digest: str, tags: tuple[str, ...]) -> StoredImage | None:
        manifest = self._document(repository, digest)
        if manifest is None:
            return None
        measured = manifest
        if parts := [part for part in manifest.get("manifests") or () if isinstance(part, Mapping)]:
            ours = next((part for part in parts if _is_measured(part)), parts[0])
            measured = self._document(repository, str(ours.get("digest"))) or {}
        return StoredImage(digest=digest, tags=tags, size=_size(measured), created=self._created(repository, measured), changed=_marked(tags))

    def _created(self, repository: str, manifest: Mapping[str, Any]) -> datetime | None:
        config = manifest.get("config")
        if not isinstance(config, Mapping):
            return None
        answer = self._web.ask("GET", repository, f"blobs/{config.get('digest')}")
        text = _json(answer.content, self.host).get("created") if answer is not None else None
        try:
            moment = datetime.fromisoformat(str(text))
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _marked(tags: Iterable[str]) -> datetime | None:
    days = [found[1] for tag in tags if (found := _MARKED.fullmatch(tag))]
    with suppress(ValueError):
        return datetime.strptime(min(days), _DAY).replace(tzinfo=UTC) if days else None
    return None


def _short(digest: str) -> str:
    return digest.partition(":")[2][:16]


def _is_measured(part: Mapping[str, Any]) -> bool:
    platform = part.get("platform")
    return isinstance(platform, Mapping) and all(platform.get(key) == value for key, value in _MEASURED.items())


def _size(manifest: Mapping[str, Any]) -> int:
    described = [manifest.get("config"), *(manifest.get("layers") or ())]
    return sum(int(blob.get("size") or 0) for blob in described if isinstance(blob, Mapping))


def _json(content: bytes, host: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise RegistryError(f"{host} does not answer like a container registry (no JSON); is it one, and is no proxy in its place?") from error
    return document if isinstance(document, dict) else {}
