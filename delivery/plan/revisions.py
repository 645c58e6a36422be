"""The commit that a plan compares with, and its files."""

import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from delivery.errors import DeliveryError
from delivery.git import Git, GitMissingError

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
    git = Git(checkout)
    _check_repository(git)
    if revision is not None:
        commit = git.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if commit is None:
            raise DeliveryError(f"this repository has no revision {revision!r}; name a branch, tag or commit that it has, fetch it first, {_FROM_NOTHING}")
        return Base(commit, f"{commit[:7]} ({revision})")
    return _merge_base(git)


def _check_repository(git: Git) -> None:
    try:
        asked = git.run("rev-parse", "--git-dir")
    except GitMissingError as error:
        raise DeliveryError(f"{error}, {_FROM_NOTHING}") from error
    if asked.code and "not a git repository" in asked.errors:
        raise DeliveryError(f"{git.folder} is in no git repository, so there is nothing to compare with; make it one, {_FROM_NOTHING}")
    if asked.code:
        # In containers most often the owner, with the command that helps.
        raise DeliveryError(f"git does not read {git.folder}; do as it says, {_FROM_NOTHING}:\n{asked.errors.strip()}")


def _merge_base(git: Git) -> Base:
    main = next((name for name in _MAIN if git.ask("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")), None)
    if main is None or git.ask("rev-parse", "--verify", "--quiet", "HEAD") is None:
        raise DeliveryError(
            f"this repository has neither {' nor '.join(_MAIN)} to compare with; fetch it with `git fetch origin main:refs/remotes/origin/main`, "
            f"name another revision with --base, {_FROM_NOTHING}"
        )
    commit = git.ask("merge-base", "HEAD", main)
    if commit is None:
        shallow = git.ask("rev-parse", "--is-shallow-repository") == "true"
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
            # Not as an argument: Debian 12 has Python 3.11.2, which knows no filters. What is unpacked is a commit of this repository.
            files.extraction_filter = getattr(tarfile, "tar_filter", None)
            files.extractall(folder)  # noqa: S202 - see above
    except tarfile.ReadError as error:
        raise DeliveryError(f"git cannot read {base.label}: {archive.stderr.read().decode().strip() or error}") from error
    finally:
        archive.communicate()
