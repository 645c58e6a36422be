"""Azure DevOps' REST API: comments on a pull request, and pull requests (learn.microsoft.com/rest/api/azure/devops/git)."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from delivery.errors import DeliveryError
from delivery.forge.body import Body, fitted, run_of
from delivery.forge.client import Forge, ForgeError
from delivery.forge.pipeline import AzurePlace

LONGEST = 150_000
_LONGEST_DESCRIPTION = 4000
_POINTER = 100
_VERSION = "7.1"
_CONFLICT = 409
_TEXT = 1
"""A comment that people read, among those that the forge writes itself."""


@dataclass(frozen=True)
class _Comment:
    thread: int
    id: int
    run: int
    text: str


def forge(place: AzurePlace, token: str, transport: httpx.BaseTransport | None = None) -> Forge:
    """Azure DevOps, as the token's owner."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    return Forge("Azure DevOps", place.collection.rstrip("/"), headers, _permission, transport)


def _permission(said: str) -> str:
    right = "Create branch" if "CreateBranch" in said else "Contribute" if "GenericContribute" in said else "Contribute to pull requests"
    return (
        f"give the pipeline's identity, `<project> Build Service (<organization>)`, the right `{right}` on the repository "
        "(Project settings, Repositories, Security), and hand over its token: `env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)`"
    )


def find_pull_request(place: AzurePlace) -> int:
    """The number of the pull request that the pipeline runs for; raises DeliveryError when it runs for none."""
    if not place.pull_request.isdigit():
        raise DeliveryError("this pipeline runs for no pull request (SYSTEM_PULLREQUEST_PULLREQUESTID is not set); name one with --pull-request")
    return int(place.pull_request)


def put_comment(api: Forge, place: AzurePlace, number: int, body: Body) -> str:
    """Makes the comment say this: the one that is there already, or a new one. Of two, the newer run's stays.

    Returns:
        What was done, for people.

    Raises:
        DeliveryError: Azure DevOps refuses, or cannot be reached.
    """
    me = str(api.get("/_apis/connectionData")["authenticatedUser"]["id"])
    ours = _ours(api, place, number, body.marker, me)
    if any(one.run > body.run > 0 for one in ours):
        return f"the comment on pull request {number} is of a newer run, and stays"
    newest = max(ours, key=lambda one: (one.run, one.thread), default=None)
    if newest is None:
        # Without a status: one that is active would keep a pull request from being completed where all comments must be resolved.
        api.send("POST", _threads(place, number), {"comments": [{"parentCommentId": 0, "content": body.text, "commentType": _TEXT}]}, _query())
        done = "created"
    elif newest.text == body.text:
        done = "unchanged"
    else:
        api.send("PATCH", _comment(place, number, newest), {"content": body.text}, _query())
        done = "updated"
    for double in sorted(_ours(api, place, number, body.marker, me), key=lambda one: (one.run, one.thread))[:-1]:
        # Another run has written at the same time, or a request of ours arrived twice.
        _delete(api, place, number, double)
    return f"the comment on pull request {number} is {done}"


def _delete(api: Forge, place: AzurePlace, number: int, double: _Comment) -> None:
    try:
        api.send("DELETE", _comment(place, number, double), query=_query())
    except ForgeError as error:
        if error.status != httpx.codes.NOT_FOUND:
            raise


def _ours(api: Forge, place: AzurePlace, number: int, marker: str, me: str) -> list[_Comment]:
    """Comments with the marker that this token's owner wrote: anybody can write a marker, and nobody's words are to be replaced."""
    found: list[_Comment] = []
    for thread in api.get(_threads(place, number), **_query())["value"]:
        first: dict[str, Any] = next(iter(thread.get("comments") or ()), {})
        text = str(first.get("content") or "")
        deleted = thread.get("isDeleted") or first.get("isDeleted")
        if text.startswith(marker) and not deleted and (first.get("author") or {}).get("id") == me:
            found.append(_Comment(thread["id"], first["id"], run_of(text), text.replace("\r\n", "\n")))
    return found


def put_pull_request(api: Forge, place: AzurePlace, branch: str, title: str, text: str) -> str:
    """Opens a pull request of a branch, or updates the open one; returns its URL.

    Raises:
        DeliveryError: Azure DevOps refuses, or cannot be reached.
    """
    words = {"title": title, "description": fitted(text, _LONGEST_DESCRIPTION - _POINTER)}
    found = _open(api, place, branch)
    if found is None:
        target = api.get(_repository(place), **_query())["defaultBranch"]
        try:
            return _page(place, api.send("POST", _pulls(place), {"sourceRefName": f"refs/heads/{branch}", "targetRefName": target, **words}, _query()))
        except ForgeError as error:
            # Opened by another run since we looked, or by a request of ours whose answer was lost.
            found = _open(api, place, branch) if error.status == _CONFLICT else None
            if found is None:
                raise
    return _page(place, api.send("PATCH", f"{_pulls(place)}/{found}", words, _query()))


def _open(api: Forge, place: AzurePlace, branch: str) -> int | None:
    criteria: dict[str, str | int] = {"searchCriteria.status": "active", "searchCriteria.sourceRefName": f"refs/heads/{branch}"}
    found = api.send("GET", _pulls(place), query={**criteria, **_query()})["value"]
    return next((int(pull["pullRequestId"]) for pull in found), None)


def _page(place: AzurePlace, pull: dict[str, Any]) -> str:
    repository = (pull.get("repository") or {}).get("name") or place.repository
    return f"{place.collection}{quote(place.project)}/_git/{quote(repository)}/pullrequest/{pull['pullRequestId']}"


def _query() -> dict[str, str | int]:
    return {"api-version": _VERSION}


def _repository(place: AzurePlace) -> str:
    return f"/{quote(place.project)}/_apis/git/repositories/{quote(place.repository)}"


def _pulls(place: AzurePlace) -> str:
    return f"{_repository(place)}/pullrequests"


def _threads(place: AzurePlace, number: int) -> str:
    return f"{_repository(place)}/pullRequests/{number}/threads"


def _comment(place: AzurePlace, number: int, comment: _Comment) -> str:
    return f"{_threads(place, number)}/{comment.thread}/comments/{comment.id}"
