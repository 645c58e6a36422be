from model_store.comparison import Comparison
from tests.unit.model_store.samples import locked


def test_equal_versions_differ_in_nothing():
    assert Comparison(locked(), locked()).lines() == ["metric accuracy: 0.9 (unchanged)"]


def test_a_metric_that_is_gone():
    assert Comparison(locked(metrics={"f1": 0.5}), locked(metrics={})).lines() == ["metric f1: 0.5 -> none"]


def test_another_model_is_named():
    assert Comparison(locked(3), locked(1, name="letters")).title == "digits v3 -> letters v1"


def test_for_programs():
    comparison = Comparison(locked(), locked(2, metrics={"accuracy": 1.0, "loss": 2.0})).as_json()
    assert comparison["metrics"]["loss"] == {"before": None, "after": 2.0, "delta": None}
    assert round(comparison["metrics"]["accuracy"]["delta"], 9) == 0.1
    assert comparison["files_changed"] == []
    assert comparison["signature_changed"] is False
