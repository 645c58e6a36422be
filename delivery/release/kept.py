"""Records that could not be pushed yet, in a folder of the repository that no checkout shows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from filelock import FileLock, Timeout

from delivery.errors import DeliveryError
from delivery.release.files import after, path_of, read
from delivery.release.record import Record
from model_store.documents import to_json

_SUFFIX = ".json"


@dataclass(frozen=True)
class Kept:
    """<folder>/<stack>/<id>.json."""

    folder: Path

    def keep(self, record: Record) -> Record:
        """Writes a record whole or not at all, so that it outlives this process; its id gets a suffix when another one has it. Raises OSError."""
        while True:
            content = to_json(record)
            target = self.folder / path_of(record)
            if _written(target, content) or target.read_bytes() == content:
                return record
            record = after(record)

    def records(self) -> tuple[list[Record], dict[str, str]]:
        """The records, and per file that holds none why not."""
        records, unreadable = list[Record](), dict[str, str]()
        for path in sorted(self.folder.glob(f"*/*{_SUFFIX}")):
            name = path.relative_to(self.folder).as_posix()
            try:
                records.append(read(path.read_bytes(), name))
            except FileNotFoundError:  # another process has just pushed it
                continue
            except (OSError, DeliveryError) as error:
                unreadable[str(path)] = str(error)
        return records, unreadable

    def forget(self, record: Record) -> None:
        """Removes a record that has been pushed."""
        with suppress(OSError):
            (self.folder / path_of(record)).unlink()

    @contextmanager
    def one_at_a_time(self, seconds: float) -> Iterator[None]:
        """Keeps other processes of this repository from pushing meanwhile; raises DeliveryError when one does for so long."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / ".lock", timeout=seconds):
                yield
        except Timeout as error:
            raise DeliveryError(f"another process has been pushing records of this clone for {seconds:g} s") from error


def _written(target: Path, content: bytes) -> bool:
    """Whether the file was written; not when there is one of this name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Its name does not end with .json: nobody shall read half a record.
    with NamedTemporaryFile(dir=target.parent, prefix=f"{target.name}.") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        try:
            # Unlike a renaming, a link never replaces a file.
            os.link(file.name, target)
        except FileExistsError:
            return False
    return True
