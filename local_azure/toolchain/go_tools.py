"""Tools built from the Go module proxy, each pinned by the go.mod and go.sum of its own module folder."""

import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from local_azure.errors import LocalAzureError
from local_azure.processes import run
from local_azure.progress import Progress

_MODULES = Path(__file__).parent / "go"
_KUBERNETES = "v1.34.4"
_BUILDS_AT_ONCE = 2
"""Linking uses one core; a second build fills the other."""


@dataclass(frozen=True, kw_only=True)
class GoTool:
    """One Go module and the programs that come out of it.

    Attributes:
        packages: import paths, or "." for the module's own main.
        programs: names of the programs afterwards; the first is what a single "." is called.
        links: more names for the first program.
        cold_seconds: how long it took with an empty cache and both of two cores to itself, after the tool it is built after; for the estimate of what is left.
        scripts_of_sdk: files of the pulumi SDK's module that must lie beside the program.
        after: name of the tool with which it shares most of its dependencies, in the same versions; built after it, most of it is there already.
        unlisted: path of a module whose version the checksum database does not know; go.sum still pins it.
    """

    name: str
    packages: tuple[str, ...]
    programs: tuple[str, ...]
    cold_seconds: int
    links: tuple[str, ...] = ()
    tags: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    scripts_of_sdk: tuple[str, ...] = ()
    after: str = ""
    unlisted: str = ""

    @property
    def module(self) -> Path:
        return _MODULES / self.name

    def key(self) -> str:
        """Changes whenever what is built could change."""
        built = (self.packages, self.programs, self.links, self.scripts_of_sdk, self.flags())
        digest = hashlib.sha256(repr(built).encode())
        for path in sorted(self.module.rglob("*")):
            if path.is_file():
                digest.update(str(path.relative_to(self.module)).encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:16]

    def flags(self) -> list[str]:
        variables = " ".join(f"-X {name}={value}" for name, value in self.variables.items())
        tags = ["-tags", self.tags] if self.tags else []
        return ["-mod=readonly", "-trimpath", "-gcflags=all=-dwarf=false", *tags, "-ldflags", f"-s -w {variables}".strip()]


