"""What changes in the models of a stack."""

from collections.abc import Iterator, Mapping

from delivery.plan.sections import MetricChange, ModelChange, ModelVersion, PinnedService
from model_store import LockedModel, LockedService, layout
from model_store.comparison import Comparison


def model_changes(before: Mapping[str, LockedService], now: Mapping[str, LockedService], better: Mapping[str, str]) -> Iterator[ModelChange]:
    """A change per service that runs another model, the first one, or none any more.

    Args:
        better: of each metric that the stack's gates know, `higher` or `lower`.
    """
    for service in sorted(before.keys() | now.keys()):
        old, new = (side[service].model if service in side else None for side in (before, now))
        if old == new:
            continue
        yield ModelChange(
            service=service,
            before=_version(old) if old else None,
            after=_version(new) if new else None,
            metrics=tuple(_metrics(old, new, better)) if new else (),
            files=tuple(file for file in layout.CONTENT if old.files[file] != new.files[file]) if old and new else (),
            signature=tuple(_signature(old, new)) if old and new else (),
        )


def pinned(before: Mapping[str, LockedService], now: Mapping[str, LockedService]) -> Iterator[PinnedService]:
    """The services whose image is one that was built before."""
    for service, locked in sorted(now.items()):
        if locked.image:
            pin, old = locked.pin, before.get(service)
            why = {"release": pin.release, "reason": pin.reason, "by": pin.by, "at": pin.at} if pin else {}
            yield PinnedService(service=service, image=locked.image, new=old is None or old.image != locked.image, **why)


def _version(model: LockedModel) -> ModelVersion:
    return ModelVersion(
        name=model.name,
        version=model.version,
        sha256=model.sha256,
        size=model.files[layout.MODEL].size,
        published_at=model.published_at,
        published_by=model.published_by,
    )


def _metrics(old: LockedModel | None, new: LockedModel, better: Mapping[str, str]) -> Iterator[MetricChange]:
    pairs = Comparison(old, new).metrics() if old else {name: (None, value) for name, value in sorted(new.metrics.items())}
    for name, (before, after) in pairs.items():
        yield MetricChange(name=name, before=before, after=after, verdict=_verdict(before, after, better.get(name)))


def _verdict(before: float | None, after: float | None, better: str | None) -> str:
    if before is None or after is None or before == after or better is None:
        return ""
    return "better" if (after > before) == (better == "higher") else "worse"


def _signature(old: LockedModel, new: LockedModel) -> Iterator[str]:
    for side in ("inputs", "outputs"):
        before, after = getattr(old, side), getattr(new, side)
        if before != after:
            yield f"{side}: {', '.join(map(str, before))} -> {', '.join(map(str, after))}"
