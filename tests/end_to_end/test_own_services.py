"""A cluster, a registry and a builder that exist already are named instead of the sandbox's own: a second checkout uses those of the first.

It runs a service of another name, so the list of services of a stack is tried on the way, too.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.end_to_end.copy_of_checkout import ROOT, Copy

_PORT_BASE = "18110"


@pytest.fixture
def guest(copy: Copy, tmp_path: Path) -> Iterator[Copy]:
    """A second checkout; its kubeconfig, buildx configuration and PATH lead to the first one's services, as a user's lead to kind's."""
    copy.up()
    folder = tmp_path / "guest"
    shutil.copytree(copy.folder, folder, symlinks=True, ignore=shutil.ignore_patterns(".converge", "locks", "Pulumi.local.yaml"))
    (folder / "Pulumi.local.yaml").write_text(yaml.safe_dump({"config": {"converge:services": [{"name": "reader", "model": "digits", "replicas": 1}]}}))
    kubectl = copy.in_sandbox("command -v kubectl").stdout.strip()
    variables = {
        "CONVERGE_LOCAL_PORT_BASE": _PORT_BASE,
        "CONVERGE_LOCAL_KUBECONTEXT": yaml.safe_load(copy.sandbox.kubeconfig.read_text())["current-context"],
        "CONVERGE_LOCAL_REGISTRY": copy.sandbox.registry,
        "CONVERGE_LOCAL_BUILDER": "converge",
        "CONVERGE_LOCAL_BASE_IMAGE": yaml.safe_load((copy.folder / "Pulumi.local.yaml").read_text())["config"]["converge:baseImage"],
        "KUBECONFIG": str(copy.sandbox.kubeconfig),
        "BUILDX_CONFIG": str(copy.sandbox.folder / "buildx"),
        "PATH": f"{Path(kubectl).parent}{os.pathsep}{copy.environment['PATH']}",
    }
    made = Copy(folder, {**copy.environment, **variables})
    yield made
    destroyed = made.in_sandbox("pulumi destroy --stack local --yes --non-interactive")
    cleaned = made.converge("local", "clean", "--yes")
    assert (destroyed.returncode, cleaned.returncode) == (0, 0), destroyed.stdout + destroyed.stderr + cleaned.stderr


def test_a_service_runs_on_a_cluster_of_ones_own(copy: Copy, guest: Copy):
    waiting = guest.up()
    assert "service reader has no model yet" in waiting
    status = guest.converge("local", "status", "--json")
    assert status.returncode == 0, "only what this sandbox brings itself must run"

    # A certificate authority of its own: the base image of the first sandbox must trust the second one's store.
    model = copy.sandbox.folder / "training" / "digits"
    published = guest.in_sandbox(f"converge model publish digits {model} && converge model promote digits latest --stack local --service reader")
    assert published.returncode == 0, published.stderr
    printed = guest.up()
    assert "reader: model digits version 1" in printed
    assert "port-forward service/reader 8080:80" in printed

    address = guest.in_sandbox("kubectl get service reader --namespace reader --output 'jsonpath={.spec.clusterIP}'").stdout
    answer = httpx.get(f"http://{address}/v2/models/digits", trust_env=False).raise_for_status().json()
    assert answer["parameters"]["sha256"] == guest.outputs()["services"]["reader"]["model"]["sha256"]
    assert ROOT not in guest.folder.parents
