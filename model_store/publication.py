"""Publishing a model folder as the next version: safe beside other publishers, and when it is cut off.

The order is the point. golden.json goes first, as one conditional write: who makes that blob owns the version number, so nobody else
writes blocks of the same model.onnx. The manifest goes last: a version exists when its manifest does, so a publication that is cut off
leaves a number that is never shown and never used again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import IO, BinaryIO, cast

from model_store import layout
from model_store.blobs import BlobContainer
from model_store.catalog import Catalog
from model_store.documents import to_json
from model_store.errors import ModelStoreError
from model_store.folder import ModelFolder, opened
from model_store.manifest import LockedFile, Manifest

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes done so far and its size."""

_JSON = "application/json"
_BYTES = "application/octet-stream"
_MOST_CONFLICTS = 50


@dataclass(frozen=True)
class Publication:
    """What publishing came to: a new version, or one from before with the same content."""

    manifest: Manifest
    new: bool


def says_the_same(manifest: Manifest, folder: ModelFolder) -> bool:
    """Whether a published version is this folder: the same bytes with the same signature and metrics.

    The training source may differ: deterministic training gives the same bytes again at a later commit. A corrected signature or
    metric is a new version, since a published manifest cannot be changed.
    """
    described = folder.description
    return (
        manifest.files == dict(folder.files)
        and (manifest.format, manifest.opset) == (described.format, described.opset)
        and (manifest.inputs, manifest.outputs, manifest.metrics) == (described.inputs, described.outputs, described.metrics)
    )


def publish_new(container: BlobContainer, model: str, folder: ModelFolder, catalog: Catalog, progress: Progress) -> Manifest:
    """Publishes the folder as the next free version.

    Raises:
        ModelStoreError: nothing was published; what was begun is never shown.
    """
    created_by = container.credential.principal()
    version = catalog.next_version(model)
    for attempt in range(version, version + _MOST_CONFLICTS):
        layout.blob_name(model, attempt, layout.MANIFEST)
        manifest = Manifest(
            **folder.description.model_dump(),
            model=model,
            version=attempt,
            files=dict(folder.files),
            created_at=datetime.now(UTC),
            created_by=created_by,
        )
        if _publish_as(container, folder, manifest, progress):
            return manifest
    raise ModelStoreError(f"{_MOST_CONFLICTS} versions of {model} from {version} on were taken by others meanwhile; publish again")


def _publish_as(container: BlobContainer, folder: ModelFolder, manifest: Manifest, progress: Progress) -> bool:
    """False when somebody else has the version."""
    for file, kind in ((layout.GOLDEN, _JSON), (layout.MODEL, _BYTES)):
        if not _upload(container, folder, manifest, file, kind, progress):
            return False
    content = to_json(manifest)
    name = layout.blob_name(manifest.model, manifest.version, layout.MANIFEST)
    # When the answer to the write was lost, the attempt after it finds what we wrote ourselves.
    return container.create(name, content, len(content), _JSON) or b"".join(container.chunks(name) or ()) == content


def _upload(container: BlobContainer, folder: ModelFolder, manifest: Manifest, file: str, kind: str, progress: Progress) -> bool:
    expected = folder.files[file]
    with opened(folder.path / file) as source:
        reader = _HashingReader(source, file, expected, progress)
        # Only `read` is used; without `seek` the library reads in order, which the hash needs.
        created = container.create(layout.blob_name(manifest.model, manifest.version, file), cast("IO[bytes]", reader), expected.size, kind)
    if created:
        reader.check()
    return created


class _HashingReader:
    """Hashes a file while it is sent, so that the manifest never names bytes other than those in the store."""

    def __init__(self, source: BinaryIO, name: str, expected: LockedFile, progress: Progress) -> None:
        self._source, self._name, self._expected, self._progress = source, name, expected, progress
        self._digest, self._done = sha256(), 0

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; raises ModelStoreError when the file has got shorter."""
        data = self._source.read(size)
        if not data and self._done < self._expected.size:
            raise self._changed()
        self._digest.update(data)
        self._done += len(data)
        self._progress(self._name, self._done, self._expected.size)
        return data

    def check(self) -> None:
        """Raises ModelStoreError unless what was read is what had been hashed before."""
        if self._digest.hexdigest() != self._expected.sha256:
            raise self._changed()

    def _changed(self) -> ModelStoreError:
        return ModelStoreError(f"{self._name} changed while it was being published, so nothing was published; publish again when training has ended")
