"""What ran when: from releases to the times in which a service ran one version of a model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from delivery.release.record import Record, ReleasedService
from model_store import LockedModel


@dataclass
class Period:
    """A time in which one service of one stack ran one version of a model.

    Attributes:
        end: None while it still runs.
        releases: those that brought it or kept it, oldest first; a new image of the app does not end the period.
    """

    stack: str
    service: str
    model: LockedModel
    start: datetime
    end: datetime | None = None
    releases: list[Record] = field(default_factory=list)

    @property
    def pinned(self) -> bool:
        """Whether somebody had gone back to it, and it stays there."""
        return self.releases[-1].services[self.service].pin is not None

    @property
    def new_images(self) -> list[Record]:
        """Releases after the first that brought another image."""
        return [later for earlier, later in pairwise(self.releases) if later.services[self.service].digest != earlier.services[self.service].digest]


def periods(records: Sequence[Record]) -> list[Period]:
    """The periods of all stacks and services, in the order of stack, service and time.

    Args:
        records: newest first.
    """
    lanes = sorted({(record.stack, name) for record in records if record.succeeded for name in record.services})
    return [period for stack, service in lanes for period in _of_lane(records, stack, service)]


def _of_lane(records: Sequence[Record], stack: str, service: str) -> Iterator[Period]:
    current: Period | None = None
    for record in reversed(records):
        if record.stack != stack or not record.succeeded:
            continue
        runs = record.services.get(service)
        if current and (runs is None or runs.model.sha256 != current.model.sha256):
            current.end = record.finished_at
            yield current
            current = None
        if runs:
            current = current or Period(stack, service, runs.model, record.finished_at)
            current.releases.append(record)
    if current:
        yield current


def goes_back(record: Record, before: Record | None) -> bool:
    """Whether a release went back to an earlier one: it has a pin that the one before had not."""
    if not record.succeeded:
        return False
    return any(service.pin and not _has_pin(before, name, service) for name, service in record.services.items())


def _has_pin(before: Record | None, name: str, service: ReleasedService) -> bool:
    earlier = before.services.get(name) if before else None
    return earlier is not None and earlier.pin == service.pin
