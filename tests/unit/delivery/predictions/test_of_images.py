"""Two images that run, asked over HTTP; the cluster around them is left out."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from rich.console import Console

from delivery.errors import DeliveryError
from delivery.predictions import of_images
from delivery.predictions.pods import FILES_PORT
from delivery.predictions.requests import Samples
from delivery.predictions.result import Predictions
from delivery.predictions.sides import Side
from delivery.smoke.deployed import Deployed
from local_azure.progress import Progress

X = {"name": "x", "datatype": "FP32", "shape": [-1, 2]}
LABEL = {"name": "label", "datatype": "INT64", "shape": [-1]}
SIDES = (Side("old one", f"r/digits@sha256:{'a' * 64}"), Side("new one", f"r/digits@sha256:{'b' * 64}"))


def manifest(version: int) -> dict[str, Any]:
    files = {name: {"sha256": "a" * 64, "size": 1} for name in ("model.onnx", "golden.json")}
    training = {"command": "train", "commit": None, "data": {"name": "d", "rows": 1, "sha256": "a" * 64}}
    about = {"format": "onnx", "opset": 17, "inputs": [X], "outputs": [LABEL], "metrics": {}, "training": training}
    return {"model": "digits", "version": version, "files": files, "created_at": "2026-11-20T10:00:00Z", "created_by": "ann", **about}


class App:
    """Answers as the app does: label 1 where the first number of a row is above a limit."""

    def __init__(self, version: int, limit: float, inputs: list[dict[str, Any]] | None = None) -> None:
        self.version, self.limit, self.inputs = version, limit, inputs or [X]
        golden_input, golden_output = {**X, "shape": [1, 2], "data": [0, 0]}, {**LABEL, "shape": [1], "data": [0]}
        golden = {"tolerance": {"rtol": 0.0, "atol": 0.0}, "cases": [{"inputs": [golden_input], "outputs": [golden_output]}]}
        self.files: dict[str, Any] = {"/manifest.json": manifest(version), "/golden.json": golden}
        self.late = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.late:
            self.late -= 1
            return httpx.Response(503, json={"message": "no endpoints available for service"})
        path = request.url.path
        if path in self.files:
            return httpx.Response(200, json=self.files[path])
        if path == "/v2/models/digits":
            return httpx.Response(200, json={"name": "digits", "inputs": self.inputs, "outputs": [LABEL]})
        if path == "/v2/models/digits/infer":
            (tensor,) = json.loads(request.content)["inputs"]
            if -1 in tensor["data"]:
                return httpx.Response(400, json={"error": "no negative numbers"})
            labels = [int(value > self.limit) for value in tensor["data"][::2]]
            return httpx.Response(200, json={"outputs": [{**LABEL, "shape": [len(labels)], "data": labels}]})
        return httpx.Response(404, json={"error": f"there is nothing at {path}"})


Compare = Callable[..., Predictions]


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Compare:
    def run(old: App, new: App, samples: Samples | None = None) -> Predictions:
        class Way:
            @staticmethod
            @contextmanager
            def client(service: Deployed, _seconds: float) -> Iterator[httpx.Client]:
                app = {"old": old, "new": new}[service.service]
                assert service.port in (8080, FILES_PORT)
                with httpx.Client(base_url="http://localhost/", transport=httpx.MockTransport(app.answer)) as client:
                    yield client

        @contextmanager
        def way_in() -> Iterator[type[Way]]:
            yield Way

        @contextmanager
        def pods(images: dict[str, str], memory: str, _progress: Progress) -> Iterator[str]:
            assert (images, memory) == ({"old": SIDES[0].image, "new": SIDES[1].image}, "1Gi")
            yield "ns"

        monkeypatch.setattr(of_images, "way_in", way_in)
        monkeypatch.setattr(of_images, "pods", pods)
        monkeypatch.setattr(of_images, "_POLL_SECONDS", 0.0)
        with Progress(Console(file=io.StringIO())) as progress:
            return of_images.compare_images(SIDES, samples, "1Gi", progress)

    return run


def test_both_are_asked_the_same(compare: Compare):
    found = compare(App(1, 0.5), App(2, 5.5), Samples(rows=tuple([float(number), 0.0] for number in range(10)), where="s"))
    assert found.title == "5 of 10 predictions change, 5 labels flip"
    assert next(found.example_lines()) == "x [1, 0]: label 1 -> 0"
    assert (found.rtol, found.atol) == (0.0, 0.0)


def test_golden_requests_of_both_without_samples(compare: Compare):
    new = App(2, 0.5)
    new.files["/golden.json"]["cases"][0]["inputs"][0]["data"] = [7, 7]
    assert compare(App(1, 0.5), new).title == "0 of 2 predictions change"


def test_an_answer_that_only_one_gives(compare: Compare):
    new = App(2, 0.5)
    new.answer = lambda request, real=new.answer: httpx.Response(500, json={"error": "broken"}) if "infer" in request.url.path else real(request)  # pyright: ignore[reportAttributeAccessIssue] - a fake's method
    found = compare(App(1, 0.5), new)
    assert found.title == "1 of 1 prediction changes, no label flips"
    assert list(found.example_lines()) == ["x [0, 0]: answer an answer -> error: broken"]


def test_a_pod_that_is_a_moment_later_behind_its_service(compare: Compare):
    new = App(2, 0.5)
    new.late = 3
    assert compare(App(1, 0.5), new).total == 1


def test_a_pod_that_cannot_be_reached(compare: Compare, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(of_images, "_REACHED_SECONDS", 0.0)
    new = App(2, 0.5)
    new.late = 1000
    with pytest.raises(DeliveryError, match=r"^/manifest\.json of a pod that is ready cannot be had through the API server: HTTP 503: "):
        compare(App(1, 0.5), new)


def test_an_image_without_a_model_from_the_store(compare: Compare):
    new = App(2, 0.5)
    new.files["/manifest.json"] = {"model": "digits"}
    with pytest.raises(DeliveryError, match=r"^the image cannot be compared, because it has no model from the store: manifest\.json of the new image"):
        compare(App(1, 0.5), new)


def test_apps_that_take_different_inputs(compare: Compare):
    with pytest.raises(DeliveryError) as raised:
        compare(App(1, 0.5), App(2, 0.5, inputs=[{**X, "shape": [-1, 3]}]))
    assert str(raised.value) == ("no request fits both images: old one takes x FP32 [-1, 2]; new one takes x FP32 [-1, 3]; give some with --samples")


def test_requests_that_one_side_does_not_take_are_left_out(compare: Compare):
    new = App(2, 0.5, inputs=[{**X, "shape": [1, 2]}])
    new.files["/golden.json"]["cases"][0]["inputs"][0] |= {"shape": [2, 2], "data": [0, 0, 1, 1]}
    found = compare(App(1, 0.5), new)
    assert found.notes == ("1 requests fit one of the two images only, and were left out",)
    assert found.total == 1


def test_requests_that_nobody_answers(compare: Compare):
    found = compare(App(1, 0.5), App(2, 0.5), Samples(rows=([-1.0, 0.0],), where="s"))
    assert found.notes == ("1 requests have no answer on either side, such as: no negative numbers",)
