"""Where the story plays: a bare repository as the forge, a clone in which a developer works, and a clone in which CI deploys to a sandbox of its own."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.end_to_end.copy_of_checkout import ROOT, Copy

_PORT_BASE = "18300"
_CONVERGE = str(ROOT / ".venv" / "bin" / "converge")
_PRIVATE = ("PULUMI_", "CONVERGE_", "AZURE_", "ARM_", "GITHUB_", "SYSTEM_", "BUILD_")
_LONGEST_LINE = 200
_AUTHOR = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com", "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com"}


@dataclass
class Stage:
    """The forge, the people's clones, and the sandbox.

    Attributes:
        origin: the bare repository.
        developer: clone of the people who change app, settings and locks.
        ci: clone that deploys; the sandbox is its own.
        notes: what later scenes want to know of earlier ones.
        printed: what every command printed.
    """

    origin: Path
    developer: Path
    ci: Copy
    loud: bool
    notes: dict[str, Any] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Tells the reader something; long lines are cut."""
        if self.loud:
            for line in text.splitlines():
                print(f"    {line if len(line) <= _LONGEST_LINE else f'{line[: _LONGEST_LINE - 3]}...'}", flush=True)

    def git(self, folder: Path, *arguments: str) -> str:
        """What git answers."""
        answer = subprocess.run(["git", *arguments], cwd=folder, env={**os.environ, **_AUTHOR}, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, f"git {' '.join(arguments)}: {answer.stderr}"
        return answer.stdout.strip()

    def converge(self, *arguments: str, folder: Path | None = None, code: int = 0, variables: Mapping[str, str] | None = None) -> str:
        """Runs a command of ours with the sandbox's environment, in CI's clone unless another is named; returns what it printed.

        Args:
            code: the exit code that it must have.
        """
        started = time.monotonic()
        answer = self.attempt("converge", *arguments, folder=folder, variables=variables)
        self.say(f"$ converge {' '.join(arguments)}    ({time.monotonic() - started:.1f} s, exit code {answer.returncode})")
        assert answer.returncode == code, f"converge {' '.join(arguments)} ended with {answer.returncode}:\n{answer.stdout}\n{answer.stderr}"
        assert "Traceback" not in answer.stderr
        return answer.stdout + answer.stderr

    def attempt(self, *command: str, folder: Path | None = None, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command with the sandbox's environment, as after `eval "$(converge local env)"`; how it ends is the caller's business."""
        environment = {**self.ci.environment, **self._sandbox_variables(), **(variables or {})}
        answer = subprocess.run(command, cwd=folder or self.ci.folder, env=environment, capture_output=True, text=True, check=False)
        self.printed.append(answer.stdout + answer.stderr)
        return answer

    def _sandbox_variables(self) -> dict[str, str]:
        if "environment" not in self.notes:
            shown = self.ci.in_sandbox("env -0").stdout
            found: dict[str, str] = {}
            for line in filter(None, shown.split("\0")):
                name, _, value = line.partition("=")
                found[name] = value
            self.notes["environment"] = {name: value for name, value in found.items() if value != self.ci.environment.get(name)}
        return self.notes["environment"]

    def branch(self, name: str) -> None:
        """The developer begins something from what main is now."""
        self.git(self.developer, "fetch", "--quiet", "origin")
        self.git(self.developer, "switch", "--quiet", "--create", name, "origin/main")

    def commit(self, message: str) -> None:
        """The developer commits all changes."""
        self.git(self.developer, "add", "--all")
        self.git(self.developer, "commit", "--quiet", "--message", message)

    def merge(self, name: str) -> str:
        """The forge merges the branch as a pull request, and CI's clone follows; returns the number of the pull request."""
        number = str(self.notes.get("pull_requests", 0) + 1)
        self.notes["pull_requests"] = int(number)
        self.git(self.developer, "switch", "--quiet", "main")
        self.git(self.developer, "pull", "--quiet", "origin", "main")
        self.git(self.developer, "merge", "--quiet", "--no-ff", "--message", f"Merge pull request #{number} from example/{name}", name)
        self.git(self.developer, "push", "--quiet", "origin", "main")
        self.follow()
        return number

    def follow(self) -> None:
        """CI's clone becomes what main is now."""
        self.git(self.ci.folder, "pull", "--quiet", "--ff-only", "origin", "main")

    def records(self, stack: str) -> list[dict[str, Any]]:
        """The records on the forge, newest first, read with git alone."""
        listed = subprocess.run(["git", "ls-tree", "-r", "--name-only", "releases", f"{stack}/"], cwd=self.origin, capture_output=True, text=True, check=False)
        names = sorted((name for name in listed.stdout.splitlines() if name.endswith(".json")), reverse=True)
        return [json.loads(self.git(self.origin, "show", f"releases:{name}")) for name in names]

    def address(self, namespace: str) -> str:
        """URL of the Service in a namespace."""
        found = self.attempt("kubectl", "get", "service", "digits", "--namespace", namespace, "--output", "jsonpath={.spec.clusterIP}")
        assert found.returncode == 0, found.stderr
        return f"http://{found.stdout}"

    def served(self, namespace: str = "digits") -> dict[str, str]:
        """What answers there: model version, model sha256 and image digest."""
        answer = httpx.get(f"{self.address(namespace)}/v2/models/digits", timeout=10, trust_env=False).raise_for_status()
        document = answer.json()
        return {"version": document["versions"][0], "sha256": document["parameters"]["sha256"], "digest": document["parameters"]["image_digest"]}

    def change(self, path: str, pattern: str, replacement: str) -> None:
        """The developer edits a file."""
        file = self.developer / path
        text, count = re.subn(pattern, replacement, file.read_text(), count=1, flags=re.MULTILINE)
        assert count == 1, f"{path} has nothing like {pattern}"
        file.write_text(text)

    def settings(self, stack: str, **values: Any) -> None:
        """The developer edits keys of a stack."""
        file = self.developer / f"Pulumi.{stack}.yaml"
        document = yaml.safe_load(file.read_text())
        document["config"].update({f"converge:{name}": value for name, value in values.items()})
        file.write_text(yaml.safe_dump(document, sort_keys=False))

    def train(self, name: str, *arguments: str) -> tuple[Path, dict[str, float]]:
        """A data scientist trains a model; returns its folder and metrics."""
        out = self.origin.parent / "training" / name
        command = [str(ROOT / ".venv/bin/python"), "-m", "training.train", "--out", str(out), *arguments]
        environment = {**self.ci.environment, "PYTHONPATH": str(self.developer / "app_template")}
        done = subprocess.run(command, cwd=self.developer, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return out, json.loads((out / "model.json").read_text())["metrics"]


@contextmanager
def stage(folder: Path, *, loud: bool) -> Iterator[Stage]:
    """Builds the stage in an empty folder: repositories, and a sandbox with the first version of everything. Nothing runs when it is left."""
    origin, developer, ci = folder / "origin.git", folder / "developer", folder / "ci"
    _first_commit(folder / "seed")
    for arguments in (["--bare", str(folder / "seed"), str(origin)], [str(origin), str(developer)], [str(origin), str(ci)]):
        subprocess.run(["git", "clone", "--quiet", *arguments], check=True)
    for clone in (developer, ci):
        (clone / ".venv").symlink_to(ROOT / ".venv")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)}
    environment = {**kept, **_AUTHOR, "XDG_STATE_HOME": str(folder / "state"), "CONVERGE_LOCAL_PORT_BASE": _PORT_BASE}
    made = Stage(origin, developer, Copy(ci, environment), loud)
    try:
        yield made
    finally:
        cleaned = made.ci.converge("local", "clean", "--yes")
        assert cleaned.returncode == 0, cleaned.stderr


def _first_commit(seed: Path) -> None:
    """A repository with the files of this checkout, those that are not committed included."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (seed / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, seed / name)
    # In the story the stacks of the sandbox are the company's, so their settings and locks are committed.
    ignored = seed / ".gitignore"
    lines = [line for line in ignored.read_text().splitlines() if line not in ("Pulumi.local.yaml", "locks/local.json")]
    ignored.write_text("\n".join([*lines, ".venv", ""]))
    commands: Sequence[Sequence[str]] = (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "-m", "A service and its infrastructure"],
    )
    for command in commands:
        subprocess.run(["git", *command], cwd=seed, check=True)
