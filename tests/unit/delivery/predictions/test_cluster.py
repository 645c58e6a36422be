"""The namespace for a minute: what is in it, that it goes again, and what is said when a pod does not start. kubectl is a program of ours."""

import io
import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from delivery.errors import DeliveryError
from delivery.predictions import cluster
from delivery.predictions.pods import FILES_PORT, PORT, objects
from local_azure.progress import Progress

IMAGES = {"old": f"r/digits@sha256:{'a' * 64}", "new": f"r/digits@sha256:{'b' * 64}"}
KUBECTL = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
arguments = sys.argv[1:]
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
if arguments[0] == "apply":
    (folder / "applied").write_text(sys.stdin.read())
answer = folder / "-".join(arguments[:2])
if (folder / ("fails-" + arguments[0])).exists():
    sys.exit("no rights")
print(answer.read_text() if answer.exists() else json.dumps({{"items": []}}))
"""


def pod(name: str, *, ready: bool = False, **state: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}, {"type": "PodScheduled", "status": "True"}]
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"image": IMAGES[name]}]},
        "status": {"conditions": conditions, "containerStatuses": [{"state": state}]},
    }


class Kubectl:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "kubectl"
        program.write_text(KUBECTL.format(python=sys.executable, folder=str(folder)))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.answers("get-pods", pod("old", ready=True), pod("new", ready=True))

    def answers(self, question: str, *items: dict[str, Any]) -> None:
        (self.folder / question).write_text(json.dumps({"items": items}))

    def fails(self, verb: str) -> None:
        (self.folder / f"fails-{verb}").touch()

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    @property
    def deleted(self) -> list[str]:
        return [call[2] for call in self.calls if call[:2] == ["delete", "namespace"]]

    def run(self, inside: Callable[[str], None] = lambda _namespace: None) -> str:
        """What was said on the way."""
        said = io.StringIO()
        with Progress(Console(file=said, width=300)) as progress, cluster.pods(IMAGES, "1Gi", progress) as namespace:
            inside(namespace)
        return said.getvalue()


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(cluster, "_POLL_SECONDS", 0.01)
    return Kubectl(tmp_path)


def test_the_namespace_is_there_while_it_is_needed(kubectl: Kubectl):
    seen: list[str] = []
    kubectl.run(seen.append)
    assert seen[0].startswith("converge-predictions-")
    assert kubectl.deleted == seen
    assert kubectl.calls[-1] == ["delete", "namespace", seen[0], "--ignore-not-found", "--wait=false"]
    applied = json.loads((kubectl.folder / "applied").read_text())
    assert applied == objects(seen[0], IMAGES, "1Gi")


def test_it_goes_also_when_its_use_fails_or_is_interrupted(kubectl: Kubectl):
    class _StopError(BaseException):
        pass

    def stop(_namespace: str) -> None:
        raise _StopError

    with pytest.raises(_StopError):
        kubectl.run(stop)
    assert len(kubectl.deleted) == 1


def test_it_goes_also_when_it_was_made_in_part(kubectl: Kubectl):
    kubectl.fails("apply")
    with pytest.raises(DeliveryError, match=r"^`kubectl apply` failed: no rights$"):
        kubectl.run()
    assert len(kubectl.deleted) == 1


def test_when_it_cannot_be_deleted_it_is_named(kubectl: Kubectl):
    kubectl.fails("delete")
    said = kubectl.run()
    (namespace,) = kubectl.deleted
    assert f"the namespace {namespace} is still there (`kubectl delete` failed: no rights); delete it: kubectl delete namespace {namespace}" in said


def test_what_killed_runs_left_behind_goes(kubectl: Kubectl):
    names = {
        "converge-predictions-0000": "2020-01-01T00:00:00Z",
        "converge-predictions-1111": "2099-01-01T00:00:00Z",
        "somebody-elses": "2020-01-01T00:00:00Z",
    }
    kubectl.answers("get-namespaces", *({"metadata": {"name": name, "creationTimestamp": made}} for name, made in names.items()))
    kubectl.run()
    assert kubectl.deleted[0] == "converge-predictions-0000"
    assert len(kubectl.deleted) == 2
    assert kubectl.calls[0] == ["get", "namespaces", "--selector", "app.kubernetes.io/managed-by=converge-predictions", "--output", "json"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}},
            f"the new image, {IMAGES['new']}, does not start: ImagePullBackOff: not found",
        ),
        (
            {"terminated": {"reason": "Error", "exitCode": 3, "message": "one\ntwo\nthree\nfour"}},
            f"the new image, {IMAGES['new']}, ended with exit code 3 (Error): two | three | four",
        ),
        (
            {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            f"the new image, {IMAGES['new']}, ended with exit code 137 (OOMKilled); give it more with --memory: without a word",
        ),
    ],
)
def test_a_pod_that_will_never_be_ready(kubectl: Kubectl, state: dict[str, Any], message: str):
    kubectl.answers("get-pods", pod("old", ready=True), pod("new", **state))
    with pytest.raises(DeliveryError) as raised:
        kubectl.run()
    assert str(raised.value) == message
    assert len(kubectl.deleted) == 1


def test_a_pod_that_takes_too_long(kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "_START_SECONDS", 0.1)
    homeless = pod("new")
    homeless["status"] = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient memory"}]}
    kubectl.answers("get-pods", pod("old", waiting={"reason": "ContainerCreating"}), homeless)
    with pytest.raises(DeliveryError, match=r"^not ready after 0 s: old: ContainerCreating; new: 0/1 nodes: Insufficient memory$"):
        kubectl.run()


def test_a_cluster_that_does_not_answer(kubectl: Kubectl):
    (kubectl.folder / "kubectl").write_text("#!/bin/sh\nsleep 30\n")
    with pytest.raises(DeliveryError, match=r"^`kubectl get` did not end within 0 s; can the cluster be reached\?$"):
        cluster.kubectl(["get"], seconds=0.1)


def test_pods_are_as_closed_as_the_services_are():
    items = {f"{item['kind']} {item['metadata']['name']}": item for item in objects("ns", IMAGES, "2Gi")["items"]}
    assert list(items) == ["Namespace ns", "ServiceAccount nobody", "NetworkPolicy no-way-out", "Pod old", "Service old", "Pod new", "Service new"]
    assert items["Namespace ns"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert items["NetworkPolicy no-way-out"]["spec"] == {"podSelector": {}, "policyTypes": ["Egress"]}
    spec = items["Pod new"]["spec"]
    assert (spec["automountServiceAccountToken"], spec["serviceAccountName"], spec["restartPolicy"]) == (False, "nobody", "Never")
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert [container["image"] for container in spec["containers"]] == [IMAGES["new"]] * 2
    assert [container["resources"]["limits"]["memory"] for container in spec["containers"]] == ["2Gi", "128Mi"]
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert [port["port"] for port in items["Service new"]["spec"]["ports"]] == [PORT, FILES_PORT]
    assert items["Service new"]["spec"]["selector"] == {"side": "new"}
