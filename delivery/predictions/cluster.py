"""A namespace for a minute in the cluster that kubectl points at, with two pods in it that answer."""

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from delivery.errors import DeliveryError
from delivery.predictions.pods import OWNER, objects
from local_azure.progress import Phase, Progress

_PREFIX = "converge-predictions-"
_SECONDS = 60.0
_START_SECONDS = 300.0
_POLL_SECONDS = 0.5
_LAST_LINES = 3
_LEFT_BEHIND = timedelta(hours=1)
_HOPELESS = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError", "RunContainerError")


@contextmanager
def pods(images: Mapping[str, str], memory: str, progress: Progress) -> Iterator[str]:
    """Runs an image per pod, and gives the namespace once all are ready. It is deleted however this ends.

    Raises:
        DeliveryError: the cluster refuses, or a pod does not get ready; says why.
    """
    namespace = f"{_PREFIX}{secrets.token_hex(4)}"
    _sweep(progress)
    try:
        with progress.phase("starting both images") as phase:
            kubectl(["apply", "--filename", "-"], json.dumps(objects(namespace, dict(images), memory)))
            _wait(namespace, len(images), phase)
        yield namespace
    finally:
        _delete(namespace, progress)


def kubectl(arguments: Sequence[str], stdin: str = "", seconds: float = _SECONDS) -> str:
    """What kubectl prints; raises DeliveryError with what it says when it refuses."""
    # In a session of its own: Ctrl-C is for us, and what tidies up must not be hit by it.
    process = subprocess.Popen(
        ["kubectl", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        output, errors = process.communicate(stdin, timeout=seconds)
    except BaseException as error:
        # With what it has started, such as a plugin that logs in; that would keep our pipes open.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise DeliveryError(f"`kubectl {arguments[0]}` did not end within {seconds:.0f} s; can the cluster be reached?") from error
        raise
    if process.returncode:
        raise DeliveryError(f"`kubectl {arguments[0]}` failed: {errors.strip() or f'exit code {process.returncode}'}")
    return output


def _wait(namespace: str, count: int, phase: Phase) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        found: list[dict[str, Any]] = json.loads(kubectl(["get", "pods", "--namespace", namespace, "--output", "json"]))["items"]
        ready = [pod for pod in found if _condition(pod, "Ready").get("status") == "True"]
        if len(ready) == count:
            return
        for pod in found:
            _check(pod)
        if time.monotonic() > until:
            states = "; ".join(f"{pod['metadata']['name']}: {_state(pod)}" for pod in found if pod not in ready)
            raise DeliveryError(f"not ready after {_START_SECONDS:.0f} s: {states}")
        phase.detail(f"{len(ready)} of {count} ready")
        time.sleep(_POLL_SECONDS)


def _check(pod: Mapping[str, Any]) -> None:
    name, image = pod["metadata"]["name"], pod["spec"]["containers"][0]["image"]
    for state in _states(pod):
        if ended := state.get("terminated"):
            reason, words = ended.get("reason", ""), " | ".join(str(ended.get("message", "")).strip().splitlines()[-_LAST_LINES:])
            advice = "; give it more with --memory" if reason == "OOMKilled" else ""
            raise DeliveryError(f"the {name} image, {image}, ended with exit code {ended.get('exitCode')} ({reason}){advice}: {words or 'without a word'}")
        waiting = state.get("waiting") or {}
        if waiting.get("reason") in _HOPELESS:
            raise DeliveryError(f"the {name} image, {image}, does not start: {waiting['reason']}: {waiting.get('message', '')}")


def _states(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of the pod's containers."""
    return [status.get("state") or {} for status in pod["status"].get("containerStatuses") or ()]


def _state(pod: Mapping[str, Any]) -> str:
    scheduled = _condition(pod, "PodScheduled")
    unscheduled = scheduled.get("message", "not scheduled") if scheduled.get("status") != "True" else ""
    waiting = [reason for state in _states(pod) if (reason := (state.get("waiting") or {}).get("reason"))]
    return unscheduled or ", ".join(waiting) or "runs, and is not ready"


def _condition(pod: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return next((condition for condition in pod["status"].get("conditions", ()) if condition["type"] == kind), {})


def _delete(namespace: str, progress: Progress) -> None:
    try:
        kubectl(["delete", "namespace", namespace, "--ignore-not-found", "--wait=false"])
    except DeliveryError as error:
        progress.say(f"the namespace {namespace} is still there ({error}); delete it: kubectl delete namespace {namespace}")


def _sweep(progress: Progress) -> None:
    """Takes away what runs left behind that were killed."""
    label = ",".join(f"{key}={value}" for key, value in OWNER.items())
    found: list[dict[str, Any]] = json.loads(kubectl(["get", "namespaces", "--selector", label, "--output", "json"]))["items"]
    for item in found:
        metadata = item["metadata"]
        made = datetime.fromisoformat(metadata["creationTimestamp"])
        if metadata["name"].startswith(_PREFIX) and datetime.now(UTC) - made > _LEFT_BEHIND:
            _delete(metadata["name"], progress)
