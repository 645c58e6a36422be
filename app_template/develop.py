"""The service on the laptop, started anew with every change: `make app` in the repository's root, or `python develop.py` here.

It serves a model folder (--model), the model that a stack's lock names (--stack), or else the one that training/train.py makes.
Whatever is saved in app/, or trained anew, is served a second later. Code that cannot be read stops nothing: the old one goes on.
"""

import argparse
import hashlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
_TRAINED = HERE / "training" / "out"
_MODEL_FILES = ("model.onnx", "manifest.json", "model.json")
_LOOK_SECONDS = 0.2
_END_SECONDS = 5
_QUIET = frozenset({"time", "level", "message", "exception", "addresses"})

Snapshot = dict[Path, tuple[int, int]]


class DevelopError(Exception):
    """The service cannot be started like this; the text says what to do."""


class _EndedError(Exception):
    """Somebody wants it to end."""


def main() -> int:
    """Returns the exit code."""
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    server: Server | None = None
    try:
        port = free_port(os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8080")
        model = _model(options)
        server = Server({**os.environ, "MODEL_DIR": str(model), "PORT": str(port), "WORKERS": "1", "DRAIN_SECONDS": "0"})
        _watch(server, model)
    except DevelopError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except _EndedError:
        print("\nstopped", flush=True)
        return 0
    finally:
        if server is not None:
            server.stop()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serves the app, and serves it anew with every change of its code.")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--model", type=Path, help="a folder with model.onnx and its description")
    source.add_argument("--stack", help="the model that locks/STACK.json names; it is fetched from the model store")
    parser.add_argument("--service", help="which service of the stack, when there are several")
    return parser.parse_args()


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    # The second time, and while things are being put away, it is not to be interrupted.
    signal.signal(number, signal.SIG_IGN)
    raise _EndedError


def _watch(server: "Server", model: Path) -> NoReturn:
    """Never returns; _EndedError comes out of it."""
    seen: Snapshot = {}
    while True:
        found = snapshot(model)
        if found != seen:
            time.sleep(_LOOK_SECONDS)  # editors write a file in several steps, and programs several files
            if snapshot(model) != found:
                continue
            if seen:
                print(f"changed: {', '.join(sorted(_changed(seen, found)))}", flush=True)
            seen = found
            problem = unreadable(found)
            if problem is None:
                server.restart()
            else:
                print(f"{problem}\n  {'the code from before goes on' if server.runs else 'nothing is served'}; save it again", flush=True)
        elif server.has_ended():
            print("the service ended; save a change and it is started again", flush=True)
        time.sleep(_LOOK_SECONDS)


def snapshot(model: Path) -> Snapshot:
    """What is looked at, with time and size."""
    found: Snapshot = {}
    code = [path for pattern in ("*.py", "*.json") for path in (HERE / "app").rglob(pattern)]
    for path in (*code, *(model / name for name in _MODEL_FILES)):
        try:
            status = path.stat()
        except OSError:
            continue  # gone this very moment, or not there at all
        found[path] = (status.st_mtime_ns, status.st_size)
    return found


def _changed(before: Snapshot, after: Snapshot) -> set[str]:
    paths = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return {str(path.relative_to(HERE) if path.is_relative_to(HERE) else path) for path in paths}


def unreadable(files: Snapshot) -> str | None:
    """The first file that is no Python, with the line; None when all are."""
    for path in sorted(files):
        if path.suffix != ".py":
            continue
        try:
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except SyntaxError as error:
            line = f"\n    {error.text.strip()}" if error.text else ""
            return f"{path.relative_to(HERE)}, line {error.lineno}: {error.msg}{line}"
        except (ValueError, OSError) as error:
            return f"{path.relative_to(HERE)}: {error}"
    return None


