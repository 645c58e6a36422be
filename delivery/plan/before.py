"""What a stack was before a change: what it ran, and which commit its apps are from."""

from dataclasses import dataclass, field
from pathlib import Path

from delivery.errors import DeliveryError
from delivery.git import Git
from delivery.plan.report import Operation, PlanReport
from delivery.plan.revisions import Base
from delivery.plan.wanted import wanted
from delivery.release.record import Record
from model_store import Lock, LockedService
from model_store.documents import parse
from model_store.errors import ModelStoreError

_RELEASES = ("refs/remotes/origin/releases", "refs/heads/releases")
"""Where a clone has the releases that it has fetched. Nothing is fetched: a plan needs no network."""


@dataclass(frozen=True, kw_only=True)
class Before:
    """One side of a plan.

    Attributes:
        label: the commit or the release, as people know it.
        commit: what the files are compared with; None when it is not known, or not in this clone.
        locked: what ran, by service.
        base_image: that apps were built on; None when that is not known.
        released: the release that the commits of an app are counted from; it may be older than the commit.
    """

    label: str
    commit: str | None
    locked: dict[str, LockedService] = field(default_factory=dict)
    base_image: str | None = None
    released: "Released | None" = None


NOTHING = Before(label="nothing", commit=None)
"""What a plan from nothing starts from."""


@dataclass(frozen=True, kw_only=True)
class Released:
    """The newest release of the stack that this clone knows, with a commit that it has."""

    id: str
    commit: str


def at_commit(checkout: Path, stack: str, base: Base) -> Before:
    """What a commit says that the stack runs; and since when, if the clone knows of a release."""
    git = Git(checkout)
    record = newest_record(checkout, stack)
    released = Released(id=record.id, commit=record.commit) if record and _has(git, record.commit) else None
    return Before(
        label=base.label,
        commit=base.commit,
        locked=_locked(git, stack, base.commit),
        base_image=_base_image(git, stack, base.commit),
        released=released,
    )


def as_deployed(checkout: Path, stack: str, record: Record) -> Before:
    """What a release left running."""
    git = Git(checkout)
    commit = record.commit if _has(git, record.commit) else None
    locked = {name: LockedService(model=service.model, image=service.digest, pin=service.pin) for name, service in record.services.items()}
    released = Released(id=record.id, commit=commit) if commit else None
    base_image = _base_image(git, stack, commit) if commit else None
    return Before(label=f"release {record.id}", commit=commit, locked=locked, base_image=base_image, released=released)


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


def newest_record(checkout: Path, stack: str) -> Record | None:
    """The newest deployment of the stack that succeeded and that this clone knows of; None also when a record cannot be read."""
    git = Git(checkout)
    for branch in _RELEASES:
        listed = git.ask("ls-tree", "--full-tree", "--name-only", branch, f"{stack}/")
        names = sorted((name for name in (listed or "").splitlines() if name.endswith(".json")), key=_in_order, reverse=True)
        for name in names:
            try:
                record = parse(Record, git.run("cat-file", "blob", f"{branch}:{name}").output, name)
            except ModelStoreError:
                return None
            if record.succeeded:
                return record
    return None


def _in_order(name: str) -> tuple[str, int]:
    """Of records that began in one second, those with a number are later."""
    begun, _, number = name.rpartition("/")[2].removesuffix(".json").partition("-")
    return begun, int(number or 0)


def _has(git: Git, commit: str) -> bool:
    return git.ask("cat-file", "-e", f"{commit}^{{commit}}") is not None


def _locked(git: Git, stack: str, commit: str) -> dict[str, LockedService]:
    answer = git.run("cat-file", "blob", f"{commit}:./locks/{stack}.json")
    try:
        return {} if answer.code else dict(parse(Lock, answer.output, f"locks/{stack}.json of {commit[:7]}").services)
    except ModelStoreError:
        # The base could not be planned with it; a lock of another schema is no reason for that.
        return {}


def _base_image(git: Git, stack: str, commit: str) -> str | None:
    return wanted(git.ask("cat-file", "blob", f"{commit}:./Pulumi.{stack}.yaml") or "").base_image
