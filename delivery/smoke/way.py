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
from delivery.smoke.forward import forwarded, ready_pod
from delivery.smoke.processes import ended_with

_SECONDS = 20.0
"""For kubectl to log in and listen."""
_ONLY_SERVICES = r"^/api/v1/namespaces/[^/]+/services/[^/]+/proxy/"
_NO_WAY = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT, httpx.codes.BAD_GATEWAY)
_NOT_REACHED = "error trying to reach service"
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

    @contextmanager
    def client(self, service: Deployed, seconds: float) -> Iterator[httpx.Client]:
        """Requests that the API server hands on to one of the Service's pods; where a network policy keeps it from them, requests to one pod.

        Args:
            seconds: after which an answer is not waited for any more.

        Raises:
            DeliveryError: there is no way at all.
        """
        place = f"/api/v1/namespaces/{service.namespace}/services/http:{service.service}:{service.port}/proxy"
        transport = httpx.HTTPTransport(uds=str(self.socket))
        with httpx.Client(base_url=f"http://localhost{place}", transport=transport, timeout=seconds, trust_env=False) as client:
            # Without a pod that is ready it is the service that fails, and not the way to it.
            pod = "" if _reaches(client) else ready_pod(service)
            if not pod:
                yield client
                return
        with forwarded(service, pod, seconds) as client:
            yield client


def _reaches(client: httpx.Client) -> bool:
    """Whether the API server gets to the pods. Anything that is answered, also that there are none, is an answer."""
    try:
        answer = client.get("/v2/health/live")
    except httpx.ReadTimeout:
        return False
    except httpx.TransportError:
        return True
    return not (answer.status_code in _NO_WAY and _NOT_REACHED in answer.text)


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
        log = Path(folder) / "log"
        with log.open("w") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        with ended_with(process):
            _wait_for(socket, log, process)
            yield Way(context=context, socket=socket)


def _wait_for(socket: Path, log: Path, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _SECONDS
    while not socket.exists():
        if process.poll() is not None:
            raise DeliveryError(f"`kubectl proxy` ended: {log.read_text().strip() or f'exit code {process.returncode}'}")
        if time.monotonic() > until:
            raise DeliveryError(f"`kubectl proxy` does not listen after {_SECONDS:.0f} s")
        time.sleep(0.02)
