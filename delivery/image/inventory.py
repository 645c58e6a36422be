"""What an image really has in it, read from its layers in the registry: Python packages, Debian packages, models."""

import gzip
import io
import json
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

from delivery.registry import ArtifactRegistry, RegistryError

_METADATA = re.compile(r"(?:\./)?(?:.*/)?[^/]+\.dist-info/METADATA")
_DPKG = re.compile(r"(?:\./)?var/lib/dpkg/status\.d/[^/]+(?<!\.md5sums)")
_MODEL = re.compile(r"(?:\./)?srv/model/(?:.*/)?manifest\.json")
_FORM = 1
"""Counts up when another version of this module would find something else in the same layer."""


@dataclass(frozen=True, kw_only=True, order=True)
class Item:
    """One thing in an image.

    Attributes:
        kind: python, debian or model.
        license: as a package states it; empty when it does not.
        purl: name of it that all scanners know; empty of a model.
        sha256: of a model's file.
    """

    kind: str
    name: str
    version: str
    license: str = ""
    purl: str = ""
    sha256: str = ""


def inventory(registry: ArtifactRegistry, repository: str, digest: str, cache: Path | None = None) -> tuple[Item, ...]:
    """Everything in an image, in a fixed order.

    Args:
        cache: where is kept what a layer has; the same digest is the same content for ever.

    Raises:
        RegistryError: the image or a layer is not there, or is not what it should be.
    """
    layers = _layers(registry, repository, digest)
    folder = cache or _cache()
    return tuple(sorted({item for layer in layers for item in _of_layer(registry, repository, str(layer["digest"]), folder)}))


def _layers(registry: ArtifactRegistry, repository: str, digest: str) -> list[Mapping[str, Any]]:
    manifest = registry.manifest(repository, digest)
    document = manifest.document if manifest else {}
    for part in document.get("manifests") or ():
        # An index of one image, such as builders make that add attestations of their own.
        if (part.get("platform") or {}).get("os") == "linux":
            return _layers(registry, repository, str(part["digest"]))
    layers = document.get("layers")
    if not isinstance(layers, list):
        raise RegistryError(f"{registry.host}/{repository}@{digest} is no image, or is not there")
    return layers


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "converge" / "layers"


def _of_layer(registry: ArtifactRegistry, repository: str, digest: str, cache: Path) -> Iterable[Item]:
    kept = cache / f"{digest.replace(':', '-')}.{_FORM}.json"
    try:
        return [Item(**item) for item in json.loads(kept.read_bytes())]
    except (OSError, ValueError, TypeError):
        pass  # not kept yet, or not as a whole: it is read anew
    content = registry.blob(repository, digest)
    if content is None:
        raise RegistryError(f"{registry.host}/{repository} lacks the layer {digest} of its own image")
    try:
        found = sorted(set(_items(content)))
    except (OSError, EOFError, tarfile.TarError, ValueError, KeyError) as error:
        raise RegistryError(f"{registry.host}/{repository}: what the layer {digest} has in it cannot be read: {error}") from error
    cache.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps([asdict(item) for item in found]))
    partial.rename(kept)
    return found


def _items(layer: bytes) -> Iterator[Item]:
    opened = gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer
    with tarfile.open(fileobj=io.BytesIO(opened), mode="r:") as archive:
        for member in archive:
            reader = next((reader for pattern, reader in _READERS.items() if pattern.fullmatch(member.name)), None)
            if reader and member.isfile() and (file := archive.extractfile(member)):
                yield from reader(file.read().decode())


def _python(text: str) -> Iterator[Item]:
    said = HeaderParser().parsestr(text)
    name, version = re.sub(r"[-_.]+", "-", said["Name"]).lower(), said["Version"]
    yield Item(kind="python", name=name, version=version, license=said["License-Expression"] or "", purl=f"pkg:pypi/{quote(name)}@{quote(version, safe='.+')}")


def _debian(text: str) -> Iterator[Item]:
    said = HeaderParser().parsestr(text)
    name, version = said["Package"], said["Version"]
    purl = f"pkg:deb/debian/{quote(name, safe='+')}@{quote(version, safe='.+~')}?arch={said['Architecture']}"
    yield Item(kind="debian", name=name, version=version, purl=purl)


def _model(text: str) -> Iterator[Item]:
    manifest: Mapping[str, Any] = json.loads(text)
    yield Item(kind="model", name=manifest["model"], version=str(manifest["version"]), sha256=manifest["files"]["model.onnx"]["sha256"])


_READERS = {_METADATA: _python, _DPKG: _debian, _MODEL: _model}