PULUMI = GoTool(
    name="engine",
    packages=("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",),
    programs=("pulumi",),
    cold_seconds=150,
    tags="osusergo,grpcnotrace",
    variables={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": "v3.259.0"},
)
LANGUAGE_HOST = GoTool(
    name="language-host",
    packages=("github.com/pulumi/pulumi/sdk/python/cmd/pulumi-language-python/v3",),
    programs=("pulumi-language-python",),
    after="engine",
    cold_seconds=10,
    scripts_of_sdk=("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python"),
)
KUBERNETES_PLUGIN = GoTool(
    name="kubernetes-plugin",
    packages=(".",),
    programs=("pulumi-resource-kubernetes",),
    after="kubernetes",
    cold_seconds=160,
    variables={"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version": "4.25.0"},
    unlisted="github.com/pulumi/pulumi-kubernetes",
)
DOCKER_BUILD_PLUGIN = GoTool(
    name="docker-build-plugin",
    packages=("github.com/pulumi/pulumi-docker-build/provider/cmd/pulumi-resource-docker-build",),
    programs=("pulumi-resource-docker-build",),
    after="engine",
    cold_seconds=65,
    variables={"github.com/pulumi/pulumi-docker-build/provider.Version": "0.0.22"},
)
BUILDKIT = GoTool(
    name="buildkit",
    packages=("github.com/moby/buildkit/cmd/buildkitd", "github.com/moby/buildkit/cmd/buildctl"),
    programs=("buildkitd", "buildctl"),
    after="docker-build-plugin",
    cold_seconds=25,
    variables={"github.com/moby/buildkit/version.Version": "v0.31.0"},
)
KUBERNETES = GoTool(
    name="kubernetes",
    packages=(".",),
    programs=("kube",),
    links=("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl", "kubeadm"),
    cold_seconds=230,
    variables={
        f"{package}.{name}": value
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for name, value in {"gitVersion": _KUBERNETES, "gitMajor": "1", "gitMinor": "34"}.items()
    },
)
ETCD = GoTool(name="etcd", packages=("go.etcd.io/etcd/server/v3",), programs=("etcd",), after="kubernetes", cold_seconds=20)
PAUSE = GoTool(name="pause", packages=(".",), programs=("pause",), cold_seconds=1)
ACTIONLINT = GoTool(name="actionlint", packages=("github.com/rhysd/actionlint/cmd/actionlint",), programs=("actionlint",), cold_seconds=10)
"""No part of the sandbox: checks the pipelines of GitHub Actions in the tests."""


class GoBuilder:
    """Builds tools into the cache; what is there already is used without touching the network.

    Args:
        cache: the folder that all checkouts share.
        find_go: finds or installs Go; called only when something must be built.
    """

    def __init__(self, cache: Path, progress: Progress, find_go: Callable[[], Path]) -> None:
        self._cache = cache
        self._progress = progress
        self._find_go = find_go
        self._slots = threading.Semaphore(_BUILDS_AT_ONCE)
        self._lock = threading.Lock()
        self._left: dict[str, int] = {}

    def folder(self, tool: GoTool) -> Path:
        """Where the tool's programs are once it is built."""
        return self._cache / "tools" / f"{tool.name}-{tool.key()}"

    def missing(self, tools: list[GoTool]) -> list[GoTool]:
        """The tools that must be built; remembered for the estimate."""
        missing = [tool for tool in tools if not self.folder(tool).exists()]
        self._left = {tool.name: tool.cold_seconds for tool in missing}
        return missing

    def build(self, tool: GoTool) -> None:
        """Builds one tool unless it is there.

        Raises:
            LocalAzureError: the build failed; names the tool, the log and what to do.
        """
        if self.folder(tool).exists():
            return
        with self._slots, self._progress.phase(f"build {tool.name}") as phase:
            phase.detail(self._estimate())
            started = time.monotonic()
            self._build(tool)
            with self._lock:
                self._left.pop(tool.name, None)
            self._progress.say(f"  built {tool.name} in {time.monotonic() - started:.0f} s; {self._estimate()}")

    def _estimate(self) -> str:
        with self._lock:
            left = dict(self._left)
        if not left:
            return "all tools are built"
        return f"{len(left)} tools left ({', '.join(left)}), about {max(1, round(sum(left.values()) / 60))} min on two cores"

    def _build(self, tool: GoTool) -> None:
        target = self.folder(tool)
        partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        go = self._find_go()
        output = partial / tool.programs[0] if len(tool.packages) == 1 else partial
        try:
            run(
                [str(go), "build", *tool.flags(), "-o", f"{output}{os.sep if output == partial else ''}", *tool.packages],
                log=self._cache / "logs" / f"build-{tool.name}.log",
                environment=_go_environment(tool),
                cwd=tool.module,
                what=f"building {tool.name}",
            )
            for script in tool.scripts_of_sdk:
                shutil.copy(_module_folder(go, tool) / script, partial)
                (partial / Path(script).name).chmod(0o755)
        except LocalAzureError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise LocalAzureError(
                f"{error}\n  what was built stays; once the cause is gone (network to the Go module proxy, disk space), run the command again"
            ) from error
        for link in tool.links:
            (partial / link).symlink_to(tool.programs[0])
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)


def _go_environment(tool: GoTool) -> dict[str, str]:
    # The compiler's garbage collector is worth more memory: building gets faster by a tenth, and a compile process stays under 2 GB.
    environment = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "GOGC": "400", "GOWORK": "off"}
    if tool.unlisted:
        environment["GONOSUMDB"] = tool.unlisted
    return environment


def _module_folder(go: Path, tool: GoTool) -> Path:
    """Where the module cache keeps the pulumi SDK that the tool was built with."""
    listing = subprocess.run(
        [str(go), "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi/sdk/v3"],
        cwd=tool.module,
        env={**os.environ, **_go_environment(tool)},
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        raise LocalAzureError(f"the Go module cache has no copy of the Pulumi SDK: {listing.stderr.strip()}")
    return Path(listing.stdout.strip())
