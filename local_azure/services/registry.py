"""The OCI registry: one process that takes pushes, and on the node a second one that only reads the same files.

The second one is why an image has the same name for BuildKit on the machine and for containerd on the node: both say localhost.
"""

import json

import httpx

from local_azure.processes import Service, write_if_changed
from local_azure.sandbox import Sandbox
from local_azure.services.namespaces import Namespaces
from local_azure.toolchain.debian import DebianPrograms


def service(sandbox: Sandbox, programs: DebianPrograms) -> Service:
    """The registry that images are pushed to."""
    url = f"http://{sandbox.registry}/v2/"
    return Service(
        name="registry",
        command=[programs.program("docker-registry"), "serve", _configuration(sandbox, "registry", read_only=False)],
        environment=programs.environment(),
        healthy=lambda: _health(url),
        port=sandbox.ports.registry,
    )


def _health(url: str) -> str | None:
    try:
        answer = httpx.get(url, timeout=2, trust_env=False)
    except httpx.HTTPError as error:
        return type(error).__name__
    return None if answer.status_code == 200 else f"HTTP {answer.status_code}"


def mirror(sandbox: Sandbox, programs: DebianPrograms, namespaces: Namespaces) -> Service:
    """The reading registry on the node, where the loopback address is the node's own."""
    url = f"http://{namespaces.node_address}:{sandbox.ports.registry}/v2/"
    return Service(
        name="registry-mirror",
        command=namespaces.on_node(programs.program("docker-registry"), "serve", _configuration(sandbox, "registry-mirror", read_only=True)),
        environment=programs.environment(),
        healthy=lambda: _health(url),
    )


def _configuration(sandbox: Sandbox, name: str, *, read_only: bool) -> str:
    path = sandbox.folder / f"{name}.json"
    configuration = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": read_only}},
        "storage": {
            "filesystem": {"rootdirectory": str(sandbox.folder / "registry")},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}, "readonly": {"enabled": read_only}},
        },
        # The node is a network of its own that only this machine reaches.
        "http": {"addr": f"{'0.0.0.0' if read_only else '127.0.0.1'}:{sandbox.ports.registry}"},  # noqa: S104
    }
    # JSON is YAML too, which is what the registry reads.
    write_if_changed(path, json.dumps(configuration, indent=2))
    return str(path)
