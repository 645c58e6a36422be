"""Runs the suites of the protocol's existing clients against our service: python tests/clients/run.py [pytest's options]

The clients live in an environment of their own, made once from requirements.txt below this user's cache; the service runs
in the one that this is started with, as it ships.
"""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from filelock import FileLock

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
_SUITES = (["test_triton_http.py", "test_triton_grpc.py", "test_schema.py"], ["test_kserve.py"])
"""One process each: Triton's and KServe's packages both bring the protocol's messages, which protobuf takes only once."""
_NOTHING_SELECTED = 5
_REQUIREMENTS = _HERE / "requirements.txt"


def environment() -> Path:
    """The Python of the clients' environment, which is made first if it is not there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "converge" / "clients"
    cache.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(_REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder, made = cache / key, cache / key / "made"
    with FileLock(cache / f"{key}.lock"):
        if not made.exists():
            started = time.monotonic()
            print("making the environment of the clients", flush=True)
            uv, python = str(Path(sys.executable).parent / "uv"), folder / "bin" / "python"
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
            install = [uv, "pip", "install", "--quiet", "--python", str(python), "--only-binary", ":all:", "--require-hashes"]
            subprocess.run([*install, "--requirement", str(_REQUIREMENTS)], check=True)
            made.touch()
            print(f"made it in {time.monotonic() - started:.0f} s", flush=True)
    return folder / "bin" / "python"


def main(arguments: list[str]) -> int:
    """Returns pytest's exit code."""
    try:
        python = environment()
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(map(str, error.cmd[:3]))} ended with {error.returncode}; its reason stands above", file=sys.stderr)
        return 1
    # Only this folder: what the other tests share is not installed there.
    command = [str(python), "-m", "pytest", "--quiet", "--confcutdir", str(_HERE), *arguments]
    for suite in _SUITES:
        code = subprocess.run(
            [*command, *suite], cwd=_HERE, env={**os.environ, "PYTHONPATH": str(_ROOT), "SERVICE_PYTHON": sys.executable}, check=False
        ).returncode
        if code not in (0, _NOTHING_SELECTED):
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
