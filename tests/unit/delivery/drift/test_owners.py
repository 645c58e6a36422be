"""Who owns a field of a Kubernetes object."""

from typing import Any

import pytest

from delivery.drift.owners import Owner, owners_of
from delivery.drift.paths import parts_of

LIVE: dict[str, Any] = {
    "metadata": {
        "labels": {"team": "x"},
        "annotations": {"a.b/c": "d"},
        "finalizers": ["one", "two"],
        "managedFields": [
            {
                "manager": "converge",
                "operation": "Apply",
                "time": "2026-11-24T10:00:00Z",
                "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {"f:containers": {'k:{"name":"app"}': {".": {}, "f:name": {}}}}}},
            },
            {
                "manager": "kubectl-set",
                "time": "2026-11-24T11:00:00Z",
                "fieldsV1": {
                    "f:metadata": {"f:annotations": {"f:a.b/c": {}}, "f:finalizers": {'v:"two"': {}}},
                    "f:spec": {"f:template": {"f:containers": {'k:{"name":"app"}': {"f:image": {}}, 'k:{"name":"side"}': {"f:image": {}, "f:args": {}}}}},
                },
            },
            {"manager": "kubectl-edit", "time": "2026-11-24T12:00:00Z", "fieldsV1": {"f:metadata": {"f:labels": {}}, "f:spec": {"f:replicas": {}}}},
        ],
    },
    "spec": {"replicas": 5, "template": {"containers": [{"name": "app", "image": "x:2"}, {"name": "side", "image": "y", "args": ["a"]}]}},
}


@pytest.mark.parametrize(
    ("path", "managers"),
    [
        ("spec.replicas", ["kubectl-edit"]),
        ("spec.template.containers[0].image", ["kubectl-set"]),
        ("spec.template.containers[0].name", []),
        ("spec.template.containers[1].args[0]", ["kubectl-set"]),
        ("spec.template.containers[7].image", []),
        ('metadata.annotations["a.b/c"]', ["kubectl-set"]),
        ("metadata.finalizers[1]", ["kubectl-set"]),
        ("metadata.finalizers[0]", []),
        ("metadata.labels.team", ["kubectl-edit"]),
        ("spec.paused", []),
    ],
)
def test_the_owner_is_found_below_lists_and_names(path: str, managers: list[str]):
    assert [owner.manager for owner in owners_of(LIVE, parts_of(path), "converge")] == managers


def test_without_a_name_of_ours_everybody_counts_the_newest_first():
    assert owners_of(LIVE, parts_of("spec.replicas"), "") == (
        Owner(manager="kubectl-edit", at="2026-11-24T12:00:00Z"),
        Owner(manager="converge", at="2026-11-24T10:00:00Z"),
    )


@pytest.mark.parametrize("live", [{}, {"metadata": None}, {"metadata": {"managedFields": None}}, {"metadata": {"managedFields": ["?", {"manager": "x"}]}}])
def test_an_object_that_keeps_no_owners_has_none(live: dict[str, Any]):
    assert owners_of(live, ("spec",), "converge") == ()
