"""locks/<stack>.json: which model, and if pinned which image, each service of a stack runs."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Self

from filelock import FileLock, Timeout
from pydantic import Field, model_validator

from model_store import layout
from model_store.documents import Document, Text, parse, read_file, to_json, write_file
from model_store.errors import ModelStoreError
from model_store.manifest import AllFiles, LockedFile, Manifest, Metrics, Moment, Name, Tensors, Training, Version

_WAIT_SECONDS = 10.0


class LockedModel(Document):
    """A published version with everything that a plan and an image build need to know about it.

    Attributes:
        training: how it was made; None where a lock or record was written before it was kept.
    """

    name: Name
    version: Version
    files: AllFiles
    inputs: Tensors
    outputs: Tensors
    metrics: Metrics
    published_at: Moment
    published_by: Text
    training: Training | None = None

    @classmethod
    def of(cls, manifest: Manifest, content: bytes) -> "LockedModel":
        """Locks a version by its manifest, given also as the bytes that are in the store."""
        itself = LockedFile(sha256=sha256(content).hexdigest(), size=len(content))
        return cls(
            name=manifest.model,
            version=manifest.version,
            files={**manifest.files, layout.MANIFEST: itself},
            inputs=manifest.inputs,
            outputs=manifest.outputs,
            metrics=manifest.metrics,
            published_at=manifest.created_at,
            published_by=manifest.created_by,
            training=manifest.training,
        )

    @property
    def sha256(self) -> str:
        """Of model.onnx."""
        return self.files[layout.MODEL].sha256


class Pin(Document):
    """Why a service stays at an image: somebody went back to it. Promotions leave the service alone until the pin is taken away.

    Attributes:
        release: id of the release that was gone back to.
    """

    release: Text
    reason: Text
    by: Text
    at: Moment


class LockedService(Document):
    """What one service runs. `image` is the digest of an image built before; without it the app is built from the commit."""

    model: LockedModel
    image: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    pin: Pin | None = None

    @model_validator(mode="after")
    def _pinned_to_something(self) -> Self:
        if self.pin and not self.image:
            raise ValueError("a pin needs an image that it pins to")
        return self


class Lock(Document):
    """A stack's lock, by service."""

    services: dict[Name, LockedService] = Field(default_factory=dict)


def lock_file(folder: Path, stack: str) -> Path:
    """The lock of a stack; raises ModelStoreError for a name that is none."""
    return folder / f"{layout.check_stack(stack)}.json"


def read_lock(path: Path) -> Lock:
    """Reads a lock. A stack without a lock runs no model yet, so a missing file is an empty lock.

    Raises:
        ModelStoreError: the file cannot be read or is no lock; the text names file and key.
    """
    return parse(Lock, read_file(path), str(path)) if path.exists() else Lock()


def write_lock(path: Path, lock: Lock) -> None:
    """Writes a lock sorted and whole; raises ModelStoreError."""
    write_file(path, to_json(lock))


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Keeps other commands from changing a lock between our reading and writing it; raises ModelStoreError."""
    guard = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(guard, timeout=_WAIT_SECONDS)
        held.acquire()
    except Timeout as error:
        raise ModelStoreError(f"another command has been changing {path} for {_WAIT_SECONDS:.0f} s; try again when it has ended") from error
    except OSError as error:
        raise ModelStoreError(f"cannot write {path}: {error.strerror}") from error
    try:
        yield
    finally:
        # Removed while still held, so that no untracked file stays in the checkout; who waits for it sees that it is gone and makes a new one.
        with suppress(OSError):
            guard.unlink(missing_ok=True)
        held.release()
