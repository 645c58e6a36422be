"""Which pods are replaced, and why."""

import pytest

from delivery.plan.changes import LATER
from delivery.plan.report import Infrastructure, Operation, ResourceChange, ValueChange
from delivery.plan.rolls import image_of, rolls
from delivery.plan.sections import Image, Pods, Roll

CONTAINER = "spec.template.spec.containers[0]"
IMAGE, DIGEST = f"{CONTAINER}.image", f"{CONTAINER}.env[0].value"
MODEL = "spec.template.metadata.annotations.converge/model-sha256"


def deployment(operation: Operation = Operation.UPDATE, *paths: str, service: str = "digits", after: str = LATER) -> ResourceChange:
    values = tuple(ValueChange(path=path, before="x", after=after) for path in paths)
    return ResourceChange(operation=operation, type="kubernetes:apps/v1:Deployment", name=f"{service}-deployment", component=service, values=values)


def built(service: str = "digits", operation: Operation = Operation.UPDATE) -> ResourceChange:
    return ResourceChange(operation=operation, type="docker-build:index:Image", name=f"{service}-image-image", component=f"{service}-image")


def only(*changes: ResourceChange) -> Roll:
    (roll,) = rolls(Infrastructure(changes=changes), ["digits"])
    return roll


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        ((IMAGE, DIGEST), ("image",)),
        ((IMAGE, DIGEST, MODEL), ("image", "model")),
        ((f"{CONTAINER}.resources.limits.cpu",), ("resources.limits.cpu",)),
        (("spec.template.spec.terminationGracePeriodSeconds",), ("terminationGracePeriodSeconds",)),
        (tuple(f"{CONTAINER}.x{number}" for number in range(7)), ("x0", "x1", "x2", "x3", "x4", "and 2 more")),
    ],
)
def test_why_pods_are_replaced(paths: tuple[str, ...], why: tuple[str, ...]):
    assert only(deployment(Operation.UPDATE, *paths), built()) == Roll(service="digits", pods=Pods.REPLACED, why=why)


def test_an_image_that_nobody_builds_is_unknown_only_while_the_registry_changes():
    assert only(deployment(Operation.UPDATE, IMAGE, DIGEST)).pods is Pods.MAY_BE_REPLACED
    assert only(deployment(Operation.UPDATE, IMAGE, DIGEST, after="r/digits@sha256:1")).pods is Pods.REPLACED


@pytest.mark.parametrize(
    ("change", "pods"),
    [
        (deployment(Operation.CREATE), Pods.NEW),
        (deployment(Operation.REPLACE), Pods.REPLACED),
        (deployment(Operation.MAY_REPLACE), Pods.MAY_BE_REPLACED),
        (deployment(Operation.DELETE), Pods.GONE),
        (deployment(Operation.FORGET), Pods.STAY),
        (deployment(Operation.UPDATE, "spec.replicas", "metadata.annotations.converge/model-version"), Pods.STAY),
    ],
)
def test_other_changes(change: ResourceChange, pods: Pods):
    assert only(change).pods is pods


def test_every_service_is_told_and_the_certificates_pod_is_none():
    certificate = deployment(Operation.UPDATE, IMAGE, service="digits-access").model_copy(update={"name": "digits-access-certificate"})
    changes = (deployment(Operation.DELETE, service="old"), deployment(Operation.UPDATE, MODEL, after="2"), certificate)
    assert [(roll.service, roll.pods) for roll in rolls(Infrastructure(changes=changes), ["digits", "other"])] == [
        ("digits", Pods.REPLACED),
        ("old", Pods.GONE),
        ("other", Pods.STAY),
    ]


def test_where_an_image_comes_from():
    infrastructure = Infrastructure(changes=(built(), built("gone", Operation.FORGET)))
    assert image_of(infrastructure, "digits") is Image.BUILT
    assert image_of(infrastructure, "digits", "sha256:1") is Image.PINNED
    assert image_of(infrastructure, "digits", "sha256:1", "sha256:1") is Image.PINNED
    assert image_of(infrastructure, "digits", "sha256:1", "sha256:2") is Image.BROUGHT
    assert image_of(infrastructure, "gone") is Image.UNCHANGED
    assert image_of(infrastructure, "other") is Image.UNCHANGED
