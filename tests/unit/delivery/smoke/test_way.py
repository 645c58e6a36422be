"""The way through kubectl; a program of this test stands for it."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from delivery.errors import DeliveryError
from delivery.smoke.way import current_context, way_in
from tests.unit.delivery.smoke.fake_service import PROXY, SERVICE

LISTEN = """
import http.server, json, os, pathlib, socketserver, sys
if sys.argv[1:3] == ["config", "current-context"]:
    print("prod-cluster"); sys.exit()
if "get" in sys.argv:
    print(os.environ["PODS"]); sys.exit()
with open(os.environ["SEEN"], "a") as seen:
    seen.write(" ".join([str(os.getpid()), *sys.argv[1:]]) + chr(10))
forwards = "port-forward" in sys.argv
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        blocked = os.environ.get("BLOCKED") and not forwards
        body = json.dumps({"kind": "Status", "message": os.environ["BLOCKED"]}).encode() if blocked else self.path.encode()
        self.send_response(503 if blocked else 200); self.send_header("content-length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def address_string(self): return "x"
    def log_message(self, *_): pass
if forwards:
    if os.environ.get("REFUSED"):
        print("error: " + os.environ["REFUSED"], file=sys.stderr); sys.exit(1)
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    print(f"Forwarding from 127.0.0.1:{server.server_port} -> 8080", flush=True)
else:
    server = socketserver.UnixStreamServer(sys.argv[sys.argv.index("--unix-socket") + 1], Handler)
server.serve_forever()
"""
BLOCKED = "error trying to reach service: dial tcp 10.0.0.4:8080: i/o timeout"


def pod(name: str, *, ready: bool = True, leaving: bool = False) -> dict[str, Any]:
    metadata = {"name": name, **({"deletionTimestamp": "2026-11-24T20:00:00Z"} if leaving else {})}
    return {"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program, to be written; and nothing else on PATH but the shell."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    return tmp_path / "kubectl"


def write(program: Path, text: str) -> None:
    program.write_text(text)
    program.chmod(0o755)


def listening(program: Path) -> None:
    write(program, f"#!{sys.executable}\n{LISTEN}")


def seen(program: Path) -> list[list[str]]:
    """Process id and arguments of each that listened."""
    return [line.split() for line in (program.parent / "seen").read_text().splitlines()]


def gone(process_id: int) -> bool:
    return not psutil.pid_exists(process_id) or psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE


def test_requests_go_through_the_api_server_to_the_service(kubectl: Path):
    listening(kubectl)
    with way_in() as way, way.client(SERVICE, 5) as client:
        assert way.context == "prod-cluster"
        assert client.get("/v2/health/ready").text == f"{PROXY}/v2/health/ready"
        ((process, *arguments),) = seen(kubectl)
        assert way.socket.parent.stat().st_mode & 0o777 == 0o700, "nobody else on this machine acts as whoever deploys"
    assert arguments == ["proxy", "--unix-socket", str(way.socket), "--accept-paths", "^/api/v1/namespaces/[^/]+/services/[^/]+/proxy/"]
    assert gone(int(process))
    assert not way.socket.exists()


class _InterruptedError(BaseException):
    pass


def test_it_ends_when_its_use_is_interrupted(kubectl: Path):
    listening(kubectl)
    with pytest.raises(_InterruptedError), way_in():
        raise _InterruptedError
    assert gone(int(seen(kubectl)[0][0]))


def test_a_kubectl_that_cannot_listen(kubectl: Path):
    write(kubectl, '#!/bin/sh\n[ "$1" = config ] && echo c || { echo "error: no login works" >&2; exit 1; }')
    started = time.monotonic()
    with pytest.raises(DeliveryError) as raised, way_in():
        pass
    assert str(raised.value) == "`kubectl proxy` ended: error: no login works"
    assert time.monotonic() - started < 5


def test_no_context(kubectl: Path):
    write(kubectl, "#!/bin/sh\necho 'error: current-context is not set' >&2; exit 1")
    with pytest.raises(DeliveryError) as raised:
        current_context()
    assert str(raised.value) == (
        "kubectl knows no cluster to ask (current-context is not set); for AKS: `az aks get-credentials --resource-group GROUP --name CLUSTER`, "
        'then `kubelogin convert-kubeconfig -l azurecli`; for the local stack: eval "$(converge local env)"'
    )


def test_no_kubectl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeliveryError, match=r"^there is no `kubectl` on PATH, which the smoke test reaches the cluster with; install it"):
        current_context()


def test_a_network_policy_that_keeps_the_api_server_out_is_gone_round(kubectl: Path, monkeypatch: pytest.MonkeyPatch):
    """Services that are reached from outside let nobody in but the gateway."""
    listening(kubectl)
    monkeypatch.setenv("BLOCKED", BLOCKED)
    monkeypatch.setenv("PODS", json.dumps({"items": [pod("old", leaving=True), pod("starting", ready=False), pod("new")]}))
    with way_in() as way, way.client(SERVICE, 5) as client:
        assert client.get("/v2/health/ready").text == "/v2/health/ready"
    proxy, forward = seen(kubectl)
    assert forward[1:] == ["--namespace", "digits", "port-forward", "pod/new", ":http"]
    assert gone(int(proxy[0]))
    assert gone(int(forward[0]))


def test_without_a_pod_that_is_ready_it_is_not_the_way_that_fails(kubectl: Path, monkeypatch: pytest.MonkeyPatch):
    listening(kubectl)
    monkeypatch.setenv("BLOCKED", BLOCKED)
    monkeypatch.setenv("PODS", json.dumps({"items": [pod("starting", ready=False)]}))
    with way_in() as way, way.client(SERVICE, 5) as client:
        assert client.get("/v2/health/ready").json()["message"] == BLOCKED
    assert len(seen(kubectl)) == 1


def test_what_is_answered_is_no_reason_to_go_another_way(kubectl: Path, monkeypatch: pytest.MonkeyPatch):
    listening(kubectl)
    monkeypatch.setenv("BLOCKED", 'no endpoints available for service "digits"')
    with way_in() as way, way.client(SERVICE, 5) as client:
        assert client.get("/v2/health/ready").status_code == 503
    assert len(seen(kubectl)) == 1


def test_no_way_at_all(kubectl: Path, monkeypatch: pytest.MonkeyPatch):
    listening(kubectl)
    monkeypatch.setenv("BLOCKED", BLOCKED)
    monkeypatch.setenv("REFUSED", 'pods "new" is forbidden: User cannot create resource pods/portforward')
    monkeypatch.setenv("PODS", json.dumps({"items": [pod("new")]}))
    with pytest.raises(DeliveryError) as raised, way_in() as way, way.client(SERVICE, 5):
        pass
    text = 'error: pods "new" is forbidden: User cannot create resource pods/portforward'
    assert str(raised.value) == f"`kubectl port-forward` gives no port: {text}"