class Server:
    """`python -m app`, with a log that people can read."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread()

    @property
    def runs(self) -> bool:
        """Is there a process?"""
        return self._process is not None and self._process.poll() is None

    def has_ended(self) -> bool:
        """Has it ended by itself? Says so once."""
        if self._process is None or self._process.poll() is None:
            return False
        self._reader.join()
        self._process = None
        return True

    def restart(self) -> None:
        """Ends it, if it runs, and starts it."""
        self.stop()
        self._process = subprocess.Popen([sys.executable, "-m", "app"], cwd=HERE, env=self._environment, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, args=[self._process], daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """Ends it; requests under way are finished."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._reader.join(_END_SECONDS)

    def _read(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stderr or ():
            text = readable(line)
            # That it stops is what we asked it for.
            if self._process is process or text != "stopped":
                print(text, flush=True)


def readable(line: str) -> str:
    """A line of the log, for people."""
    try:
        entry: dict[str, Any] = json.loads(line)
        message = entry["message"]
    except (ValueError, KeyError, TypeError):
        return line.rstrip("\n")
    if message == "serving" and entry.get("addresses"):
        url = f"http://{entry['addresses'][0]}"
        return f"serving {entry.get('model', 'several models')} {entry.get('version', '')} at {url} - page: {url}/docs - Ctrl-C ends it".replace("  ", " ")
    rest = " ".join(f"{name}={value}" for name, value in entry.items() if name not in _QUIET)
    level = "" if entry.get("level", "info") == "info" else f"{entry['level']}: "
    return "\n".join(filter(None, [f"{level}{message} {rest}".rstrip(), entry.get("exception", "").rstrip()]))


def free_port(host: str, text: str) -> int:
    """The port, if nobody uses it; for 0 a free one, which stays the same over all starts. Raises DevelopError."""
    if not text.isdigit() or int(text) > 65535:
        raise DevelopError(f"PORT must be an integer from 0 to 65535, got '{text}'")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(text)))
        except OSError as error:
            raise DevelopError(f"port {text} is taken or not allowed ({error.strerror}); choose another one: make app PORT={(int(text) + 1) % 65536}") from None
        return probe.getsockname()[1]


def _model(options: argparse.Namespace) -> Path:
    """The folder of the model. Raises DevelopError."""
    if options.stack:
        return _locked(options.stack, options.service)
    if options.model is not None:
        folder: Path = options.model.resolve()
        folder = folder.parent if folder.name == "model.onnx" else folder
        if not folder.is_dir():
            raise DevelopError(f"there is no folder {options.model}")
        return folder
    if not (_TRAINED / "model.onnx").exists():
        print("no model is named: training one", flush=True)
        if subprocess.run([sys.executable, "-m", "training.train", "--out", _TRAINED.relative_to(HERE)], cwd=HERE, check=False).returncode:
            raise DevelopError("training failed; name a model with make app MODEL=folder")
    return _TRAINED


def _locked(stack: str, service: str | None) -> Path:
    """The model of a stack's lock, in the cache; fetched by the repository's own command if it is not there yet. Raises DevelopError."""
    # The repository's folder of locks, wherever in the repository the app stands.
    root = next((folder for folder in HERE.parents if (folder / "locks").is_dir()), HERE.parent)
    lock = root / "locks" / f"{stack}.json"
    try:
        services: dict[str, Any] = json.loads(lock.read_bytes())["services"]
        model: dict[str, Any] = services[_service(services, service, stack)]["model"]
        name, version, sha256 = str(model["name"]), int(model["version"]), str(model["files"]["model.onnx"]["sha256"])
    except FileNotFoundError:
        raise DevelopError(f"stack {stack} has no lock, {lock}: promote a model to it, or name one with make app MODEL=folder") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DevelopError(f"cannot read {lock}: {error!r}") from None
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "converge" / "models" / f"{name}-{version}-{sha256[:12]}"
    if _sha256(folder / "model.onnx") != sha256:
        print(f"fetching model {name} version {version}", flush=True)
        _fetch(stack, name, version, folder)
        if _sha256(folder / "model.onnx") != sha256:
            raise DevelopError(f"{folder / 'model.onnx'} is not the model that {lock} names: its sha256 must be {sha256}")
    return folder


def _service(services: Mapping[str, Any], wanted: str | None, stack: str) -> str:
    if wanted is None and len(services) == 1:
        return next(iter(services))
    if wanted in services:
        return str(wanted)
    problem = f"has no service '{wanted}'" if wanted else "has several services"
    raise DevelopError(f"stack {stack} {problem}; name one with make app STACK={stack} SERVICE=...: {', '.join(services)}")


def _fetch(stack: str, name: str, version: int, folder: Path) -> None:
    converge = shlex.quote(str(Path(sys.executable).with_name("converge")))
    command = f"{converge} model fetch {shlex.quote(name)} {version} --to {shlex.quote(str(folder))}"
    if stack == "local":  # the local stack knows where its store is; others are named with CONVERGE_MODEL_STORE
        command = f'environment="$({converge} local env)" && eval "$environment" && {command}'
    if subprocess.run(["bash", "-c", command], cwd=HERE.parent, check=False).returncode:
        raise DevelopError(f"model {name} version {version} cannot be fetched; what is wrong stands above")


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
