"""What a stack file says about its delivery: for commands around the program, which itself does nothing with it."""

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from settings.fields import MetricName, repeated
from settings.parts import Typed


def _amount(value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError("a number from 0, such as 0.005")
    return value


class MetricGate(Typed):
    """A metric that a model must not worsen."""

    name: MetricName = Field(description="Name of the metric, as training writes it into model.json.")
    better: Literal["higher", "lower"] = Field(default="higher", description="Which of two values is the better one.")
    may_worsen_by: Annotated[float, AfterValidator(_amount)] = Field(default=0.0, description="By how much it may be worse than the running model's.")


def _different_metrics(metrics: tuple[MetricGate, ...]) -> tuple[MetricGate, ...]:
    if twice := repeated([metric.name for metric in metrics]):
        raise ValueError(f"a list of metrics with different names; {twice} is there more than once")
    return metrics


class Delivery(Typed):
    """What a deployment, a promotion and a clean-up go by. The program itself does nothing with it."""

    gates: Annotated[tuple[MetricGate, ...], AfterValidator(_different_metrics)] = Field(
        default=(), description="Metrics that a promotion must not worsen. Contract and golden requests are always asked."
    )
    reason_required: bool = Field(default=False, description="Refuse a promotion without `--reason`.")
    slowest_milliseconds: int = Field(default=1000, ge=1, le=600_000, description="Slowest answer to a golden request that the smoke test accepts.")
    roll_back: bool = Field(default=False, description="Go back to the release before at once when the smoke test fails.")
    keep_releases: int = Field(default=10, ge=1, le=1000, description="How many of the newest releases keep their images.")
