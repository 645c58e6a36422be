"""GitHub's REST API as documented (docs.github.com/rest, version 2022-11-28), as far as comments and pull requests go."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx

API = "https://api.github.example"
REPOSITORY = "acme/converge"
BOT = {"login": "github-actions[bot]", "type": "Bot"}
ANN = {"login": "ann", "type": "User"}
_PAGE = 2
"""Pages are short, so that they are turned."""


def pull(number: int, *, sha: str = "a" * 40, ref: str = "change", repository: str = REPOSITORY, state: str = "open") -> dict[str, Any]:
    owner = {"login": repository.partition("/")[0]}
    return {
        "number": number,
        "state": state,
        "title": "",
        "body": "",
        "html_url": f"https://github.example/{REPOSITORY}/pull/{number}",
        "head": {"sha": sha, "ref": ref, "label": f"{owner['login']}:{ref}", "repo": {"full_name": repository, "owner": owner}},
        "base": {"ref": "main"},
    }


class GitHub:
    """Keeps comments and pull requests; `before` is called ahead of each request and may answer instead."""

    def __init__(self) -> None:
        self.comments: dict[int, dict[str, Any]] = {}
        self.pulls: list[dict[str, Any]] = []
        self.requests: list[httpx.Request] = []
        self.person: dict[str, str] | None = None
        self.before: Callable[[httpx.Request], httpx.Response | None] = lambda _request: None
        self.transport = httpx.MockTransport(self._answer)

    def add(self, body: str, user: dict[str, str] = BOT) -> int:
        number = max(self.comments, default=100) + 1
        self.comments[number] = {"id": number, "body": body, "user": user}
        return number

    @property
    def bodies(self) -> list[str]:
        return [comment["body"] for comment in self.comments.values()]

    def methods(self, *wanted: str) -> list[str]:
        return [request.method for request in self.requests if request.method in (wanted or ("POST", "PATCH", "DELETE"))]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if early := self.before(request):
            return early
        if request.headers.get("authorization") != "Bearer secret-token":
            return refused(401, "Bad credentials")
        body = json.loads(request.content) if request.content else {}
        path = request.url.path.removeprefix(f"/repos/{REPOSITORY}")
        if found := re.fullmatch(r"/issues/(\d+)/comments", path):
            return self._listing(request) if request.method == "GET" else self._created(body, int(found[1]))
        if found := re.fullmatch(r"/issues/comments/(\d+)", path):
            return self._one(request.method, int(found[1]), body)
        if path == "/user":
            return httpx.Response(200, json=self.person) if self.person else refused(403, "Resource not accessible by integration")
        if path == "":
            return httpx.Response(200, json={"full_name": REPOSITORY, "default_branch": "main"})
        return self._pulls(request, path, body)

    def _listing(self, request: httpx.Request) -> httpx.Response:
        page = int(request.url.params.get("page", "1"))
        shown = list(self.comments.values())[(page - 1) * _PAGE : page * _PAGE]
        following = request.url.copy_set_param("page", page + 1)
        more = page * _PAGE < len(self.comments)
        return httpx.Response(200, json=shown, headers={"link": f'<{following}>; rel="next"'} if more else {})

    def _created(self, body: dict[str, str], number: int) -> httpx.Response:
        assert number == 7
        # What a browser's form would send, and what GitHub gives back.
        made = self.add(body["body"].replace("\n", "\r\n"), self.person or BOT)
        return httpx.Response(201, json=self.comments[made])

    def _one(self, method: str, number: int, body: dict[str, str]) -> httpx.Response:
        if number not in self.comments:
            return refused(404, "Not Found")
        if method == "DELETE":
            del self.comments[number]
            return httpx.Response(204)
        self.comments[number]["body"] = body["body"]
        return httpx.Response(200, json=self.comments[number])

    def _pulls(self, request: httpx.Request, path: str, body: dict[str, str]) -> httpx.Response:
        if request.method == "GET" and path == "/pulls":
            wanted = request.url.params
            return httpx.Response(200, json=[one for one in self.pulls if one["state"] == wanted["state"] and one["head"]["label"] == wanted["head"]])
        if request.method == "POST" and path == "/pulls":
            if any(one["head"]["ref"] == body["head"] and one["state"] == "open" for one in self.pulls):
                message = f"A pull request already exists for acme:{body['head']}."
                return httpx.Response(422, json={"message": "Validation Failed", "errors": [{"resource": "PullRequest", "code": "custom", "message": message}]})
            self.pulls.append({**pull(len(self.pulls) + 1, ref=body["head"]), "title": body["title"], "body": body["body"], "base": {"ref": body["base"]}})
            return httpx.Response(201, json=self.pulls[-1])
        if found := re.fullmatch(r"/pulls/(\d+)", path):
            (one,) = (one for one in self.pulls if one["number"] == int(found[1]))
            one |= body
            return httpx.Response(200, json=one)
        return refused(404, "Not Found")


def refused(status: int, message: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"message": message, "documentation_url": "https://docs.github.com/rest"}, headers=named)
