"""Another user of the machine, who has a copy of the sandbox's state and a clone of the repository elsewhere."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.end_to_end.copy_of_checkout import ROOT, Copy

_NOBODY = 65534
_STATE = ("pulumi-home", "pulumi-state", "arm", "secrets", "certificates", "kubernetes/super-admin.conf", "buildx", "endpoints.json", ".converge-sandbox")


@contextmanager
def clone_of_somebody_else(copy: Copy) -> Iterator[tuple[Path, dict[str, str]]]:
    """The clone, and the environment that leads to the copied state; files are younger than the commits, and only their owner may read them."""
    # Not in pytest's folder, which nobody else may enter.
    home = Path(tempfile.mkdtemp(prefix="converge-somebody-"))
    try:
        sandbox, clone = home / "sandbox", home / "deep" / "er" / "clone"
        subprocess.run(["git", "clone", "--quiet", str(copy.folder), str(clone)], check=True, umask=0o077)
        for name in ("Pulumi.local.yaml", "locks/local.json"):
            (clone / name).parent.mkdir(exist_ok=True)
            shutil.copy(copy.folder / name, clone / name)
        # Committed in a copy, where git does not take a link for an ignored folder.
        (clone / ".venv").unlink(missing_ok=True)
        (clone / ".venv").symlink_to(ROOT / ".venv")
        _copy_state(copy.sandbox.folder, sandbox)
        for path in (home, *home.rglob("*")):
            os.chown(path, _NOBODY, _NOBODY, follow_symlinks=False)
        yield clone, {**_moved(copy, sandbox), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    finally:
        shutil.rmtree(home)


def run_as_somebody_else(folder: Path, environment: Mapping[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as that user. It may read everything: the machine's Python may lie where only its owner can go."""
    become = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--"]
    return subprocess.run([*become, *command], cwd=folder, env=dict(environment), umask=0o077, capture_output=True, text=True, check=False)


def _copy_state(source: Path, target: Path) -> None:
    target.mkdir()
    for name in _STATE:
        (target / name).parent.mkdir(exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, symlinks=True)
        else:
            shutil.copy(source / name, target / name)
    # Programs of the sandbox are links into a cache that is its owner's.
    for path in (target / "pulumi-home").rglob("*"):
        if path.is_symlink():
            program = path.resolve()
            path.unlink()
            shutil.copy2(program, path)
    endpoints = target / "endpoints.json"
    endpoints.write_text(endpoints.read_text().replace(str(source), str(target)))


def _moved(copy: Copy, sandbox: Path) -> dict[str, str]:
    """The sandbox's environment, with the copied state in the place of its own."""
    shown = copy.in_sandbox("env -0").stdout
    pairs = (line.partition("=") for line in shown.split("\0") if line)
    return {name: value.replace(str(copy.sandbox.folder), str(sandbox)) for name, _, value in pairs}
