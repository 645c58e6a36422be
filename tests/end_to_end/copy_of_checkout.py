"""What the end-to-end tests do to a copy of the checkout."""

import json
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from local_azure.sandbox import Sandbox
from local_azure.toolchain.debian import DebianPrograms

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Copy:
    """A checkout in a temporary folder and the environment that its commands get."""

    folder: Path
    environment: dict[str, str]

    @cached_property
    def sandbox(self) -> Sandbox:
        return Sandbox.of(self.folder, self.environment)

    def run(self, *command: str, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command in the copy; output and errors are returned, not raised."""
        return subprocess.run(command, cwd=self.folder, env={**self.environment, **(variables or {})}, capture_output=True, text=True, check=False)

    def kernel(self, command: str) -> str:
        """What a program such as `ip` lists; the sandbox's own copy of it, since a machine may have none."""
        listed = self.run(*command.split(), variables=DebianPrograms(self.sandbox.cache).environment())
        assert listed.returncode == 0, listed.stderr
        return listed.stdout

    def converge(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(ROOT / ".venv" / "bin" / "converge"), *arguments)

    def in_sandbox(self, command: str) -> subprocess.CompletedProcess[str]:
        """Runs a shell line as a user does after `eval "$(converge local env)"`."""
        return self.run("bash", "-c", f'eval "$({ROOT}/.venv/bin/converge local env)" && export PATH={ROOT}/.venv/bin:$PATH && {command}')

    def up(self) -> str:
        """Deploys; returns what was printed."""
        result = self.run("make", "-o", ".venv/made", "up")
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def outputs(self) -> dict[str, Any]:
        result = self.in_sandbox("pulumi stack output --json --stack local")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def service(self) -> dict[str, Any]:
        return self.outputs()["services"]["digits"]

    def url(self) -> str:
        """Address of the digits Service from this machine."""
        result = self.in_sandbox("kubectl get service digits --namespace digits --output 'jsonpath={.spec.clusterIP}'")
        assert result.returncode == 0, result.stderr
        return f"http://{result.stdout.strip()}"

    def golden_case(self) -> dict[str, Any]:
        model = self.service()["model"]
        return self.golden_of(model["name"], model["version"])["cases"][0]

    def golden_of(self, name: str, version: int) -> dict[str, Any]:
        target = self.sandbox.folder / "golden" / f"{name}-{version}"
        if not target.exists():
            result = self.in_sandbox(f"converge model fetch {name} {version} --to {target}")
            assert result.returncode == 0, result.stderr
        return json.loads((target / "golden.json").read_text())

    def predict(self, url: str | None = None) -> dict[str, Any]:
        """The answer to the deployed model's first golden request."""
        answer = httpx.post(f"{url or self.url()}/v2/models/digits/infer", json={"inputs": self.golden_case()["inputs"]}, timeout=10, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def registry_blobs(self) -> dict[str, int]:
        """Size of every blob in the registry, by digest."""
        blobs = self.sandbox.folder / "registry" / "docker" / "registry" / "v2" / "blobs" / "sha256"
        return {f"sha256:{path.parent.name}": path.stat().st_size for path in blobs.glob("*/*/data")}

    def layers(self) -> list[str]:
        """Digests of the deployed image's layers."""
        repository, digest = self.service()["image"].split("@")
        host, name = repository.split("/", 1)
        return [layer["digest"] for layer in _manifest(f"http://{host}/v2/{name}/manifests/", digest)["layers"]]

    def publish_variant(self, seed: int) -> int:
        """Trains another model, publishes and promotes it; returns its version."""
        out = self.sandbox.folder / "training" / f"variant-{seed}"
        trained = self.run(
            str(ROOT / ".venv/bin/python"),
            "-m",
            "training.train",
            "--seed",
            str(seed),
            "--out",
            str(out),
            variables={"PYTHONPATH": str(self.folder / "app_template")},
        )
        assert trained.returncode == 0, trained.stderr
        return self.publish(out)

    def publish(self, folder: Path) -> int:
        """Publishes and promotes a model folder; returns its version."""
        published = self.in_sandbox(f"converge model publish digits {folder} && converge model promote digits latest --stack local")
        assert published.returncode == 0, published.stderr
        return json.loads((self.folder / "locks" / "local.json").read_text())["services"]["digits"]["model"]["version"]


def _manifest(base: str, digest: str) -> dict[str, Any]:
    accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    manifest = httpx.get(f"{base}{digest}", headers={"Accept": accept}, trust_env=False).raise_for_status().json()
    return _manifest(base, manifest["manifests"][0]["digest"]) if "manifests" in manifest else manifest
