"""Pull requests of branches that were pushed."""

import os
from collections.abc import Mapping
from pathlib import Path

import httpx

from delivery.forge import azure, github
from delivery.forge.pipeline import GitHubPlace, place, token


def open_pull_request(
    checkout: Path,
    branch: str,
    title: str,
    body: str,
    *,
    environment: Mapping[str, str] = os.environ,
    transport: httpx.BaseTransport | None = None,
) -> str:
    """The URL of the open pull request of a branch into the default one: opened, or with this title and text now.

    Args:
        branch: that has been pushed, without `refs/heads/`.

    Raises:
        DeliveryError: there is no forge or token, or it refuses; says which permission is missing.
    """
    found = place(checkout, environment)
    if isinstance(found, GitHubPlace):
        return github.put_pull_request(github.forge(found, token(found, environment), transport), found, branch, title, body)
    return azure.put_pull_request(azure.forge(found, token(found, environment), transport), found, branch, title, body)
