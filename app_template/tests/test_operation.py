"""What those who run the service see of it: metrics, logs, traces, samples; and who may call. On the real process."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from app.inference_pb2 import ModelInferRequest
from entra_directory import AUDIENCE, TENANT, Directory, new_key
from otlp_collector import Collector
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from raw_http import Asker
from serving_process import APP_TEMPLATE, IMAGE_DIGEST, ServingProcess

Start = Callable[..., ServingProcess]
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACED = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
KEY = "a-key-that-must-not-be-seen"
INFER_ROUTE = "/v2/models/{model_name}/infer"


@pytest.fixture
def body(golden_input: dict[str, Any]) -> bytes:
    return json.dumps({"id": "Ms Example", "inputs": [golden_input]}).encode()


class Scrape:
    """The series of one scrape."""

    def __init__(self, families: Mapping[str, Metric]) -> None:
        self.families = families

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples that have these labels; 0 without one."""
        samples = [sample for family in self.families.values() for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def scrape(url: str, accept: str = "") -> Scrape:
    answer = httpx.get(f"{url}/metrics", headers={"accept": accept}, trust_env=False, timeout=10)
    assert answer.status_code == 200
    parse = parse_openmetrics if answer.headers["content-type"].startswith("application/openmetrics-text") else parse_text
    return Scrape({family.name: family for family in parse(answer.text)})


def post(url: str, path: str, body: bytes, **headers: str) -> httpx.Response:
    return httpx.post(url + path, content=body, headers={name.replace("_", "-"): value for name, value in headers.items()}, trust_env=False, timeout=30)


def ended(server: ServingProcess) -> list[dict[str, Any]]:
    """What the log has after the start."""
    server.terminate()
    code, lines = server.finish()
    assert code == 0
    return lines


def test_what_happened_stands_in_the_metrics_whichever_way_it_went(start_server: Start, manifest: dict[str, Any], infer_path: str, body: bytes) -> None:
    url = start_server(IMAGE_DIGEST=IMAGE_DIGEST).wait_until_serving()
    labels = {"model": manifest["model"], "version": str(manifest["version"])}
    before = scrape(url)
    outcomes = {sample.labels["outcome"]: sample.value for sample in before.families["inference_requests"].samples}
    assert outcomes == dict.fromkeys(("ok", "invalid", "failed", "refused"), 0), "all from the start, and the rehearsals are nobody's requests"
    sha256 = manifest["files"]["model.onnx"]["sha256"]
    assert before.value("inference_model_info", **labels, sha256=sha256, image_digest=IMAGE_DIGEST) == 1
    asker = Asker(url)
    for _ in range(3):
        assert asker.both_ways(infer_path, body).status == 200
    asker.both_ways(infer_path, b"{")
    asker.close()
    httpx.get(f"{url}/nothing", trust_env=False)
    for accept in ("", "application/openmetrics-text; version=1.0.0"):
        after = scrape(url, accept)
        assert after.value("inference_requests_total", **labels, outcome="ok") == 6
        assert after.value("inference_requests_total", **labels, outcome="invalid") == 2
        assert after.value("inference_duration_seconds_count", **labels) == 6
        assert 0 < after.value("inference_duration_seconds_sum", **labels) < 1
        assert after.value("inference_batch_rows_sum", **labels) == 6
        assert after.value("inference_queue_seconds_count", **labels) == 8
        assert after.value("inference_waiting") == 0
        request = {"http_request_method": "POST", "http_route": INFER_ROUTE}
        assert after.value("http_server_request_duration_seconds_count", **request, http_response_status_code="200") == 6
        assert after.value("http_server_request_duration_seconds_count", **request, http_response_status_code="400") == 2
        assert after.value("http_server_request_duration_seconds_count", http_route="other", http_response_status_code="404") == 1
        assert after.value("process_resident_memory_bytes") > 1e6
    shown = {
        (sample.labels["http_route"], sample.labels["http_response_status_code"]) for sample in after.families["http_server_request_duration_seconds"].samples
    }
    assert shown == {(INFER_ROUTE, "200"), (INFER_ROUTE, "400"), ("other", "404"), ("/metrics", "200")}, "only what there was"


def test_several_workers_are_read_as_one_and_one_that_ends_takes_nothing_with_it(start_server: Start, infer_path: str, body: bytes) -> None:
    server = start_server(WORKERS="2")
    lines = [server.next_log() for _ in range(2)]
    assert {line["worker"] for line in lines} == {0, 1}
    url = f"http://{lines[0]['addresses'][0]}"
    for _ in range(20):  # each on a connection of its own: they spread
        assert post(url, infer_path, body).status_code == 200
    assert {scrape(url).value("inference_requests_total", outcome="ok") for _ in range(8)} == {20}
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    while (line := server.next_log())["message"] != "serving":
        assert "another one is started" in line["message"]
    for after in (scrape(url) for _ in range(8)):
        assert after.value("inference_requests_total", outcome="ok") == 20
        assert after.value("inference_model_info") == 1
    after = scrape(url)
    assert {sample.labels["worker"] for sample in after.families["process_cpu_seconds"].samples} == {"0", "1"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def test_a_trace_goes_through_the_service(start_server: Start, infer_path: str, body: bytes, collector: Collector, manifest: dict[str, Any]) -> None:
    server = start_server(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, ACCESS_LOG="all", IMAGE_DIGEST=IMAGE_DIGEST, GRPC_PORT="0")
    serving = server.next_log()
    url = f"http://{serving['addresses'][0]}"
    post(url, infer_path, body, **TRACED)
    assert post(url, infer_path, b"{").status_code == 400
    with grpc.insecure_channel(serving["grpc_address"], [("grpc.enable_http_proxy", 0)]) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError):
            call(ModelInferRequest(model_name="other").SerializeToString(), metadata=tuple(TRACED.items()), timeout=10)
    lines = [line for line in ended(server) if line["message"] == "request"]
    spans = collector.spans()
    assert [span.name for span in spans] == [f"POST {INFER_ROUTE}", f"POST {INFER_ROUTE}", "inference.GRPCInferenceService/ModelInfer"]
    assert [line["trace_id"] for line in lines] == [span.trace_id.hex() for span in spans]
    assert [span.trace_id.hex() == TRACE for span in spans] == [True, False, True]
    attributes = {item.key: item.value.string_value or item.value.int_value for item in spans[0].attributes}
    assert attributes["http.response.status_code"] == 200
    assert attributes["url.path"] == infer_path
    assert (lines[0]["path"], lines[0]["model"], lines[0]["status"]) == (infer_path, manifest["model"], 200)


def test_a_collector_that_is_away_harms_nobody(start_server: Start, infer_path: str, body: bytes) -> None:
    server = start_server(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    url = server.wait_until_serving()
    assert post(url, infer_path, body).status_code == 200
    started = time.perf_counter()
    assert ended(server)[-1]["message"] == "stopped"
    assert time.perf_counter() - started < 10


def test_the_access_log_says_who_asked_for_what_and_nothing_else(start_server: Start, infer_path: str, body: bytes, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"shop:{KEY}\n")
    server = start_server(ACCESS_LOG="all", API_KEYS_FILE=str(tmp_path / "keys"))
    url = server.wait_until_serving()
    post(url, f"{infer_path}?secret=1", body, x_api_key=KEY, **TRACED)
    post(url, infer_path, body, x_api_key="wrong" + KEY)
    lines = [line for line in ended(server) if line["message"] == "request"]
    assert [(line["status"], line.get("caller"), line.get("trace_id")) for line in lines] == [(200, "shop", TRACE), (401, None, None)]
    assert all(0 < line["seconds"] < 10 for line in lines)
    text = json.dumps(lines)
    assert not [secret for secret in (KEY, "Ms Example", "secret=") if secret in text]


FAILING = """
from .developer import App
app = App("failing", release="1")
@app.preprocess
def preprocess(inputs):
    if inputs["image"].min() == 16:
        raise RuntimeError("the developer's fault")
    return inputs
"""


def test_our_own_faults_are_found_by_their_trace_whichever_way_they_went(
    model_dir: Path, infer_path: str, golden_input: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copytree(APP_TEMPLATE / "app", tmp_path / "app")
    (tmp_path / "app" / "hooks.py").write_text(FAILING)
    server = ServingProcess({"MODEL_DIR": str(model_dir)}, tmp_path)
    try:
        url = server.wait_until_serving()
        body = json.dumps({"inputs": [{**golden_input, "data": [16.0] * 64, "shape": [1, 64]}]}).encode()
        for headers in ({}, {"transfer-encoding": "chunked"}):
            content = iter([body]) if headers else body
            answer = httpx.post(url + infer_path, content=content, headers={**TRACED, **headers}, trust_env=False)
            assert (answer.status_code, answer.json()) == (500, {"error": "internal error; the server's log has the details"})
        assert scrape(url).value("inference_requests_total", outcome="failed") == 2
        lines = ended(server)
    finally:
        server.kill()
    assert [line["message"] for line in lines] == ["the request failed: the developer's fault", "request"] * 2 + ["stopped"]
    assert {line["trace_id"] for line in lines[:-1]} == {TRACE}
    assert {(line["status"], line["model"], line["path"]) for line in lines if line["message"] == "request"} == {(500, infer_path.split("/")[3], infer_path)}


def test_a_hook_that_fails_on_the_golden_request_keeps_the_service_from_starting(model_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(APP_TEMPLATE / "app", tmp_path / "app")
    (tmp_path / "app" / "hooks.py").write_text(FAILING.replace(".min() == 16", ".max() > 0"))
    code, lines = ServingProcess({"MODEL_DIR": str(model_dir)}, tmp_path).finish()
    assert code == 1
    assert [line["level"] for line in lines] == ["error", "error"]
    assert "RuntimeError: the developer's fault" in lines[0]["exception"]
    assert lines[1]["message"].startswith("hooks.py or the model fails on the first golden request of model")


def test_samples_of_both_ways_hold_what_is_named_only(start_server: Start, infer_path: str, body: bytes, golden_input: dict[str, Any]) -> None:
    server = start_server(SAMPLE_RATE="1", SAMPLE_TENSORS="label")
    url = server.wait_until_serving()
    post(url, infer_path, body, **TRACED)
    httpx.post(url + infer_path, content=iter([body]), headers=TRACED, trust_env=False)
    lines = [line for line in ended(server) if line["message"] == "sample"]
    assert [line["trace_id"] for line in lines] == [TRACE] * 2
    for line in lines:
        assert line["inputs"] == [{"name": "image", "datatype": "FP32", "shape": golden_input["shape"]}]
        named = {tensor["name"]: tensor for tensor in line["outputs"]}
        assert len(named["label"]["data"]) == 1
        assert "data" not in named["probabilities"]
        assert "Ms Example" not in json.dumps(line)


def test_with_keys_only_those_who_have_one_are_answered(start_server: Start, infer_path: str, body: bytes, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"shop:{KEY}\n")
    server = start_server(API_KEYS_FILE=str(file), GRPC_PORT="0")
    serving = server.next_log()
    url = f"http://{serving['addresses'][0]}"
    for path in ("/v2/health/live", "/v2/health/ready", "/metrics"):
        assert httpx.get(url + path, trust_env=False).status_code == 200
    for path in ("/v2", infer_path.removesuffix("/infer"), "/docs", "/openapi.json", "/nothing", "/v2/health/live/", "//metrics"):
        assert httpx.get(url + path, trust_env=False).status_code == 401
    refused = post(url, infer_path, body)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert post(url, infer_path, body, x_api_key=KEY + "x").status_code == 401
    assert post(url, "/digits", b"[]").status_code == 401
    assert post(url, infer_path, body, x_api_key=KEY).status_code == 200
    with grpc.insecure_channel(serving["grpc_address"], [("grpc.enable_http_proxy", 0)]) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ServerMetadata")
        with pytest.raises(grpc.RpcError) as error:
            call(b"", timeout=10)
        assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED  # pyright: ignore[reportAttributeAccessIssue] - its type does not say what it has
        assert call(b"", metadata=(("x-api-key", KEY),), timeout=10)
    file.write_text(f"shop:{KEY}-new\n")
    time.sleep(1.1)
    assert post(url, infer_path, body, x_api_key=f"{KEY}-new").status_code == 200
    assert post(url, infer_path, body, x_api_key=KEY).status_code == 401
    assert KEY not in json.dumps(ended(server))


def test_tokens_of_the_tenant_let_in_who_has_the_role(start_server: Start, infer_path: str, body: bytes) -> None:
    directory = Directory({"first": new_key()}, ["first"])
    with directory.listening():
        settings = {"ENTRA_TENANT_ID": TENANT, "ENTRA_AUDIENCE": AUDIENCE, "ENTRA_ROLES": "Predict", "AZURE_AUTHORITY_HOST": directory.url + "/"}
        server = start_server(**settings, ACCESS_LOG="all")
        url = server.wait_until_serving()
        assert directory.asked == 0, "not before somebody calls"
        statuses = {
            "good": post(url, infer_path, body, authorization=f"Bearer {directory.token()}").status_code,
            "without the role": post(url, infer_path, body, authorization=f"Bearer {directory.token(roles=[])}").status_code,
            "of another audience": post(url, infer_path, body, authorization=f"Bearer {directory.token(aud='api://other')}").status_code,
            "none": post(url, infer_path, body).status_code,
        }
        assert statuses == {"good": 200, "without the role": 403, "of another audience": 401, "none": 401}
        callers = [line.get("caller") for line in ended(server) if line["message"] == "request"]
    assert callers == ["a-caller", None, None, None]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"API_KEYS_FILE": "/nowhere/keys"}, "API_KEYS_FILE: /nowhere/keys cannot be read: No such file or directory"),
        (
            {"ENTRA_TENANT_ID": "contoso", "ENTRA_AUDIENCE": "x"},
            "ENTRA_TENANT_ID must be the tenant's id, such as 00000000-0000-0000-0000-000000000000, got 'contoso'",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector"}, "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL such as http://collector:4318"),
    ],
)
def test_a_wrong_setting_is_one_line_and_no_open_port(start_server: Start, environment: dict[str, str], message: str) -> None:
    code, lines = start_server(**environment).finish()
    assert code == 1
    assert [line["message"] for line in lines] == [message]
