"""The two images that nothing public can be pulled for: the pause container, and the Python base image made from Debian packages."""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import httpx

from local_azure.processes import run
from local_azure.sandbox import Sandbox
from local_azure.services import buildkit
from local_azure.services.certificates import machine_authorities
from local_azure.toolchain.debian import DebianPrograms

_SUITE = "bookworm"
_PACKAGES = ("ca-certificates", "python3-minimal", "python3-pip", "python3-venv")
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/var/cache/apt/*", "/var/lib/apt/lists/*")
_RECORD_LOCK = threading.Lock()
_AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"


def pause(sandbox: Sandbox, tools: Path, program: Path) -> str:
    """Pushes the pause image unless the registry has it; returns it by digest."""
    return _once(sandbox, "pause", program.parent.name, lambda folder: _pause_context(folder, program), tools)


def python_base(sandbox: Sandbox, tools: Path, programs: DebianPrograms) -> str:
    """Pushes the Python base image unless the registry has it; returns it by digest.

    It trusts what this machine trusts, so that a build can reach the package index here, too.
    """
    content = f"{_SUITE} {_PACKAGES} {_LEFT_OUT}".encode() + machine_authorities()
    return _once(sandbox, "base/python", hashlib.sha256(content).hexdigest()[:16], lambda folder: _python_context(sandbox, folder, programs), tools)


def _once(sandbox: Sandbox, name: str, key: str, make_context: Callable[[Path], None], tools: Path) -> str:
    record = sandbox.folder / "images.json"
    images: dict[str, dict[str, str]] = json.loads(record.read_text()) if record.exists() else {}
    known = images.get(name)
    if known and known["key"] == key and _in_registry(known["image"]):
        return known["image"]
    context = sandbox.folder / "images" / name.replace("/", "-")
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    make_context(context)
    image = buildkit.push(sandbox, tools, context=context, name=name)
    shutil.rmtree(context)
    _remember(record, name, key, image)
    return image


def _remember(record: Path, name: str, key: str, image: str) -> None:
    with _RECORD_LOCK:
        images = json.loads(record.read_text()) if record.exists() else {}
        partial = record.with_suffix(".tmp")
        partial.write_text(json.dumps({**images, name: {"key": key, "image": image}}, indent=2))
        partial.rename(record)


def _in_registry(image: str) -> bool:
    repository, digest = image.split("@")
    host, name = repository.split("/", 1)
    accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
    try:
        answer = httpx.head(f"http://{host}/v2/{name}/manifests/{digest}", headers={"Accept": accept}, timeout=5, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


def _pause_context(folder: Path, program: Path) -> None:
    shutil.copy(program, folder / "pause")
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n')


def _python_context(sandbox: Sandbox, folder: Path, programs: DebianPrograms) -> None:
    (folder / "ca-bundle.pem").write_bytes(machine_authorities())
    run(
        [
            *(programs.program("mmdebstrap"), "--quiet", "--variant=minbase", f"--include={','.join(_PACKAGES)}"),
            *(f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT),
            # Debian's own hook would overwrite the bundle when the package is configured, so ours goes in last.
            f"--customize-hook=copy-in {folder / 'ca-bundle.pem'} /tmp",
            f'--customize-hook=mv "$1/tmp/ca-bundle.pem" "$1/{_AUTHORITIES}" && chmod 0644 "$1/{_AUTHORITIES}"',
            '--customize-hook=rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/log/*',
            *(_SUITE, str(folder / "rootfs.tar")),
        ],
        log=sandbox.log("base-image"),
        environment={**programs.environment(), "SOURCE_DATE_EPOCH": "0"},
        what="making the Python base image from Debian packages",
    )
    (folder / "ca-bundle.pem").unlink()
    (folder / "Dockerfile").write_text(
        'FROM scratch\nADD rootfs.tar /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8\nCMD ["python3"]\n'
    )
