"""The record of an update that somebody made with `pulumi up`: from the engine's history, the stack's outputs and the lock."""

from datetime import datetime
from pathlib import Path
from typing import Any

from delivery.deploy.attempt import Attempt, Failure
from delivery.deploy.deployment import Result
from delivery.deploy.provenance import at_commit
from delivery.deploy.scene import Scene
from delivery.errors import DeliveryError
from delivery.release.record import Record
from local_azure.progress import Progress

BY_HAND = "deployed with pulumi up"
_ENDINGS = {"succeeded": None, "failed": Failure.UPDATE}


def record_by_hand(checkout: Path, stack: str, progress: Progress, reason: str = BY_HAND) -> Result:
    """Records the newest update of a stack, once.

    Raises:
        DeliveryError: there was none, it has not ended, or nobody can say from which commit it was made.
    """
    scene = Scene.of(checkout, stack, progress)
    update = scene.engine.newest_update()
    if update is None:
        raise DeliveryError(f"no update of {stack} is in the engine's history; `converge deploy {stack}` makes one and records it")
    if update.get("result") not in _ENDINGS:
        raise DeliveryError(f"the newest update of {stack} is {update.get('result')}; record it when it has ended")
    started, finished = _moment(update, "startTime"), _moment(update, "endTime")
    if known := _recorded(scene.releases, started):
        return Result(record=known, written=None)
    said: dict[str, str] = update.get("environment") or {}
    commit = said.get("git.head")
    if not commit:
        raise DeliveryError(f"the newest update of {stack} was made outside of a repository, so nobody can say what was deployed; deploy again from a clone")
    scene.origin = at_commit(scene.origin, checkout, stack, commit, dirty=said.get("git.dirty") == "true")
    attempt = Attempt(scene=scene, started=started, reason=reason, failure=_ENDINGS[update["result"]], changes=update.get("resourceChanges") or {})
    seconds = (finished - started).total_seconds()
    record = attempt.record().model_copy(update={"finished_at": finished, "duration_seconds": seconds})
    written = scene.ledger.write(record)
    return Result(record=written.record, written=written)


def _recorded(releases: list[Record], started: datetime) -> Record | None:
    """The record of the deployment that an update belongs to: `converge deploy` begins before it and ends after it."""
    return next((record for record in releases if record.started_at <= started <= record.finished_at), None)


def _moment(update: dict[str, Any], key: str) -> datetime:
    try:
        return datetime.fromisoformat(update[key])
    except (KeyError, ValueError, TypeError) as error:
        raise DeliveryError(f"the engine's history does not say the {key} of the newest update: {update.get(key)!r}") from error
