"""Programs from Debian's packages, unpacked into the cache instead of installed.

Installing them would start services and could replace another container runtime of the machine; unpacking touches nothing.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from local_azure.errors import LocalAzureError
from local_azure.processes import run

_PACKAGES = ("containerd", "containernetworking-plugins", "docker-registry", "iproute2", "iptables", "mmdebstrap", "runc")
_PROGRAM_FOLDERS = ("usr/sbin", "usr/bin", "sbin", "bin")
"""Packages of this release still name /bin and /sbin, which on an installed system are links to the ones in /usr."""
_FROM_ALTERNATIVES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")
"""Names that the package's installation script would link to the nftables variant."""


class DebianPrograms:
    """Programs with the libraries that the machine lacks; by default containerd, runc, CNI plugins, the OCI registry, ip, iptables and mmdebstrap."""

    def __init__(self, cache: Path, packages: tuple[str, ...] = _PACKAGES) -> None:
        self._cache = cache
        self._packages = packages
        key = hashlib.sha256(f"{packages} {_release()}".encode()).hexdigest()[:16]
        self.root = cache / "tools" / f"debian-{key}"

    @property
    def cni_plugins(self) -> Path:
        return self.root / "usr" / "lib" / "cni"

    def program(self, name: str) -> str:
        for folder in _PROGRAM_FOLDERS:
            if (path := self.root / folder / name).exists():
                return str(path)
        raise LocalAzureError(f"{name} is missing in {self.root}; remove that folder and run the command again")

    def environment(self) -> dict[str, str]:
        """What a process needs so that it and its children find the unpacked programs and libraries."""
        libraries = [str(path) for folder in ("usr/lib", "lib") for path in (self.root / folder).glob("*-linux-gnu")]
        return {
            "PATH": os.pathsep.join([*(str(self.root / folder) for folder in _PROGRAM_FOLDERS), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]),
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            "XTABLES_LIBDIR": os.pathsep.join(f"{path}/xtables" for path in libraries),
        }

    def ensure(self) -> None:
        """Fetches and unpacks the packages unless they are there.

        Raises:
            LocalAzureError: this is no Debian, or a package could not be fetched.
        """
        if self.root.exists():
            return
        if not shutil.which("apt-get"):
            raise LocalAzureError(
                "the sandbox's Kubernetes node and registry come from Debian packages, and this machine has no apt-get; "
                "name services of your own instead: CONVERGE_LOCAL_KUBECONTEXT, CONVERGE_LOCAL_REGISTRY and CONVERGE_LOCAL_BUILDER (docs/local-stack.md)"
            )
        downloads = self._cache / "downloads" / self.root.name
        shutil.rmtree(downloads, ignore_errors=True)
        (downloads / "partial").mkdir(parents=True)
        self._download(downloads)
        partial = self.root.with_name(f"{self.root.name}.{os.getpid()}.partial")
        for package in sorted(downloads.glob("*.deb")):
            run(["dpkg-deb", "-x", str(package), str(partial)], log=self._log("unpack"), what=f"unpacking {package.name}")
        for name in _FROM_ALTERNATIVES if "iptables" in self._packages else ():
            (partial / "usr" / "sbin" / name).symlink_to("xtables-nft-multi")
        partial.rename(self.root)
        shutil.rmtree(downloads)

    def _download(self, downloads: Path) -> None:
        command = [
            "apt-get",
            "install",
            "--yes",
            "--download-only",
            "--reinstall",
            "--no-install-recommends",
            "-o",
            f"Dir::Cache::archives={downloads}",
            *self._packages,
        ]
        try:
            run(command, log=self._log("download"), what="fetching the Debian packages")
        except LocalAzureError:
            # A new machine has no package lists, and old lists name packages that the mirror has replaced.
            run(["apt-get", "update"], log=self._log("update"), what="reading the lists of Debian packages (apt-get update)")
            run(command, log=self._log("download"), what="fetching the Debian packages")

    def _log(self, name: str) -> Path:
        return self._cache / "logs" / f"debian-{name}.log"


def _release() -> str:
    architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=False).stdout if shutil.which("dpkg") else ""
    release = Path("/etc/os-release")
    return architecture + (release.read_text() if release.exists() else "")
