"""Promoting: a published version into a stack's lock. The commit of that lock is what decides that a stack runs it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_store import layout
from model_store.comparison import Comparison
from model_store.errors import ModelStoreError
from model_store.gates import GateReport, GatesFailedError
from model_store.lock import Lock, LockedModel, LockedService, exclusive, read_lock, write_lock

if TYPE_CHECKING:
    from model_store.store import ModelStore

_SHOWN_OF_DIGEST = 19

Gatekeeper = Callable[[LockedModel | None, LockedModel], GateReport]
"""Asks a model, the second one, everything that is to be asked before it may take the place of the first."""


@dataclass(frozen=True)
class LockChange:
    """What was done to one service of a lock; `before` is None for a service that ran nothing yet.

    Attributes:
        gates: what the model was asked; None when it was not.
    """

    path: Path
    service: str
    before: LockedService | None
    after: LockedService
    gates: GateReport | None = None

    @property
    def changed(self) -> bool:
        """Whether the lock is another one now."""
        return self.before != self.after

    @property
    def title(self) -> str:
        """As `digits v1 -> v2`, or `digits v1` when the model stays."""
        model = self.after.model
        if self.before is None:
            return f"nothing -> {model.name} v{model.version}"
        return f"{model.name} v{model.version}" if self.before.model == model else Comparison(self.before.model, model).title

    def lines(self) -> list[str]:
        """What changed, the first line being the summary."""
        model = self.after.model
        if not self.changed:
            return [f"{self.path}: service {self.service} runs {model.name} v{model.version} already, nothing changed"]
        summary = f"{self.path}: service {self.service}: {self.title}"
        if self.before is None:
            return [summary, *(f"metric {name}: {value:.6g}" for name, value in sorted(model.metrics.items())), *self._image(None), *self._pin()]
        compared = Comparison(self.before.model, model).lines() if self.before.model != model else []
        return [summary, *compared, *self._image(self.before.image), *self._pin()]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "lock": str(self.path),
            "service": self.service,
            "changed": self.changed,
            "before": self.before.model_dump(mode="json") if self.before else None,
            "after": self.after.model_dump(mode="json"),
            "gates": self.gates.as_json() if self.gates else None,
        }

    def _image(self, before: str | None) -> list[str]:
        after = self.after.image
        if before == after:
            return []
        if after is None:
            return [f"image: no longer pinned to {before}, built from the commit"]
        if self.before is None:
            return [f"image: {after}"]
        return [f"image: {before[:_SHOWN_OF_DIGEST] if before else 'built from the commit'} -> {after}"]

    def _pin(self) -> list[str]:
        before, after = self.before.pin if self.before else None, self.after.pin
        if before == after:
            return []
        gone = [f"pin: taken away; it was set {before.at:%Y-%m-%d %H:%M} UTC by {before.by}: {before.reason}"] if before else []
        return [*gone, f"pin: stays at release {after.release} until it is unpinned: {after.reason}"] if after else gone


def promote(
    store: "ModelStore", name: str, version: int | None, lock_path: Path, service: str, gatekeeper: Gatekeeper | None = None, *, unpin: bool = False
) -> LockChange:
    """Writes a published version, None meaning the latest, into a lock as what the service runs, with an image built from the commit.

    Args:
        gatekeeper: asked before a model takes the place of another one.
        unpin: also where somebody went back to an earlier release.

    Raises:
        ModelStoreError: nothing was changed: no such version, its files are not in the store, a gate refuses it, the service is pinned, or the lock cannot be
            read or written.
    """
    layout.check_name(service, "service")
    before = read_lock(lock_path).services.get(service)
    check_pin(before, lock_path, service, unpin=unpin)
    candidate = store.locked(name, store.resolve(name, version))
    after = LockedService(model=candidate, image=None)
    change = LockChange(lock_path, service, before, after)
    if change.changed and gatekeeper:
        report = gatekeeper(before.model if before else None, candidate)
        if not report.passed:
            raise GatesFailedError(report, f"{candidate.name} v{candidate.version} is not promoted, {lock_path} stays as it is")
        change = LockChange(lock_path, service, before, after, report)
    write_changes(lock_path, [change])
    return change


def check_pin(locked: LockedService | None, lock_path: Path, service: str, *, unpin: bool) -> None:
    """Refuses to touch a service that somebody went back to an earlier release of.

    Raises:
        ModelStoreError: says since when, by whom and why.
    """
    if locked and locked.pin and not unpin:
        pin = locked.pin
        raise ModelStoreError(
            f"service {service} of {lock_path} is pinned to release {pin.release} since {pin.at:%Y-%m-%d %H:%M} UTC by {pin.by}: {pin.reason}; "
            f"nothing was changed. Give --unpin when that is over, or take the pin away by itself: converge release unpin {lock_path.stem}"
        )


def write_changes(lock_path: Path, changes: Sequence[LockChange]) -> None:
    """Writes changes into a lock, all or none; other services stay as they are then.

    Raises:
        ModelStoreError: somebody else has changed one of the services since it was read, or the lock cannot be written.
    """
    changed = {change.service: change for change in changes if change.changed}
    if not changed:
        return
    with exclusive(lock_path):
        services = read_lock(lock_path).services
        for service, change in changed.items():
            if services.get(service) != change.before:
                raise ModelStoreError(f"another command has changed service {service} of {lock_path} in the meantime; nothing was changed, run this one again")
        write_lock(lock_path, Lock(services={**services, **{service: change.after for service, change in changed.items()}}))
