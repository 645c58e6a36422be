"""One update of a stack with its smoke test, and the record of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from delivery.deploy.scene import Scene
from delivery.errors import DeliveryError
from delivery.release.record import Outcome, Record, ReleasedService, SmokeResult, id_of, one_line
from delivery.smoke.stack import failures, smoke

_PODS = "kubernetes:apps/v1:Deployment "
_IMAGE = "docker-build:index:Image "


class Failure(StrEnum):
    """Where an attempt ended."""

    UPDATE = "the update failed"
    SMOKE = "the smoke test failed"
    UNASKED = "the smoke test could not be made"
    ENDED = "it could not be finished"
    STOPPED = "it was interrupted"


@dataclass(kw_only=True)
class Attempt:
    """What was tried, and what came of it.

    Attributes:
        plan_sha256: of the plan that is carried out; None where none was made.
        reason: why it is made; empty for a usual one.
        failure: None while nothing failed.
        why: of the failure, in one line.
        pods_touched: the update got as far as a roll-out.
        image_touched: an image was built.
    """

    scene: Scene
    started: datetime
    plan_sha256: str | None = None
    reason: str = ""
    failure: Failure | None = None
    why: str = ""
    changes: Mapping[str, int] = field(default_factory=dict)
    pods_touched: bool = False
    image_touched: bool = False
    results: dict[str, SmokeResult] = field(default_factory=dict)

    def run(self, *, update: bool) -> None:
        """Updates the stack, unless there is nothing to update, and asks its services. What goes wrong is told and kept, not raised.

        Raises:
            DeliveryError: the engine does not tell what runs.
        """
        if update and not self._updated():
            return
        scene = self.scene
        scene.outputs = scene.engine.outputs()
        try:
            services, models, store = scene.services, scene.models(), str(scene.outputs.get("modelStore", ""))
            self.results = smoke(scene.checkout, services, models, store, scene.settings.delivery.slowest_milliseconds, scene.progress)
        except DeliveryError as error:
            self.fail(Failure.UNASKED, str(error))
        else:
            if wrong := failures(self.results):
                self.fail(Failure.SMOKE, "; ".join(wrong))

    def _updated(self) -> bool:
        scene = self.scene
        with scene.progress.phase(f"pulumi up of {scene.stack}") as phase:
            run = scene.engine.update(phase.detail, scene.progress.say)
        self.changes = run.changes
        self.pods_touched, self.image_touched = (any(resource.startswith(kind) for resource in run.touched) for kind in (_PODS, _IMAGE))
        if run.problem:
            scene.progress.say(run.problem)
            self.fail(Failure.UPDATE, run.problem)
        return not run.problem

    def fail(self, failure: Failure, why: str) -> None:
        """Keeps the first failure; those that follow from it say less."""
        if self.failure is None:
            self.failure, self.why = failure, one_line(why)

    def end(self, error: BaseException) -> None:
        """Keeps what ended it from outside; an interruption has no text."""
        ours = isinstance(error, Exception)
        self.fail(Failure.ENDED if ours else Failure.STOPPED, str(error) or (type(error).__name__ if ours else ""))

    def services(self) -> dict[str, ReleasedService]:
        """What runs now, as far as it is known; never raises."""
        try:
            if self.failure in (Failure.UPDATE, Failure.ENDED, Failure.STOPPED):
                self.scene.outputs = self.scene.engine.outputs()
            return self.scene.released(self.results)
        except DeliveryError:
            return {}

    def record(self) -> Record:
        """What is kept of it."""
        scene, origin = self.scene, self.scene.origin
        finished = datetime.now(UTC)
        before = scene.current
        told = f"{self.failure}: {self.why}" if self.failure and self.why else str(self.failure or "")
        return Record(
            id=id_of(self.started),
            stack=scene.stack,
            outcome=Outcome.FAILED if self.failure else Outcome.SUCCEEDED,
            reason=one_line("; ".join(text for text in (self.reason, told) if text)),
            started_at=self.started,
            finished_at=finished,
            duration_seconds=round((finished - self.started).total_seconds(), 1),
            by=origin.by,
            approved_by=origin.approved_by,
            commit=origin.commit,
            dirty=origin.dirty,
            lock_commit=origin.lock_commit,
            pull_request=origin.pull_request,
            run=origin.run,
            plan_sha256=self.plan_sha256,
            resource_changes={operation: count for operation, count in self.changes.items() if count},
            services=self.services(),
            previous=before.id if before else None,
        )
