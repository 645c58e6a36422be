"""Blob storage on one machine: Azurite over HTTPS with Entra tokens."""

import base64
import shutil
import ssl
from hashlib import sha256
from pathlib import Path

import httpx

from local_azure.processes import Service, run
from local_azure.sandbox import STORAGE_ACCOUNT, Sandbox
from local_azure.toolchain.runtimes import Runtimes

_PACKAGE = Path(__file__).parents[1] / "toolchain" / "azurite"


def program(sandbox: Sandbox) -> Path:
    """The JavaScript program that Node runs, in the cache."""
    key = sha256((_PACKAGE / "package-lock.json").read_bytes()).hexdigest()[:16]
    return sandbox.cache / "tools" / f"azurite-{key}" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


def install(sandbox: Sandbox, runtimes: Runtimes) -> None:
    """Installs Azurite from its lock file unless it is there."""
    target = program(sandbox).parents[5]
    if target.exists():
        return
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(_PACKAGE, partial)
    run(
        [*runtimes.npm(), "ci", "--omit=optional", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"],
        log=sandbox.cache / "logs" / "install-azurite.log",
        environment={"PATH": f"{runtimes.node().parent}:/usr/sbin:/usr/bin:/sbin:/bin"},
        cwd=partial,
        what="installing Azurite",
    )
    partial.rename(target)


def service(sandbox: Sandbox, runtimes: Runtimes) -> Service:
    """Azurite with one account, whose key nobody but Azurite gets to see."""
    data = sandbox.folder / "blob"
    key = base64.b64encode(bytes.fromhex(sandbox.secret("blob-account-key", 64))).decode()
    url = f"https://127.0.0.1:{sandbox.ports.blob}/"

    def healthy() -> str | None:
        try:
            # Any answer over our certificate is Azurite's; without a token it is a refusal.
            httpx.get(url, verify=ssl.create_default_context(cafile=str(sandbox.certificates / "ca.pem")), timeout=2, trust_env=False)
        except (httpx.HTTPError, OSError) as error:
            return type(error).__name__
        return None

    return Service(
        name="blob",
        command=[
            str(runtimes.node()),
            str(program(sandbox)),
            *("--blobHost", "127.0.0.1", "--blobPort", str(sandbox.ports.blob), "--location", str(data)),
            *("--oauth", "basic", "--cert", str(sandbox.certificates / "server.pem"), "--key", str(sandbox.certificates / "server.key")),
            *("--silent", "--disableTelemetry"),
            # The SDK speaks a newer version of the protocol than the emulator knows by name; what we use of it is the same.
            "--skipApiVersionCheck",
        ],
        environment={"AZURITE_ACCOUNTS": f"{STORAGE_ACCOUNT}:{key}"},
        healthy=healthy,
        port=sandbox.ports.blob,
    )
