"""Where an image comes from: the release that deployed it, and what its commits and its model's manifest tell."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from delivery.git import Git
from delivery.release.ledger import running
from delivery.release.record import Record, ReleasedService
from delivery.why.asking import Said
from model_store import LockedModel, ModelStoreError
from model_store.layout import MANIFEST
from model_store.manifest import Training


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit, as far as this clone knows it.

    Attributes:
        subject: None when the clone does not have the commit.
    """

    id: str
    subject: str | None = None
    author: str | None = None


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The release that deployed what answers, and what is behind it.

    Attributes:
        by_model: the answer did not say its image; the release was found by the model's bytes.
        until: when the stack ran something else instead; None when it runs this.
        commits: by what they are: `commit`, `app`, `lock`.
        also: of other stacks, the newest release with the same image.
        training: None when it is not known; `missing` says why.
        doubts: what does not fit together.
    """

    record: Record
    service_name: str
    service: ReleasedService
    by_model: bool
    until: datetime | None
    commits: dict[str, Commit]
    also: tuple[Record, ...] = ()
    training: Training | None = None
    missing: tuple[str, ...] = ()
    doubts: tuple[str, ...] = field(default=())


def trace(said: Said, records: Sequence[Record], checkout: Path, store: str | None) -> Origin | None:
    """The origin of what answered; None when no release has deployed it.

    Args:
        records: of every stack, newest first; store: URL of the model store, if it is known.
    """
    found = [(record, name) for record in records for name, service in record.services.items() if _is_it(said, service)]
    if not found:
        return None
    # One that failed may have left it running all the same, but one that succeeded says more.
    record, name = next((one for one in found if one[0].succeeded), found[0])
    service = record.services[name]
    training, why_not = _training(service.model, store)
    commits = {"commit": record.commit, "app": service.app_commit, "lock": record.lock_commit}
    others = {other.stack: other for other, _ in reversed(found) if other.stack != record.stack and other.succeeded}
    git = Git(checkout)
    return Origin(
        record=record,
        service_name=name,
        service=service,
        by_model=said.digest is None,
        until=_until(record, name, records),
        commits={kind: _commit(git, commit) for kind, commit in commits.items() if commit},
        also=tuple(others[stack] for stack in sorted(others)),
        training=training,
        missing=(why_not,) if why_not else (),
        doubts=tuple(_doubts(said, record, service)),
    )


def _is_it(said: Said, service: ReleasedService) -> bool:
    return service.digest == said.digest if said.digest else service.model.sha256 == said.sha256


def _until(record: Record, name: str, records: Sequence[Record]) -> datetime | None:
    of_stack = [one for one in records if one.stack == record.stack]
    now = running(of_stack)
    if now and name in now.services and now.services[name].image == record.services[name].image:
        return None
    later = [one for one in of_stack[: of_stack.index(record)] if one.succeeded]
    return later[-1].finished_at if later else None


def _doubts(said: Said, record: Record, service: ReleasedService) -> list[str]:
    doubts: list[str] = []
    if said.digest and said.sha256 and said.sha256 != service.model.sha256:
        doubts.append(f"the answer's model has sha256 {said.sha256}, the release deployed {service.model.sha256}: one of the two is not what it says")
    if not record.succeeded:
        doubts.append(f"the deployment {record.outcome}" + (f": {record.reason}" if record.reason else ""))
    if record.dirty:
        doubts.append("the working tree had changes that no commit holds")
    return doubts


def _commit(git: Git, commit: str) -> Commit:
    said = git.ask("show", "--no-patch", "--no-show-signature", "--format=%s%x00%an", f"{commit}^{{commit}}")
    subject, _, author = (said or "").partition("\0")
    return Commit(id=commit, subject=subject, author=author) if said else Commit(id=commit)


def _training(model: LockedModel, store: str | None) -> tuple[Training | None, str]:
    """How the model was trained, as the lock said or from its manifest, if that is the one that the lock names; else why it is not known."""
    if model.training:
        return model.training, ""
    if not store:
        return None, "training data, its commit and command are in the model store: name it with --store or CONVERGE_MODEL_STORE"
    from model_store import ModelStore  # noqa: PLC0415 - brings Azure's libraries along

    try:
        with ModelStore.open(store) as opened:
            manifest, content = opened.manifest(model.name, model.version)
    except ModelStoreError as error:
        return None, f"training data, its commit and command are not known: {error}"
    if hashlib.sha256(content).hexdigest() != model.files[MANIFEST].sha256:
        return None, f"training data, its commit and command are not known: manifest.json of {model.name} version {model.version} in {store} is another one"
    return manifest.training, ""
