"""Azure's answers in their documented forms, by path; everything that is not set up is a 404, and every request is kept."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from azure.core.credentials import AccessToken

from delivery.azure.arm import Arm
from delivery.azure.login import Login

TENANT = "22222222-2222-4222-8222-222222222222"
OBJECT = "11111111-1111-4111-8111-111111111111"
SUBSCRIPTION = "99999999-9999-4999-8999-999999999999"


def token(claims: Mapping[str, Any]) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.signature"


class Credential:
    """A login that works, or raises what it is told to."""

    def __init__(self, claims: Mapping[str, Any] | None = None, error: Exception | None = None, raw: str = "") -> None:
        self.scopes: list[str] = []
        self._error = error
        self._token = raw or token(claims or {"oid": OBJECT, "tid": TENANT, "upn": "ada@example.com", "idtyp": "user"})

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        self.scopes += scopes
        if self._error:
            raise self._error
        return AccessToken(self._token, 2**31)


@dataclass
class FakeAzure:
    """The Resource Manager."""

    answers: dict[str, Any] = field(default_factory=dict)
    """By path, without case: a document (200), or a whole httpx.Response, or a list of them in turn."""
    requests: list[httpx.Request] = field(default_factory=list)
    credential: Credential = field(default_factory=Credential)

    def set(self, path: str, answer: Any) -> None:
        self.answers[path.lower()] = answer

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.get(request.url.path.lower())
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        if answer is None:
            return httpx.Response(404, json={"error": {"code": "ResourceNotFound", "message": "not there"}})
        return httpx.Response(200, json=answer)

    @property
    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self.handle))

    @property
    def arm(self) -> Arm:
        return Arm(Login(self.credential), self.client)


def refusal(status: int, code: str, message: str = "no", **headers: str) -> httpx.Response:
    """An error in ARM's form."""
    return httpx.Response(status, json={"error": {"code": code, "message": message}}, headers=headers)
