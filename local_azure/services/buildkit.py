"""BuildKit without Docker: the daemon, the builder definition that the docker-build plugin finds it by, and builds of our own images."""

import json
import subprocess
from pathlib import Path

from local_azure.processes import Service, run, write_if_changed
from local_azure.sandbox import Sandbox
from local_azure.services.namespaces import Namespaces
from local_azure.toolchain.debian import DebianPrograms

_CACHE_LIMIT = "10GB"


def socket_of(sandbox: Sandbox) -> str:
    """Address of the daemon."""
    return f"unix://{sandbox.runtime}/buildkitd.sock"


def service(sandbox: Sandbox, tool: Path, programs: DebianPrograms, namespaces: Namespaces) -> Service:
    """The daemon, with the machine's network for package index and store, and mounts that nobody else sees."""

    def healthy() -> str | None:
        answer = subprocess.run(
            [str(tool / "buildctl"), "--addr", socket_of(sandbox), "debug", "workers"], capture_output=True, text=True, check=False, timeout=10
        )
        return None if answer.returncode == 0 else (answer.stderr.strip() or "no answer")

    return Service(
        name="buildkit",
        command=namespaces.with_mounts(str(tool / "buildkitd"), "--config", _configuration(sandbox, namespaces), "--addr", socket_of(sandbox)),
        environment=programs.environment(),
        healthy=healthy,
    )


def _configuration(sandbox: Sandbox, namespaces: Namespaces) -> str:
    path = sandbox.folder / "buildkitd.toml"
    write_if_changed(
        path,
        f"""\
root = "{sandbox.folder / "buildkit"}"

[worker.oci]
  enabled = true
  networkMode = "host"
  defaultCgroupParent = "{namespaces.cgroup}/build"
  gc = true
  maxUsedSpace = "{_CACHE_LIMIT}"

[worker.containerd]
  enabled = false

[registry."{sandbox.registry}"]
  http = true
""",
    )
    return str(path)


def define_builder(sandbox: Sandbox) -> None:
    """Writes the builder `converge` as `docker buildx create --driver remote` would, into a BUILDX_CONFIG of our own."""
    definition = {
        "Name": "converge",
        "Driver": "remote",
        "Nodes": [{"Name": "converge0", "Endpoint": socket_of(sandbox), "Platforms": None, "DriverOpts": None, "Flags": None, "Files": None}],
        "Dynamic": False,
    }
    instances = sandbox.folder / "buildx" / "instances"
    instances.mkdir(parents=True, exist_ok=True)
    write_if_changed(instances / "converge", json.dumps(definition))


def push(sandbox: Sandbox, tool: Path, *, context: Path, name: str) -> str:
    """Builds a folder with a Dockerfile and pushes it.

    Returns:
        The image by digest, `localhost:PORT/<name>@sha256:...`.
    """
    metadata = context.parent / f"{context.name}.metadata.json"
    reference = f"{sandbox.registry}/{name}"
    run(
        [
            *(str(tool / "buildctl"), "--addr", socket_of(sandbox), "build", "--frontend", "dockerfile.v0"),
            *("--local", f"context={context}", "--local", f"dockerfile={context}"),
            *("--output", f"type=image,name={reference}:latest,push=true,registry.insecure=true,oci-mediatypes=true"),
            *("--metadata-file", str(metadata)),
        ],
        log=sandbox.log(f"image-{name.replace('/', '-')}"),
        what=f"building the image {reference}",
    )
    digest = json.loads(metadata.read_text())["containerimage.digest"]
    metadata.unlink()
    return f"{reference}@{digest}"
