"""One image with an app and a model in it, named by its digest."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi
import pulumi_docker_build as docker_build

from components import naming
from components.build_context import BuildContext
from components.model_reading import may_read_models
from components.patience import AwaitedGrant
from components.registry_login import logins
from components.rights import is_simulated, proven
from model_store import LockedModel, ModelStore, ModelStoreError, authorities

_SECRETS = {"model_url": "model.onnx", "golden_url": "golden.json", "manifest_url": "manifest.json"}
"""BuildKit secrets of the Dockerfile's model stage, and the file that each URL leads to."""
_AUTHORITIES = "ca_certificates"
"""One more, which is no secret: handed over like one it is neither in a layer nor a reason to build again."""
_PREVIEWED_SECRET = "asked for in an update only"  # noqa: S105 - a placeholder; neither a preview nor a simulation asks the store


@dataclass(frozen=True, kw_only=True)
class ApplicationImageArgs:
    """What an image needs to know."""

    registry: pulumi.Input[str]
    """Host name of the registry."""
    repository: str
    """Name of the image in the registry."""
    context: BuildContext
    """The app's folder, staged."""
    base_image: str
    """Python image by digest that the Dockerfile starts from."""
    model: LockedModel
    """The model that goes into the image."""
    model_store: pulumi.Input[str]
    """URL of the container with the models; known only once we were granted to read there."""
    reading: Sequence[AwaitedGrant] = ()
    """What reading there needs; waited for until it counts."""
    pushing: Sequence[AwaitedGrant] = ()
    """What pushing to the registry needs; waited for until it counts."""
    pinned_digest: str | None = None
    """Digest of an image built before, which is used as it is. Plain, because it decides whether an image is built."""


class ApplicationImage(pulumi.ComponentResource):
    """Builds and pushes the image, or takes the pinned one."""

    image: pulumi.Output[str]
    """<registry>/<repository>@sha256:<digest>"""

    def __init__(self, name: str, args: ApplicationImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:index:ApplicationImage", name, None, opts)
        repository = pulumi.Output.concat(args.registry, "/", args.repository)
        digest = pulumi.Output.from_input(args.pinned_digest) if args.pinned_digest else self._build(name, args, repository)
        self.image = pulumi.Output.concat(repository, "@", digest)
        self.register_outputs({"image": self.image})

    def _build(self, name: str, args: ApplicationImageArgs, repository: pulumi.Output[str]) -> pulumi.Output[str]:
        build_args = _build_args(args)
        tag = naming.image_tag(args.context.sha256, json.dumps(build_args, sort_keys=True))
        # Both here, where they are needed: a pinned image asks neither store nor registry.
        store = proven(args.model_store, may_read_models, what="the right to read models", grants=args.reading)
        image = docker_build.Image(
            f"{name}-image",
            tags=[pulumi.Output.concat(repository, ":", tag)],
            context=docker_build.BuildContextArgs(location=args.context.location),
            dockerfile=docker_build.DockerfileArgs(location=f"{args.context.location}/Dockerfile"),
            build_args=build_args,
            secrets=pulumi.Output.secret(store.apply(lambda url: _build_secrets(url, args.model))),
            # A new signature is no reason to build: what is downloaded is decided by the hashes among the arguments.
            ignore_secrets_in_diff_calculation=[*_SECRETS, _AUTHORITIES],
            registries=logins(args.registry, args.pushing),
            labels=_labels(args),
            platforms=[docker_build.Platform.LINUX_AMD64],
            push=True,
            # Never, rather than "not in a preview": what differs between preview and update would be a change every time.
            build_on_preview=False,
            # Something may still run from it, or be rolled back to it.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        # A digest is no secret, although the provider derives it from inputs of which one is.
        return pulumi.Output.unsecret(image.digest)


def _build_args(args: ApplicationImageArgs) -> dict[str, str]:
    files = args.model.files
    return {
        "PYTHON_IMAGE": args.base_image,
        # BuildKit's own: without it the image says when it was built, and the same content is another digest each time.
        "SOURCE_DATE_EPOCH": "0",
        "MODEL_NAME": args.model.name,
        "MODEL_VERSION": str(args.model.version),
        "MODEL_SHA256": files["model.onnx"].sha256,
        "GOLDEN_SHA256": files["golden.json"].sha256,
        "MANIFEST_SHA256": files["manifest.json"].sha256,
    }


def _labels(args: ApplicationImageArgs) -> dict[str, str]:
    """Only content: a commit id or a date would build again, and roll out again, with every commit."""
    return {
        "converge.app.sha256": args.context.sha256,
        "converge.model.name": args.model.name,
        "converge.model.version": str(args.model.version),
        "converge.model.sha256": args.model.files["model.onnx"].sha256,
    }


async def _build_secrets(store_url: str, model: LockedModel) -> Mapping[str, str]:
    if pulumi.runtime.is_dry_run() or is_simulated(urlsplit(store_url).hostname or ""):
        return dict.fromkeys((*_SECRETS, _AUTHORITIES), _PREVIEWED_SECRET)
    try:
        urls = await asyncio.to_thread(_ask_store, store_url, model)
    except ModelStoreError as error:
        raise pulumi.RunError(f"the image of {model.name} version {model.version} cannot be built: {error}") from error
    return {**{secret: urls[file] for secret, file in _SECRETS.items()}, _AUTHORITIES: authorities.additional()}


def _ask_store(store_url: str, model: LockedModel) -> Mapping[str, str]:
    with ModelStore.open(store_url) as store:
        return store.read_urls(model)
