"""What exists in the simulated Azure, in one file that is replaced as a whole: a killed engine leaves the old or the new one."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

_SCHEMA = 1
Result = TypeVar("Result")


class State:
    """Resources by ARM id. Ids compare without regard to case, as ARM's do.

    A resource is a dict with `id`, `token`, `inputs` (what was put), `outputs` (what ARM adds), `urn` (who created it) and `at`
    (when, in seconds of the epoch).
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._path = folder / "resources.json"
        # The file keeps other engines out, the lock other calls of this one.
        self._file_lock = FileLock(folder / "resources.lock")
        self._lock = threading.Lock()

    def read(self) -> dict[str, dict[str, Any]]:
        """All resources by lower-case id."""
        if not self._path.exists():
            return {}
        document = json.loads(self._path.read_text())
        if document.get("schema") != _SCHEMA:
            raise RuntimeError(f"{self._path} has schema {document.get('schema')}, this version reads {_SCHEMA}; `converge local clean` starts anew")
        return document["resources"]

    def find(self, identifier: str) -> dict[str, Any] | None:
        """A resource; None when there is none."""
        return self.read().get(identifier.lower())

    def change(self, edit: Callable[[dict[str, dict[str, Any]]], Result]) -> Result:
        """Applies an edit to all resources, or nothing of it when it raises."""
        with self._lock, self._file_lock:
            resources = self.read()
            result = edit(resources)
            self._write(resources)
        return result

    def _write(self, resources: dict[str, dict[str, Any]]) -> None:
        partial = self._path.with_suffix(".tmp")
        with partial.open("w") as file:
            json.dump({"schema": _SCHEMA, "resources": resources}, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)
