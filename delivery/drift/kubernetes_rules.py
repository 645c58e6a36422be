"""What Kubernetes changes by itself."""

from collections.abc import Mapping, Sequence
from typing import Final

from delivery.drift.paths import value_at
from delivery.drift.resources import Change, Resource
from delivery.drift.rules import Rule
from local_azure.differences import ABSENT

_DOCS = "https://kubernetes.io/docs"
_CONTROLLERS = (
    "kube-controller-manager",
    "kube-scheduler",
    "kube-apiserver",
    "kubelet",
    "cloud-controller-manager",
    "cloud-node-manager",
    "aks-operator",
    "endpoint-controller",
    "endpointslice-controller",
)
"""Managers that are part of Kubernetes or AKS."""


def _by_a_controller(change: Change, _stack: Sequence[Resource]) -> bool:
    """Whether none but Kubernetes' own controllers set it."""
    return bool(change.owners) and all(owner.manager in _CONTROLLERS for owner in change.owners)


def _autoscaled(change: Change, stack: Sequence[Resource]) -> bool:
    """Whether an autoscaler of the stack scales it and the count is within its bounds; who scales leaves no trace in the object."""
    if not isinstance(change.now, int):
        return False
    own = _name(change.resource)
    for one in stack:
        spec = one.outputs.get("spec")
        if one.kind.endswith(":HorizontalPodAutoscaler") and isinstance(spec, Mapping) and (_name(one)[0], value_at(spec, ("scaleTargetRef", "name"))) == own:
            return spec.get("minReplicas", 1) <= change.now <= spec.get("maxReplicas", 0)
    return False


def _name(resource: Resource) -> tuple[object, object]:
    metadata = resource.outputs.get("metadata")
    return (metadata.get("namespace"), metadata.get("name")) if isinstance(metadata, Mapping) else (None, None)


def _filled_in(change: Change, _stack: Sequence[Resource]) -> bool:
    """Whether it came and nobody owns it, although owners are kept: a newer API server knows more fields."""
    return change.before is ABSENT and not change.owners and value_at(change.resource.now, ("metadata", "managedFields")) not in (ABSENT, None, [])


KUBERNETES: Final = (
    Rule(
        "kubernetes:*", ("status **",), "the cluster tells how the object is doing", f"{_DOCS}/concepts/overview/working-with-objects/#object-spec-and-status"
    ),
    Rule(
        "kubernetes:*",
        ("metadata resourceVersion", "metadata generation"),
        "counted up with every write, also by controllers; what was written is told by itself",
        f"{_DOCS}/reference/kubernetes-api/common-definitions/object-meta/",
    ),
    Rule(
        "kubernetes:apps/v1:*",
        ("metadata annotations deployment.kubernetes.io/*",),
        "the Deployment's controller counts roll-outs",
        f"{_DOCS}/concepts/workloads/controllers/deployment/",
    ),
    Rule(
        "kubernetes:apps/v1:*",
        ("spec replicas",),
        "the HorizontalPodAutoscaler scales the service",
        f"{_DOCS}/tasks/run-application/horizontal-pod-autoscale/",
        _autoscaled,
    ),
    Rule("kubernetes:*", ("**",), "a controller of Kubernetes set it", f"{_DOCS}/reference/using-api/server-side-apply/#field-management", _by_a_controller),
    Rule("kubernetes:*", ("spec **",), "the API server filled in a default", f"{_DOCS}/reference/using-api/server-side-apply/#field-management", _filled_in),
)
