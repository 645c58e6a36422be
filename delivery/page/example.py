"""A ledger made up for pictures and tests: two stacks over seven weeks, with everything that can happen to a release. The same in every run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from delivery.release.record import Check, Outcome, Record, ReleasedService, SmokeResult, id_of
from model_store import LockedModel, Pin

NOW = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
"""When the example is looked at."""
_BEGAN = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)
_REGISTRY = "convergeexample.azurecr.io"
_PEOPLE = {"pipeline": "github-actions (deploy)", "ml": "mira.okafor@example.com", "app": "jonas.lind@example.com", "ops": "sofia.reyes@example.com"}
_ACCURACY = {"digits": {9: 0.9611, 10: 0.9644, 11: 0.9689, 12: 0.9722, 13: 0.9733}, "sentiment": {3: 0.8831, 4: 0.8907, 5: 0.8894}}


def hexes(*parts: object) -> str:
    """A hash that stands for something, the same every time."""
    return sha256(" ".join(map(str, parts)).encode()).hexdigest()


def example_model(name: str, version: int) -> LockedModel:
    """A published version."""
    accuracy = _ACCURACY[name][version]
    published = _BEGAN - timedelta(days=3) + timedelta(days=9 * (version - min(_ACCURACY[name])), hours=version)
    inputs, outputs = ([{"name": part, "datatype": "FP32", "shape": [-1, size]}] for part, size in (("input", 64), ("scores", 10)))
    files = {
        file: {"sha256": hexes(name, version, file), "size": size}
        for file, size in (("model.onnx", 20_992 if name == "digits" else 4_718_592), ("golden.json", 7_266), ("manifest.json", 1_215))
    }
    metrics = {"accuracy": accuracy, "log_loss": round(1.1 - accuracy, 4)}
    values = {"name": name, "version": version, "files": files, "inputs": inputs, "outputs": outputs, "metrics": metrics}
    data = {"name": f"{name} scans", "rows": 12_000 + 850 * version, "sha256": hexes("data", name, version // 2)}
    training = {"command": f"python -m training.train --seed {version}", "commit": hexes("training", name, version)[:40], "data": data}
    return LockedModel.model_validate({**values, "published_at": published, "published_by": _PEOPLE["ml"], "training": training})


@dataclass
class _Story:
    """Records as they are made, oldest first."""

    records: list[Record] = field(default_factory=list)
    runs: dict[str, dict[str, ReleasedService]] = field(default_factory=dict)

    def deploy(self, stack: str, day: float, models: Mapping[str, int], app: int, **told: Any) -> Record:
        """A deployment; what failed leaves running what ran before."""
        started = _BEGAN + timedelta(days=day)
        outcome = told.pop("outcome", Outcome.SUCCEEDED)
        pins: Mapping[str, Pin] = told.pop("pins", {})
        seconds = told.pop("seconds", 48 + (int(day * 7) % 31))
        wanted = {name: _service(name, version, app, pins.get(name), promoted=stack == "prod") for name, version in models.items()}
        before = self.runs.get(stack, {})
        self.runs[stack] = wanted if outcome is Outcome.SUCCEEDED else before
        previous = next((record.id for record in reversed(self.records) if record.stack == stack), None)
        values = {
            "id": id_of(started),
            "stack": stack,
            "outcome": outcome,
            "started_at": started,
            "finished_at": started + timedelta(seconds=seconds),
            "duration_seconds": seconds,
            "by": _PEOPLE[told.pop("by", "pipeline")],
            "commit": hexes("commit", app, models)[:40],
            "plan_sha256": hexes("plan", stack, day),
            "resource_changes": {"same": 31, "update": 2},
            "services": self.runs[stack],
            "previous": previous,
            "lock_commit": hexes("lock", stack, models)[:40],
            "run": f"https://github.com/example/converge/actions/runs/{70_000 + int(day * 100)}",
        }
        record = Record.model_validate({**values, **told})
        self.records.append(record)
        return record


def example_records() -> list[Record]:
    """The example's releases, newest first."""
    story = _Story()
    dev, prod = "dev", "prod"
    first = {"digits": 9, "sentiment": 3}
    story.deploy(dev, 0.0, first, 1, seconds=412, resource_changes={"create": 33}, by="ops")
    story.deploy(prod, 1.1, first, 1, seconds=655, resource_changes={"create": 47}, by="ops", approved_by=_PEOPLE["ops"])
    for number, day in enumerate((2.2, 4.3, 6.1)):
        story.deploy(dev, day, first, 2 + number, pull_request=f"https://github.com/example/converge/pull/{41 + number}")
    story.deploy(dev, 7.4, {**first, "digits": 10}, 4, reason="digits v10 was published: accuracy 0.9611 -> 0.9644")
    good = story.deploy(prod, 9.3, {**first, "digits": 10}, 4, approved_by=_PEOPLE["ops"], reason="promoted from dev 20261012T173600Z")
    story.deploy(dev, 11.2, {**first, "digits": 10}, 5)
    told = "the roll-out of digits stopped after 180 s: 1 of 2 new pods never got ready (readinessProbe: HTTP 503, model not loaded); the old pods serve"
    story.deploy(dev, 13.4, {**first, "digits": 10}, 6, outcome=Outcome.FAILED, reason=told, seconds=221)
    story.deploy(dev, 13.6, {**first, "digits": 10}, 7, pull_request="https://github.com/example/converge/pull/52")
    story.deploy(dev, 16.3, {"digits": 11, "sentiment": 3}, 7, reason="digits v11 was published: accuracy 0.9644 -> 0.9689")
    story.deploy(dev, 18.1, {"digits": 11, "sentiment": 4}, 7, reason="sentiment v4 was published: accuracy 0.8831 -> 0.8907")
    story.deploy(prod, 20.3, {"digits": 11, "sentiment": 4}, 7, approved_by=_PEOPLE["ops"], reason="promoted from dev")
    pin = Pin(release=good.id, reason="v11 reads 1 as 7 in customers' scans", by=_PEOPLE["ops"], at=_BEGAN + timedelta(days=22.6))
    back = {"digits": 10, "sentiment": 4}
    story.deploy(prod, 22.6, back, 4, by="ops", seconds=24, pins={"digits": pin}, reason=f"rolled back to {good.id}: {pin.reason}")
    for number, day in enumerate((23.2, 25.3, 27.1, 28.4)):
        story.deploy(dev, day, {"digits": 11, "sentiment": 4}, 8 + number, pull_request=f"https://github.com/example/converge/pull/{55 + number}")
    story.deploy(dev, 30.5, {"digits": 12, "sentiment": 4}, 11, reason="digits v12 was published: accuracy 0.9689 -> 0.9722")
    story.deploy(prod, 33.3, {"digits": 12, "sentiment": 4}, 11, approved_by=_PEOPLE["ops"], reason="promoted from dev; digits is no longer pinned")
    slow = "the smoke test failed: sentiment answers in 912 ms, allowed are 500 ms; the release before was deployed again"
    story.deploy(dev, 37.4, {"digits": 12, "sentiment": 5}, 12, outcome=Outcome.ROLLED_BACK, reason=slow, seconds=97)
    story.deploy(dev, 37.43, {"digits": 12, "sentiment": 4}, 11, reason="rolled back after the smoke test failed", seconds=26)
    for number, day in enumerate((39.2, 41.3, 44.1)):
        story.deploy(dev, day, {"digits": 12, "sentiment": 4}, 13 + number, pull_request=f"https://github.com/example/converge/pull/{63 + number}")
    story.deploy(prod, 45.3, {"digits": 12, "sentiment": 4}, 15, approved_by=_PEOPLE["ops"], reason="promoted from dev")
    story.deploy(dev, 47.3, {"digits": 13, "sentiment": 4}, 15, reason="digits v13 was published: accuracy 0.9722 -> 0.9733")
    story.deploy(dev, 49.2, {"digits": 13, "sentiment": 4}, 16, pull_request="https://github.com/example/converge/pull/71")
    return sorted(story.records, key=lambda record: record.id, reverse=True)


