"""The probe on the wire, with a server that answers as Azure Storage does."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
import trustme
from azure.core.credentials import AccessToken

from components.model_reading import may_read_models
from components.rights import NotReachableError, NotYetError
from model_store import ModelStoreError
from tests.unit.components.local_server import Answer, Asked, LocalServer

KEY = """<?xml version="1.0" encoding="utf-8"?><UserDelegationKey><SignedOid>o</SignedOid><SignedTid>t</SignedTid>
<SignedStart>2026-01-01T00:00:00Z</SignedStart>
<SignedExpiry>2026-01-01T00:10:00Z</SignedExpiry><SignedService>b</SignedService><SignedVersion>2020-02-10</SignedVersion><Value>a2V5</Value></UserDelegationKey>"""


class Login:
    """In place of DefaultAzureCredential."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("an-entra-token", 2**40)

    def close(self) -> None:
        pass


class NoLogin(Login):
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        raise ModelStoreError("no Azure login works here; log in with `az login`")


def refusal(status: int, code: str) -> Answer:
    return Answer(
        status=status, body=f"<Error><Code>{code}</Code><Message>No.</Message></Error>", headers={"x-ms-error-code": code, "Content-Type": "application/xml"}
    )


class Account:
    """An account where everything is allowed but what a test forbids."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self.delegation = Answer(body=KEY, headers={"Content-Type": "application/xml"})
        self.reading = refusal(404, "BlobNotFound")
        self.server = LocalServer(self._answer, tls)

    def _answer(self, asked: Asked) -> Answer:
        return self.delegation if "comp=userdelegationkey" in asked.path else self.reading

    @property
    def container(self) -> str:
        return f"{self.server.url}/account/models"


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr("model_store.blobs.Credential", Login)
    made = Account(tls)
    with made.server.running():
        yield made


def test_it_signs_and_reads_as_a_build_does(account: Account):
    may_read_models(account.container)
    sign, read = account.server.asked
    assert (sign.method, sign.path) == ("POST", "/account/?restype=service&comp=userdelegationkey")
    assert (read.method, read.path) == ("HEAD", "/account/models/converge-probe")
    assert sign.headers["Authorization"] == read.headers["Authorization"] == "Bearer an-entra-token"


def test_without_delegator_it_is_not_yet(account: Account):
    account.delegation = refusal(403, "AuthorizationPermissionMismatch")
    with pytest.raises(NotYetError) as error:
        may_read_models(account.container)
    assert str(error.value) == (
        f"could not get a user delegation key of account 'account': {account.server.host} refuses it (AuthorizationPermissionMismatch); "
        "you lack the role 'Storage Blob Delegator' on account 'account'; a new role takes up to ten minutes to work"
    )
    assert not isinstance(error.value, NotReachableError)


def test_without_reader_it_is_not_yet(account: Account):
    account.reading = refusal(403, "AuthorizationPermissionMismatch")
    with pytest.raises(NotYetError, match="you lack the role 'Storage Blob Data Reader' on container 'models' of account 'account'"):
        may_read_models(account.container)


def test_network_rules_may_be_the_reason(account: Account):
    account.delegation = refusal(403, "AuthorizationFailure")
    with pytest.raises(NotYetError, match=r"or the account's network rules do not let this machine in$"):
        may_read_models(account.container)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(404, "ContainerNotFound"), "models cannot be read: could not read converge-probe: there is no container 'models'"),
        (refusal(401, "InvalidAuthenticationInfo"), "models cannot be read: could not read converge-probe: .* does not accept the token"),
    ],
)
def test_whatever_else_is_wrong_ends_the_update(account: Account, answer: Answer, words: str):
    account.reading = answer
    with pytest.raises(pulumi.RunError, match=words):
        may_read_models(account.container)


def test_without_a_login_the_update_ends(account: Account, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("model_store.blobs.Credential", NoLogin)
    with pytest.raises(pulumi.RunError) as error:
        may_read_models(account.container)
    assert str(error.value) == "models cannot be read: no Azure login works here; log in with `az login`"


def test_an_account_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("model_store.blobs.Credential", Login)
    monkeypatch.setattr("azure.core.pipeline.transport.RequestsTransport.sleep", lambda *_: None)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(NotReachableError, match=r"127\.0\.0\.1:\d+ refuses connections"):
            may_read_models(f"https://127.0.0.1:{unused.getsockname()[1]}/account/models")


def test_a_simulated_account_is_not_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("model_store.blobs.BlobContainer", pytest.fail)
    may_read_models("https://account.blob.core.windows.net.invalid/models")


def test_a_wrong_address_ends_the_update():
    with pytest.raises(pulumi.RunError, match="models cannot be read: the model store's URL is wrong"):
        may_read_models("http://account.blob.core.windows.net/models")
