"""The other way to a service: into one of its pods, through the kubelet, where no network policy lies between."""

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from delivery.errors import DeliveryError
from delivery.smoke.deployed import Deployed
from delivery.smoke.processes import ended_with

_SECONDS = 20.0
_LISTENING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
_PORT_NAME = "http"


@contextmanager
def forwarded(service: Deployed, pod: str, seconds: float) -> Iterator[httpx.Client]:
    """Requests to one pod.

    Args:
        seconds: after which an answer is not waited for any more.

    Raises:
        DeliveryError: kubectl may not forward, or cannot.
    """
    with tempfile.TemporaryDirectory(prefix="converge-forward-") as folder:
        log = Path(folder) / "log"
        with log.open("w") as output:
            command = ["kubectl", "--namespace", service.namespace, "port-forward", f"pod/{pod}", f":{_PORT_NAME}"]
            # In a session of its own, so that Ctrl-C does not end it before those who use it.
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        with ended_with(process), httpx.Client(base_url=f"http://127.0.0.1:{_port(log, process)}", timeout=seconds, trust_env=False) as client:
            yield client


def ready_pod(service: Deployed) -> str:
    """A pod of the service that is ready; empty when none is. Raises DeliveryError when the cluster does not say."""
    selector = f"app.kubernetes.io/name={service.service}"
    command = ["kubectl", "--namespace", service.namespace, "get", "pods", "--selector", selector, "--output", "json"]
    asked = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise DeliveryError(f"the pods of {service.service} cannot be listed: {asked.stderr.strip()}")
    return next((pod["metadata"]["name"] for pod in json.loads(asked.stdout)["items"] if _is_ready(pod)), "")


def _is_ready(pod: Mapping[str, Any]) -> bool:
    """And not on its way out, which a pod of the version before may still be."""
    conditions = pod.get("status", {}).get("conditions", ())
    return "deletionTimestamp" not in pod["metadata"] and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _port(log: Path, process: "subprocess.Popen[bytes]") -> str:
    until = time.monotonic() + _SECONDS
    while True:
        ended = process.poll() is not None
        said = log.read_text()
        if found := _LISTENING.search(said):
            return found[1]
        if ended or time.monotonic() > until:
            raise DeliveryError(f"`kubectl port-forward` gives no port: {said.strip() or 'no word'}")
        time.sleep(0.02)
