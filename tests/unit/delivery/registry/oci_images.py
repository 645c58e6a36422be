"""Images as bytes: manifests, configurations and layers, made here, and pushed as every builder pushes them."""

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"
OLD = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


@dataclass(frozen=True, kw_only=True)
class OciImage:
    """A manifest and everything that it names in the same repository."""

    manifest: bytes
    media_type: str
    blobs: Mapping[str, bytes]
    parts: tuple["OciImage", ...] = ()

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def size(self) -> int:
        return sum(map(len, self.blobs.values()))


def image(*layers: bytes, created: datetime | None = OLD, media_type: str = MANIFEST, **more: Any) -> OciImage:
    """An image of layers, each the content of one file that is compressed as builders do."""
    packed = [gzip.compress(layer, mtime=0) for layer in layers]
    rootfs = {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]}
    config = _json({"architecture": "amd64", "os": "linux", "rootfs": rootfs, **({"created": created.isoformat()} if created else {})})
    blobs = {digest_of(blob): blob for blob in (config, *packed)}
    described = [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest_of(blob), "size": len(blob)} for blob in packed]
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(config), "size": len(config)},
        "layers": described,
        **more,
    }
    return OciImage(manifest=_json(document), media_type=media_type, blobs=blobs)


def index(ours: OciImage, *others: OciImage) -> OciImage:
    """One image for this machine, and others for other ones, such as an attestation."""
    platforms = [{"architecture": "amd64", "os": "linux"}, *({"architecture": "unknown", "os": "unknown"} for _ in others)]
    parts = (ours, *others)
    described = [
        {"mediaType": part.media_type, "digest": part.digest, "size": len(part.manifest), "platform": platform}
        for part, platform in zip(reversed(parts), reversed(platforms), strict=True)
    ]
    return OciImage(manifest=_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": described}), media_type=INDEX, blobs={}, parts=parts)


def push(url: str, repository: str, pushed: OciImage, tags: Sequence[str] = ()) -> str:
    """Blobs first, then manifests, as the specification demands; returns the digest."""
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
        _push(client, repository, pushed, tags)
    return pushed.digest


def _push(client: httpx.Client, repository: str, pushed: OciImage, tags: Sequence[str]) -> None:
    for part in pushed.parts:
        _push(client, repository, part, ())
    for digest, content in pushed.blobs.items():
        if client.head(f"/v2/{repository}/blobs/{digest}").status_code != 200:
            location = client.post(f"/v2/{repository}/blobs/uploads/").raise_for_status().headers["location"]
            where = httpx.URL(location).copy_merge_params({"digest": digest})
            client.put(where, content=content, headers={"Content-Type": "application/octet-stream"}).raise_for_status()
    for reference in tags or (pushed.digest,):
        client.put(f"/v2/{repository}/manifests/{reference}", content=pushed.manifest, headers={"Content-Type": pushed.media_type}).raise_for_status()
