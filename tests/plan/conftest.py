"""The real engine on a copy of the checkout, with the simulated Azure, in a sandbox that ends with the test.

Engine, language host and plugins come from the cache that `converge local prepare` fills.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from delivery.plan.sandbox import find_engine, plan_sandbox
from local_azure.assembly import LocalAzure
from local_azure.choices import Choices
from local_azure.progress import Progress
from local_azure.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
_PROGRAM = ("Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.prod.yaml", "__main__.py", "settings", "components", "model_store", "app_template", "local_azure")


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a preview printed, and what it would do."""

    exit_code: int
    text: str
    """Output and errors together."""
    steps: list[dict[str, Any]]
    """Of `--json`: op, urn, provider, newState, ...; empty when it failed."""
    seconds: float

    @property
    def types(self) -> set[str]:
        """Types of all resources."""
        return {step["urn"].split("::")[2].split("$")[-1] for step in self.steps}

    def only(self, kind: str) -> dict[str, Any]:
        """The new state of the one resource of a type."""
        (state,) = (step["newState"] for step in self.steps if step["urn"].split("::")[2].endswith(kind))
        return state

    @property
    def errors(self) -> list[str]:
        """Lines that start an error message."""
        return [line.strip() for line in self.text.splitlines() if re.match(r"\s*error:", line)]


class Program:
    """A copy of the checkout's program, and the engine to run it with."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = dict(environment)

    @property
    def sandbox(self) -> Path:
        """Where the simulated Azure keeps what exists."""
        return Path(self._environment["CONVERGE_SANDBOX"])

    def pulumi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the engine; never asks, never colours."""
        command = ["pulumi", *arguments, "--non-interactive", "--color", "never"]
        return subprocess.run(command, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=300, check=False)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The engine at work, for whoever wants to stop it."""
        command = ["pulumi", *arguments, "--non-interactive"]
        return subprocess.Popen(command, cwd=self.folder, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def new_stack(self, stack: str) -> None:
        made = self.pulumi("stack", "init", stack)
        assert made.returncode == 0, made.stderr

    def preview(self, stack: str) -> Preview:
        """As a person or a pipeline would see it (exit code, text), and as JSON (steps)."""
        started = os.times().elapsed
        plain = self.pulumi("preview", "--stack", stack)
        seconds = os.times().elapsed - started
        steps = []
        if plain.returncode == 0:
            answer = self.pulumi("preview", "--stack", stack, "--json")
            assert answer.returncode == 0, answer.stdout + answer.stderr
            steps = json.loads(answer.stdout)["steps"]
        return Preview(exit_code=plain.returncode, text=plain.stdout + plain.stderr, steps=steps, seconds=seconds)

    def change_settings(self, stack: str, changes: Mapping[str, Any]) -> None:
        """Writes keys into the stack file; None removes one."""
        path = self.folder / f"Pulumi.{stack}.yaml"
        document = yaml.safe_load(path.read_text())
        document["config"] = {key: value for key, value in {**document["config"], **changes}.items() if value is not None}
        path.write_text(yaml.safe_dump(document))

    def write_lock(self, stack: str, lock: Mapping[str, Any]) -> None:
        path = self.folder / "locks" / f"{stack}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(lock))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the program consists of."""
    return copied(tmp_path / "checkout")


def copied(folder: Path) -> Path:
    """Makes the folder, with a copy of what the program consists of."""
    folder.mkdir()
    for name in _PROGRAM:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "out", "node_modules"))
        else:
            shutil.copy(source, folder)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    return folder


@pytest.fixture
def program(checkout: Path, tmp_path: Path) -> Program:
    """The program with a sandbox of its own."""
    return Program(checkout, _environment(checkout, tmp_path))


@contextmanager
def simulated(checkout: Path) -> Iterator[Program]:
    """The program where it asks nothing of the world outside, in updates neither: as `converge plan` updates its base."""
    with Progress(Console(file=sys.stderr)) as progress:
        engine = find_engine(ROOT, progress)
    with plan_sandbox(checkout, engine) as sandbox:
        yield Program(checkout, {**sandbox.environment, "PATH": f"{engine.pulumi.parent}:{sandbox.environment['PATH']}"})


def _environment(folder: Path, tmp_path: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "ARM_", "AZURE_", "KUBE", "PYTHONDONTWRITE"))}
    sandbox = Sandbox.of(folder, {**clean, "XDG_STATE_HOME": str(tmp_path / "state")})
    with Progress(Console(file=sys.stderr)) as progress:
        azure = LocalAzure(sandbox, Choices(), progress)
        azure.preview_only()
    added = {name: value for name, value in azure.environment().items() if name in ("PATH", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION")}
    return {
        **clean,
        **added,
        "CONVERGE_SANDBOX": str(sandbox.folder),
        "PULUMI_HOME": str(sandbox.pulumi_home),
        "PULUMI_BACKEND_URL": f"file://{sandbox.pulumi_state}",
        "PULUMI_CONFIG_PASSPHRASE": "only for this test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_ERROR_OUTPUT_STRING": "true",
        # The SDKs are large: compiled once for all copies of the program.
        "PYTHONPYCACHEPREFIX": str(sandbox.cache / "bytecode"),
    }
