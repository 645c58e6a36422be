"""A model folder as training writes it: model.onnx, golden.json, model.json."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from model_store import golden, layout
from model_store.documents import parse, read_file
from model_store.errors import ModelStoreError
from model_store.manifest import LockedFile, ModelDescription

_LARGEST_JSON = 16 * 2**20
"""Bytes. golden.json goes through every image build, and must be one single write to the store (see publication)."""
_CHUNK = 2**20
_GIT_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class ModelFolder:
    """A folder that may be published: complete, and its golden requests fit the declared signature."""

    path: Path
    description: ModelDescription
    files: Mapping[str, LockedFile]


def read_folder(path: Path) -> ModelFolder:
    """Reads and checks a model folder; raises ModelStoreError that names the file and what is wrong with it."""
    _check_complete(path)
    description = parse(ModelDescription, _read_json(path / layout.DESCRIPTION), str(path / layout.DESCRIPTION))
    golden.check(_read_json(path / layout.GOLDEN), description.inputs, description.outputs, str(path / layout.GOLDEN))
    _check_model(path / layout.MODEL)
    return ModelFolder(path, description, {name: hash_file(path / name) for name in layout.CONTENT})


def hash_file(path: Path) -> LockedFile:
    """Hash and size of a file; raises ModelStoreError."""
    digest, size = sha256(), 0
    with opened(path) as file:
        try:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
        except OSError as error:
            raise ModelStoreError(f"cannot read {path}: {error.strerror}") from error
    return LockedFile(sha256=digest.hexdigest(), size=size)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file open for reading; raises ModelStoreError."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise ModelStoreError(f"cannot read {path}: {error.strerror}") from error
    with file:
        yield file


def _check_complete(path: Path) -> None:
    needed = (layout.MODEL, layout.GOLDEN, layout.DESCRIPTION)
    if not path.is_dir():
        raise ModelStoreError(f"{path} is no folder; publish takes the folder that training wrote, with {', '.join(needed)}")
    missing = [name for name in needed if not (path / name).is_file()]
    if missing:
        raise ModelStoreError(f"{path} has no {', '.join(missing)}; a model folder has {', '.join(needed)}")
    empty = [name for name in needed if (path / name).stat().st_size == 0]
    if empty:
        raise ModelStoreError(f"{path / empty[0]} is empty; train again")


def _check_model(path: Path) -> None:
    with opened(path) as file:
        if file.read(len(_GIT_LFS_POINTER)) == _GIT_LFS_POINTER:
            raise ModelStoreError(f"{path} is only Git LFS's pointer to the model; get the model with `git lfs pull`")


def _read_json(path: Path) -> bytes:
    size = path.stat().st_size
    if size > _LARGEST_JSON:
        raise ModelStoreError(f"{path} has {size:,} bytes; at most {_LARGEST_JSON:,} are allowed, so keep fewer or smaller cases")
    return read_file(path)
