"""A stack's lock in the hands of a move."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from delivery.promotion.rules import StackRules
from delivery.release.ledger import Ledger
from model_store import LockChange, LockedService, read_lock
from model_store.lock import lock_file
from model_store.promotion import write_changes


@dataclass(frozen=True, kw_only=True)
class Move:
    """What was written into a lock.

    Attributes:
        lock: that was written.
        changes: one per service that was looked at, also those that are no change.
        what: in a few words, for a commit's first line.
        notes: what a reader should know besides.
    """

    lock: Path
    changes: tuple[LockChange, ...]
    what: str
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> list[str]:
        """The services whose entries in the lock are others now."""
        return [change.service for change in self.changes if change.changed]


@dataclass(frozen=True)
class StackLock:
    """A stack of the checkout: its settings, and its lock as it was read."""

    rules: StackRules
    services: Mapping[str, LockedService]

    @classmethod
    def of(cls, checkout: Path, stack: str) -> "StackLock":
        """Reads both.

        Raises:
            DeliveryError, ModelStoreError: there are no such settings, or one of the two is wrong.
        """
        lock = _shortened(lock_file(checkout / "locks", stack))
        return cls(StackRules.of(checkout, stack, lock), read_lock(lock).services)

    @property
    def stack(self) -> str:
        """Its name."""
        return self.rules.stack

    @property
    def names(self) -> list[str]:
        """The services that the settings have."""
        return [service.name for service in self.rules.settings.services]

    def chosen(self, services: Sequence[str]) -> list[str]:
        """Those that were named, or all; raises DeliveryError for one that the settings do not have."""
        for name in services:
            self.rules.service(name)
        return [name for name in self.names if not services or name in services]

    def change(self, name: str, after: LockedService | None) -> LockChange:
        """What a service is to run from now on; None for no change, where it runs something."""
        before = self.services.get(name)
        return LockChange(self.rules.lock, name, before, after or self.services[name])

    def write(self, changes: Sequence[LockChange], what: str, notes: Sequence[str] = ()) -> Move:
        """Writes the lock; raises ModelStoreError when somebody else has changed one of the services since."""
        write_changes(self.rules.lock, changes)
        return Move(lock=self.rules.lock, changes=tuple(changes), what=what, notes=tuple(notes))


def _shortened(path: Path) -> Path:
    """As a person would write it who is in the checkout."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def stale(ledger: Ledger) -> list[str]:
    """That the newest releases may be missing, if so."""
    return [f"the newest releases may be missing: {ledger.stale}"] if ledger.stale else []
