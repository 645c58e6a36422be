"""Programs on this machine that an update calls, and their versions."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata

from delivery.doctor.findings import Finding, failure, ok, warning

_SECONDS = 15.0
_PLUGINS = {"azure-native": "pulumi-azure-native", "kubernetes": "pulumi-kubernetes", "docker-build": "pulumi-docker-build"}
_PYTHON = (3, 11)
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_LEAST_KUBELOGIN = (0, 1, 4)
"""The first with workload identity of GitHub Actions and Azure Pipelines alike."""
_BY_HAND = ("", "devicecode", "interactive")
"""Ways to log in that need a person; devicecode is kubelogin's own when none is named."""
_INSTALL = "https://www.pulumi.com/docs/install"


def _call(command: Sequence[str]) -> str:
    """What a program prints; empty when it fails or hangs."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (answer.stdout + answer.stderr) if answer.returncode == 0 else ""


@dataclass(kw_only=True)
class Machine:
    """The programs of this machine."""

    which: Callable[[str], str | None] = shutil.which
    call: Callable[[Sequence[str]], str] = _call
    python: tuple[int, ...] = tuple(sys.version_info[:3])
    packages: Callable[[str], str] = field(default=metadata.version)
    variables: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def check(self) -> Sequence[Finding]:
        """Pulumi and its plugins, kubelogin, an image builder, Python, kubectl."""
        return [self._python(), *self._pulumi(), self._kubelogin(), self._builder(), self._kubectl()]

    def _python(self) -> Finding:
        version = ".".join(map(str, self.python))
        if self.python < _PYTHON:
            return failure("Python", f"{version}; 3.11 or newer is needed", "make PYTHON=python3.11")
        return ok("Python", version)

    def _pulumi(self) -> Sequence[Finding]:
        if not self.which("pulumi"):
            return [failure("Pulumi", "not on PATH", f"install version {self.packages('pulumi')} or newer: {_INSTALL}")]
        found, wanted = _version(self.call(["pulumi", "version"])), _version(self.packages("pulumi"))
        if not found:
            return [failure("Pulumi", "`pulumi version` does not tell its version", f"install it anew: {_INSTALL}")]
        if found[0] != wanted[0] or found[:2] < wanted[:2]:
            return [failure("Pulumi", f"{_text(found)}; the SDK is {_text(wanted)}, and the engine must not be older", _INSTALL), *self._plugins()]
        return [ok("Pulumi", _text(found)), *self._plugins()]

    def _plugins(self) -> Sequence[Finding]:
        """Plugins are fetched by the way; where that is not allowed they must be there."""
        try:
            listed = json.loads(self.call(["pulumi", "plugin", "ls", "--json"]) or "[]")
        except ValueError:
            listed = []
        there: Mapping[str, set[str]] = {name: {str(one.get("version")) for one in listed if one.get("name") == name} for name in _PLUGINS}
        missing = {name: self.packages(package) for name, package in _PLUGINS.items() if self.packages(package) not in there[name]}
        if not missing:
            return [ok("Pulumi plugins", ", ".join(f"{name} {self.packages(package)}" for name, package in _PLUGINS.items()))]
        commands = " && ".join(f"pulumi plugin install resource {name} {version}" for name, version in missing.items())
        words = ", ".join(f"{name} {version}" for name, version in missing.items())
        return [warning("Pulumi plugins", f"not there yet: {words}; the first preview fetches them", commands)]

    def _kubelogin(self) -> Finding:
        if not self.which("kubelogin"):
            return failure("kubelogin", "not on PATH; without it nobody gets into the cluster", "az aks install-cli")
        found = _version(self.call(["kubelogin", "--version"]))
        if found and found < _LEAST_KUBELOGIN:
            return failure("kubelogin", f"{_text(found)}; {_text(_LEAST_KUBELOGIN)} or newer is needed", "az aks install-cli")
        method = self.variables.get("AAD_LOGIN_METHOD", "")
        if method in _BY_HAND:
            reason = f"it would log in by {method or 'devicecode'}, and an update would wait for somebody at a browser"
            return failure("kubelogin", reason, "export AAD_LOGIN_METHOD=azurecli (or workloadidentity, msi, spn)")
        return ok("kubelogin", f"{_text(found) if found else 'there'}, logs in by {method}")

    def _builder(self) -> Finding:
        """The docker driver can neither export attestations nor caches; docker-build then fails in the middle of an update."""
        create = "docker buildx create --use --driver docker-container"
        if not self.which("docker"):
            return failure("image builder", "docker is not on PATH", "install Docker, or run where it is; then: " + create)
        answer = self.call(["docker", "buildx", "inspect"])
        if not answer:
            return failure(
                "image builder", "`docker buildx inspect` fails: Docker does not run, or may not be used by this user", "docker info; then: " + create
            )
        driver = re.search(r"^Driver:\s*(\S+)", answer, re.MULTILINE)
        if not driver or driver[1] == "docker":
            return failure("image builder", "the builder has the plain docker driver, which cannot do what the image needs", create)
        name = re.search(r"^Name:\s*(\S+)", answer, re.MULTILINE)
        return ok("image builder", f"{name[1] if name else 'buildx'}, driver {driver[1]}")

    def _kubectl(self) -> Finding:
        if not self.which("kubectl"):
            return warning("kubectl", "not on PATH; nothing needs it, but whoever looks into a cluster does", "az aks install-cli")
        return ok("kubectl", "there")


def _version(text: str) -> tuple[int, ...]:
    found = _VERSION.search(text)
    return tuple(int(part) for part in found.groups()) if found else ()


def _text(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
