"""Bytes out of the store, never trusted: fetched to a folder or only hashed, and compared with the manifest."""

import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from model_store import layout
from model_store.blobs import BlobContainer
from model_store.errors import ModelStoreError
from model_store.folder import hash_file
from model_store.manifest import LockedFile, Manifest
from model_store.publication import Progress


@dataclass(frozen=True)
class FileCheck:
    """What was found of a file; `found` is None when it is not in the store."""

    file: str
    expected: LockedFile
    found: LockedFile | None

    @property
    def problem(self) -> str | None:
        """What is wrong, or None."""
        if self.found is None:
            return f"{self.file} is missing"
        if self.found == self.expected:
            return None
        return (
            f"{self.file} has been altered: sha256 {self.found.sha256} ({self.found.size:,} bytes), "
            f"but it was published with {self.expected.sha256} ({self.expected.size:,} bytes)"
        )


def verify(container: BlobContainer, manifest: Manifest, progress: Progress) -> list[FileCheck]:
    """Hashes every file of a version as it is in the store; raises ModelStoreError when the store cannot be asked."""
    return [FileCheck(file, expected, _copy(container, manifest, file, None, progress)) for file, expected in manifest.files.items()]


def fetch(container: BlobContainer, manifest: Manifest, content: bytes, folder: Path, progress: Progress) -> None:
    """Puts a version's files into a folder, all or none.

    Raises:
        ModelStoreError: bytes that are not those that were published, or the folder has other files of these names.
    """
    expected = {**manifest.files, layout.MANIFEST: LockedFile(sha256=sha256(content).hexdigest(), size=len(content))}
    needed = [file for file, wanted in expected.items() if not _is_there(folder / file, wanted)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Beside the target, so that the renames at the end are on one file system.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temporary:
            for file in needed:
                _fetch_file(container, manifest, content, file, Path(temporary) / file, progress)
            for file in needed:
                (Path(temporary) / file).replace(folder / file)
    except OSError as error:
        raise ModelStoreError(f"cannot write to {folder}: {error.strerror}") from error


def _fetch_file(container: BlobContainer, manifest: Manifest, content: bytes, file: str, target: Path, progress: Progress) -> None:
    if file == layout.MANIFEST:
        target.write_bytes(content)
        return
    with target.open("wb") as output:
        found = _copy(container, manifest, file, output, progress)
    problem = FileCheck(file, manifest.files[file], found).problem
    if problem:
        raise ModelStoreError(f"{manifest.model} version {manifest.version} in {container.address}: {problem}; do not use this version")


def _is_there(path: Path, expected: LockedFile) -> bool:
    """Raises ModelStoreError rather than replace a file with other content: it may be somebody's only copy."""
    if not path.exists():
        return False
    if path.is_file() and hash_file(path) == expected:
        return True
    raise ModelStoreError(f"{path} is there already and is another file; fetch into an empty folder")


def _copy(container: BlobContainer, manifest: Manifest, file: str, output: BinaryIO | None, progress: Progress) -> LockedFile | None:
    """Reads a file from the store, writes it if told to, and returns what it is; None when it is missing."""
    chunks = container.chunks(layout.blob_name(manifest.model, manifest.version, file))
    if chunks is None:
        return None
    digest, size = sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if output:
            output.write(chunk)
        progress(file, size, manifest.files[file].size)
    # An empty blob cannot be a LockedFile; size 1 with the hash of nothing is as wrong.
    return LockedFile(sha256=digest.hexdigest(), size=max(size, 1))
