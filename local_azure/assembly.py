"""What the sandbox consists of and what needs what: the tools, the services, the images."""

import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from local_azure import engine
from local_azure.choices import Choices, write_kubeconfig
from local_azure.errors import LocalAzureError
from local_azure.processes import Service, Supervisor
from local_azure.progress import Progress
from local_azure.sandbox import STORAGE_ACCOUNT, SUBSCRIPTION_ID, Sandbox
from local_azure.services import blob, buildkit, certificates, identity, images, registry
from local_azure.services.kubernetes import Kubernetes
from local_azure.services.namespaces import Namespaces
from local_azure.steps import Step, run_steps
from local_azure.toolchain.debian import DebianPrograms
from local_azure.toolchain.go_tools import BUILDKIT, DOCKER_BUILD_PLUGIN, ETCD, KUBERNETES, KUBERNETES_PLUGIN, LANGUAGE_HOST, PAUSE, PULUMI, GoBuilder, GoTool
from local_azure.toolchain.runtimes import Runtimes

_ENGINE_TOOLS = (PULUMI, LANGUAGE_HOST, KUBERNETES_PLUGIN, DOCKER_BUILD_PLUGIN)
_FREE_BYTES_TO_BUILD = 20 * 1024**3
_FREE_BYTES_TO_RUN = 2 * 1024**3


