"""One environment per peer, made with uv from its requirements, outside the repository; all with the same base Python."""

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from local_azure.sandbox import Sandbox

from .errors import BenchmarkError

ROOT = Path(__file__).parents[2]
_DEBIAN = Path("/usr/bin/python3")
_LOWEST = (3, 11)


def cache_folder() -> Path:
    """Where environments, the model and a built load generator are kept."""
    return Sandbox.of(ROOT).cache / "benchmarks"


def version_of(python: Path) -> tuple[int, ...]:
    """An interpreter's version. Raises BenchmarkError."""
    done = subprocess.run([python, "-c", "import sys; print(*sys.version_info[:3])"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{python} is no Python that runs: {done.stderr.strip()}")
    return tuple(int(part) for part in done.stdout.split())


def base_python() -> Path:
    """Debian's Python, whose build is profile-guided and so is that of most images; the current one where there is none, or an old one."""
    if _DEBIAN.exists() and version_of(_DEBIAN) >= _LOWEST:
        return _DEBIAN
    return Path(sys.executable).resolve()


def make(name: str, requirements: Path, python: Path) -> Path:
    """The environment's folder; made once for these requirements and this Python. Raises BenchmarkError."""
    key = hashlib.sha256(requirements.read_bytes() + f"{python} {version_of(python)}".encode()).hexdigest()[:12]
    folder = cache_folder() / f"{name}-{key}"
    made = folder / "made"
    if not made.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _uv("venv", "--python", str(python), str(folder))
        # Compiled at once: whoever starts first would otherwise do it, and start slower.
        install = ("--require-hashes", "--compile-bytecode", "--requirement", str(requirements))
        _uv("pip", "install", "--python", str(folder / "bin" / "python"), *install)
        made.touch()
    return folder


def _uv(*arguments: str) -> None:
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else "uv"
    done = subprocess.run([uv, *arguments, "--quiet"], capture_output=True, text=True, check=False, env={**os.environ, "VIRTUAL_ENV": ""})
    if done.returncode:
        raise BenchmarkError(f"uv {arguments[0]} failed: {done.stderr.strip()[-2000:]}")


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def packed_size_of(environment: Path) -> int:
    """Bytes of it as a layer of an image, tar and gzip; packed once, which takes up to a minute."""
    kept = environment / "packed-bytes"
    if not kept.exists():
        counter = _Counter()
        with gzip.GzipFile(fileobj=counter, mode="wb", compresslevel=6) as packed, tarfile.open(fileobj=packed, mode="w|") as layer:
            layer.add(environment / "lib", "lib")
        kept.write_text(str(counter.count))
    return int(kept.read_text())


class _Counter(io.RawIOBase):
    """Takes everything and keeps only how much it was."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.count += len(data)
        return len(data)
