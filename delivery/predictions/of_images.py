"""What another image does to predictions: both run for real, and are asked the same."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
from pydantic import ValidationError

from delivery.errors import DeliveryError
from delivery.predictions.cluster import model_files, pods
from delivery.predictions.difference import Answer, Asked, Output, compared, wider
from delivery.predictions.pods import NEW, OLD, PORT
from delivery.predictions.requests import Request, Samples, fits, flat, is_batched, requests_of
from delivery.predictions.result import Predictions
from delivery.predictions.sides import Side
from delivery.smoke.deployed import Deployed, DeployedModel
from delivery.smoke.way import Way, way_in
from local_azure.progress import Progress
from model_store import Manifest, ModelStoreError, Tensor, layout
from model_store.documents import parse
from model_store.golden import Golden

_SECONDS = 60.0
_REACHED_SECONDS = 30.0
_AT_ONCE = 4


@dataclass(frozen=True)
class _Running:
    """One of the images, at work."""

    side: Side
    model: str
    inputs: tuple[Tensor, ...]
    golden: Golden | None
    client: httpx.Client


def compare_images(sides: tuple[Side, Side], samples: Samples | None, memory: str, progress: Progress) -> Predictions:
    """The golden requests in both images, and samples, through both.

    Args:
        memory: that each may use.

    Raises:
        DeliveryError: the cluster cannot be reached or refuses, an image does not start, or no request fits both.
    """
    images: dict[str, str] = {OLD: sides[0].image, NEW: sides[1].image}
    with way_in() as way, pods(images, memory, progress) as namespace:
        running = [_running(way, namespace, name, side) for name, side in zip(images, sides, strict=True)]
        try:
            with progress.phase("asking both"):
                return _compare(running[0], running[1], samples)
        finally:
            for one in running:
                one.client.close()


def _running(way: Way, namespace: str, name: str, side: Side) -> _Running:
    files = model_files(namespace, name)
    where = f"of the {name} image, {side.label}"
    try:
        manifest = parse(Manifest, files.get(layout.MANIFEST, "").encode(), f"{layout.MANIFEST} {where}")
        golden = parse(Golden, files[layout.GOLDEN].encode(), f"{layout.GOLDEN} {where}") if layout.GOLDEN in files else None
    except ModelStoreError as error:
        raise DeliveryError(str(error)) from error
    model = DeployedModel(name=manifest.model, version=manifest.version, sha256=manifest.files[layout.MODEL].sha256)
    client = way.client(Deployed(namespace=namespace, service=name, port=PORT, image=side.image, model=model), _SECONDS)
    return _Running(side, manifest.model, _inputs(client, manifest.model), golden, client)


def _inputs(client: httpx.Client, model: str) -> tuple[Tensor, ...]:
    """What the app takes, which need not be what its model takes."""
    until = time.monotonic() + _REACHED_SECONDS
    while True:
        try:
            answer = client.get(f"v2/models/{model}")
            if answer.is_success:
                return tuple(Tensor(name=tensor["name"], datatype=tensor["datatype"], shape=tuple(tensor["shape"])) for tensor in answer.json()["inputs"])
            problem = f"HTTP {answer.status_code}: {answer.text[:200]}"
        except httpx.TransportError as error:
            problem = f"{type(error).__name__}: {error}"
        except (ValueError, LookupError, ValidationError) as error:
            raise DeliveryError(f"the answer to /v2/models/{model} is not that of the Open Inference Protocol: {error}") from error
        # A pod that is ready is behind its Service a moment later.
        if time.monotonic() > until:
            raise DeliveryError(f"the pod with the model {model} is ready, but cannot be reached through the API server: {problem}")
        time.sleep(0.2)


def _compare(old: _Running, new: _Running, samples: Samples | None) -> Predictions:
    golden = [one.golden for one in (old, new) if one.golden]
    requests = requests_of(golden, samples, new.inputs)
    usable = [request for request in requests if fits(request, old.inputs) and fits(request, new.inputs)]
    if not usable:
        said = "; ".join(f"{one.side.label} takes {', '.join(map(str, one.inputs))}" for one in (old, new))
        raise DeliveryError(f"no request fits both images: {said}; give some with --samples" if requests else "there are no requests; give some with --samples")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        before, after = (pool.map(lambda request, side=side: _ask(side, request), usable) for side in (old, new))
        asked = [Asked(request, *pair) for request, *pair in zip(usable, before, after, strict=True)]
    found = compared(asked, wider(*(one.tolerance for one in golden)), batched=is_batched(new.inputs))
    left_out = len(requests) - len(usable)
    notes = (f"{left_out} requests fit one of the two images only, and were left out",) if left_out else ()
    return found.model_copy(update={"notes": (*found.notes, *notes)})


def _ask(side: _Running, request: Request) -> Answer | str:
    inputs = [tensor.model_dump(mode="json") for tensor in request]
    try:
        answer = side.client.post(f"v2/models/{side.model}/infer", json={"inputs": inputs})
        document = answer.json()
        if not answer.is_success:
            return str(document.get("error") or document.get("message") or f"HTTP {answer.status_code}")
        return {output["name"]: Output(output["datatype"], flat(output["data"])) for output in document["outputs"]}
    except httpx.TransportError as error:
        raise DeliveryError(f"{side.side.label} does not answer any more: {type(error).__name__}: {error}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise DeliveryError(f"{side.side.label} does not answer as the Open Inference Protocol says: {error!r}") from error
