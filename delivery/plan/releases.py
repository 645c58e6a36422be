"""The releases that a clone knows of without asking anybody."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from delivery.errors import DeliveryError
from delivery.git import Git
from delivery.release.branch import Branch
from delivery.release.files import is_record, newest_first, read
from delivery.release.record import Record


@dataclass(frozen=True)
class Built:
    """What an image was built from.

    Attributes:
        commit: the last that touched the app's folder, of those in it.
        folder: of the app.
    """

    commit: str
    folder: str


def known_releases(checkout: Path) -> list[Record]:
    """What the clone has of the branch `releases`, newest first. Nothing is fetched: a plan needs no network, and that of a fork has no releases."""
    try:
        branch = Branch.of(checkout, "origin")
        # A clone that has left files out would fetch them one by one.
        blobs = {} if branch.partial else {path: name for path, name in branch.blobs(branch.tip()).items() if is_record(path)}
        contents = list(branch.contents(list(blobs.values())))
    except DeliveryError:
        return []
    return newest_first(record for path, content in zip(blobs, contents, strict=True) if content and (record := _read(content, path)))


def newest(records: Iterable[Record], stack: str) -> Record | None:
    """The newest release of a stack that succeeded."""
    return next((record for record in records if record.stack == stack and record.succeeded), None)


def built_from(records: Iterable[Record], digest: str | None, git: Git) -> Built | None:
    """What an image was built from, if some release of any stack tells of it and the clone has that commit."""
    found = (service for record in records for service in record.services.values() if service.digest == digest and service.app_commit)
    return next((Built(service.app_commit, service.app) for service in found if service.app_commit and has(git, service.app_commit)), None)


def has(git: Git, commit: str) -> bool:
    """Whether the clone has a commit."""
    return git.ask("cat-file", "-e", f"{commit}^{{commit}}") is not None


def _read(content: bytes, path: str) -> Record | None:
    try:
        return read(content, path)
    except DeliveryError:
        # Written by a newer Converge, or by hand; who lists releases is told.
        return None
