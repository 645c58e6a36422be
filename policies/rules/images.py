"""Images: what is built, and what a pod names."""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from policies.planned import SECRET, UNKNOWN, Mark, PlannedResource, entries, find
from policies.rule import Rule, each
from policies.rules.kinds import IMAGE, WORKLOADS
from policies.rules.pods import each_container

_image = partial(Rule, looks_at=frozenset({IMAGE}))
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_MOVING = {"", "latest", "stable", "main", "master", "dev", "prod", "production", "edge", "nightly"}
_SOUNDS_SECRET = re.compile(r"(PASSWORD|SECRET|TOKEN|API_?KEY|CREDENTIAL|SAS)(_|$)", re.IGNORECASE)
_LOOKS_SECRET = re.compile(r"([?&]sig=|AccountKey=|-----BEGIN )")


def _by_digest(container: Mapping[str, Any], called: str) -> Iterator[str | Mark]:
    image = container.get("image")
    if isinstance(image, Mark):
        yield UNKNOWN
    elif image and not _DIGEST.search(image):
        yield f"{called}image is {image}, without a digest"


BY_DIGEST = Rule(
    id="CVG351",
    title="Pods name images by digest",
    severity="high",
    reason="A tag can be moved: two pods of one service then run different models, and a rollback runs what it did not run before.",
    fix="write <repository>@sha256:<digest>.",
    source="pulumi/pulumi-docker#726, #507; checkov CKV_K8S_43",
    looks_at=WORKLOADS,
    check=each_container(_by_digest),
)


def _moving(image: PlannedResource) -> Iterator[str | Mark]:
    for tag in entries(image.at("tags")):
        if isinstance(tag, Mark):
            yield UNKNOWN
        elif tag.rpartition("/")[2].partition(":")[2].lower() in _MOVING:
            yield f"is pushed as {tag}, a tag that moves"


NO_MOVING_TAGS = _image(
    id="CVG352",
    title="Images are pushed under a tag that never moves",
    severity="high",
    reason="What a moving tag leaves behind has no name, and the registry's clean-up takes it.",
    fix="tag with a hash of the content.",
    source="pulumi/templates push :latest; pulumi/pulumi-docker#872",
    check=each(_moving),
)


def _deleted(image: PlannedResource) -> Iterator[str | Mark]:
    if isinstance(image.retain_on_delete, Mark):
        yield UNKNOWN
    elif not image.retain_on_delete:
        yield "is deleted from the registry with the resource"


RETAINED = _image(
    id="CVG353",
    title="An image stays in the registry when its resource goes",
    severity="critical",
    reason="Something may still run from it, or be rolled back to it: this has stopped others' production.",
    fix="set retain_on_delete.",
    source="pulumi/pulumi-docker-build#606, #581; sst/sst#6377",
    check=each(_deleted),
)


def _secret_arguments(image: PlannedResource) -> Iterator[str | Mark]:
    arguments = image.at("buildArgs")
    if isinstance(arguments, Mark):
        yield UNKNOWN
        return
    for name, value in (arguments or {}).items():
        if value is UNKNOWN:
            yield UNKNOWN
        elif value is SECRET or _SOUNDS_SECRET.search(name) or _LOOKS_SECRET.search(str(value)):
            yield f"the build argument {name} holds a secret"


NO_SECRET_ARGUMENTS = _image(
    id="CVG354",
    title="No secret is a build argument",
    severity="critical",
    reason="Build arguments stay in the image: everybody who pulls it can read them.",
    fix="hand it over as a BuildKit secret.",
    source="Docker documentation, build secrets; pulumi-docker-build ImageArgs.build_args",
    check=each(_secret_arguments),
)


def _open_passwords(image: PlannedResource) -> Iterator[str | Mark]:
    for login in entries(image.at("registries")):
        password = find(login, "password")
        if password is UNKNOWN:
            yield UNKNOWN
        elif password and password is not SECRET:
            yield f"the password for {find(login, 'address')} is not marked secret"


SECRET_PASSWORDS = _image(
    id="CVG355",
    title="A login to a registry is secret",
    severity="critical",
    reason="Otherwise it stands in clear in the state and in every diff.",
    fix="wrap the password in pulumi.Output.secret.",
    source="pulumi/pulumi-docker#643",
    check=each(_open_passwords),
)
