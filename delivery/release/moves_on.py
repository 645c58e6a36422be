"""On to another stack: model and image of what one runs, into the lock of another."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from delivery.errors import DeliveryError
from delivery.registry import open_registry
from delivery.release.ledger import Ledger, running
from delivery.release.moves_lock import Move, StackLock, stale
from delivery.release.moves_registry import Opener, Puller, images_for, outputs_of
from delivery.release.record import Record, ReleasedService
from model_store import LockChange, LockedService, ModelStoreError, gates
from model_store.gates import Gate
from model_store.promotion import check_pin


def promote(
    checkout: Path,
    source: str,
    target: str,
    services: Sequence[str] = (),
    reason: str = "",
    unpin: bool = False,
    *,
    unchecked: bool = False,
    ledger: Ledger | None = None,
    opener: Opener = open_registry,
) -> Move:
    """Writes model and image of a stack's newest release that succeeded into the lock of another stack.

    Args:
        services: only these, of those that both stacks have.
        unpin: also where somebody went back to an earlier release.
        unchecked: also when nobody can say whether the target gets the image.

    Raises:
        DeliveryError, ModelStoreError: nothing was changed: there is no such release, it is not proven, its image cannot be had, a gate refuses it, or a
            service is pinned.
    """
    if source == target:
        raise DeliveryError(f"--from and --to are both {source}; a promotion goes to another stack")
    here, there = StackLock.of(checkout, source), StackLock.of(checkout, target)
    ledger = ledger or Ledger.of(checkout)
    records = ledger.records()
    release = running(record for record in records if record.stack == source)
    notes = stale(ledger)
    if release is None:
        raise DeliveryError(f"no release of {source} has succeeded yet, so there is nothing to promote; deploy it first: converge deploy {source}")
    wanted = {name: _as_it_runs(release.services[name]) for name in _names(here, there, release, services)}
    # A pin to the very same is no reason to refuse, and none to be taken away.
    moving = [name for name in wanted if not _runs_already(there.services.get(name), wanted[name])]
    changes = [_judged(there, there.change(name, wanted[name]), release, reason) for name in moving]
    problems = [problem for change in changes for problem in _problems(there, change, release, unpin=unpin)]
    if moving:
        newest = running(record for record in records if record.stack == target)
        puller = Puller(target, there.rules.settings, newest, outputs_of(checkout, target))
        images = images_for(puller, release, moving, opener)
        problems += [f"{name}: {why}" for name, why in images.refused.items()]
        unknown = [f"{name}: {why}" for name, why in images.unknown.items()]
        problems += [] if unchecked else [f"{text}; --unchecked goes on all the same" for text in unknown]
        notes += unknown
    if problems:
        raise DeliveryError("\n".join([*problems, f"{target} is not promoted, {there.rules.lock} stays as it is"]))
    return there.write([*changes, *(there.change(name, None) for name in wanted if name not in moving)], f"what release {release.id} of {source} runs", notes)


def _names(here: StackLock, there: StackLock, release: Record, services: Sequence[str]) -> list[str]:
    both = [name for name in there.chosen(services) if name in here.names and name in release.services]
    if absent := [name for name in services if name not in both]:
        raise DeliveryError(f"release {release.id} of {here.stack} does not run {', '.join(absent)}; deploy it there first")
    if not both:
        raise DeliveryError(f"release {release.id} of {here.stack} runs no service that {there.stack} has; {there.stack} has {', '.join(there.names)}")
    return both


def _as_it_runs(released: ReleasedService) -> LockedService:
    return LockedService(model=released.model, image=released.digest)


def _runs_already(locked: LockedService | None, wanted: LockedService) -> bool:
    return locked is not None and (locked.model, locked.image) == (wanted.model, wanted.image)


def _judged(there: StackLock, change: LockChange, release: Record, reason: str) -> LockChange:
    before = change.before.model if change.before else None
    return replace(change, gates=there.rules.judge(change.service, before, change.after, [_golden(release, change.service)], reason))


def _golden(release: Record, name: str) -> Gate:
    """The build of the image has asked the golden requests, or there would be no image; the smoke test asked them again where it ran."""
    smoke = release.services[name].smoke
    asked = next((check for check in smoke.checks if check.name == gates.GOLDEN), None) if smoke else None
    if asked is None or asked.passed is None:
        return Gate(gates.GOLDEN, passed=True, compared="golden requests: answered in the image's build, not asked again since")
    return Gate(gates.GOLDEN, asked.passed, f"golden requests: by the smoke test of release {release.id}, {asked.text}")


def _problems(there: StackLock, change: LockChange, release: Record, *, unpin: bool) -> Iterator[str]:
    name = change.service
    smoke = release.services[name].smoke
    if smoke is None:
        yield f"{name}: release {release.id} of {release.stack} was not tested, so it is not proven; deploy it once more: converge deploy {release.stack}"
    elif not smoke.passed:
        failed = next(check for check in smoke.checks if check.passed is False)
        yield f"{name}: the smoke test of release {release.id} of {release.stack} failed: {failed.name}: {failed.text}"
    if change.gates:
        yield from (f"{name}: {gate}" for gate in change.gates.failed)
    try:
        check_pin(change.before, there.rules.lock, name, unpin=unpin)
    except ModelStoreError as error:
        yield str(error)
