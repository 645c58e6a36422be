import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest
import trustme

from components import web
from components.rights import NotReachableError
from components.web import client, unreachable
from tests.unit.components.local_server import Answer, Asked, LocalServer


@pytest.fixture(autouse=True)
def usual_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(variable, raising=False)


def answer(asked: Asked) -> Answer:
    if asked.path == "/slow":
        time.sleep(0.5)
    return Answer(status=302, body="", headers={"Location": "/elsewhere"}) if asked.path == "/moved" else Answer(body={})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with LocalServer(answer, tls).running() as running:
        yield running


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_it_trusts_whom_azures_libraries_trust(server: LocalServer, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
    with client() as http:
        assert http.get(server.url).json() == {}


def test_nobody_else_is_trusted(server: LocalServer):
    with pytest.raises(pulumi.RunError) as error, client() as http, unreachable("ours"):
        http.get(server.url)
    assert str(error.value) == "the certificate of ours is not trusted; behind a proxy, name its CA's file in REQUESTS_CA_BUNDLE"


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file or directory"), ("no certificates", "NO_CERTIFICATE_OR_CRL_FOUND")])
def test_a_wrong_file_of_authorities_is_named(content: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "wrong.pem"
    if content:
        file.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with pytest.raises(pulumi.RunError) as error:
        client()
    assert str(error.value).startswith(f"REQUESTS_CA_BUNDLE is '{file}', which cannot be read as certificates: ")
    assert reason in str(error.value)


def test_a_redirect_is_not_followed(server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with client() as http:
        assert http.get(f"{server.url}/moved").status_code == 302
    assert [asked.path for asked in server.asked] == ["/moved"]


def test_a_host_that_does_not_answer_is_told(server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr(web, "_ANSWER_SECONDS", 0.1)
    with pytest.raises(NotReachableError, match=r"^ours does not answer$"), client() as http, unreachable("ours"):
        http.get(f"{server.url}/slow")


def test_a_broken_connection_is_told():
    with (
        LocalServer(lambda _: Answer(body={})).running() as plain,
        pytest.raises(NotReachableError, match=r"^ours cannot be reached: .+"),
        client() as http,
        unreachable("ours"),
    ):
        http.get(plain.url.replace("http:", "https:"))
