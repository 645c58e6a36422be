"""The way to a Service: through the Kubernetes API server of kubectl's current context, so nothing has to be open to callers."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from delivery.errors import DeliveryError
from delivery.smoke.deployed import Deployed

_SECONDS = 20.0
"""For kubectl to log in and listen."""
_ONLY_SERVICES = r"^/api/v1/namespaces/[^/]+/services/[^/]+/proxy/"
_LOG_IN = (
    "for AKS: `az aks get-credentials --resource-group GROUP --name CLUSTER`, then `kubelogin convert-kubeconfig -l azurecli`; "
    'for the local stack: eval "$(converge local env)"'
)


@dataclass(frozen=True, kw_only=True)
class Way:
    """Into the cluster.

    Attributes:
        context: kubectl's name for it.
    """

    context: str
    socket: Path

    def client(self, service: Deployed, seconds: float) -> httpx.Client:
        """Requests that the API server hands on to one of the Service's pods.

        Args:
            seconds: after which an answer is not waited for any more.
        """
        place = f"/api/v1/namespaces/{service.namespace}/services/http:{service.service}:{service.port}/proxy"
        return httpx.Client(base_url=f"http://localhost{place}", transport=httpx.HTTPTransport(uds=str(self.socket)), timeout=seconds, trust_env=False)


def current_context() -> str:
    """Of kubectl; raises DeliveryError when there is no kubectl or no context, and says how to get one."""
    if shutil.which("kubectl") is None:
        raise DeliveryError(
            "there is no `kubectl` on PATH, which the smoke test reaches the cluster with; install it (https://kubernetes.io/docs/tasks/tools/)"
        )
    asked = subprocess.run(["kubectl", "config", "current-context"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise DeliveryError(f"kubectl knows no cluster to ask ({asked.stderr.removeprefix('error: ').strip()}); {_LOG_IN}")
    return asked.stdout.strip()


@contextmanager
def way_in() -> Iterator[Way]:
    """Opens the way, and closes it however its use ends.

    Raises:
        DeliveryError: kubectl is not there, has no context, or cannot listen.
    """
    context = current_context()
    # A socket that only its owner can use: a port would let everybody on this machine act as whoever deploys.
    with tempfile.TemporaryDirectory(prefix="converge-way-") as folder:
        socket = Path(folder) / "s"
        command = ["kubectl", "proxy", "--unix-socket", str(socket), "--accept-paths", _ONLY_SERVICES]
        # In a session of its own, so that Ctrl-C does not end it before those who use it.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            _wait_for(socket, process)
            yield Way(context=context, socket=socket)
        finally:
            _end(process)


def _wait_for(socket: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + _SECONDS
    while not socket.exists():
        if process.poll() is not None:
            said = process.communicate()[1].strip()
            raise DeliveryError(f"`kubectl proxy` ended: {said or f'exit code {process.returncode}'}")
        if time.monotonic() > until:
            raise DeliveryError(f"`kubectl proxy` does not listen after {_SECONDS:.0f} s")
        time.sleep(0.02)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr:
        process.stderr.close()
