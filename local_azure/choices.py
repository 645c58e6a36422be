"""Services of the user's own that take the place of the sandbox's: a Kubernetes context, a registry, a BuildKit builder."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_azure.errors import LocalAzureError

_VARIABLES = {
    "kube_context": "CONVERGE_LOCAL_KUBECONTEXT",
    "registry": "CONVERGE_LOCAL_REGISTRY",
    "builder": "CONVERGE_LOCAL_BUILDER",
    "base_image": "CONVERGE_LOCAL_BASE_IMAGE",
}


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What was named in the environment: all of it, or nothing and the sandbox brings its own.

    Attributes:
        kube_context: context of the user's kubeconfig (CONVERGE_LOCAL_KUBECONTEXT).
        registry: host and port that both the builder and the cluster know the registry by (CONVERGE_LOCAL_REGISTRY).
        builder: buildx builder, with a driver other than `docker` (CONVERGE_LOCAL_BUILDER).
        base_image: Python base image by digest (CONVERGE_LOCAL_BASE_IMAGE).
    """

    kube_context: str | None = None
    registry: str | None = None
    builder: str | None = None
    base_image: str | None = None

    @property
    def own_services(self) -> bool:
        """Whether the user brings cluster, registry and builder."""
        return self.kube_context is not None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Choices":
        """Raises:
        LocalAzureError: the choices do not fit each other.
        """
        values = {name: environment.get(variable) or None for name, variable in _VARIABLES.items()}
        missing = [variable for name, variable in _VARIABLES.items() if values[name] is None]
        if missing and len(missing) < len(_VARIABLES):
            named = ", ".join(variable for variable in _VARIABLES.values() if variable not in missing)
            raise LocalAzureError(
                f"{named} is set, but not {', '.join(missing)}: a cluster of your own cannot pull from the "
                "sandbox's registry, nor a builder of your own push to it, so all four are named or none (docs/local-stack.md)"
            )
        return cls(**values)


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
