"""Promoting: a published version into a stack's lock. The commit of that lock is what decides that a stack runs it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_store import layout
from model_store.comparison import Comparison
from model_store.lock import Lock, LockedService, exclusive, read_lock, write_lock

if TYPE_CHECKING:
    from model_store.store import ModelStore


@dataclass(frozen=True)
class LockChange:
    """What a promotion did to one service of a lock; `before` is None for a service that ran nothing yet."""

    path: Path
    service: str
    before: LockedService | None
    after: LockedService

    @property
    def changed(self) -> bool:
        """Whether the lock is another one now."""
        return self.before != self.after

    def lines(self) -> list[str]:
        """What changed, the first line being the summary."""
        model = self.after.model
        if not self.changed:
            return [f"{self.path}: service {self.service} runs {model.name} v{model.version} already, nothing changed"]
        if self.before is None:
            return [
                f"{self.path}: service {self.service}: nothing -> {model.name} v{model.version}",
                *(f"metric {name}: {value:.6g}" for name, value in sorted(model.metrics.items())),
            ]
        comparison = Comparison(self.before.model, model)
        unpinned = [f"image: no longer pinned to {self.before.image}, built from the commit"] if self.before.image else []
        return [f"{self.path}: service {self.service}: {comparison.title}", *comparison.lines(), *unpinned]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "lock": str(self.path),
            "service": self.service,
            "changed": self.changed,
            "before": self.before.model_dump(mode="json") if self.before else None,
            "after": self.after.model_dump(mode="json"),
        }


def promote(store: "ModelStore", name: str, version: int | None, lock_path: Path, service: str) -> LockChange:
    """Writes a published version, None meaning the latest, into a lock as what the service runs, with an image built from the commit.

    Raises:
        ModelStoreError: nothing was changed: no such version, its files are not in the store, or the lock cannot be read or written.
    """
    layout.check_name(service, "service")
    read_lock(lock_path)
    after = LockedService(model=store.locked(name, store.resolve(name, version)), image=None)
    with exclusive(lock_path):
        lock = read_lock(lock_path)
        change = LockChange(lock_path, service, lock.services.get(service), after)
        if change.changed:
            write_lock(lock_path, Lock(services={**lock.services, service: after}))
    return change
