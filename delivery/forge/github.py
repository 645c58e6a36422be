"""GitHub's REST API: comments on a pull request, and pull requests (docs.github.com/rest)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from delivery.errors import DeliveryError
from delivery.forge.body import Body, run_of
from delivery.forge.client import Forge, ForgeError
from delivery.forge.pipeline import GitHubPlace

LONGEST = 65_536
_VERSION = "2022-11-28"
_PAGE = 100
_UNPROCESSABLE = 422
_REF = re.compile(r"^refs/pull/(\d+)/")
_MAY_NOT_OPEN = "is not permitted to create"


@dataclass(frozen=True)
class _Comment:
    id: int
    run: int
    text: str


def forge(place: GitHubPlace, token: str, transport: httpx.BaseTransport | None = None) -> Forge:
    """GitHub, as the token's owner."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": _VERSION}
    return Forge("GitHub", place.api, headers, _permission, transport)


def _permission(said: str) -> str:
    if _MAY_NOT_OPEN in said:
        return "allow it in the repository's settings: Actions, General, `Allow GitHub Actions to create and approve pull requests`"
    return "the token needs `pull-requests: write` on this repository (in a workflow: `permissions: pull-requests: write`)"


def find_pull_request(api: Forge, place: GitHubPlace) -> int:
    """The number of the pull request that the workflow runs for.

    Raises:
        DeliveryError: it runs for none.
    """
    event = place.event
    if isinstance(began := event.get("workflow_run"), dict):
        return _of_run(api, place, began)
    opened = event.get("pull_request")
    if isinstance(opened, dict) and isinstance(number := opened.get("number"), int):
        return number
    if found := _REF.match(place.ref):
        return int(found[1])
    raise DeliveryError("this workflow runs for no pull request; name one with --pull-request")


def _of_run(api: Forge, place: GitHubPlace, run: dict[str, Any]) -> int:
    """Of a workflow that ran for a fork: its event names no pull request, and what the run left behind could name any. So the forge is asked."""
    commit, branch = str(run.get("head_sha", "")), str(run.get("head_branch", ""))
    head = run.get("head_repository") or {}
    repository, owner = str(head.get("full_name", "")), str((head.get("owner") or {}).get("login", ""))
    found = [
        pull["number"]
        for pull in api.get(f"/repos/{place.repository}/pulls", state="open", head=f"{owner}:{branch}", per_page=_PAGE)
        if pull["head"]["sha"] == commit and ((pull["head"].get("repo") or {}).get("full_name") == repository)
    ]
    if not found:
        raise DeliveryError(
            f"no open pull request of {place.repository} is at {commit[:7]} of {repository}, branch {branch}: it was closed, or has a newer commit by now"
        )
    return max(found)


def put_comment(api: Forge, place: GitHubPlace, number: int, body: Body) -> str:
    """Makes the comment say this: the one that is there already, or a new one. Of two, the newer run's stays.

    Returns:
        What was done, for people.

    Raises:
        DeliveryError: GitHub refuses, or cannot be reached.
    """
    issues = f"/repos/{place.repository}/issues"
    ours = _ours(api, place, number, body.marker)
    newer = [one for one in ours if one.run > body.run > 0]
    if newer:
        return f"the comment on pull request {number} is of a newer run, and stays"
    if ours:
        newest = max(ours, key=lambda one: (one.run, one.id))
        if newest.text == body.text:
            return _settled(api, place, number, body, "unchanged")
        try:
            api.send("PATCH", f"{issues}/comments/{newest.id}", {"body": body.text})
        except ForgeError as error:
            if error.status != httpx.codes.NOT_FOUND or any(one.id == newest.id for one in _ours(api, place, number, body.marker)):
                raise
            # Somebody has deleted it since we looked.
            api.send("POST", f"{issues}/{number}/comments", {"body": body.text})
        return _settled(api, place, number, body, "updated")
    api.send("POST", f"{issues}/{number}/comments", {"body": body.text})
    return _settled(api, place, number, body, "created")


def _settled(api: Forge, place: GitHubPlace, number: int, body: Body, done: str) -> str:
    """Removes doubles: another run may have written at the same time, or a request of ours arrived twice."""
    ours = sorted(_ours(api, place, number, body.marker), key=lambda one: (one.run, one.id))
    for double in ours[:-1]:
        try:
            api.send("DELETE", f"/repos/{place.repository}/issues/comments/{double.id}")
        except ForgeError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
    return f"the comment on pull request {number} is {done}"


def _ours(api: Forge, place: GitHubPlace, number: int, marker: str) -> list[_Comment]:
    """Comments with the marker that this token's owner wrote: anybody can write a marker, and nobody's words are to be replaced."""
    marked = [one for one in _pages(api, f"/repos/{place.repository}/issues/{number}/comments") if str(one.get("body") or "").startswith(marker)]
    if not marked:
        return []
    login = _login(api)
    mine = [one for one in marked if (user := one.get("user") or {}) and (user.get("login") == login if login else user.get("type") == "Bot")]
    # GitHub gives back what was sent with the line ends of a form.
    return [_Comment(one["id"], run_of(one["body"]), str(one["body"]).replace("\r\n", "\n")) for one in mine]


def _login(api: Forge) -> str:
    """Whose token this is; empty for a workflow's, which may not ask and writes as a bot."""
    try:
        return str(api.get("/user")["login"])
    except ForgeError as error:
        if error.status not in (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND):
            raise
        return ""


def _pages(api: Forge, path: str) -> Iterator[dict[str, Any]]:
    found, following = api.answer("GET", path, query={"per_page": _PAGE})
    yield from found
    while following:
        found, following = api.answer("GET", following)
        yield from found


def put_pull_request(api: Forge, place: GitHubPlace, branch: str, title: str, text: str) -> str:
    """Opens a pull request of a branch, or updates the open one; returns its URL.

    Raises:
        DeliveryError: GitHub refuses, or cannot be reached.
    """
    pulls = f"/repos/{place.repository}/pulls"
    if found := _open(api, place, branch):
        return str(api.send("PATCH", f"{pulls}/{found}", {"title": title, "body": text})["html_url"])
    base = api.get(f"/repos/{place.repository}")["default_branch"]
    try:
        return str(api.send("POST", pulls, {"title": title, "head": branch, "base": base, "body": text})["html_url"])
    except ForgeError as error:
        # Opened by another run since we looked, or by a request of ours whose answer was lost.
        if error.status == _UNPROCESSABLE and (found := _open(api, place, branch)):
            return str(api.send("PATCH", f"{pulls}/{found}", {"title": title, "body": text})["html_url"])
        raise


def _open(api: Forge, place: GitHubPlace, branch: str) -> int | None:
    owner = place.repository.partition("/")[0]
    found = api.get(f"/repos/{place.repository}/pulls", state="open", head=f"{owner}:{branch}", per_page=_PAGE)
    return next((int(pull["number"]) for pull in found if pull["head"]["ref"] == branch), None)