def example_present(records: Sequence[Record]) -> dict[str, bool | None]:
    """Which images are still there: those of the first week are gone."""
    there = {service.digest: record.started_at > _BEGAN + timedelta(days=7) for record in reversed(records) for service in record.services.values()}
    return dict(there)


def many_records(count: int) -> list[Record]:
    """So many releases of three stacks, newest first: what the page is measured with."""
    story = _Story()
    for number in range(count):
        version = 9 + (number // 40) % 5
        outcome = Outcome.FAILED if number % 37 == 36 else Outcome.SUCCEEDED
        story.deploy(("dev", "dev", "prod")[number % 3], number / 20, {"digits": version, "sentiment": 3}, number // 2, outcome=outcome)
    return story.records[::-1]


def _service(name: str, version: int, app: int, pin: Pin | None, *, promoted: bool) -> ReleasedService:
    checks = (
        Check(name="ready", passed=True, text="the service answers its ready path"),
        Check(name="metadata", passed=True, text=f"runs {name} v{version}, as the lock says"),
        Check(name="golden requests", passed=True, text="8 of 8 answers are right"),
        Check(name="latency", passed=True, text="slowest answer 31 ms, allowed are 500 ms"),
    )
    return ReleasedService(
        model=example_model(name, version),
        image=f"{_REGISTRY}/{name}@sha256:{hexes('image', name, version, app)}",
        pinned=promoted,
        pin=pin,
        namespace=name,
        app=f"apps/{name}",
        app_commit=hexes("app", name, app)[:40],
        smoke=SmokeResult(checks=checks, slowest_milliseconds=31.0),
    )
