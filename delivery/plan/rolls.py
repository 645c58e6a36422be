"""Which services' pods are replaced, and why."""

import re
from collections.abc import Iterator, Sequence

from delivery.plan.changes import LATER
from delivery.plan.report import Infrastructure, Operation, ResourceChange
from delivery.plan.sections import Image, Pods, Roll

_DEPLOYMENT = "kubernetes:apps/v1:Deployment"
_IMAGE = "docker-build:index:Image"
_TEMPLATE = "spec.template."
_OF_IMAGE = re.compile(r"spec\.template\.spec\.containers\[0\]\.(image$|env\[\d+\]\.value$)")
_OF_MODEL = re.compile(r"spec\.template\.metadata\.annotations\.?.*converge/model-")
_POD = re.compile(r"spec\.template\.(spec|metadata)\.(containers\[0\]\.)?")
_DONE = {Operation.CREATE: Pods.NEW, Operation.REPLACE: Pods.REPLACED, Operation.MAY_REPLACE: Pods.MAY_BE_REPLACED, Operation.DELETE: Pods.GONE}
_MOST_SETTINGS = 5


def rolls(infrastructure: Infrastructure, services: Sequence[str]) -> Iterator[Roll]:
    """What happens to the pods of every service that is deployed, or was.

    Args:
        services: those that are to run.
    """
    deployments = {
        change.component: change for change in infrastructure.changes if change.type == _DEPLOYMENT and change.name == f"{change.component}-deployment"
    }
    for service in sorted(deployments.keys() | set(services)):
        change = deployments.get(service)
        yield _roll(service, change, image_of(infrastructure, service)) if change else Roll(service=service, pods=Pods.STAY)


def image_of(infrastructure: Infrastructure, service: str, named: str | None = None, before: str | None = None) -> Image:
    """What an update does about a service's image.

    Args:
        named: digest that the lock names.
        before: digest that ran, as far as it is known.
    """
    if named:
        return Image.PINNED if before in (None, named) else Image.BROUGHT
    built = (Operation.CREATE, Operation.UPDATE, Operation.REPLACE, Operation.MAY_REPLACE)
    found = any(change.type == _IMAGE and change.component == f"{service}-image" and change.operation in built for change in infrastructure.changes)
    return Image.BUILT if found else Image.UNCHANGED


def _roll(service: str, change: ResourceChange, image: Image) -> Roll:
    if change.operation is not Operation.UPDATE:
        return Roll(service=service, pods=_DONE.get(change.operation, Pods.STAY))
    values = [value for value in change.values if value.path.startswith(_TEMPLATE)]
    if not values:
        return Roll(service=service, pods=Pods.STAY)
    of_image = [value for value in values if _OF_IMAGE.fullmatch(value.path)]
    of_model = [value for value in values if _OF_MODEL.match(value.path)]
    settings = list(dict.fromkeys(_setting(value.path) for value in values if value not in of_image and value not in of_model))
    # The registry is being changed, so its name counts as unknown, and with it that of an image that nobody builds.
    unknown = image is not Image.BUILT and all(value.after == LATER for value in values)
    shown = settings[:_MOST_SETTINGS] + ([f"and {len(settings) - _MOST_SETTINGS} more"] if len(settings) > _MOST_SETTINGS else [])
    why = (*(["image"] if of_image else []), *(["model"] if of_model else []), *shown)
    return Roll(service=service, pods=Pods.MAY_BE_REPLACED if unknown else Pods.REPLACED, why=why)


def _setting(path: str) -> str:
    return _POD.sub("", path, count=1)
