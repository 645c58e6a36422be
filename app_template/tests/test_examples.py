"""The examples: each is trained, and one service with all of them answers what was published with each and what ONNX Runtime says."""

import json
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
import pytest
from app.signature import NUMPY_TYPES
from serving_process import APP_TEMPLATE, ServingProcess

EXAMPLES = APP_TEMPLATE / "examples"
pytest.importorskip("training.train", reason="training's packages are not installed", exc_type=ImportError)

TRAINED = ("tabular", "boosting", "text", "image")
KINDS = (*TRAINED, "pytorch")
# Held-out rows are few: what must be reached is a little below what is.
LEAST_ACCURACY = {"tabular": 0.95, "boosting": 0.92, "text": 0.75, "image": 0.95, "pytorch": 0.97}


def _train(kind: str, folder: Path) -> Path:
    """As the example's command does; that of PyTorch comes from its folder, for PyTorch is not among the locked packages."""
    if kind == "pytorch":
        shutil.copytree(EXAMPLES / "pytorch" / "model", folder)
    else:
        module: Any = _module(kind)
        assert module.main(kind, module.train, ["--out", str(folder)]) == 0
    return folder


def _module(kind: str) -> Any:
    match kind:
        case "tabular":
            return import_module("examples.tabular.train")
        case "boosting":
            return import_module("examples.boosting.train")
        case "text":
            return import_module("examples.text.train")
        case "image":
            return import_module("examples.image.train")
    return pytest.importorskip("examples.pytorch.train", reason="PyTorch is not installed", exc_type=ImportError)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for kind in KINDS:
        _train(kind, folder / kind)
    return folder


@pytest.fixture(scope="module")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A copy of the app with the hooks and the contract of several models, as the examples' README makes it."""
    copy = tmp_path_factory.mktemp("app")
    shutil.copytree(APP_TEMPLATE / "app", copy / "app", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("hooks.py", "contract.json"):
        shutil.copyfile(EXAMPLES / "several" / name, copy / "app" / name)
    server = ServingProcess({"MODEL_DIR": str(models)}, folder=copy)
    try:
        with httpx.Client(base_url=server.wait_until_serving(), timeout=30, trust_env=False) as client:
            yield client
    finally:
        server.kill()


def _golden(models: Path, kind: str) -> dict[str, Any]:
    return json.loads((models / kind / "golden.json").read_bytes())


def _described(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "model.json").read_bytes())


def _array(tensor: dict[str, Any]) -> Any:
    return np.array(tensor["data"], NUMPY_TYPES[tensor["datatype"]]).reshape(tensor["shape"])


def _assert_same(actual: dict[str, Any], expected: Any, tolerance: dict[str, Any]) -> None:
    given = _array(actual)
    assert (given.shape, given.dtype) == (expected.shape, expected.dtype)
    if given.dtype.kind == "f":
        np.testing.assert_allclose(given, expected, **tolerance)
    else:
        assert given.tolist() == expected.tolist()


def _infer(service: httpx.Client, kind: str, inputs: list[dict[str, Any]]) -> dict[str, Any]:
    response = service.post(f"/v2/models/{kind}/infer", json={"inputs": inputs})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("kind", KINDS)
def test_golden_requests(service: httpx.Client, models: Path, kind: str) -> None:
    golden = _golden(models, kind)
    assert len(golden["cases"]) >= 3
    for case in golden["cases"]:
        answer = _infer(service, kind, case["inputs"])
        assert (answer["model_name"], answer["model_version"]) == (kind, "local")
        outputs = {output["name"]: output for output in answer["outputs"]}
        assert list(outputs) == [output["name"] for output in case["outputs"]]
        for expected in case["outputs"]:
            _assert_same(outputs[expected["name"]], _array(expected), golden["tolerance"])


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_onnx_runtime(service: httpx.Client, models: Path, kind: str) -> None:
    """Also one row many times, and rows in another order: what is shared inside is nobody else's business."""
    golden = _golden(models, kind)
    tensor = golden["cases"][-1]["inputs"][0]
    rows = np.concatenate([_array(tensor)[::-1], _array(tensor)])
    session = onnxruntime.InferenceSession(models / kind / "model.onnx")
    names = [output.name for output in session.get_outputs()]
    expected = dict(zip(names, session.run(names, {tensor["name"]: rows}), strict=True))
    answer = _infer(service, kind, [{**tensor, "shape": list(rows.shape), "data": rows.ravel().tolist()}])
    for output in answer["outputs"]:
        _assert_same(output, np.asarray(expected[output["name"]]), golden["tolerance"])


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_is_that_of_training(service: httpx.Client, models: Path, kind: str) -> None:
    metadata = service.get(f"/v2/models/{kind}").json()
    described = _described(models / kind)
    assert (metadata["name"], metadata["inputs"], metadata["outputs"]) == (kind, described["inputs"], described["outputs"])
    assert described["metrics"]["accuracy"] >= LEAST_ACCURACY[kind]


