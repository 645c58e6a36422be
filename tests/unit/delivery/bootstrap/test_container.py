"""Waiting for one's own grant on the state: bounded, told, and not for what waiting does not mend."""

import httpx
import pytest

from delivery.azure.errors import AzureError
from delivery.azure.login import Login
from delivery.bootstrap.container import StateContainer
from tests.unit.delivery.bootstrap.test_wanted import made
from tests.unit.delivery.fake_azure import Credential, FakeAzure

_DENIED = httpx.Response(403, headers={"x-ms-error-code": "AuthorizationPermissionMismatch"})


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def container(azure: FakeAzure, clock: Clock) -> StateContainer:
    return StateContainer(wanted=made(), login=Login(Credential()), client=azure.client, sleep=clock.sleep, clock=lambda: clock.now)


def answering(*answers: object) -> FakeAzure:
    azure = FakeAzure()
    azure.set("/state", list(answers))
    return azure


def test_it_returns_as_soon_as_the_grant_works_and_tells_once():
    azure, clock, said = answering(_DENIED, _DENIED, httpx.Response(200)), Clock(), []
    container(azure, clock).wait_until_open(said.append)
    assert clock.now == 10
    assert said == ["  the grant on the state takes effect within minutes; waiting for it"]
    assert azure.requests[0].url.host == f"{made().account}.blob.core.windows.net"
    assert azure.requests[0].headers["x-ms-version"]


def test_it_ends_after_ten_minutes_and_says_which_grant():
    clock = Clock()
    with pytest.raises(
        AzureError, match=r"after 10 minutes this login still may not use the state: Storage Blob Data Contributor on state\w+/state is for User"
    ):
        container(answering(_DENIED), clock).wait_until_open(lambda _line: None)
    assert 600 < clock.now < 620


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(403, headers={"x-ms-error-code": "AuthorizationFailure"}), "add its public address to bootstrap:allowedIpRanges in Pulumi.dev.yaml"),
        (httpx.Response(401, headers={"x-ms-error-code": "InvalidAuthenticationInfo"}), "answers 401 InvalidAuthenticationInfo"),
        (httpx.ConnectError("name not known"), "cannot be reached (name not known)"),
    ],
)
def test_what_waiting_does_not_mend_ends_at_once(answer: object, words: str):
    clock = Clock()
    with pytest.raises(AzureError) as raised:
        container(answering(answer), clock).wait_until_open(lambda _line: None)
    assert words in str(raised.value)
    assert clock.now == 0


def test_a_stranger_is_not_kept_waiting():
    clock = Clock()
    with pytest.raises(AzureError, match="this login may not use the state of bootstrap: Storage Blob Data Contributor on"):
        container(answering(_DENIED), clock).expect_open()
    assert clock.now == 0
    container(answering(httpx.Response(200)), clock).expect_open()
