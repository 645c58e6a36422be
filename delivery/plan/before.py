"""What a stack was before a change: what it ran, and which commit its apps are from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from delivery.errors import DeliveryError
from delivery.git import Git
from delivery.plan.releases import has, known_releases, newest
from delivery.plan.report import Operation, PlanReport
from delivery.plan.revisions import Base
from delivery.plan.wanted import wanted
from delivery.release.record import Record
from model_store import Lock, LockedService
from model_store.documents import parse
from model_store.errors import ModelStoreError


@dataclass(frozen=True, kw_only=True)
class Before:
    """One side of a plan.

    Attributes:
        label: the commit or the release, as people know it.
        commit: what the files are compared with; None when it is not known, or not in this clone.
        locked: what ran, by service.
        base_image: that apps were built on; None when that is not known.
        released: the release that the commits of an app are counted from; it may be older than the commit.
        images: digests that ran, by service.
        records: every release that the clone knows of, of any stack.
    """

    label: str
    commit: str | None
    locked: dict[str, LockedService] = field(default_factory=dict)
    base_image: str | None = None
    released: "Released | None" = None
    images: Mapping[str, str] = field(default_factory=dict)
    records: tuple[Record, ...] = ()

    def image(self, service: str) -> str | None:
        """The digest that a service ran: as the lock named it, or as the newest release tells."""
        locked = self.locked.get(service)
        return (locked.image if locked else None) or self.images.get(service)


NOTHING = Before(label="nothing", commit=None)
"""What a plan from nothing starts from."""


@dataclass(frozen=True, kw_only=True)
class Released:
    """The newest release of the stack that this clone knows, with a commit that it has."""

    id: str
    commit: str


def at_commit(checkout: Path, stack: str, base: Base) -> Before:
    """What a commit says that the stack runs; and since when, if the clone knows of a release."""
    git, records = Git(checkout), known_releases(checkout)
    record = newest(records, stack)
    return Before(
        label=base.label,
        commit=base.commit,
        locked=_locked(git, stack, base.commit),
        base_image=_base_image(git, stack, base.commit),
        released=Released(id=record.id, commit=record.commit) if record and has(git, record.commit) else None,
        images=_images(record),
        records=tuple(records),
    )


def as_deployed(checkout: Path, stack: str, record: Record) -> Before:
    """What a release left running."""
    git = Git(checkout)
    commit = record.commit if has(git, record.commit) else None
    return Before(
        label=f"release {record.id}",
        commit=commit,
        locked={name: LockedService(model=service.model, image=service.digest, pin=service.pin) for name, service in record.services.items()},
        base_image=_base_image(git, stack, commit) if commit else None,
        released=Released(id=record.id, commit=commit) if commit else None,
        images=_images(record),
        records=tuple(known_releases(checkout)),
    )


def deployed(checkout: Path, stack: str, report: PlanReport) -> Before | None:
    """What a real stack runs, as its newest release says. None: there was a deployment that no release tells of."""
    from delivery.release.ledger import Ledger  # noqa: PLC0415 - a plan without a real stack asks no remote

    try:
        record = Ledger.of(checkout).latest(stack)
    except DeliveryError:
        record = None
    if record:
        return as_deployed(checkout, stack, record)
    is_new = not report.infrastructure.unchanged and all(change.operation is Operation.CREATE for change in report.infrastructure.changes)
    return NOTHING if is_new else None


def _images(record: Record | None) -> dict[str, str]:
    return {name: service.digest for name, service in record.services.items()} if record else {}


def _locked(git: Git, stack: str, commit: str) -> dict[str, LockedService]:
    answer = git.run("cat-file", "blob", f"{commit}:./locks/{stack}.json")
    try:
        return {} if answer.code else dict(parse(Lock, answer.output, f"locks/{stack}.json of {commit[:7]}").services)
    except ModelStoreError:
        # The base could not be planned with it; a lock of another schema is no reason for that.
        return {}


def _base_image(git: Git, stack: str, commit: str) -> str | None:
    return wanted(git.ask("cat-file", "blob", f"{commit}:./Pulumi.{stack}.yaml") or "").base_image
