"""A proposal against a bare repository and a forge that answers as GitHub does: made once, kept up to date, never over somebody's work."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pipelines.files import ROOT
from tests.pipelines.forge import Forge, serving


@pytest.fixture
def forge() -> Iterator[Forge]:
    with serving() as made:
        yield made


@dataclass(frozen=True)
class Repository:
    """A bare repository, and clones of it as runs of a pipeline make them."""

    folder: Path
    forge: Forge

    @property
    def bare(self) -> Path:
        return self.folder / "bare.git"

    def clone(self, name: str, email: str = "converge@localhost") -> Path:
        made = self.folder / name
        git(self.folder, "clone", "--quiet", str(self.bare), str(made))
        git(made, "config", "user.name", "somebody")
        git(made, "config", "user.email", email)
        (made / ".venv" / "bin").mkdir(parents=True)
        # The command's own interpreter, which finds the code of this checkout.
        (made / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (made / ".venv" / "bin" / "python").chmod(0o755)
        (made / ".git" / "info" / "exclude").write_text(".venv\n")
        return made

    def propose(self, clone: Path) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
            **self.forge.environment,
        }
        command = [str(clone / ".ci" / "propose"), "model-digits"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def proposed(self) -> str:
        """The commit that the branch is at; empty without a branch."""
        return git(self.bare, "for-each-ref", "--format=%(objectname)", "refs/heads/model-digits").strip()


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(clone: Path, text: str, title: str, file: str = "locks/dev.json") -> None:
    (clone / file).parent.mkdir(exist_ok=True)
    (clone / file).write_text(text)
    git(clone, "add", file)
    git(clone, "commit", "--quiet", "--message", title, "--message", "- metric accuracy: 0.97 -> 0.98")


@pytest.fixture
def repository(tmp_path: Path, forge: Forge) -> Repository:
    made = Repository(tmp_path, forge)
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch", "main", str(made.bare))
    first = made.clone("first")
    shutil.copytree(ROOT / ".ci", first / ".ci")
    git(first, "add", ".ci")
    commit(first, "1", "first")
    git(first, "push", "--quiet", "origin", "HEAD:main")
    return made


def test_without_a_commit_there_is_nothing_to_propose(repository: Repository):
    done = repository.propose(repository.clone("run"))
    assert (done.returncode, done.stdout) == (0, "nothing to propose\n"), done.stderr
    assert repository.proposed() == ""


def test_a_proposal_is_made_once(repository: Repository):
    """Also when the next run makes its commit anew, at another time and on a main that has moved on meanwhile."""
    run = repository.clone("run")
    commit(run, "2", "dev: digits v1 -> v2")
    done = repository.propose(run)
    assert (done.returncode, done.stdout) == (0, "https://github.example/pull/1\n"), done.stderr
    (opened,) = repository.forge.opened
    assert opened == {"title": "dev: digits v1 -> v2", "head": "model-digits", "base": "main", "body": "- metric accuracy: 0.97 -> 0.98"}
    proposed = repository.proposed()
    assert proposed == git(run, "rev-parse", "HEAD").strip()

    other = repository.clone("other", "ada@example.com")
    commit(other, "x", "another change", "README.md")
    git(other, "push", "--quiet", "origin", "HEAD:main")
    again = repository.clone("again")
    commit(again, "2", "dev: digits v1 -> v2, said differently")
    done = repository.propose(again)
    assert (done.returncode, done.stdout) == (0, "the branch model-digits proposes it already\n"), done.stderr
    assert repository.proposed() == proposed
    assert len(repository.forge.opened) == 1


def test_a_newer_proposal_takes_the_place_of_the_one_before(repository: Repository):
    for number, content in enumerate(("2", "3"), start=1):
        run = repository.clone(f"run{number}")
        commit(run, content, f"dev: digits v1 -> v{content}")
        done = repository.propose(run)
        assert done.returncode == 0, done.stderr
    assert git(repository.bare, "show", "model-digits:locks/dev.json") == "3"
    assert git(repository.bare, "rev-list", "--count", "main..model-digits").strip() == "1"
    assert repository.forge.opened[-1]["title"] == "dev: digits v1 -> v3"


def test_somebody_s_work_on_the_branch_is_not_written_over(repository: Repository):
    run = repository.clone("run")
    commit(run, "2", "dev: digits v1 -> v2")
    repository.propose(run)
    colleague = repository.clone("colleague", "ada@example.com")
    git(colleague, "checkout", "--quiet", "model-digits")
    commit(colleague, "x", "and what it needs", "app.py")
    git(colleague, "push", "--quiet", "origin", "model-digits")
    theirs = repository.proposed()

    again = repository.clone("again")
    commit(again, "3", "dev: digits v1 -> v3")
    done = repository.propose(again)

    assert done.returncode == 1
    assert done.stderr == "error: somebody else has commits on the branch model-digits; merge it or delete it, then this is proposed anew\n"
    assert repository.proposed() == theirs


def test_a_forge_that_refuses_leaves_no_branch_that_would_count_as_proposed(repository: Repository):
    repository.forge.allowed = False
    run = repository.clone("run")
    commit(run, "2", "dev: digits v1 -> v2")
    done = repository.propose(run)
    assert done.returncode == 1
    assert "Allow GitHub Actions to create and approve pull requests" in done.stderr
    assert "Traceback" not in done.stderr
    assert repository.proposed() == ""

    repository.forge.allowed = True
    assert repository.propose(run).returncode == 0
    assert len(repository.forge.opened) == 1
