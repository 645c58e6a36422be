"""Which release to go back to when nobody named one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from delivery.errors import DeliveryError
from delivery.release.ledger import running
from delivery.release.record import Record
from model_store import LockedService

Pair = tuple[str, str | None]
"""sha256 of a model, and digest of an image; None for one that is yet to be built."""


@dataclass(frozen=True)
class Choice:
    """A release to go back to.

    Attributes:
        why: this one, for people.
    """

    release: Record
    why: str


def way_back(stack: str, records: Sequence[Record], lock: Mapping[str, LockedService], services: Collection[str]) -> Choice:
    """The release to go back to.

    Args:
        records: of the stack, newest first.
        lock: what the stack is to run by its lock.
        services: that are to go back.

    Raises:
        DeliveryError: there is none.
    """
    now = running(records)
    if now is None:
        raise DeliveryError(f"no release of {stack} has succeeded yet, so there is none to go back to")
    asked = {name: (service.model.sha256, service.image) for name, service in lock.items() if name in services}
    runs = _pairs(now, services)
    begun = next((record for record in records if any(_goes_back_to(lock.get(name), record) and asked[name] != runs.get(name) for name in services)), None)
    if begun:
        return Choice(begun, "the lock goes back to it already, and it is not deployed yet")
    if records[0] is not now and asked != runs:
        return Choice(now, f"the newest that succeeded; {records[0].id} after it did not")
    if any(service.pin and not _is_pinned(lock.get(name)) for name, service in now.services.items() if name in services):
        return Choice(now, "it runs since a deployment was gone back from at once, and the lock does not say so yet")
    # Who goes back twice goes back further, not to what was gone back from.
    pinned = {service.pin.release for name, service in now.services.items() if name in services and service.pin}
    older = records[1 + max(index for index, record in enumerate(records) if record is now or record.id in pinned) :]
    for record in older:
        then = _pairs(record, services)
        if record.succeeded and any(then[name] != runs.get(name) for name in then):
            return Choice(record, f"the newest before {now.id} that ran anything else")
    raise DeliveryError(f"no earlier release of {stack} ran anything else than {now.id} does; name one with --to if you know better")


def _pairs(record: Record, services: Collection[str]) -> dict[str, Pair]:
    return {name: (service.model.sha256, service.digest) for name, service in record.services.items() if name in services}


def _is_pinned(locked: LockedService | None) -> bool:
    return bool(locked and locked.pin)


def _goes_back_to(locked: LockedService | None, record: Record) -> bool:
    return bool(locked and locked.pin and locked.pin.release == record.id)
