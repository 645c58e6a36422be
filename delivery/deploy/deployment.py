"""A deployment from its plan to its record: live plan, approval, update, smoke test, and the way back when that fails."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from delivery.deploy.attempt import Attempt, Failure
from delivery.deploy.live import differences, live_plan, plan_sha256
from delivery.deploy.provenance import is_dirty
from delivery.deploy.scene import Scene
from delivery.errors import DeliveryError
from delivery.plan.report import PlanReport
from delivery.release.ledger import Written
from delivery.release.record import Outcome, Record
from local_azure.progress import Progress
from model_store import ModelStoreError

_MOST_DIFFERENCES = 40


class PlanChangedError(DeliveryError):
    """What would be done is not what was approved; nothing was done."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a deployment.

    Attributes:
        record: of it; where nothing changed, the one that says already what runs.
        written: what became of the record; None where there was nothing to record.
        failure: None when it succeeded.
        way_back: the roll-back that followed it.
    """

    record: Record
    written: Written | None
    failure: Failure | None = None
    way_back: "Result | None" = None


def deploy(checkout: Path, stack: str, progress: Progress, *, approved: PlanReport | None = None, reason: str = "") -> Record:
    """As `run_deployment`, for those who need only the record."""
    return run_deployment(checkout, stack, progress, approved=approved, reason=reason).record


def run_deployment(checkout: Path, stack: str, progress: Progress, *, approved: PlanReport | None = None, reason: str = "") -> Result:
    """Makes the stack what the checkout says, and writes down how it went, however it goes.

    Args:
        approved: the plan that may be carried out; without one any may. One that was carried out already leaves nothing to approve.
        reason: why, for the record.

    Raises:
        PlanChangedError: another plan than the approved one would be carried out; nothing was changed.
        DeliveryError: it cannot work, and nothing was changed; or the engine does not tell what runs, after the record was written.
    """
    if approved and approved.stack != stack:
        raise DeliveryError(f"the approved plan is of the stack {approved.stack!r}, and {stack!r} is to be deployed")
    started = datetime.now(UTC)
    scene = Scene.of(checkout, stack, progress)
    scene.check_way()
    plan = live_plan(checkout, stack, progress)
    if plan.policies.refuses:
        broken = "\n".join(f"  {one.rule} ({one.severity}): {one.resource}: {one.message}" for one in plan.policies.violations)
        raise DeliveryError(f"the stack refuses an update that breaks a policy (converge:policies is `refuse`), and nothing was changed:\n{broken}")
    if approved and not plan.empty:
        # What was approved may have been done already.
        _check_same(approved, plan)
    attempt = Attempt(scene=scene, started=started, plan_sha256=plan_sha256(plan), reason=reason)
    if plan.empty and not scene.behind:
        progress.say("  nothing to change, so no update is run")
        return _look(attempt)
    return _carry_out(attempt)


def _check_same(approved: PlanReport, plan: PlanReport) -> None:
    found = differences(approved, plan)
    if found:
        more = len(found) - _MOST_DIFFERENCES
        lines = [*found[:_MOST_DIFFERENCES], *([f"and {more} more differences"] if more > 0 else [])]
        again = f"`converge plan {plan.stack} --live --save plan.json`"
        text = "\n".join(f"  {line}" for line in lines)
        raise PlanChangedError(f"this is not the plan that was approved, and nothing was changed:\n{text}\nlook at it anew, and have it approved: {again}")


def _look(attempt: Attempt) -> Result:
    """Asks what runs; recorded only where the ledger does not say it yet, or somebody gave a reason to."""
    scene = attempt.scene
    _guarded(attempt, lambda: attempt.run(update=False))
    if attempt.failure is None and not attempt.reason and scene.recorded(attempt.services()):
        scene.progress.say(f"  release {scene.releases[0].id} says so already, so nothing is recorded")
        return Result(record=scene.releases[0], written=None)
    return _settled(attempt)


def _carry_out(attempt: Attempt) -> Result:
    _guarded(attempt, lambda: attempt.run(update=True))
    return _settled(attempt)


def _settled(attempt: Attempt) -> Result:
    """Goes back where the stack says so, and writes down what was done."""
    scene = attempt.scene
    target = _way_back(attempt)
    if target is None:
        return Result(record=(written := _write(attempt)).record, written=written, failure=attempt.failure)
    # What it says of the services must be from before the way back.
    failed = attempt.record()
    back = Attempt(scene=scene, started=datetime.now(UTC), reason=f"back to release {target.id}, since {attempt.failure}")
    try:
        _go_back(back, target, attempt.why)
    except DeliveryError as error:
        back.fail(Failure.UPDATE, str(error))
        scene.progress.say(f"the way back failed: {error}")
    except BaseException as error:
        back.end(error)
        _published(scene, failed)
        _write(back)
        raise
    outcome = Outcome.FAILED if back.failure else Outcome.ROLLED_BACK
    written = _published(scene, failed.model_copy(update={"outcome": outcome}))
    after = _write(back)
    return Result(record=written.record, written=written, failure=attempt.failure, way_back=Result(record=after.record, written=after, failure=back.failure))


def _way_back(attempt: Attempt) -> Record | None:
    """The release to go back to at once; None where the stack does not say so, or there is none that is any different."""
    scene = attempt.scene
    wanted = attempt.failure is Failure.SMOKE or (attempt.failure is Failure.UPDATE and attempt.pods_touched)
    if not (wanted and scene.settings.delivery.roll_back):
        return None
    target = scene.current
    if target is None:
        scene.progress.say("  no release before is recorded, so there is none to go back to")
    elif _runs_the_same(attempt, target):
        scene.progress.say(f"  release {target.id} has the same models and images, so going back to it would mend nothing")
    else:
        return target
    return None


def _runs_the_same(attempt: Attempt, target: Record) -> bool:
    """Whether what failed differs from a release by other things than models and images, such as the stack's settings."""
    locked = attempt.scene.lock.services
    return all(
        name in locked
        and locked[name].model.sha256 == service.model.sha256
        and (locked[name].image == service.digest if locked[name].image else not attempt.image_touched)
        for name, service in target.services.items()
    )


def _go_back(back: Attempt, target: Record, why: str) -> None:
    from delivery.release.moves import rollback  # noqa: PLC0415 - rarely needed

    scene = back.scene
    scene.progress.say(f"  going back to release {target.id}")
    try:
        move = rollback(scene.checkout, scene.stack, target.id, why, ledger=scene.ledger)
    except ModelStoreError as error:
        raise DeliveryError(str(error)) from error
    for note in move.notes:
        scene.progress.say(f"    {note}")
    scene.read_lock()
    scene.origin = replace(scene.origin, dirty=is_dirty(scene.checkout))
    back.run(update=True)


def _guarded(attempt: Attempt, step: Callable[[], None]) -> None:
    """Writes down also what is interrupted."""
    try:
        step()
    except BaseException as error:
        attempt.end(error)
        _write(attempt)
        raise


def _write(attempt: Attempt) -> Written:
    return _published(attempt.scene, attempt.record())


def _published(scene: Scene, record: Record) -> Written:
    with scene.progress.phase("write the record", quiet_under=2.0):
        return scene.ledger.write(record)
