"""Azure DevOps' Git REST API as documented (learn.microsoft.com/rest/api/azure/devops/git, version 7.1), as far as comments and pull requests go."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx

COLLECTION = "https://dev.azure.example/acme/"
BUILD_SERVICE, ANN = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
_REPOSITORY = "/acme/My%20Project/_apis/git/repositories/repo-id"
_TOO_LONG = "Invalid argument value.\r\nParameter name: A description for a pull request must not be longer than 4000 characters."


class Azure:
    """Keeps threads and pull requests; `before` is called ahead of each request and may answer instead."""

    def __init__(self) -> None:
        self.threads: dict[int, dict[str, Any]] = {}
        self.pulls: list[dict[str, Any]] = []
        self.requests: list[httpx.Request] = []
        self.before: Callable[[httpx.Request], httpx.Response | None] = lambda _request: None
        self.transport = httpx.MockTransport(self._answer)

    def add(self, content: str, author: str = BUILD_SERVICE, **thread: Any) -> int:
        number = max(self.threads, default=0) + 1
        first = {"id": 1, "parentCommentId": 0, "content": content, "commentType": "text", "author": {"id": author}, "isDeleted": False}
        self.threads[number] = {"id": number, "comments": [first], "isDeleted": False, "status": "unknown", **thread}
        return number

    @property
    def contents(self) -> list[str]:
        return [thread["comments"][0]["content"] for thread in self.threads.values() if not thread["comments"][0]["isDeleted"]]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if early := self.before(request):
            return early
        if request.headers.get("authorization") != "Bearer secret-token":
            # Its page to log in.
            return httpx.Response(203, html="<html>Sign In</html>")
        path = request.url.raw_path.decode().partition("?")[0]
        if path == "/acme/_apis/connectionData":
            return httpx.Response(200, json={"authenticatedUser": {"id": BUILD_SERVICE, "providerDisplayName": "My Project Build Service (acme)"}})
        assert request.url.params["api-version"] == "7.1"
        body = json.loads(request.content) if request.content else {}
        place = path.removeprefix(_REPOSITORY)
        if place == "":
            return httpx.Response(200, json={"id": "repo-id", "name": "converge", "defaultBranch": "refs/heads/main"})
        if place == "/pullRequests/7/threads":
            if request.method == "GET":
                return httpx.Response(200, json={"value": list(self.threads.values()), "count": len(self.threads)})
            (comment,) = body["comments"]
            made = self.add(comment["content"])
            return httpx.Response(200, json=self.threads[made])
        if found := re.fullmatch(r"/pullRequests/7/threads/(\d+)/comments/1", place):
            return self._one(request.method, int(found[1]), body)
        return self._pulls(request, place, body)

    def _one(self, method: str, number: int, body: dict[str, Any]) -> httpx.Response:
        comment = self.threads[number]["comments"][0]
        if method == "DELETE":
            comment["isDeleted"] = True
            return httpx.Response(200)
        comment["content"] = body["content"]
        return httpx.Response(200, json=comment)

    def _pulls(self, request: httpx.Request, place: str, body: dict[str, Any]) -> httpx.Response:
        if len(body.get("description", "")) > 4000:
            return refused(400, _TOO_LONG)
        if place == "/pullrequests" and request.method == "GET":
            wanted = request.url.params
            assert wanted["searchCriteria.status"] == "active"
            return httpx.Response(200, json={"value": [one for one in self.pulls if one["sourceRefName"] == wanted["searchCriteria.sourceRefName"]]})
        if place == "/pullrequests":
            if any(one["sourceRefName"] == body["sourceRefName"] for one in self.pulls):
                return refused(409, "TF401179: An active pull request for the source and target branch already exists.")
            self.pulls.append({"pullRequestId": len(self.pulls) + 1, "status": "active", "repository": {"name": "converge"}, **body})
            return httpx.Response(201, json=self.pulls[-1])
        if found := re.fullmatch(r"/pullrequests/(\d+)", place):
            one = self.pulls[int(found[1]) - 1]
            one |= body
            return httpx.Response(200, json=one)
        return refused(404, "Not Found")


def refused(status: int, message: str) -> httpx.Response:
    return httpx.Response(status, json={"$id": "1", "innerException": None, "message": message, "typeKey": "GitException", "errorCode": 0})
