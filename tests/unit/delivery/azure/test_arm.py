"""The Resource Manager's answers, and its silence."""

import httpx
import pytest

from delivery.azure.errors import AzureError, RefusedError
from tests.unit.delivery.fake_azure import FakeAzure, refusal

_PATH = "/subscriptions/x/providers"


def test_pages_are_followed_and_put_together():
    azure = FakeAzure()
    azure.set("/one", {"value": [{"n": 1}], "nextLink": "https://management.azure.com/two?api-version=1&$skiptoken=a"})
    azure.set("/two", {"value": [{"n": 2}]})
    assert azure.arm.list("/one", "1") == [{"n": 1}, {"n": 2}]
    assert azure.requests[0].headers["Authorization"].startswith("Bearer ")
    assert azure.requests[1].url.params["$skiptoken"] == "a"


def test_the_token_is_never_sent_elsewhere():
    azure = FakeAzure()
    azure.set("/one", {"value": [], "nextLink": "https://management.azure.com.example.com/two"})
    with pytest.raises(AzureError, match=r"points to management\.azure\.com\.example\.com"):
        azure.arm.list("/one", "1")
    assert len(azure.requests) == 1


def test_what_is_not_there_is_none():
    assert FakeAzure().arm.get("/nothing", "1") is None
    assert FakeAzure().arm.list("/nothing", "1") == []


def test_a_refusal_keeps_azures_code():
    azure = FakeAzure()
    azure.set(_PATH, refusal(403, "AuthorizationFailed", "The client 'ada' does not have authorization"))
    with pytest.raises(RefusedError) as raised:
        azure.arm.get(_PATH, "1")
    assert (raised.value.status, raised.value.code) == (403, "AuthorizationFailed")
    assert str(raised.value) == f"Azure refuses GET {_PATH}: AuthorizationFailed: The client 'ada' does not have authorization"


def test_an_expired_token_says_log_in():
    azure = FakeAzure()
    azure.set(_PATH, refusal(401, "ExpiredAuthenticationToken", "The access token expiry is before now"))
    with pytest.raises(RefusedError, match="log in again with `az login`"):
        azure.arm.get(_PATH, "1")


def test_a_busy_azure_is_asked_again_when_it_says(monkeypatch: pytest.MonkeyPatch):
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waited.append)
    azure = FakeAzure()
    azure.set(_PATH, [refusal(429, "TooManyRequests", **{"Retry-After": "7"}), refusal(503, "ServerBusy"), httpx.Response(200, json={"a": 1})])
    assert azure.arm.get(_PATH, "1") == {"a": 1}
    assert waited == [7, 2]


def test_not_for_ever_and_not_for_long(monkeypatch: pytest.MonkeyPatch):
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waited.append)
    azure = FakeAzure()
    azure.set(_PATH, refusal(429, "TooManyRequests", "slower", **{"Retry-After": "3600"}))
    with pytest.raises(RefusedError, match="TooManyRequests: slower"):
        azure.arm.get(_PATH, "1")
    assert waited == [10, 10]


@pytest.mark.parametrize("error", [httpx.ConnectError("name not known"), httpx.ConnectTimeout(""), httpx.ProxyError("407 Proxy Authentication Required")])
def test_without_network_one_message_names_the_host(error: Exception):
    azure = FakeAzure()
    azure.set(_PATH, error)
    with pytest.raises(AzureError, match=r"^management\.azure\.com cannot be reached \(.+\); check the network, and HTTPS_PROXY"):
        azure.arm.get(_PATH, "1")


def test_a_proxys_page_is_no_answer():
    azure = FakeAzure()
    azure.set(_PATH, httpx.Response(200, text="<html>please log in</html>"))
    with pytest.raises(AzureError, match="a proxy answers in its place"):
        azure.arm.get(_PATH, "1")
