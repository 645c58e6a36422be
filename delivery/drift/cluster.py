"""Kubernetes objects as they are, whole: the engine looks only at what the program sets, and takes a foreign label or container for no difference."""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from delivery.drift.paths import aligned, value_at
from delivery.drift.resources import SECRET, Resource
from local_azure.differences import ABSENT

_SECONDS = 20
_PART = "Kubernetes objects are compared only as far as the program sets them"

Ask = Callable[[str], str]
"""Gets the objects of a list of manifests, both as JSON."""


class ClusterError(Exception):
    """Why the cluster could not be asked."""


def with_whole_objects(resources: Sequence[Resource], ask: Ask | None = None) -> tuple[list[Resource], tuple[str, ...]]:
    """The resources with their Kubernetes objects as kubectl's current context has them, and what a reader must know.

    An object counts only if it is the one that the stack made, by its uid: kubectl may look at another cluster.

    Args:
        ask: another way than kubectl.
    """
    objects = [resource for resource in resources if resource.now is not None and _uid(resource.outputs)]
    if not objects:
        return list(resources), ()
    manifests = [{name: resource.outputs.get(name) for name in ("apiVersion", "kind")} | {"metadata": _place(resource)} for resource in objects]
    try:
        live = _by_uid((ask or _kubectl)(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})))
    except ClusterError as error:
        return list(resources), (f"{_PART}: {error}",)
    if not any(_uid(resource.outputs) in live for resource in objects):
        return list(resources), (f"{_PART}: kubectl's current context is another cluster",)
    return [_whole(resource, live.get(_uid(resource.outputs))) for resource in resources], ()


def _whole(resource: Resource, live: Mapping[str, Any] | None) -> Resource:
    return replace(resource, now=_hidden(resource.now, aligned(resource.outputs, live))) if live and resource.now is not None else resource


def _hidden(told: Any, live: Any) -> Any:
    """The object with what the engine hides hidden, too."""
    if told == SECRET:
        return SECRET
    if isinstance(live, Mapping):
        return {name: _hidden(told.get(name, ABSENT) if isinstance(told, Mapping) else ABSENT, value) for name, value in live.items()}
    if isinstance(live, list):
        return [_hidden(told[place] if isinstance(told, list) and place < len(told) else ABSENT, item) for place, item in enumerate(live)]
    return live


def _uid(outputs: Mapping[str, Any]) -> str:
    found = value_at(outputs, ("metadata", "uid"))
    return found if isinstance(found, str) else ""


def _place(resource: Resource) -> dict[str, Any]:
    metadata = resource.outputs["metadata"]
    return {name: metadata[name] for name in ("name", "namespace") if name in metadata}


def _by_uid(answer: str) -> dict[str, Mapping[str, Any]]:
    try:
        document = json.loads(answer) if answer.strip() else {}
    except ValueError as error:
        raise ClusterError("kubectl's answer is no JSON") from error
    items = document.get("items", [document])
    return {_uid(item): item for item in items}


def _kubectl(manifests: str) -> str:
    program = shutil.which("kubectl")
    if program is None:
        raise ClusterError("there is no kubectl on PATH")
    command = [program, "get", "--filename", "-", "--ignore-not-found", "--show-managed-fields", "--output", "json", f"--request-timeout={_SECONDS}s"]
    try:
        answer = subprocess.run(command, input=manifests, capture_output=True, text=True, check=False, timeout=2 * _SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"kubectl has not answered within {2 * _SECONDS} s") from error
    if answer.returncode:
        lines = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        raise ClusterError(f"kubectl: {lines[-1]}")
    return answer.stdout
