"""One comment per key on a pull request: created, or made to say something else."""

import os
from collections.abc import Mapping
from pathlib import Path

import httpx

from delivery.errors import DeliveryError
from delivery.forge import azure, github
from delivery.forge.body import body
from delivery.forge.pipeline import GitHubPlace, place, token
from delivery.plan.escaping import code


def comment(
    checkout: Path,
    file: Path,
    key: str,
    pull_request: int | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    transport: httpx.BaseTransport | None = None,
) -> str:
    """Makes the pull request's comment of this key say what a file says.

    Args:
        pull_request: its number; the one that the pipeline runs for unless given.

    Returns:
        What was done, for people.

    Raises:
        DeliveryError: there is no such file or pull request, or the forge refuses; says which permission is missing.
    """
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryError(f"the comment's text {file} cannot be read: {error}") from error
    found = place(checkout, environment)
    if isinstance(found, GitHubPlace):
        written = body(f"{_warning(found)}{text}", key, found.run, github.LONGEST)
        api = github.forge(found, token(found, environment), transport)
        return github.put_comment(api, found, pull_request or github.find_pull_request(api, found), written)
    written = body(text, key, found.run, azure.LONGEST)
    return azure.put_comment(azure.forge(found, token(found, environment), transport), found, pull_request or azure.find_pull_request(found), written)


def _warning(found: GitHubPlace) -> str:
    """For readers of what a fork's own code wrote: it comes under our name."""
    if not found.fork:
        return ""
    return f"> Written by the code of {code(found.fork)}, a fork: it may say anything, so what counts is the change itself.\n\n"
