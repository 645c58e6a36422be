"""What a plan says of models and pins."""

from datetime import UTC, datetime

import pytest

from delivery.plan.models import model_changes, pinned
from delivery.plan.sections import MetricChange
from model_store import Pin
from tests.unit.delivery.plan.reports import locked

IMAGE = f"sha256:{'d' * 64}"


def test_nothing_is_said_of_a_model_that_stays_or_whose_image_alone_changes():
    assert list(model_changes({"a": locked()}, {"a": locked(image=IMAGE)}, {})) == []


def test_the_first_model_another_one_and_one_that_goes():
    before = {"old": locked(3), "same": locked(), "gone": locked(7)}
    found = {change.service: change for change in model_changes(before, {"old": locked(4, content="f"), "same": locked(), "new": locked()}, {})}
    assert list(found) == ["gone", "new", "old"]
    assert (found["new"].before, found["new"].after and found["new"].after.version) == (None, 1)
    assert (found["gone"].before and found["gone"].before.version, found["gone"].after) == (7, None)
    other = found["old"]
    assert (other.before and other.before.version, other.after and other.after.version) == (3, 4)
    assert other.files == ("model.onnx",)
    assert other.after
    assert (other.after.sha256, other.after.size, other.after.published_by) == ("f" * 64, 21_000, "ann")


def test_the_signature_is_told_when_it_differs():
    other = locked(2, inputs=[{"name": "image", "datatype": "FP64", "shape": [-1, 64]}])
    (change,) = model_changes({"a": locked()}, {"a": other}, {})
    assert change.signature == ("inputs: image FP32 [-1, 64] -> image FP64 [-1, 64]",)


@pytest.mark.parametrize(
    ("name", "before", "after", "verdict"),
    [
        ("accuracy", 0.9, 0.95, "better"),
        ("accuracy", 0.95, 0.9, "worse"),
        ("accuracy", 0.9, 0.9, ""),
        ("log_loss", 0.2, 0.1, "better"),
        ("log_loss", 0.1, 0.2, "worse"),
        ("unknown", 0.1, 0.2, ""),
    ],
)
def test_better_and_worse_are_what_the_gates_say(name: str, before: float, after: float, verdict: str):
    (change,) = model_changes({"a": locked(metrics={name: before})}, {"a": locked(2, metrics={name: after})}, {"accuracy": "higher", "log_loss": "lower"})
    assert change.metrics == (MetricChange(name=name, before=before, after=after, verdict=verdict),)


def test_a_metric_that_only_one_version_has():
    (change,) = model_changes({"a": locked(metrics={"x": 1.0})}, {"a": locked(2, metrics={"y": 2.0})}, {"x": "higher"})
    assert change.metrics == (MetricChange(name="x", before=1.0, after=None), MetricChange(name="y", before=None, after=2.0))


def test_pins_of_people_and_of_promotions():
    pin = Pin(release="20261124T231847Z", reason="labels flip", by="ann", at=datetime(2026, 11, 25, tzinfo=UTC))
    now = {"a": locked(image=IMAGE, pin=pin), "b": locked(image=IMAGE), "c": locked()}
    first, second = pinned({"a": now["a"], "b": locked()}, now)
    assert (first.service, first.image, first.release, first.by, first.reason, first.new) == ("a", IMAGE, pin.release, "ann", "labels flip", False)
    assert (second.service, second.release, second.new) == ("b", "", True)
