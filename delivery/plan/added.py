"""Adds to a plan's resources what they mean: models, apps, pods and pins."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from delivery.plan.apps import app_change
from delivery.plan.before import Before
from delivery.plan.models import model_changes, pinned
from delivery.plan.report import PlanReport
from delivery.plan.rolls import image_of, rolls
from delivery.plan.sections import AppChange
from delivery.plan.wanted import Wanted, of_checkout
from delivery.predictions.of_models import with_predictions
from delivery.predictions.requests import Samples
from local_azure.progress import Progress
from model_store import LockedService, read_lock


def with_sections(report: PlanReport, checkout: Path, before: Before | None, progress: Progress, samples: Samples | None = None) -> PlanReport:
    """The report with its sections filled.

    Args:
        checkout: the folder with what is to be.
        before: what was; None: nobody knows.
        samples: more inputs for both versions of a model that changes.

    Raises:
        ModelStoreError: the lock cannot be read.
    """
    settings = of_checkout(checkout, report.stack)
    locked = read_lock(checkout / "locks" / f"{report.stack}.json").services
    now = {name: service for name, service in locked.items() if name in settings.apps}
    known = before.locked if before else {}
    models = tuple(model_changes(known, now, settings.better)) if before else ()
    return report.model_copy(
        update={
            "models": with_predictions(models, known, now, checkout, progress, samples),
            "apps": tuple(_apps(report, checkout, before, now, settings)) if before and before.commit else (),
            "rolls": tuple(rolls(report.infrastructure, list(now))),
            "pins": tuple(pinned(known, now)),
        }
    )


def _apps(report: PlanReport, checkout: Path, before: Before, now: Mapping[str, LockedService], settings: Wanted) -> Iterator[AppChange]:
    for service, locked in sorted(now.items()):
        image = image_of(report.infrastructure, service, locked.image, before.image(service))
        found = app_change(checkout, service, settings.apps[service], before, locked, settings.base_image, image=image)
        if found:
            yield found
