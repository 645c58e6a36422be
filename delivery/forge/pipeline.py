"""Where we run: which forge, which repository, which token, and which pull request."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from delivery.errors import DeliveryError
from delivery.git import Git

_GITHUB_API = "https://api.github.com"
_AZURE_HOSTS = ("dev.azure.com", "ssh.dev.azure.com")


@dataclass(frozen=True, kw_only=True)
class GitHubPlace:
    """A repository on GitHub.

    Attributes:
        repository: owner/name.
        run: counts up with each run of a pipeline; 0 when there is none.
    """

    api: str
    repository: str
    run: int
    event: Mapping[str, Any]
    ref: str = ""

    @property
    def fork(self) -> str:
        """Name of the repository whose run this one goes on from, when that is a fork; empty otherwise."""
        began = self.event.get("workflow_run")
        head = began.get("head_repository") if isinstance(began, dict) else None
        name = str(head.get("full_name", "")) if isinstance(head, dict) else ""
        return name if name != self.repository else ""


@dataclass(frozen=True, kw_only=True)
class AzurePlace:
    """A repository on Azure DevOps.

    Attributes:
        collection: URL of the organization, with a slash at its end.
        repository: id or name.
        pull_request: number of the one that the pipeline runs for; empty when it runs for none.
    """

    collection: str
    project: str
    repository: str
    run: int
    pull_request: str = ""


def place(checkout: Path, environment: Mapping[str, str] = os.environ) -> GitHubPlace | AzurePlace:
    """The repository of the pipeline, or of the checkout's remote `origin` where there is no pipeline.

    Raises:
        DeliveryError: it is on no forge that is known.
    """
    if repository := environment.get("GITHUB_REPOSITORY"):
        return _github(repository, environment)
    if collection := environment.get("SYSTEM_COLLECTIONURI"):
        provider = environment.get("BUILD_REPOSITORY_PROVIDER", "TfsGit")
        if provider != "TfsGit":
            raise DeliveryError(
                f"the pipeline's repository is at {provider}, not in Azure Repos; set GITHUB_REPOSITORY (owner/name) and GITHUB_TOKEN if that is GitHub"
            )
        return AzurePlace(
            collection=f"{collection.rstrip('/')}/",
            project=environment.get("SYSTEM_TEAMPROJECT", ""),
            repository=environment.get("BUILD_REPOSITORY_ID", ""),
            run=_number(environment.get("BUILD_BUILDID")),
            pull_request=environment.get("SYSTEM_PULLREQUEST_PULLREQUESTID", ""),
        )
    return _of_remote(checkout, environment)


def token(found: GitHubPlace | AzurePlace, environment: Mapping[str, str] = os.environ) -> str:
    """The token for the forge; raises DeliveryError that says how to hand it over."""
    if isinstance(found, GitHubPlace):
        given = environment.get("GITHUB_TOKEN") or environment.get("GH_TOKEN")
        advice = "in a workflow: `env: GITHUB_TOKEN: ${{ github.token }}`; elsewhere `export GITHUB_TOKEN=$(gh auth token)`"
        name = "GITHUB_TOKEN"
    else:
        given, name = environment.get("SYSTEM_ACCESSTOKEN"), "SYSTEM_ACCESSTOKEN"
        advice = "in a pipeline: `env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)`; elsewhere a personal access token with `Code (read & write)`"
    if not given:
        raise DeliveryError(f"there is no {name} in the environment; {advice}")
    return given


def _github(repository: str, environment: Mapping[str, str]) -> GitHubPlace:
    event = _event(environment.get("GITHUB_EVENT_PATH"))
    began = event.get("workflow_run")
    # A workflow that only comments runs after the one that planned, in the order in which jobs become free.
    run = began.get("id") if isinstance(began, dict) else environment.get("GITHUB_RUN_ID")
    api = environment.get("GITHUB_API_URL", _GITHUB_API).rstrip("/")
    return GitHubPlace(api=api, repository=repository, run=_number(run), event=event, ref=environment.get("GITHUB_REF", ""))


def _event(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        document = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise DeliveryError(f"GITHUB_EVENT_PATH names {path}, which cannot be read: {error}") from error
    return document if isinstance(document, dict) else {}


def _of_remote(checkout: Path, environment: Mapping[str, str]) -> GitHubPlace | AzurePlace:
    url = Git(checkout).ask("remote", "get-url", "origin") or ""
    # scp's form, git@host:path, is an URL with another sign.
    parts = urlsplit(url if "://" in url else f"ssh://{url.replace(':', '/', 1)}")
    host, path = (parts.hostname or "").lower(), [unquote(part) for part in parts.path.removesuffix(".git").strip("/").split("/")]
    if host == "github.com" and len(path) == 2:
        return _github("/".join(path), environment)
    if host in _AZURE_HOSTS and "_git" in path and len(path) == 4:
        return AzurePlace(collection=f"https://dev.azure.com/{path[0]}/", project=path[1], repository=path[3], run=0)
    if host in _AZURE_HOSTS and path[0] == "v3" and len(path) == 4:
        return AzurePlace(collection=f"https://dev.azure.com/{path[1]}/", project=path[2], repository=path[3], run=0)
    raise DeliveryError(
        f"there is no pipeline of GitHub or Azure DevOps here, and the remote `origin` {f'is at {host}' if host else 'does not exist'}; "
        "set GITHUB_REPOSITORY (owner/name) and GITHUB_TOKEN, or SYSTEM_COLLECTIONURI, SYSTEM_TEAMPROJECT, BUILD_REPOSITORY_ID and SYSTEM_ACCESSTOKEN"
    )


def _number(text: object) -> int:
    return int(str(text)) if str(text or "").isdigit() else 0
