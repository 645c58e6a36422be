"""The model store: everything that can be asked of it or put into it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Self

from model_store import access, layout, publication, retrieval
from model_store.address import StoreAddress, parse_address
from model_store.blobs import BlobContainer
from model_store.catalog import Catalog, ranges
from model_store.documents import parse
from model_store.errors import DocumentError, ModelStoreError
from model_store.folder import ModelFolder, read_folder
from model_store.lock import LockedModel
from model_store.manifest import Manifest
from model_store.publication import Progress, Publication
from model_store.retrieval import FileCheck

_LARGEST_MANIFEST = 2**20
_PARALLEL_READS = 8


@dataclass(frozen=True)
class Entry:
    """A published version; without a manifest `problem` says why it cannot be read."""

    model: str
    version: int
    manifest: Manifest | None
    problem: str | None = None


class ModelStore:
    """Published models in a blob container. Every method raises ModelStoreError, with one message, when it cannot do its work."""

    def __init__(self, container: BlobContainer) -> None:
        self._container = container

    @classmethod
    def open(cls, url: str) -> Self:
        """The store at a container's URL. Nothing is sent yet."""
        return cls(BlobContainer(parse_address(url)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections."""
        self._container.close()

    @property
    def address(self) -> StoreAddress:
        """Where the store is."""
        return self._container.address

    def models(self) -> dict[str, list[int]]:
        """Published versions by model, lowest first."""
        catalog = Catalog.of(self._container.listing())
        return {name: catalog.published(name) for name in catalog.with_a_version()}

    def versions(self, name: str) -> list[int]:
        """Published versions of a model, lowest first; empty when there are none."""
        return self._catalog(name).published(name)

    def entries(self, wanted: list[tuple[str, int]]) -> list[Entry]:
        """The manifests of versions. One that cannot be read is told as such: it can never be removed and must not hide the others."""
        with ThreadPoolExecutor(_PARALLEL_READS) as pool:
            return list(pool.map(lambda item: self._entry(*item), wanted))

    def resolve(self, name: str, version: int | None) -> int:
        """The version itself if it is published, and for None the highest one."""
        catalog = self._catalog(name)
        published = catalog.published(name)
        if not published:
            raise self._no_such_model(name, catalog)
        if version is None:
            return published[-1]
        if version not in published:
            begun = " was begun but never completed" if version in catalog.models[name] else " does not exist"
            raise ModelStoreError(f"{name} version {version}{begun}; {self.address} has {ranges(published)}")
        return version

    def manifest(self, name: str, version: int) -> tuple[Manifest, bytes]:
        """The manifest of a version, and its bytes as they are in the store."""
        chunks = self._container.chunks(layout.blob_name(name, version, layout.MANIFEST), limit=_LARGEST_MANIFEST)
        if chunks is None:
            self.resolve(name, version)
            raise ModelStoreError(f"{name} version {version} has only just been published; try again")
        content = b"".join(chunks)
        where = f"manifest.json of {name} version {version}"
        manifest = parse(Manifest, content, where)
        if (manifest.model, manifest.version) != (name, version):
            raise DocumentError(f"{where}: it is that of {manifest.model} version {manifest.version}; do not use this version")
        return manifest, content

    def locked(self, name: str, version: int) -> LockedModel:
        """What a lock holds of a version, after a look whether its files are there in their sizes."""
        manifest, content = self.manifest(name, version)
        for file, expected in manifest.files.items():
            size = self._container.size(layout.blob_name(name, version, file))
            if size != expected.size:
                found = "is missing" if size is None else f"has {size:,} bytes, but was published with {expected.size:,}"
                raise ModelStoreError(f"{name} version {version} in {self.address} cannot be used: {file} {found}; publish the model again")
        return LockedModel.of(manifest, content)

    def publish(self, name: str, folder: Path, progress: Progress = lambda *_: None) -> Manifest:
        """Publishes a model folder; returns the new version, or the one that has the same content already."""
        return self.publish_or_find(name, folder, progress).manifest

    def publish_or_find(self, name: str, folder: Path, progress: Progress = lambda *_: None) -> Publication:
        """As `publish`, and says whether the version is new."""
        layout.check_name(name)
        checked = read_folder(folder)
        catalog = self._catalog(name)
        same = self._same(name, checked, catalog)
        if same:
            return Publication(same, new=False)
        return Publication(publication.publish_new(self._container, name, checked, catalog, progress), new=True)

    def fetch(self, name: str, version: int, folder: Path, progress: Progress = lambda *_: None) -> Manifest:
        """Downloads a version's files into a folder, checked against its manifest; all of them or none."""
        manifest, content = self.manifest(name, version)
        retrieval.fetch(self._container, manifest, content, folder, progress)
        return manifest

    def golden(self, locked: LockedModel) -> bytes:
        """The golden requests of a locked version, checked against the lock."""
        what = f"{layout.GOLDEN} of {locked.name} version {locked.version}"
        chunks = self._container.chunks(layout.blob_name(locked.name, locked.version, layout.GOLDEN), limit=locked.files[layout.GOLDEN].size + 1)
        if chunks is None:
            raise ModelStoreError(f"{what} is not in {self.address} any more")
        content = b"".join(chunks)
        if sha256(content).hexdigest() != locked.files[layout.GOLDEN].sha256:
            raise ModelStoreError(f"{what} in {self.address} has been altered; verify it: converge model verify {locked.name} {locked.version}")
        return content

    def verify(self, name: str, version: int, progress: Progress = lambda *_: None) -> list[FileCheck]:
        """Hashes a version's files in the store and says of each what was found."""
        return retrieval.verify(self._container, self.manifest(name, version)[0], progress)

    def read_urls(self, locked: LockedModel, valid_for: timedelta = access.DEFAULT_VALIDITY) -> dict[str, str]:
        """URL with a read-only SAS for each file of a locked version. They are secrets."""
        return access.read_urls(self._container, locked, valid_for)

    def _catalog(self, name: str) -> Catalog:
        return Catalog.of(self._container.listing(layout.model_prefix(name)))

    def _entry(self, name: str, version: int) -> Entry:
        try:
            return Entry(name, version, self.manifest(name, version)[0])
        except DocumentError as error:
            return Entry(name, version, None, str(error))

    def _same(self, name: str, folder: ModelFolder, catalog: Catalog) -> Manifest | None:
        sizes = {file: expected.size for file, expected in folder.files.items()}
        found = self.entries([(name, version) for version in catalog.with_sizes(name, sizes)])
        return next((entry.manifest for entry in found if entry.manifest and publication.says_the_same(entry.manifest, folder)), None)

    def _no_such_model(self, name: str, catalog: Catalog) -> ModelStoreError:
        if catalog.models.get(name):
            return ModelStoreError(f"no version of {name} was ever completed in {self.address}; publish again")
        known = ", ".join(self.models()) or "no models yet"
        return ModelStoreError(f"there is no model {name!r} in {self.address}, which has {known}; publish one: converge model publish {name} DIR")