def test_a_request_reaches_its_own_model_only(service: httpx.Client, models: Path) -> None:
    row = _golden(models, "tabular")["cases"][0]["inputs"]
    assert service.post("/v2/models/boosting/infer", json={"inputs": row}).status_code == 400
    refused = service.post("/v2/models/none/infer", json={"inputs": row})
    assert (refused.status_code, refused.json()) == (
        404,
        {"error": "there is no model 'none' here, only 'boosting', 'image', 'pytorch', 'tabular', 'text'"},
    )


def test_hooks_of_one_model_and_of_all(service: httpx.Client, models: Path) -> None:
    text = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["x" * 2001]}
    refused = service.post("/v2/models/text/infer", json={"inputs": [text]})
    assert (refused.status_code, refused.json()) == (400, {"error": "input 'text': at most 2000 characters, got 2001"})
    for kind in KINDS:
        case = _golden(models, kind)["cases"][0]
        probabilities = next(output for output in case["outputs"] if output["name"] == "probabilities")
        answer = _infer(service, kind, case["inputs"])
        assert answer["parameters"] == {"lowest_confidence": pytest.approx(max(probabilities["data"]), abs=1e-3)}


def test_a_route_that_asks_a_model(service: httpx.Client) -> None:
    answer = service.post("/topic", json={"text": "The grapes were grown in Italy and the wine has much alcohol and malic acid."})
    assert (answer.status_code, answer.json()) == (200, {"topic": "wine_data"})
    assert service.post("/topic", json={"words": 1}).json() == {"error": "the body must be an object with 'text' (text)"}


@pytest.mark.parametrize("text", ["", " ", "ÄRGER größer 葡萄酒", "WINE Wine wine", "\U0001f377"])
def test_text_that_nobody_trained_with(service: httpx.Client, text: str) -> None:
    answer = _infer(service, "text", [{"name": "text", "datatype": "BYTES", "shape": [2], "data": [text, "wine"]}])
    label, probabilities = answer["outputs"]
    assert label["shape"] == [2]
    assert label["data"][1] == "wine_data"
    assert np.isfinite(probabilities["data"]).all()


@pytest.mark.parametrize("kind", TRAINED)
def test_the_same_command_gives_the_same_bytes(models: Path, tmp_path: Path, kind: str) -> None:
    _train(kind, tmp_path / kind)
    for name in ("model.onnx", "golden.json"):
        assert (tmp_path / kind / name).read_bytes() == (models / kind / name).read_bytes()


def test_pytorchs_model_was_trained_with_these_data() -> None:
    """The pictures that its training has read, which do not need PyTorch to be read again."""
    data: Any = import_module("examples.model_folder").Data
    pictures = _module("image").load_data()
    again = data("", pictures.rows.astype("<f4")[:, None], pictures.labels)
    assert _described(EXAMPLES / "pytorch" / "model")["training"]["data"]["sha256"] == again.sha256


def test_pytorchs_training(tmp_path: Path) -> None:
    module = _module("pytorch")
    assert module.main("pytorch", module.train, ["--out", str(tmp_path)]) == 0
    described = _described(tmp_path)
    assert described["metrics"]["accuracy"] >= LEAST_ACCURACY["pytorch"]
    kept = _described(EXAMPLES / "pytorch" / "model")
    assert [described[key] for key in ("inputs", "outputs")] == [kept[key] for key in ("inputs", "outputs")]


def test_an_export_that_is_not_the_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = _module("image")
    right = module.features
    monkeypatch.setattr(module, "features", lambda pictures, kernels: right(pictures, kernels) * 0.5)
    assert module.main("image", module.train, ["--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: the exported model differs from the trained one: probabilities by up to 0.")
    assert list(tmp_path.iterdir()) == []
