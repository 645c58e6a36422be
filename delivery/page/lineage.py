"""The versions of each model: what they can do, who published them, and where they ran."""

from collections.abc import Sequence
from dataclasses import dataclass

from delivery.page.periods import Period
from model_store import LockedModel


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure of a version.

    Attributes:
        change: against the version before that the releases know; None for the first.
    """

    name: str
    value: float
    change: float | None


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """One version and where it ran, oldest period first."""

    model: LockedModel
    metrics: tuple[Metric, ...]
    ran: tuple[Period, ...]


def lineage(periods: Sequence[Period]) -> dict[str, list[ModelVersion]]:
    """By model, the newest version first. Two models of one name and version (of two stores) are two."""
    found: dict[str, dict[tuple[int, str], list[Period]]] = {}
    for period in periods:
        found.setdefault(period.model.name, {}).setdefault((period.model.version, period.model.sha256), []).append(period)
    return {name: _versions(versions) for name, versions in sorted(found.items())}


def _versions(found: dict[tuple[int, str], list[Period]]) -> list[ModelVersion]:
    versions: list[ModelVersion] = []
    before: LockedModel | None = None
    for _, ran in sorted(found.items()):
        model = ran[0].model
        versions.append(ModelVersion(model=model, metrics=_metrics(model, before), ran=tuple(sorted(ran, key=lambda period: period.start))))
        before = model
    return versions[::-1]


def _metrics(model: LockedModel, before: LockedModel | None) -> tuple[Metric, ...]:
    earlier = before.metrics if before else {}
    return tuple(Metric(name=name, value=value, change=value - earlier[name] if name in earlier else None) for name, value in sorted(model.metrics.items()))
