"""Services of the user's own that take the place of the sandbox's: a Kubernetes context, a registry, a BuildKit builder."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_azure.errors import LocalAzureError


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What was named in the environment; None means that the sandbox brings its own.

    Attributes:
        kube_context: context of the user's kubeconfig (CONVERGE_LOCAL_KUBECONTEXT).
        registry: host and port that both the builder and the cluster know the registry by (CONVERGE_LOCAL_REGISTRY).
        builder: buildx builder, with a driver other than `docker` (CONVERGE_LOCAL_BUILDER).
        base_image: Python base image by digest (CONVERGE_LOCAL_BASE_IMAGE); needed when the builder is not ours.
    """

    kube_context: str | None = None
    registry: str | None = None
    builder: str | None = None
    base_image: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Choices":
        """Raises:
        LocalAzureError: the choices do not fit each other.
        """
        choices = cls(
            kube_context=environment.get("CONVERGE_LOCAL_KUBECONTEXT"),
            registry=environment.get("CONVERGE_LOCAL_REGISTRY"),
            builder=environment.get("CONVERGE_LOCAL_BUILDER"),
            base_image=environment.get("CONVERGE_LOCAL_BASE_IMAGE"),
        )
        if choices.builder and not choices.base_image:
            raise LocalAzureError(
                "CONVERGE_LOCAL_BUILDER names a builder of yours, so the sandbox cannot make the Python base image; "
                "name one by digest in CONVERGE_LOCAL_BASE_IMAGE, for instance the `converge:baseImage` of Pulumi.dev.yaml"
            )
        if choices.registry and not choices.builder:
            raise LocalAzureError("CONVERGE_LOCAL_REGISTRY names a registry of yours; name a builder that may push to it in CONVERGE_LOCAL_BUILDER too")
        if choices.kube_context and not choices.registry:
            raise LocalAzureError(
                f"CONVERGE_LOCAL_KUBECONTEXT names the cluster {choices.kube_context!r}, which cannot reach the sandbox's own registry; "
                "name one that it can pull from in CONVERGE_LOCAL_REGISTRY"
            )
        return choices


def write_kubeconfig(context: str, target: Path) -> None:
    """Copies one context of the user's kubeconfig into the sandbox.

    Raises:
        LocalAzureError: there is no kubectl or no such context.
    """
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise LocalAzureError("CONVERGE_LOCAL_KUBECONTEXT needs `kubectl` on PATH to read your kubeconfig; install it or unset the variable")
    command = [kubectl, "config", "view", "--minify", "--flatten", f"--context={context}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LocalAzureError(f"CONVERGE_LOCAL_KUBECONTEXT is {context!r}: {answer.stderr.strip()}; `kubectl config get-contexts` lists what there is")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.touch(mode=0o600)
    target.write_text(answer.stdout)
