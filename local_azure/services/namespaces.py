"""The network and mount namespaces that the Kubernetes node and BuildKit run in.

Bridges, netfilter rules, routes and mounts of the node exist only in there: another Docker, containerd or Kubernetes on the machine
neither sees nor loses anything, and removing the namespaces removes all of it.
"""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from local_azure.errors import LocalAzureError
from local_azure.processes import terminate
from local_azure.sandbox import Sandbox
from local_azure.toolchain.debian import DebianPrograms

_CGROUPS = Path("/sys/fs/cgroup")


class Namespaces:
    """Network and mount namespace of one sandbox."""

    def __init__(self, sandbox: Sandbox, programs: DebianPrograms) -> None:
        self._sandbox = sandbox
        self._programs = programs
        self.name = f"converge-{sandbox.id}"
        self._link = f"cvg{sandbox.id}"
        self._network = sandbox.runtime / "network"
        self._mounts = sandbox.runtime / "mounts"

    @property
    def host_address(self) -> str:
        return f"10.231.{self._sandbox.subnet}.1"

    @property
    def node_address(self) -> str:
        """The node's address; the machine reaches the API server and every Service through it."""
        return f"10.231.{self._sandbox.subnet}.2"

    @property
    def pod_range(self) -> str:
        return f"10.232.{self._sandbox.subnet}.0/24"

    @property
    def service_range(self) -> str:
        return f"10.233.{self._sandbox.subnet}.0/24"

    @property
    def cgroup(self) -> str:
        return f"/{self.name}"

    def on_node(self, *command: str) -> list[str]:
        """A command that runs with the node's network and mounts."""
        return ["nsenter", f"--net={self._network}", f"--mount={self._mounts}", "--", *command]

    def with_mounts(self, *command: str) -> list[str]:
        """A command that runs with the machine's network and the node's mounts."""
        return ["nsenter", f"--mount={self._mounts}", "--", *command]

    def create(self) -> None:
        """Makes the namespaces and the link between machine and node. What is there already is kept.

        Raises:
            LocalAzureError: not root, or the kernel refuses.
        """
        runtime = str(self._sandbox.runtime)
        self._sandbox.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A file that keeps a mount namespace alive must lie on a private mount.
        if not _is_mount(self._sandbox.runtime):
            self._run("mount", "--bind", runtime, runtime)
            self._run("mount", "--make-private", runtime)
        # Not `ip netns add`: it would leave a mount at /run/netns behind.
        if not _is_mount(self._network):
            self._network.touch()
            self._run("unshare", f"--net={self._network}", "true")
        self._create_link()
        if not _is_mount(self._mounts):
            self._create_mounts()
        self._create_cgroups()

    def _run(self, *command: str) -> None:
        environment = {**os.environ, **self._programs.environment()}
        try:
            result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        except FileNotFoundError as error:
            raise LocalAzureError(f"the program {command[0]!r} is missing; on Debian: apt-get install iproute2 util-linux mount") from error
        if result.returncode:
            raise LocalAzureError(
                f"the kernel refused `{' '.join(command)}`: {result.stderr.strip()}; the node needs root and the right to make namespaces "
                "(in a container: a privileged one), or name a cluster of your own with CONVERGE_LOCAL_KUBECONTEXT"
            )

    def _create_link(self) -> None:
        if Path("/sys/class/net", self._link).exists():
            return
        inside = ["nsenter", f"--net={self._network}", "--"]
        self._run("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", str(self._network))
        self._run("ip", "address", "add", f"{self.host_address}/30", "dev", self._link)
        self._run("ip", "link", "set", self._link, "up")
        self._run(*inside, "ip", "link", "set", "lo", "up")
        self._run(*inside, "ip", "address", "add", f"{self.node_address}/30", "dev", "eth0")
        self._run(*inside, "ip", "link", "set", "eth0", "up")
        self._run(*inside, "ip", "route", "replace", "default", "via", self.host_address)
        self._run(*inside, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self._run("ip", "route", "replace", self.service_range, "via", self.node_address)

    def _create_mounts(self) -> None:
        self._mounts.touch()
        self._unshare_mounts()
        # The kubelet and containerd have a few paths built in; in here these lead into the sandbox. The names of the pods' network namespaces end with it.
        data = self._sandbox.folder / "kubernetes"
        places = {
            "/var/lib/kubelet": data / "var-lib-kubelet",
            "/var/log/containers": data / "var-log-containers",
            "/run/netns": self._sandbox.runtime / "netns",
        }
        for fixed, ours in places.items():
            ours.mkdir(parents=True, exist_ok=True)
            Path(fixed).mkdir(parents=True, exist_ok=True)
            self._run(*self.with_mounts("mount", "--bind", str(ours), fixed))

    def _unshare_mounts(self) -> None:
        """Makes the mount namespace, if need be on each processor in turn.

        The kernel keeps a mount namespace alive by a file only in an older one, and from 6.18 on tells age by a number of which every processor has a
        range of its own: in a container one made on another processor can look older than the container itself, and is refused.
        """
        command = ["unshare", f"--mount={self._mounts}", "--propagation", "slave", "true"]
        *others, last = sorted(os.sched_getaffinity(0))
        for processor in others:
            with suppress(LocalAzureError):
                return self._run("taskset", "--cpu-list", str(processor), *command)
        return self._run("taskset", "--cpu-list", str(last), *command)

    def _create_cgroups(self) -> None:
        for hierarchy in self._hierarchies():
            (hierarchy / self.name).mkdir(exist_ok=True)
        cpuset = _CGROUPS / "cpuset" / self.name
        if cpuset.exists():
            # A new cpuset group of cgroup v1 is empty and takes no process until it is filled.
            for name in ("cpuset.cpus", "cpuset.mems"):
                (cpuset / name).write_text((cpuset.parent / name).read_text())

    def _hierarchies(self) -> list[Path]:
        if (_CGROUPS / "cgroup.controllers").exists():
            return [_CGROUPS]
        return [path for path in _CGROUPS.iterdir() if path.is_dir() and not path.is_symlink()]

    def processes(self) -> list[psutil.Process]:
        """Everything that runs on the node, pods included, whoever started it."""
        found: list[psutil.Process] = []
        network = self._network.stat().st_ino if _is_mount(self._network) else None
        for process in psutil.process_iter():
            try:
                groups = Path(f"/proc/{process.pid}/cgroup").read_text()
                inside = network is not None and Path(f"/proc/{process.pid}/ns/net").stat().st_ino == network
            except OSError:
                continue
            if inside or f":/{self.name}/" in groups:
                found.append(process)
        return found

    def remove(self) -> None:
        """Ends what still runs in the namespaces and removes them, with mounts, rules, bridges and control groups."""
        terminate(self.processes(), within=5)
        for place in (self._mounts, self._network):
            if _is_mount(place):
                self._run("umount", str(place))
        if _is_mount(self._sandbox.runtime):
            self._run("umount", "--lazy", str(self._sandbox.runtime))
        if Path("/sys/class/net", self._link).exists():
            self._run("ip", "link", "delete", self._link)
        for hierarchy in self._hierarchies():
            _remove_cgroup(hierarchy / self.name)
        shutil.rmtree(self._sandbox.runtime, ignore_errors=True)


def _remove_cgroup(folder: Path) -> None:
    if not folder.exists():
        return
    for child in folder.iterdir():
        if child.is_dir():
            _remove_cgroup(child)
    folder.rmdir()


def _is_mount(path: Path) -> bool:
    return any(line.split()[4] == str(path) for line in Path("/proc/self/mountinfo").read_text().splitlines())