@dataclass
class LocalAzure:
    """Azure on one machine: everything that must run before the program can be deployed to the `local` stack."""

    sandbox: Sandbox
    choices: Choices
    progress: Progress
    base_image: str = ""
    _pause_image: str = ""
    supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        self.runtimes = Runtimes(self.sandbox.cache)
        self.builder = GoBuilder(self.sandbox.cache, self.progress, self.runtimes.go)
        self.debian = DebianPrograms(self.sandbox.cache)
        self.namespaces = Namespaces(self.sandbox, self.debian)
        self.supervisor = Supervisor(self.sandbox)
        self.found_pulumi = engine.installed_pulumi()

    def start(self) -> None:
        """Brings everything up that is not up.

        Raises:
            LocalAzureError: something is missing or failed; nothing of what runs is stopped.
        """
        self._check_machine()
        self.sandbox.create()
        certificates.ensure(self.sandbox)
        self._check_ports()
        missing = self.builder.missing(self._go_tools())
        self._check_space(building=bool(missing))
        self._announce(missing)
        run_steps(self._steps(), self._tell_failure)
        self._write_endpoints()

    def prepare(self) -> None:
        """Builds and fetches every program; starts nothing."""
        self._announce(self.builder.missing(self._go_tools()))
        programs = [] if self.choices.own_services else [Step(name="debian", run=self._unpack_debian)]
        run_steps([*self._build_steps(self._go_tools()), Step(name="install azurite", run=self._install_azurite), *programs], self._tell_failure)

    def preview_only(self) -> None:
        """What a preview without services needs: engine, plugins and the simulated ARM."""
        self.sandbox.create()
        certificates.ensure(self.sandbox)
        tools = [] if self.found_pulumi else list(_ENGINE_TOOLS)
        self.builder.missing(tools)
        run_steps(
            [*self._build_steps(tools), Step(name="engine", needs=tuple(f"build {tool.name}" for tool in tools), run=self._set_up_engine)], self._tell_failure
        )

    def services(self) -> list[str]:
        """Names of the services that this sandbox brings itself, in the order in which they are stopped."""
        return list(_ALWAYS_OURS) if self.choices.own_services else list(SERVICES)

    def environment(self) -> dict[str, str]:
        """The environment of a Pulumi run in the sandbox."""
        environment = engine.environment(self.sandbox, built=self.found_pulumi is None)
        if self.choices.builder:
            # Its definition lies in the user's own configuration.
            del environment["BUILDX_CONFIG"]
            environment["BUILDX_BUILDER"] = self.choices.builder
        return environment

    def _tell_failure(self, step: str, running: int) -> None:
        if running:
            self.progress.say(f"  {step} failed; what is under way ({running}) ends first")

    def _announce(self, missing: list[GoTool]) -> None:
        if missing:
            minutes = max(1, round(sum(tool.cold_seconds for tool in missing) / 60))
            self.progress.say(
                f"  {len(missing)} tools are built from source once ({', '.join(tool.name for tool in missing)}); on two cores about {minutes} min"
            )

    def _check_machine(self) -> None:
        if not self.choices.own_services and not (sys.platform == "linux" and os.geteuid() == 0):
            raise LocalAzureError(
                "the sandbox's Kubernetes node needs Linux and root; run as root, or name a cluster of your own with "
                "CONVERGE_LOCAL_KUBECONTEXT (docs/local-stack.md shows it for kind and Docker Desktop)"
            )

    def _check_space(self, *, building: bool) -> None:
        needed = _FREE_BYTES_TO_BUILD if building else _FREE_BYTES_TO_RUN
        for folder in (self.sandbox.cache, self.sandbox.folder):
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
            if free < needed:
                raise LocalAzureError(
                    f"{folder} has {free / 1024**3:.1f} GiB left and {needed / 1024**3:.0f} GiB are needed; "
                    "free some or point XDG_CACHE_HOME and XDG_STATE_HOME elsewhere"
                )

    def _check_ports(self) -> None:
        for service in self._host_services():
            self.supervisor.check_port(service)

    def _host_services(self) -> list[Service]:
        services = [identity.service(self.sandbox, sys.executable), _only_port("blob", self.sandbox.ports.blob)]
        return services if self.choices.own_services else [*services, _only_port("registry", self.sandbox.ports.registry)]

    def _go_tools(self) -> list[GoTool]:
        """What must be built, the longest first."""
        tools = [] if self.choices.own_services else [KUBERNETES, ETCD, PAUSE, BUILDKIT]
        tools += [] if self.found_pulumi else _ENGINE_TOOLS
        return sorted(tools, key=lambda tool: -tool.cold_seconds)

    def _build_steps(self, tools: list[GoTool]) -> list[Step]:
        names = {tool.name for tool in tools}
        return [
            Step(name=f"build {tool.name}", needs=(f"build {tool.after}",) if tool.after in names else (), run=lambda tool=tool: self.builder.build(tool))
            for tool in tools
        ]

    def _steps(self) -> list[Step]:
        tools = self._go_tools()
        engine_needs = tuple(f"build {tool.name}" for tool in _ENGINE_TOOLS if not self.found_pulumi)
        steps = [
            *self._build_steps(tools),
            Step(name="engine", needs=engine_needs, run=self._set_up_engine),
            Step(name="identity", run=lambda: self._start(identity.service(self.sandbox, sys.executable))),
            Step(name="install azurite", run=self._install_azurite),
            Step(name="blob", needs=("install azurite",), run=lambda: self._start(blob.service(self.sandbox, self.runtimes))),
        ]
        if self.choices.own_services:
            return [*steps, Step(name="kubeconfig", run=self._use_context)]
        return [*steps, *self._builder_steps(), *self._node_steps()]

    def _builder_steps(self) -> list[Step]:
        tool = f"build {BUILDKIT.name}"
        return [
            Step(name="debian", run=self._unpack_debian),
            Step(name="namespaces", needs=("debian",), run=self.namespaces.create),
            Step(name="registry", needs=("debian",), run=lambda: self._start(registry.service(self.sandbox, self.debian))),
            Step(name="buildkit", needs=(tool, "debian", "namespaces"), run=self._start_buildkit),
            Step(name="base image", needs=("buildkit", "registry"), run=self._make_base_image),
        ]

    def _node_steps(self) -> list[Step]:
        return [
            Step(name="pause image", needs=("buildkit", "registry", f"build {PAUSE.name}"), run=self._make_pause_image),
            Step(
                name="registry mirror", needs=("registry", "namespaces"), run=lambda: self._start(registry.mirror(self.sandbox, self.debian, self.namespaces))
            ),
            Step(name="control plane", needs=(f"build {ETCD.name}", f"build {KUBERNETES.name}", "debian", "namespaces"), run=self._start_control_plane),
            Step(name="node", needs=("control plane", "pause image", "registry mirror"), run=self._start_node),
        ]

    def _start(self, service: Service) -> None:
        running = self.supervisor.process(service.name) is not None
        with self.progress.phase(f"{'check' if running else 'start'} {service.name}", quiet_under=1.0):
            self.supervisor.start(service)

    def _set_up_engine(self) -> None:
        engine.set_up_home(self.sandbox, self.builder, Path(sys.executable), found=self.found_pulumi)

    def _install_azurite(self) -> None:
        with self.progress.phase("install Azurite", quiet_under=0.5):
            blob.install(self.sandbox, self.runtimes)

    def _unpack_debian(self) -> None:
        with self.progress.phase("fetch Debian packages", quiet_under=0.5):
            self.debian.ensure()

    def _use_context(self) -> None:
        if self.choices.kube_context:
            write_kubeconfig(self.choices.kube_context, self.sandbox.kubeconfig)

    def _start_buildkit(self) -> None:
        buildkit.define_builder(self.sandbox)
        self._start(buildkit.service(self.sandbox, self.builder.folder(BUILDKIT), self.debian, self.namespaces))

    def _make_base_image(self) -> None:
        with self.progress.phase("Python base image", quiet_under=1.0):
            self.base_image = images.python_base(self.sandbox, self.builder.folder(BUILDKIT), self.debian)

    def _make_pause_image(self) -> None:
        with self.progress.phase("pause image", quiet_under=1.0):
            self._pause_image = images.pause(self.sandbox, self.builder.folder(BUILDKIT), self.builder.folder(PAUSE) / "pause")

    def kubernetes(self) -> Kubernetes:
        return Kubernetes(self.sandbox, self.namespaces, self.debian, kube=self.builder.folder(KUBERNETES), etcd=self.builder.folder(ETCD))

    def _start_control_plane(self) -> None:
        node = self.kubernetes()
        node.make_keys()
        for service in node.control_plane():
            self._start(service)

    def _start_node(self) -> None:
        node = self.kubernetes()
        self._start(node.containerd(self._pause_image))
        for service in node.workers():
            self._start(service)

    def _write_endpoints(self) -> None:
        endpoints = {
            "subscription_id": SUBSCRIPTION_ID,
            "blob_accounts": {STORAGE_ACCOUNT: self.sandbox.blob_endpoint},
            "registry": self.choices.registry or self.sandbox.registry,
            "kubeconfig": str(self.sandbox.kubeconfig),
        }
        partial = self.sandbox.endpoints_file.with_suffix(".tmp")
        partial.write_text(json.dumps(endpoints, indent=2))
        partial.rename(self.sandbox.endpoints_file)

    def stop(self) -> list[str]:
        """Stops everything, pods first, and removes namespaces, mounts and control groups. Data and logs stay.

        Returns:
            The services that were running.
        """
        self.sandbox.endpoints_file.unlink(missing_ok=True)
        running = [name for name in SERVICES if self.supervisor.process(name)]
        # What starts others ends first: otherwise pods would be started again while they are being stopped.
        for group in _STOP_ORDER:
            with self.progress.phase(f"stop {', '.join(group)}", quiet_under=1.0):
                self.supervisor.stop(group)
        if sys.platform == "linux" and os.geteuid() == 0:
            with self.progress.phase("remove pods, mounts and namespaces", quiet_under=1.0):
                self.namespaces.remove()
        return running


_STOP_ORDER = (
    ("kubelet", "kube-proxy", "kube-scheduler", "kube-controller-manager"),
    ("kube-apiserver", "containerd", "buildkit"),
    ("etcd", "registry-mirror", "registry", "blob", "identity"),
)
_ALWAYS_OURS = ("blob", "identity")
SERVICES = tuple(name for group in _STOP_ORDER for name in group)
"""Names of all services, in the order in which they are stopped."""


def _only_port(name: str, port: int) -> Service:
    """A service of which only name and port count: for checks before its program is there."""
    return Service(name=name, command=(), healthy=lambda: None, port=port)
