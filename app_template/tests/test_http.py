"""The paths of the protocol, their answers and their errors, over HTTP."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import pytest
import uvicorn
from app import hooks
from app.engine import Engine
from app.http_app import HttpApp
from app.http_protocol import protocol_class
from app.metrics import Metrics
from app.model import Model, load
from app.settings import Settings
from app.tensors import Tensors
from serving_process import IMAGE_DIGEST

CONTRACT = Path(__file__).parents[1] / "app" / "contract.json"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v2", {"name": hooks.APP_NAME, "version": hooks.APP_RELEASE, "extensions": ["binary_tensor_data"]}),
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
    ],
)
def test_server_paths(client: httpx.Client, path: str, answer: dict[str, Any]) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()) == (200, answer)
    assert response.headers["content-type"] == "application/json"


def test_model_metadata_names_version_and_sha256(client: httpx.Client, manifest: dict[str, Any]) -> None:
    name, version = manifest["model"], str(manifest["version"])
    sha256 = manifest["files"]["model.onnx"]["sha256"]
    expected = {
        "name": name,
        "versions": [version],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}],
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
        ],
        "parameters": {"sha256": sha256, "image_digest": IMAGE_DIGEST},
    }
    for path in (f"/v2/models/{name}", f"/v2/models/{name}/versions/{version}"):
        response = client.get(path)
        assert (response.status_code, response.json()) == (200, expected)
        assert response.headers["x-model-version"] == version
        assert response.headers["x-model-sha256"] == sha256
        assert response.headers["x-image-digest"] == IMAGE_DIGEST
        assert client.get(f"{path}/ready").json() == {"name": name, "ready": True}


def test_infer_answers_in_the_protocols_form(client: httpx.Client, manifest: dict[str, Any], golden_input: dict[str, Any]) -> None:
    name, version = manifest["model"], str(manifest["version"])
    request = {"id": "sample-1", "parameters": {"trace": True}, "inputs": [golden_input]}
    for path in (f"/v2/models/{name}/infer", f"/v2/models/{name}/versions/{version}/infer"):
        response = client.post(path, json=request)
        answer = response.json()
        assert response.status_code == 200
        assert (answer["model_name"], answer["model_version"], answer["id"]) == (name, version, "sample-1")
        assert answer["parameters"]["app_release"] == hooks.APP_RELEASE
        assert answer["parameters"]["lowest_confidence"] == pytest.approx(max(answer["outputs"][1]["data"]), abs=1e-4)
        assert [(output["name"], output["shape"]) for output in answer["outputs"]] == [
            ("label", [1]),
            ("probabilities", [1, 10]),
        ]
        assert response.headers["x-model-version"] == version
        assert response.headers["x-model-sha256"] == manifest["files"]["model.onnx"]["sha256"]
        assert response.headers["x-image-digest"] == IMAGE_DIGEST


def test_without_an_id_there_is_none_in_the_answer(client: httpx.Client, infer_path: str, golden_input: dict[str, Any]) -> None:
    assert "id" not in client.post(infer_path, json={"inputs": [golden_input]}).json()


def test_text_that_is_no_valid_unicode_comes_back(client: httpx.Client, infer_path: str, golden_input: dict[str, Any]) -> None:
    response = client.post(infer_path, content=json.dumps({"id": "\ud800", "inputs": [golden_input]}))
    assert response.status_code == 200
    assert '"id":"\\ud800"' in response.text


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/nothing", 404, "there is nothing at /nothing; see GET /v2/models/{name}"),
        ("GET", "/v2/", 404, "there is nothing at /v2/; see GET /v2/models/{name}"),
        ("GET", "/v2/models/other", 404, "there is no model 'other' here, only '{name}'"),
        ("POST", "/v2/models/other/infer", 404, "there is no model 'other' here, only '{name}'"),
        (
            "GET",
            "/v2/models/{name}/versions/0",
            404,
            "there is no version '0' of model '{name}' here, only '{version}'",
        ),
        (
            "POST",
            "/v2/models/{name}/versions/0/infer",
            404,
            "there is no version '0' of model '{name}' here, only '{version}'",
        ),
        ("GET", "/v2/models/{name}/infer", 405, "GET is not allowed for /v2/models/{name}/infer, only POST"),
        ("DELETE", "/v2/health/live", 405, "DELETE is not allowed for /v2/health/live, only GET, HEAD"),
    ],
)
def test_wrong_paths(client: httpx.Client, manifest: dict[str, Any], method: str, path: str, status: int, message: str) -> None:
    names = {"name": manifest["model"], "version": manifest["version"]}
    response = client.request(method, path.format(**names))
    error = response.json()["error"]
    if status == 405:  # the order of methods is Starlette's
        error = error.replace("HEAD, GET", "GET, HEAD")
    assert (response.status_code, error) == (status, message.format(**names))


def test_bad_requests_are_400_with_one_sentence(client: httpx.Client, infer_path: str, golden_input: dict[str, Any]) -> None:
    response = client.post(infer_path, json={"inputs": [{**golden_input, "datatype": "FP64"}]})
    assert response.status_code == 400
    assert response.json() == {"error": "input 'image': datatype must be FP32, got 'FP64'"}
    assert response.headers["content-type"] == "application/json"
    response = client.post(infer_path, content=b"")
    assert response.json() == {"error": "the body is not valid JSON: Expecting value: line 1 column 1 (char 0)"}


def test_values_outside_the_apps_ranges_are_a_400(client: httpx.Client, infer_path: str, golden_input: dict[str, Any]) -> None:
    too_bright = {**golden_input, "data": [value * 255 / 16 for value in golden_input["data"]]}
    response = client.post(infer_path, json={"inputs": [too_bright]})
    assert response.status_code == 400
    assert response.json() == {"error": "input 'image': values must lie between 0 and 16, got 0 to 255"}


def test_tensors_may_travel_as_raw_bytes(client: httpx.Client, infer_path: str, golden_input: dict[str, Any]) -> None:
    data = np.array(golden_input["data"], "<f4").tobytes()
    entry = {key: value for key, value in golden_input.items() if key != "data"} | {"parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [entry], "parameters": {"binary_data_output": True}}).encode()
    response = client.post(infer_path, content=head + data, headers={"Inference-Header-Content-Length": str(len(head))})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/octet-stream")
    length = int(response.headers["inference-header-content-length"])
    answer = json.loads(response.content[:length])
    assert [output["parameters"]["binary_data_size"] for output in answer["outputs"]] == [8, 40]
    plain = client.post(infer_path, json={"inputs": [golden_input]}).json()
    assert np.frombuffer(response.content[length + 8 :], "<f4").tolist() == pytest.approx(plain["outputs"][1]["data"])
    assert np.frombuffer(response.content[length : length + 8], "<i8").tolist() == plain["outputs"][0]["data"]


@pytest.mark.parametrize("value", ["x", "-1", "1e3", "9" * 19])
def test_a_length_of_the_json_that_is_none(client: httpx.Client, infer_path: str, value: str) -> None:
    response = client.post(infer_path, content=b"{}", headers={"Inference-Header-Content-Length": value})
    assert response.status_code == 400
    assert response.json() == {"error": "the header 'inference-header-content-length' must be an integer: how many bytes of the body are JSON"}


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_above_the_limit_is_413(client: httpx.Client, infer_path: str, declared: bool) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(11):
            yield b" " * 10_000

    response = client.post(infer_path, content=b" " * 100_001 if declared else parts())
    assert response.status_code == 413
    assert response.json() == {"error": "the body is larger than 100000 bytes; send fewer rows per request"}
    assert client.get("/v2/health/live").status_code == 200


def test_a_body_at_the_limit_is_read(client: httpx.Client, infer_path: str, golden_input: dict[str, Any]) -> None:
    body = json.dumps({"inputs": [golden_input]}).encode()
    assert client.post(infer_path, content=body.ljust(100_000)).status_code == 200


class OddModel(Model):
    """Does what the first pixel says."""

    def run(self, inputs: Tensors) -> Tensors:
        outputs = super().run(inputs)
        match inputs["image"][0, 0]:
            case 1:
                raise ZeroDivisionError("a fault inside the model")
            case 2:
                outputs["probabilities"][0, 0] = np.nan
            case 3:
                time.sleep(0.8)
        return outputs


@pytest.fixture
def odd_server(model_dir: Path) -> Iterator[str]:
    """The URL of a service with that model, in this process, which closes connections that are idle for a second."""
    model = load(model_dir, CONTRACT, local_name="digits")
    odd = OddModel(model.name, model.version, model.sha256, model.signature, model.session)
    settings = Settings.from_environment({"WORKER_THREADS": "1"})
    metrics = Metrics()
    engine = Engine({odd.name: odd}, hooks.app, settings, metrics)
    http_app = HttpApp(engine, hooks.app, settings, metrics)
    config = uvicorn.Config(
        cast("Any", http_app), port=0, timeout_keep_alive=1, http=protocol_class(http_app), interface="asgi3", lifespan="off", log_config=None, ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
    engine.close()


def _image(first_pixel: float) -> dict[str, Any]:
    return {"inputs": [{"name": "image", "shape": [1, 64], "datatype": "FP32", "data": [first_pixel] + [0.0] * 63}]}


def test_a_slow_model_does_not_keep_health_checks_waiting(odd_server: str, infer_path: str) -> None:
    statuses: list[int] = []
    with httpx.Client(base_url=odd_server, timeout=30, trust_env=False) as client:
        request = threading.Thread(target=lambda: statuses.append(client.post(infer_path, json=_image(3)).status_code))
        request.start()
        time.sleep(0.1)
        started = time.monotonic()
        assert client.get("/v2/health/live").status_code == 200
        assert time.monotonic() - started < 0.5
        assert statuses == []
        request.join()
    assert statuses == [200]


def test_our_own_fault_is_a_500_without_details(odd_server: str, infer_path: str, caplog: pytest.LogCaptureFixture) -> None:
    with httpx.Client(base_url=odd_server, timeout=30, trust_env=False) as client:
        response = client.post(infer_path, json=_image(1))
        assert response.status_code == 500
        assert response.json() == {"error": "internal error; the server's log has the details"}
        assert "a fault inside the model" in caplog.text
        assert client.post(infer_path, json=_image(0)).status_code == 200


def test_what_json_cannot_carry_is_refused_and_travels_as_raw_bytes(odd_server: str, infer_path: str) -> None:
    with httpx.Client(base_url=odd_server, timeout=30, trust_env=False) as client:
        response = client.post(infer_path, json=_image(2))
        assert response.status_code == 400
        assert response.json() == {"error": "output 'probabilities' holds NaN or infinity for these inputs, which JSON cannot carry; ask for it as binary data"}
        response = client.post(infer_path, json={**_image(2), "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}]})
        assert np.isnan(np.frombuffer(response.content[-40:], "<f4")[0])


def test_an_idle_connection_is_closed_and_one_in_use_is_not(odd_server: str, infer_path: str) -> None:
    body = json.dumps(_image(0)).encode()
    request = f"POST {infer_path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    host, _, port = odd_server.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for _ in range(4):  # longer than a second in all, but never so long at once
            connection.sendall(request)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")
            time.sleep(0.5)
        # A request whose body takes longer than that is waited for.
        connection.sendall(request[:-10])
        time.sleep(1.5)
        connection.sendall(request[-10:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")
        started = time.monotonic()
        assert connection.recv(65536) == b""
        assert time.monotonic() - started > 0.9


def test_who_asks_first_whether_to_send_the_body_is_told_to_go_on(odd_server: str, infer_path: str) -> None:
    body = json.dumps(_image(0)).encode()
    head = f"POST {infer_path} HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    host, _, port = odd_server.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")
