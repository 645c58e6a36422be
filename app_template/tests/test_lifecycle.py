"""Start and stop of the real process: nothing wrong gets a port, nothing accepted gets lost."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from app.settings import Settings, SettingsError, cpu_limit
from serving_process import ServingProcess

Start = Callable[..., ServingProcess]


def _get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=10)


def test_the_start_is_one_line_of_json(start_server: Start, manifest: dict[str, Any]) -> None:
    line = start_server().next_log()
    assert (line["level"], line["message"]) == ("info", "serving")
    assert (line["model"], line["version"]) == (manifest["model"], str(manifest["version"]))
    assert line["sha256"] == manifest["files"]["model.onnx"]["sha256"]


def test_onnx_runtime_reports_to_nobody(start_server: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its telemetry on it keeps an id for this machine in the home folder."""
    folders = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")}
    # These make ONNX Runtime silent too, and would hide that we do not.
    for name in ("CI", "GITHUB_ACTIONS", "TF_BUILD", "PYTEST_CURRENT_TEST", "ORT_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    server = start_server(**folders)
    server.wait_until_serving()
    server.terminate()
    server.finish()
    assert list(tmp_path.rglob("*")) == []


def test_requests_leave_no_line_in_the_log(start_server: Start) -> None:
    server = start_server()
    url = server.wait_until_serving()
    assert _get(f"{url}/v2/health/live").status_code == 200
    assert _get(f"{url}/nothing").status_code == 404
    server.terminate()
    code, log = server.finish()
    assert (code, [line["message"] for line in log]) == (0, ["stopped"])


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"PORT": "http", "MAX_BODY_BYTES": "0"},
            "PORT must be an integer from 0 to 65535, got 'http'; MAX_BODY_BYTES must be an integer from 1 to 1099511627776, got '0'",
        ),
        (
            {"MODEL_DIR": "/nowhere"},
            "there is no model folder /nowhere; name one with MODEL_DIR, or make one: python -m training.train --out training/out",
        ),
    ],
)
def test_a_wrong_start_is_one_error_and_exit_code_1(start_server: Start, environment: dict[str, str], message: str) -> None:
    code, log = start_server(**environment).finish()
    assert code == 1
    assert [(line["level"], line["message"]) for line in log] == [("error", message)]


def test_a_port_in_use(start_server: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, log = start_server(PORT=str(port)).finish()
    assert code == 1
    assert log[0]["message"] == (f"cannot listen on 127.0.0.1:{port}: Address already in use; set HOST and PORT to a free address")


def test_a_broken_model_never_gets_a_port(start_server: Start, model_copy: Path) -> None:
    with (model_copy / "model.onnx").open("ab") as file:
        file.write(b"x")
    code, log = start_server(MODEL_DIR=str(model_copy)).finish()
    assert code == 1
    assert len(log) == 1
    assert "is not the model of manifest.json: expected sha256" in log[0]["message"]


class _SlowRequest:
    """A request whose head and first half are sent, and whose end is not yet."""

    def __init__(self, url: str, path: str, body: bytes) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        self._rest = body[10:]
        self._socket.sendall(head + body[:10])

    def finish(self) -> bytes:
        self._socket.sendall(self._rest)
        answer = b""
        while part := self._socket.recv(65536):
            answer += part
        self._socket.close()
        return answer

    def is_answered_with_200(self) -> bool:
        try:
            return self.finish().startswith(b"HTTP/1.1 200 ")
        except OSError:
            return False


def _accepts_connections(url: str) -> bool:
    try:
        return _get(f"{url}/v2/health/live").status_code == 200
    except httpx.TransportError:  # refused, or accepted by the kernel only and reset when the port was closed
        return False


def _wait_until_not_ready(url: str) -> None:
    """A busy machine takes its time to hand over a signal."""
    deadline = time.monotonic() + 10
    while _get(f"{url}/v2/health/ready").status_code != 503:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _body(golden_input: dict[str, Any]) -> bytes:
    return httpx.Request("POST", "http://x", json={"inputs": [golden_input]}).content


def test_sigterm_turns_readiness_off_first_and_answers_what_it_accepted(start_server: Start, infer_path: str, golden_input: dict[str, Any]) -> None:
    server = start_server(DRAIN_SECONDS="3")
    url = server.wait_until_serving()
    request = _SlowRequest(url, infer_path, _body(golden_input))
    time.sleep(0.1)
    server.terminate()
    _wait_until_not_ready(url)

    # First: not ready any more, but alive, and whoever has not noticed yet is still served.
    ready = _get(f"{url}/v2/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"ready": False, "error": "the server is shutting down"})
    assert _get(f"{url}{infer_path.removesuffix('/infer')}/ready").status_code == 503
    assert _get(f"{url}/v2/health/live").status_code == 200
    late = httpx.post(f"{url}{infer_path}", content=_body(golden_input), trust_env=False)
    assert (late.status_code, late.headers["connection"]) == (200, "close")

    # Then: no new connections. What was accepted before is still answered.
    deadline = time.monotonic() + 10
    while _accepts_connections(url):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert request.finish().startswith(b"HTTP/1.1 200 OK\r\n")
    assert server.finish()[0] == 0


def test_a_second_sigterm_skips_the_pause(start_server: Start) -> None:
    server = start_server(DRAIN_SECONDS="60")
    url = server.wait_until_serving()
    server.terminate()
    _wait_until_not_ready(url)
    server.terminate()
    assert server.finish(timeout=10)[0] == 0


def test_a_request_that_never_ends_does_not_keep_the_process(start_server: Start, infer_path: str, golden_input: dict[str, Any]) -> None:
    server = start_server(SHUTDOWN_SECONDS="1")
    url = server.wait_until_serving()
    request = _SlowRequest(url, infer_path, _body(golden_input))
    time.sleep(0.1)
    server.terminate()
    code, _ = server.finish(timeout=10)
    assert code == 0
    assert not request.is_answered_with_200()


def test_settings_have_defaults_for_the_laptop() -> None:
    settings = Settings.from_environment({})
    assert (settings.host, settings.port, settings.model_dir) == ("127.0.0.1", 8080, Path("/srv/model"))
    assert (settings.intra_op_threads, settings.drain_seconds, settings.shutdown_seconds) == (1, 5, 20)


def test_every_wrong_setting_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"DRAIN_SECONDS": "-1", "WORKER_THREADS": "0"})
    assert str(caught.value) == ("DRAIN_SECONDS must be an integer from 0 to 3600, got '-1'; WORKER_THREADS must be an integer from 1 to 1024, got '0'")


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"cpu.max": "25000 100000\n"}, 0.25),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_the_containers_cpu_limit(tmp_path: Path, files: dict[str, str], limit: float | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    unlimited = cpu_limit(tmp_path / "none")
    assert unlimited >= 1
    assert cpu_limit(tmp_path) == (limit or unlimited)
