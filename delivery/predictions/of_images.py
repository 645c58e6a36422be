"""What another image does to predictions: both run for real, and are asked the same."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import httpx

from delivery.errors import DeliveryError
from delivery.predictions.cluster import pods
from delivery.predictions.difference import Answer, Asked, Output, compared, wider
from delivery.predictions.pods import FILES_PORT, NEW, OLD, PORT
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
_POLL_SECONDS = 0.2
_AT_ONCE = 4


@dataclass(frozen=True)
class _Running:
    """One of the images, at work."""

    side: Side
    model: str
    inputs: tuple[Tensor, ...]
    golden: Golden
    client: httpx.Client


def compare_images(sides: tuple[Side, Side], samples: Samples | None, memory: str, progress: Progress) -> Predictions:
    """The golden requests in both images, and samples, through both.

    Args:
        memory: that each may use.

    Raises:
        DeliveryError: the cluster cannot be reached or refuses, an image does not start, or no request fits both.
    """
    images: dict[str, str] = {OLD: sides[0].image, NEW: sides[1].image}
    with way_in() as way, pods(images, memory, progress) as namespace, ExitStack() as clients:
        old, new = (_running(way, namespace, name, side, clients) for name, side in zip(images, sides, strict=True))
        with progress.phase("asking both"):
            return _compare(old, new, samples)


def _running(way: Way, namespace: str, name: str, side: Side, clients: ExitStack) -> _Running:
    unknown = DeployedModel(name="", version=0, sha256="")
    app, files = (Deployed(namespace=namespace, service=name, port=port, image=side.image, model=unknown) for port in (PORT, FILES_PORT))
    where = f"of the {name} image, {side.label}"
    try:
        with way.client(files, _SECONDS) as client:
            manifest = parse(Manifest, _reached(client, layout.MANIFEST).content, f"{layout.MANIFEST} {where}")
            golden = parse(Golden, _reached(client, layout.GOLDEN).content, f"{layout.GOLDEN} {where}")
    except ModelStoreError as error:
        raise DeliveryError(f"the image cannot be compared, because it has no model from the store: {error}") from error
    client = clients.enter_context(way.client(app, _SECONDS))
    return _Running(side, manifest.model, _inputs(client, manifest.model), golden, client)


def _inputs(client: httpx.Client, model: str) -> tuple[Tensor, ...]:
    """What the app takes, which need not be what its model takes."""
    answer = _reached(client, f"v2/models/{model}")
    try:
        return tuple(Tensor(name=tensor["name"], datatype=tensor["datatype"], shape=tuple(tensor["shape"])) for tensor in answer.json()["inputs"])
    except (ValueError, LookupError, TypeError) as error:
        raise DeliveryError(f"the answer to /v2/models/{model} is not that of the Open Inference Protocol: {error!r}") from error


def _reached(client: httpx.Client, path: str) -> httpx.Response:
    """An answer, once there is one: a pod that is ready is behind its Service a moment later."""
    until = time.monotonic() + _REACHED_SECONDS
    while True:
        try:
            answer = client.get(path)
            if answer.is_success:
                return answer
            problem = f"HTTP {answer.status_code}: {answer.text[:200]}"
        except httpx.TransportError as error:
            problem = f"{type(error).__name__}: {error}"
        if time.monotonic() > until:
            raise DeliveryError(f"/{path} of a pod that is ready cannot be had through the API server: {problem}")
        time.sleep(_POLL_SECONDS)


def _compare(old: _Running, new: _Running, samples: Samples | None) -> Predictions:
    golden = [old.golden, new.golden]
    requests = requests_of(golden, samples, new.inputs)
    usable = [request for request in requests if fits(request, old.inputs) and fits(request, new.inputs)]
    if not usable:
        said = "; ".join(f"{one.side.label} takes {', '.join(map(str, one.inputs))}" for one in (old, new))
        raise DeliveryError(f"no request fits both images: {said}; give some with --samples")
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
