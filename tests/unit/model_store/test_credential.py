import base64
import json
import logging
from typing import Any

import pytest

from model_store import ModelStoreError, credential
from model_store.credential import Credential


def jwt(**claims: Any) -> str:
    return f"h.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.s"


@pytest.mark.parametrize(
    ("claims", "who"),
    [
        ({"upn": "alice@example.com", "preferred_username": "x", "appid": "app", "oid": "o"}, "alice@example.com"),
        ({"preferred_username": "alice@example.com", "oid": "o"}, "alice@example.com"),
        ({"appid": "app", "oid": "o"}, "app"),
        ({"oid": "o"}, "o"),
        ({"upn": "", "oid": "o"}, "o"),
        ({}, None),
        ({"upn": "\x1b[31m"}, None),
        ({"upn": 7}, None),
    ],
)
def test_who_publishes_is_in_the_token(claims: dict[str, Any], who: str | None):
    assert credential._principal_of(jwt(**claims)) == who


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.%%%.c", "a.W10.c", "a.bnVsbA.c"])
def test_a_token_that_says_nothing(token: str):
    assert credential._principal_of(token) is None


@pytest.fixture
def no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is logged in to nothing, and asks no network about it."""
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "dev")


@pytest.mark.usefixtures("no_login")
def test_no_login_is_one_message_and_nothing_else_is_printed(capfd: pytest.CaptureFixture[str]):
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        with pytest.raises(ModelStoreError) as error:
            Credential().get_token("https://storage.azure.com/.default")
    finally:
        root.handlers = handlers
    assert str(error.value) == (
        "no Azure login works here; log in with `az login`, or in a pipeline give the job its federated identity "
        '(AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE); for the local stack run eval "$(converge local env)"'
    )
    assert capfd.readouterr() == ("", "")


def test_the_login_that_is_set_up_and_fails_is_named():
    text = credential._explain(
        ValueError(
            "DefaultAzureCredential failed\nAttempted credentials:\n\tEnvironmentCredential: EnvironmentCredential authentication unavailable.\n"
            "\tManagedIdentityCredential: 401, header is wrong\n\tAzureCliCredential: Azure CLI not found on path\nTo mitigate..."
        )
    )
    assert text.startswith("no Azure login works here (ManagedIdentityCredential: 401, header is wrong); log in with `az login`")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, {}), ({"SSL_CERT_FILE": "/ca.pem"}, {"connection_verify": "/ca.pem"}), ({"SSL_CERT_FILE": "/ca.pem", "REQUESTS_CA_BUNDLE": "/other.pem"}, {})],
)
def test_trust_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: dict[str, str]):
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert credential.trust() == expected
