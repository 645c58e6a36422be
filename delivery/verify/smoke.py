"""One real prediction: the first golden request of the deployed model, sent to the Service, and its answer compared."""

import json
import math
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from delivery.azure.errors import AzureError

_SECONDS = 60.0
_FORWARDED = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


def predict(service: Mapping[str, Any], golden: Path, kubeconfig: Path) -> str:
    """Sends it through `kubectl port-forward`, which needs no way into the network but the API server.

    Returns:
        What came back, for people.

    Raises:
        AzureError: no answer, or another one than the model's golden request demands.
    """
    case = json.loads(golden.read_text())["cases"][0]
    where = ["--kubeconfig", str(kubeconfig), "--namespace", str(service["namespace"])]
    command = ["kubectl", *where, "port-forward", f"service/{service['service']}", f":{service['port']}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as forwarding:
        try:
            url = f"http://127.0.0.1:{_port(forwarding)}/v2/models/{service['model']['name']}/infer"
            answer = httpx.post(url, json={"inputs": case["inputs"]}, timeout=_SECONDS, trust_env=False).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise AzureError(f"the service {service['service']} does not answer a prediction: {error}") from error
        finally:
            forwarding.terminate()
    compare(answer, case["outputs"], str(service["model"]["version"]))
    return f"model {service['model']['name']} version {answer.get('model_version')} answers as its golden request demands"


def compare(answer: Mapping[str, Any], expected: Sequence[Mapping[str, Any]], version: str) -> None:
    """Raises an AzureError unless the answer is the model's."""
    if str(answer.get("model_version")) != version:
        raise AzureError(f"version {answer.get('model_version')} of the model answers, deployed is {version}")
    outputs = {str(output["name"]): output["data"] for output in answer.get("outputs", [])}
    for wanted in expected:
        got = outputs.get(str(wanted["name"]), [])
        same = len(got) == len(wanted["data"]) and all(_close(one, other) for one, other in zip(got, wanted["data"], strict=True))
        if not same:
            raise AzureError(f"output {wanted['name']} is {got}, the golden request demands {wanted['data']}")


def _close(one: Any, other: Any) -> bool:
    return math.isclose(one, other, rel_tol=1e-3, abs_tol=1e-4) if isinstance(other, float) else one == other


def _port(forwarding: subprocess.Popen[str]) -> str:
    until = time.monotonic() + _SECONDS
    said: list[str] = []
    while forwarding.stdout and time.monotonic() < until:
        line = forwarding.stdout.readline()
        if found := _FORWARDED.search(line):
            return found[1]
        if not line:
            break
        said.append(line.strip())
    raise AzureError(f"kubectl port-forward gives no port: {' '.join(said) or 'no word'}")
