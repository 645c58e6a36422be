"""Where the sandbox lives: its folders, ports, addresses and the environment that its programs get.

One sandbox belongs to one checkout and one state folder. Two checkouts have two sandboxes; they run side by side when their port bases differ.
"""

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout

from local_azure.errors import LocalAzureError

MARKER = ".converge-sandbox"
"""The file that makes a folder a sandbox. The simulated ARM starts nowhere else."""

SUBSCRIPTION_ID = "00000000-0000-4000-8000-00000000a2e1"
"""The only subscription whose resources have services behind them. Not a subscription id that Azure hands out."""

TENANT_ID = "00000000-0000-4000-8000-00000000e47a"
PRINCIPAL_ID = "00000000-0000-4000-8000-0000000de9e1"
"""Object id of the sandbox's only identity, in its tokens and as the simulated ARM reports it for the caller."""

STORAGE_ACCOUNT = "convergelocal"
DEFAULT_PORT_BASE = 18000
_PORT_BASE_VARIABLE = "CONVERGE_LOCAL_PORT_BASE"


@dataclass(frozen=True, kw_only=True)
class Ports:
    """TCP ports on 127.0.0.1 that the services listen on."""

    identity: int
    blob: int
    registry: int

    @classmethod
    def from_base(cls, base: int) -> "Ports":
        return cls(identity=base, blob=base + 1, registry=base + 2)


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """Folders and addresses of one sandbox.

    Attributes:
        checkout: the folder with Pulumi.yaml that the sandbox belongs to.
        folder: everything that must survive a restart: data, state, logs, keys.
        runtime: sockets and namespaces; short, because a socket's path may have at most 107 characters.
        cache: built tools, shared by all checkouts of this user.
    """

    checkout: Path
    folder: Path
    runtime: Path
    cache: Path
    port_base: int

    @classmethod
    def of(cls, checkout: Path, environment: Mapping[str, str] = os.environ) -> "Sandbox":
        """The sandbox of a checkout.

        Raises:
            LocalAzureError: CONVERGE_LOCAL_PORT_BASE is no port number that leaves room for the services.
        """
        checkout = checkout.resolve()
        home = Path(environment.get("HOME", "/root"))
        state = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state")
        cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
        folder = state / "converge" / f"{checkout.name}-{_short_hash(checkout)}"
        return cls(
            checkout=checkout,
            folder=folder,
            # By the folder: with another XDG_STATE_HOME one checkout has a second sandbox, which is another one to the kernel, too.
            runtime=Path("/run/converge") / _short_hash(folder),
            cache=cache / "converge",
            port_base=_port_base(environment),
        )

    @property
    def id(self) -> str:
        """Six hexadecimal digits, unique per sandbox; part of every name that the kernel knows us by."""
        return self.runtime.name

    @property
    def ports(self) -> Ports:
        return Ports.from_base(self.port_base)

    @property
    def subnet(self) -> int:
        """Third byte of the sandbox's private networks, so that two sandboxes do not collide."""
        return self.port_base // 10 % 256

    @property
    def registry(self) -> str:
        """Login server of the registry. `localhost` is what BuildKit, containerd and docker-build take plain HTTP for by themselves."""
        return f"localhost:{self.ports.registry}"

    @property
    def blob_endpoint(self) -> str:
        return f"https://127.0.0.1:{self.ports.blob}/{STORAGE_ACCOUNT}/"

    @property
    def model_store(self) -> str:
        return f"{self.blob_endpoint}models"

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates"

    @property
    def ca_bundle(self) -> Path:
        """The machine's certificate authorities and the sandbox's own."""
        return self.certificates / "ca-bundle.pem"

    @property
    def endpoints_file(self) -> Path:
        return self.folder / "endpoints.json"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubernetes" / "super-admin.conf"

    @property
    def pulumi_home(self) -> Path:
        return self.folder / "pulumi-home"

    @property
    def pulumi_state(self) -> Path:
        return self.folder / "pulumi-state"

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def create(self) -> None:
        """Makes the folders. Only their owner can read them: keys and state lie there."""
        for folder in (self.folder, self.folder / "logs", self.folder / "pids", self.pulumi_home, self.pulumi_state):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / MARKER).write_text("A Converge sandbox: the simulated Azure Resource Manager may work here, and only here.\n")

    def lock(self) -> FileLock:
        """Held while the sandbox is started or stopped. A second command ends at once instead of waiting.

        Raises:
            LocalAzureError: another command holds it.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(self.folder / "command.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as timeout:
            raise LocalAzureError(
                f"another `converge local` command is at work on this checkout ({self.checkout}); wait until it ends, then run this one again"
            ) from timeout
        return lock

    def secret(self, name: str, size: int = 32) -> str:
        """A random secret that is made once and kept in a file that only its owner can read."""
        path = self.folder / "secrets" / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            temporary = path.with_suffix(".tmp")
            temporary.touch(mode=0o600)
            temporary.write_text(secrets.token_hex(size))
            temporary.rename(path)
        return path.read_text()

    @cached_property
    def passphrase_file(self) -> Path:
        self.secret("pulumi-passphrase")
        return self.folder / "secrets" / "pulumi-passphrase"

    def identity_environment(self) -> dict[str, str]:
        """What `DefaultAzureCredential` and TLS need to reach the sandbox's services, in their standard variables."""
        bundle = str(self.ca_bundle)
        return {
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{self.ports.identity}/msi/token",
            "IDENTITY_HEADER": self.secret("identity-header"),
            "REQUESTS_CA_BUNDLE": bundle,
            "SSL_CERT_FILE": bundle,
        }

    def pulumi_environment(self) -> dict[str, str]:
        """What every run of the engine in the sandbox gets on top of the caller's environment."""
        return {
            "CONVERGE_SANDBOX": str(self.folder),
            "CONVERGE_MODEL_STORE": self.model_store,
            "PULUMI_HOME": str(self.pulumi_home),
            "PULUMI_BACKEND_URL": f"file://{self.pulumi_state}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.passphrase_file),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
            "BUILDX_CONFIG": str(self.folder / "buildx"),
            "BUILDX_BUILDER": "converge",
            **self.identity_environment(),
        }


def _short_hash(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:6]


def _port_base(environment: Mapping[str, str]) -> int:
    text = environment.get(_PORT_BASE_VARIABLE, str(DEFAULT_PORT_BASE))
    if not text.isdecimal() or not 1024 <= int(text) <= 65000:
        raise LocalAzureError(
            f"{_PORT_BASE_VARIABLE} is {text!r}; it must be a number from 1024 to 65000: the first of three ports that the services listen on"
        )
    return int(text)
