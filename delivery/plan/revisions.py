"""The commit that a plan compares with, and its files."""

import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from delivery.errors import DeliveryError

NOTHING = "none"
_MAIN = ("origin/main", "main")
_FROM_NOTHING = f"or plan from nothing with `--base {NOTHING}`"


@dataclass(frozen=True)
class Base:
    """A commit, and how a reader knows it.

    Attributes:
        label: such as `1a2b3c4 (merge base with origin/main)`.
    """

    commit: str
    label: str


def find_base(checkout: Path, revision: str | None) -> Base:
    """The commit that was named; or where the checkout left the main branch.

    Raises:
        DeliveryError: there is no repository, no such revision, or no commit in common.
    """
    _check_repository(checkout)
    if revision is not None:
        commit = _git(checkout, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if commit is None:
            raise DeliveryError(f"this repository has no revision {revision!r}; name a branch, tag or commit that it has, fetch it first, {_FROM_NOTHING}")
        return Base(commit, f"{commit[:7]} ({revision})")
    return _merge_base(checkout)


def _check_repository(checkout: Path) -> None:
    asked = _run(checkout, "rev-parse", "--git-dir")
    if asked.returncode and "not a git repository" in asked.stderr:
        raise DeliveryError(f"{checkout} is in no git repository, so there is nothing to compare with; make it one, {_FROM_NOTHING}")
    if asked.returncode:
        # In containers most often the owner, with the command that helps.
        raise DeliveryError(f"git does not read {checkout}; do as it says, {_FROM_NOTHING}:\n{asked.stderr.strip()}")


def _merge_base(checkout: Path) -> Base:
    main = next((name for name in _MAIN if _git(checkout, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")), None)
    if main is None or _git(checkout, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        raise DeliveryError(
            f"this repository has neither {' nor '.join(_MAIN)} to compare with; fetch it with `git fetch origin main:refs/remotes/origin/main`, "
            f"name another revision with --base, {_FROM_NOTHING}"
        )
    commit = _git(checkout, "merge-base", "HEAD", main)
    if commit is None:
        shallow = _git(checkout, "rev-parse", "--is-shallow-repository") == "true"
        fetch = "this clone is shallow; fetch the rest with `git fetch --unshallow origin` (GitHub Actions: `fetch-depth: 0`)"
        raise DeliveryError(f"HEAD and {main} have no commit in common here; {fetch if shallow else 'name a revision with --base'}, {_FROM_NOTHING}")
    return Base(commit, f"{commit[:7]} (merge base with {main})")


def extract(checkout: Path, base: Base, folder: Path) -> None:
    """Writes the base's files of this checkout's folder elsewhere. The checkout, its index and its branches stay as they are.

    Raises:
        DeliveryError: git cannot read the commit.
    """
    folder.mkdir(parents=True)
    archive = subprocess.Popen(["git", "archive", "--format=tar", base.commit, "."], cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert archive.stdout is not None  # noqa: S101 - tells the type checker what PIPE means
    assert archive.stderr is not None  # noqa: S101
    try:
        with tarfile.open(fileobj=archive.stdout, mode="r|") as files:
            files.extractall(folder, filter="tar")
    except tarfile.ReadError as error:
        raise DeliveryError(f"git cannot read {base.label}: {archive.stderr.read().decode().strip() or error}") from error
    finally:
        archive.communicate()


def _git(checkout: Path, *arguments: str) -> str | None:
    """What git answers; None when it refuses."""
    answer = _run(checkout, *arguments)
    return answer.stdout.strip() if answer.returncode == 0 else None


def _run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Its messages are read, too, so they must be in one language.
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(["git", *arguments], cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise DeliveryError(f"git is not installed; install it, {_FROM_NOTHING}") from error
