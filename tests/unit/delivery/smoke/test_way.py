"""The way through kubectl; a program of this test stands for it."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from delivery.errors import DeliveryError
from delivery.smoke.way import current_context, way_in
from tests.unit.delivery.smoke.fake_service import PROXY, SERVICE

LISTEN = """
import http.server, os, pathlib, socketserver, sys
if sys.argv[1:3] == ["config", "current-context"]:
    print("prod-cluster"); sys.exit()
pathlib.Path(os.environ["SEEN"]).write_text(" ".join([str(os.getpid()), *sys.argv[1:]]))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.path.encode()
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def address_string(self): return "x"
    def log_message(self, *_): pass
socketserver.UnixStreamServer(sys.argv[sys.argv.index("--unix-socket") + 1], Handler).serve_forever()
"""


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


def gone(process_id: int) -> bool:
    return not psutil.pid_exists(process_id) or psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE


def test_requests_go_through_the_api_server_to_the_service(kubectl: Path):
    listening(kubectl)
    with way_in() as way, way.client(SERVICE, 5) as client:
        assert way.context == "prod-cluster"
        assert client.get("/v2/health/ready").text == f"{PROXY}/v2/health/ready"
        process, *arguments = (kubectl.parent / "seen").read_text().split()
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
    assert gone(int((kubectl.parent / "seen").read_text().split()[0]))


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
