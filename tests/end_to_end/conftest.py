"""A copy of the checkout with a sandbox of its own, so that neither the checkout nor its sandbox is touched."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.end_to_end.copy_of_checkout import ROOT, Copy

_PORT_BASE = "18100"


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """The copy, from nothing; stopped and removed at the end."""
    folder = tmp_path_factory.mktemp("end-to-end") / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        ["-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "-m", "copy"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    state = tmp_path_factory.mktemp("state")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "CONVERGE_", "AZURE_", "ARM_"))}
    made = Copy(folder, {**environment, "XDG_STATE_HOME": str(state), "CONVERGE_LOCAL_PORT_BASE": _PORT_BASE})
    yield made
    cleaned = made.converge("local", "clean", "--yes")
    assert cleaned.returncode == 0, cleaned.stderr
