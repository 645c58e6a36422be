"""Kubernetes objects as kubectl has them, held against what the stack left."""

import json
from pathlib import Path
from typing import Any

import pytest

from delivery.drift.cluster import with_whole_objects
from delivery.drift.judging import judged
from delivery.drift.report import DriftReport
from tests.unit.delivery.drift.stacks import resources, step

SECRET = "[secret]"
LEFT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "digits", "namespace": "apps", "uid": "u1"},
    "spec": {"ports": [{"name": "http", "port": 80}], "token": SECRET},
    "__fieldManager": "converge",
}
FIELDS = [{"manager": "kubectl-label", "time": "2026-11-24T09:00:00Z", "fieldsV1": {"f:metadata": {"f:labels": {"f:team": {}}}}}]
LIVE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "digits", "namespace": "apps", "uid": "u1", "labels": {"team": "x"}, "managedFields": FIELDS},
    "spec": {"ports": [{"name": "http", "port": 80}], "token": "hunter2"},
}
SERVICE = step("kubernetes:core/v1:Service", "s", LEFT, inputs={"spec": {}})


def found(ask: Any, *steps: dict[str, Any]) -> DriftReport:
    whole, notes = with_whole_objects(resources(*steps), ask)
    return judged("dev", whole, lambda _resource: None, lambda: notes)


def test_what_the_engine_does_not_look_at_is_found():
    def ask(manifests: str) -> str:
        assert json.loads(manifests) == {
            "apiVersion": "v1",
            "kind": "List",
            "items": [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "digits", "namespace": "apps"}}],
        }
        return json.dumps(LIVE)

    report = found(ask, SERVICE, step("azure-native:storage:StorageAccount", "a", {"x": 1}))
    (resource,) = report.people
    # And a secret that the engine hides stays hidden, and is no difference.
    assert [(value.path, value.now, value.by, value.declared) for value in resource.values] == [("metadata.labels.team", "x", "kubectl-label", False)]
    assert report.notes == ()
    assert report.unchanged == 1


def test_several_objects_come_as_a_list_and_what_is_not_among_them_stays_as_the_engine_told():
    other = {**LEFT, "metadata": {**LEFT["metadata"], "name": "other", "uid": "u2"}}
    report = found(lambda _manifests: json.dumps({"kind": "List", "items": [LIVE]}), SERVICE, step("kubernetes:core/v1:Service", "o", other))
    assert [resource.name for resource in report.people] == ["s"]
    assert report.unchanged == 1


def test_a_secrets_content_is_told_nowhere():
    left = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "uid": "u1"}, "data": SECRET}
    note = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}
    live = {**left, "metadata": {**left["metadata"], "annotations": note}, "data": {"password": "hunter2"}}
    report = found(lambda _manifests: json.dumps(live), step("kubernetes:core/v1:Secret", "s", left))
    assert [value.now for value in report.people[0].values] == [SECRET]
    assert "hunter2" not in report.model_dump_json()


def test_another_cluster_is_not_compared():
    """The current context of kubectl may be any."""
    live = {**LIVE, "metadata": {**LIVE["metadata"], "uid": "another"}}
    for answer in (json.dumps(live), ""):
        report = found(lambda _manifests, answer=answer: answer, SERVICE)
        assert report.people == ()
        assert report.notes == ("Kubernetes objects are compared only as far as the program sets them: kubectl's current context is another cluster",)


def test_without_objects_nobody_is_asked():
    def never(_manifests: str) -> str:
        raise AssertionError

    gone = step("kubernetes:core/v1:Service", "s", LEFT, None)
    simulated = step("kubernetes:core/v1:Service", "t", {"metadata": {"name": "t"}})
    assert found(never, gone, simulated).notes == ()


@pytest.mark.parametrize(
    ("kubectl", "why"),
    [
        (None, "there is no kubectl on PATH"),
        ("echo 'error: You must be logged in' >&2; exit 1", "kubectl: error: You must be logged in"),
        ("echo nonsense", "kubectl's answer is no JSON"),
    ],
)
def test_a_cluster_that_cannot_be_asked_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kubectl: str | None, why: str):
    if kubectl:
        program = tmp_path / "kubectl"
        program.write_text(f"#!/bin/sh\n{kubectl}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    report = found(None, SERVICE)
    assert report.people == ()
    assert report.notes == (f"Kubernetes objects are compared only as far as the program sets them: {why}",)
