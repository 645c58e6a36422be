"""Where a deployment comes from: who, which pipeline, which commits, and who let it pass. Nothing here ever fails a deployment."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from delivery.checkout import who
from delivery.errors import DeliveryError
from delivery.git import Git
from delivery.release.record import one_line

_SECONDS = 5.0
_PULL_REQUEST = re.compile(r"^Merge pull request #(\d+) from |\(#(\d+)\)$|^Merged PR (\d+):")
"""Of a merge on GitHub, a squash there, and both on Azure DevOps."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a record says about the origin of a deployment; as delivery.release.record.Record has it."""

    by: str
    approved_by: str | None
    commit: str
    dirty: bool
    lock_commit: str | None
    pull_request: str | None
    run: str | None


def head_of(checkout: Path) -> str:
    """The commit that is checked out.

    Raises:
        DeliveryError: there is none, so nobody could say afterwards what was deployed.
    """
    answer = Git(checkout).run("rev-parse", "--verify", "HEAD^{commit}")
    if not answer.code:
        return answer.text
    if "not a git repository" in answer.errors:
        raise DeliveryError(f"{checkout} is in no git repository, so nobody could say later what was deployed; deploy from a clone")
    if "ownership" in answer.errors:
        raise DeliveryError(f"git does not read {checkout}; do as it says:\n{answer.errors.strip()}")
    raise DeliveryError(f"the repository of {checkout} has no commit yet; commit what is to be deployed")


def provenance(checkout: Path, stack: str, environment: Mapping[str, str] = os.environ) -> Provenance:
    """All that can be found out.

    Raises:
        DeliveryError: nothing is checked out.
    """
    commit = head_of(checkout)
    return Provenance(
        by=who(checkout, environment),
        approved_by=_approved_by(environment),
        commit=commit,
        dirty=is_dirty(checkout),
        lock_commit=last_commit(checkout, f"locks/{stack}.json"),
        pull_request=_pull_request(checkout, commit),
        run=_run(environment),
    )


def at_commit(origin: Provenance, checkout: Path, stack: str, commit: str, *, dirty: bool) -> Provenance:
    """The same for another commit, which this clone need not have."""
    lock = last_commit(checkout, f"locks/{stack}.json", commit)
    return replace(origin, commit=commit, dirty=dirty, lock_commit=lock, pull_request=_pull_request(checkout, commit))


def last_commit(checkout: Path, path: str, revision: str = "HEAD") -> str | None:
    """The last commit up to a revision that touched a file or folder; None when there is none, or a clone is too shallow to know."""
    git = Git(checkout)
    found = git.ask("log", "-1", "--format=%H", revision, "--", path)
    # The oldest commit of a shallow clone looks as if it had made every file.
    return None if not found or found in _shallow(git) else found


def _shallow(git: Git) -> Sequence[str]:
    path = git.ask("rev-parse", "--git-path", "shallow")
    try:
        return (git.folder / path).read_text().split() if path else ()
    except OSError:
        return ()


def is_dirty(checkout: Path) -> bool:
    """Whether files differ from the commit. New ones count where the program looks for its own: what a pipeline lays into the top folder does not."""
    git = Git(checkout)
    above = git.ask("rev-parse", "--show-prefix") or ""
    entries = (git.ask("status", "--porcelain", "--untracked-files=all", "-z", "--", ".") or "").split("\0")
    new = [entry[3:].removeprefix(above) for entry in entries if entry.startswith("?? ")]
    return any(entry and not entry.startswith("?? ") for entry in entries) or any("/" in path or path.startswith("Pulumi.") for path in new)


def _run(environment: Mapping[str, str]) -> str | None:
    """URL of the run in GitHub Actions or Azure Pipelines."""
    github = [environment.get(name) for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
    if all(github):
        return "{}/{}/actions/runs/{}".format(*github)
    collection, project, build = (environment.get(name, "") for name in ("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECT", "BUILD_BUILDID"))
    return f"{collection.rstrip('/')}/{quote(project)}/_build/results?buildId={build}" if collection and project and build else None


def _pull_request(checkout: Path, commit: str) -> str | None:
    found = _PULL_REQUEST.search(Git(checkout).ask("log", "-1", "--format=%s", commit) or "")
    return next((number for number in found.groups() if number), None) if found else None


def _approved_by(environment: Mapping[str, str]) -> str | None:
    """Who let the run pass on GitHub; elsewhere the pipeline says it."""
    said = one_line(environment.get("CONVERGE_APPROVED_BY", ""))
    return one_line(", ".join(_reviewers(environment))) or said or None


def _reviewers(environment: Mapping[str, str]) -> list[str]:
    token, repository, run = (environment.get(name, "") for name in ("GITHUB_TOKEN", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"))
    if not (token and repository and run):
        return []
    api = environment.get("GITHUB_API_URL", "https://api.github.com")
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    try:
        answer = httpx.get(f"{api}/repos/{repository}/actions/runs/{run}/approvals", headers=headers, timeout=_SECONDS)
        reviews: list[dict[str, Any]] = answer.raise_for_status().json()
        logins = [str(review["user"]["login"]) for review in reviews if review["state"] == "approved"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, KeyError):
        return []
    return list(dict.fromkeys(logins))
