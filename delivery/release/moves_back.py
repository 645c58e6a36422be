"""Back to an earlier release of a stack, and on again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from delivery.checkout import who
from delivery.errors import DeliveryError
from delivery.registry import open_registry, split_host
from delivery.release.ledger import Ledger
from delivery.release.moves_choice import Choice, way_back
from delivery.release.moves_lock import Move, StackLock, stale
from delivery.release.moves_registry import Opener, Puller, presence, still_there
from delivery.release.record import Record, one_line
from model_store import LockChange, LockedService, Pin

_MOST_NAMED = 5
_NO_REASON = "no reason was given"


def rollback(
    checkout: Path,
    stack: str,
    to: str = "",
    reason: str = "",
    services: Sequence[str] = (),
    *,
    ledger: Ledger | None = None,
    opener: Opener = open_registry,
) -> Move:
    """Writes model and image of an earlier release into the stack's lock, pinned. Nothing is built, and the model store is not asked.

    Args:
        to: id of the release, or the beginning of one; the newest before that ran anything else unless given.
        services: only these.

    Raises:
        DeliveryError, ModelStoreError: nothing was changed: there is no such release, it did not succeed, or its image is gone.
    """
    here = StackLock.of(checkout, stack)
    chosen = here.chosen(services)
    ledger = ledger or Ledger.of(checkout)
    choice = Choice(ledger.find(stack, to), "") if to else way_back(stack, ledger.records(stack), here.services, chosen)
    notes = [*stale(ledger), *([f"release {choice.release.id}: {choice.why}"] if choice.why else [])]
    release = choice.release
    if not release.succeeded:
        raise DeliveryError(
            f"release {release.id} of {stack} {release.outcome}, so it is none to go back to; `converge release list {stack}` shows those that succeeded"
        )
    names = [name for name in chosen if name in release.services]
    if absent := [name for name in services if name not in names]:
        raise DeliveryError(f"release {release.id} of {stack} did not run {', '.join(absent)}")
    if not names:
        raise DeliveryError(f"release {release.id} of {stack} ran no service that the stack has by now: {', '.join(chosen)}")
    notes += [f"{name} was no part of release {release.id} and stays as it is" for name in chosen if name not in names and name in here.services]
    changes = [_back(here, name, release, one_line(reason) or _NO_REASON, who(checkout)) for name in names]
    moving = [change.service for change in changes if change.changed]
    _check_registry(here, release, moving)
    notes += _check_images(ledger, release, moving, opener)
    return here.write(changes, f"back to release {release.id}", notes)


def _back(here: StackLock, name: str, release: Record, reason: str, by: str) -> LockChange:
    released, locked = release.services[name], here.services.get(name)
    if locked and locked.pin and (locked.model, locked.image) == (released.model, released.digest):
        return here.change(name, None)
    pin = Pin(release=release.id, reason=reason, by=by, at=datetime.now(UTC))
    return here.change(name, LockedService(model=released.model, image=released.digest, pin=pin))


def _check_registry(here: StackLock, release: Record, names: Sequence[str]) -> None:
    """Refuses a release from before the stack's settings named another registry: its images are looked for in that one."""
    puller = Puller(here.stack, here.rules.settings, None, dict)
    for name in names:
        host = split_host(release.services[name].repository)[0]
        if theirs := puller.other_registry(host):
            by_now = f"its image is in {host}, but {here.stack} pulls from {theirs} by now (converge:registry.registryId)"
            raise DeliveryError(f"release {release.id} of {here.stack} cannot be brought back, {by_now}")


def _check_images(ledger: Ledger, release: Record, names: Sequence[str], opener: Opener) -> list[str]:
    """Refuses a release whose image is gone; says so where that could not be asked, for then the cluster may well get it.

    Raises:
        DeliveryError: names the releases that can be gone back to.
    """
    there = presence(release, names, opener)
    if gone := [name for name in names if there[name] is False]:
        images = ", ".join(release.services[name].image for name in gone)
        able = [record.id for record in still_there(ledger.records(release.stack), names, opener)]
        others = f"releases that can be gone back to: {', '.join(able[:_MOST_NAMED])}" if able else "no release can be gone back to; promote a model instead"
        raise DeliveryError(f"release {release.id} of {release.stack} cannot be brought back, its image is gone: {images}; {others}")
    return [f"the registry could not be asked whether it has {release.services[name].image}" for name in names if there[name] is None]


def unpin(checkout: Path, stack: str, services: Sequence[str] = (), *, ledger: Ledger | None = None) -> Move:
    """Takes pins away. A service that the stack builds from commits is built again; one whose image came from another stack keeps it until the next.

    Raises:
        DeliveryError, ModelStoreError: nothing was changed.
    """
    here = StackLock.of(checkout, stack)
    names = [name for name in here.chosen(services) if name in here.services]
    pinned = [name for name in names if here.services[name].pin]
    if not pinned:
        return here.write([here.change(name, None) for name in names], "nothing is pinned")
    ledger = ledger or Ledger.of(checkout)
    records = ledger.records(stack)
    changes = [here.change(name, _unpinned(here.services[name], _builds(records, name))) for name in pinned]
    notes = [misfit for change in changes for misfit in here.rules.misfits(change.service, change.after)]
    return here.write(changes, f"{', '.join(pinned)} no longer pinned", [*stale(ledger), *notes])


def _unpinned(locked: LockedService, builds: bool) -> LockedService:
    return LockedService(model=locked.model, image=None if builds else locked.image)


def _builds(records: Sequence[Record], name: str) -> bool:
    """Whether the stack builds the service's image, going by its newest release before anybody went back."""
    own = (record.services[name] for record in records if record.succeeded and name in record.services)
    found = next((service for service in own if service.pin is None), None)
    return found is not None and not found.pinned
