"""The plugins' process: `python -m local_azure.workloads kubernetes` or `docker-build`."""

import sys
from importlib.metadata import version

from local_azure.plugin import serve
from local_azure.workloads.docker_build import DockerBuildProvider
from local_azure.workloads.install import SDKS
from local_azure.workloads.kubernetes import KubernetesProvider

_PROVIDERS = {"kubernetes": KubernetesProvider, "docker-build": DockerBuildProvider}


def main(name: str) -> int:
    """Serves one of the plugins until the engine ends."""
    return serve(lambda _sandbox: _PROVIDERS[name](version(SDKS[name])))


if __name__ == "__main__":
    # The engine adds arguments of its own.
    sys.exit(main(sys.argv[1]))
