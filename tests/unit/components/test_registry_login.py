"""The exchange on the wire, with a server that answers as Azure's registries do (Azure/acr, docs/AAD-OAuth.md)."""

import base64
import json
import socket
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from components import registry_login
from components.patience import AwaitedGrant
from components.registry_login import AzureRegistry, is_azure, logins
from components.rights import NotReachableError, NotYetError
from model_store import ModelStoreError
from tests.unit.components.fake_time import FakeTime
from tests.unit.components.local_server import Answer, Asked, LocalServer
from tests.unit.components.recording import Recording, Secret, consume, record

HOST = "ours.azurecr.io"
USER = "00000000-0000-0000-0000-000000000000"
PUSH = AwaitedGrant(role="AcrPush", scope="/subscriptions/1/registry", principal_id="somebody", holder="the deployer")
UNAUTHORIZED = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required, visit https://aka.ms/acr/authorization for more information."}]}
SHUT_OUT = {"errors": [{"code": "DENIED", "message": "client with IP '1.2.3.4' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."}]}
ENTRA, REFRESH = "the-entra-token", "the-refresh-token"


def access_token(*actions: str) -> str:
    claims = {"access": [{"type": "repository", "name": "converge/probe", "actions": list(actions)}], "grant_type": "access_token"}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.signature"


class Registry:
    """A registry; a test changes what it answers to a path."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {
            "/v2/": Answer(
                status=401,
                body=UNAUTHORIZED,
                headers={"WWW-Authenticate": f'Bearer realm="https://{HOST}/oauth2/token",service="{HOST}",scope="registry:catalog:*"'},
            ),
            "/oauth2/exchange": Answer(body={"refresh_token": REFRESH}),
            "/oauth2/token": Answer(body={"access_token": access_token("pull", "push")}),
        }
        self.server = LocalServer(self._answer)

    def _answer(self, asked: Asked) -> Answer:
        return self.answers[asked.path]

    @property
    def asked(self) -> list[tuple[str, str]]:
        return [(asked.method, asked.path) for asked in self.server.asked]

    def login(self) -> str | None:
        return AzureRegistry(HOST, lambda: ENTRA, self.server.url).login()


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    with made.server.running():
        yield made


def test_an_entra_token_becomes_a_refresh_token_that_may_push(registry: Registry):
    assert registry.login() == REFRESH
    assert registry.asked == [("GET", "/v2/"), ("POST", "/oauth2/exchange"), ("POST", "/oauth2/token")]
    _, exchange, token = registry.server.asked
    assert exchange.form == {"grant_type": "access_token", "service": HOST, "access_token": ENTRA}
    assert token.form == {"grant_type": "refresh_token", "service": HOST, "scope": "repository:converge/probe:pull,push", "refresh_token": REFRESH}
    assert "Authorization" not in registry.server.asked[0].headers


def test_a_registry_that_asks_for_no_login_gets_none(registry: Registry):
    registry.answers["/v2/"] = Answer(body={})
    assert registry.login() is None
    assert registry.asked == [("GET", "/v2/")]


@pytest.mark.parametrize(("actions", "words"), [((), "do nothing"), (("pull",), "pull"), (("metadata_read", "pull"), "metadata_read and pull")])
def test_a_token_without_push_is_no_right_yet(registry: Registry, actions: tuple[str, ...], words: str):
    registry.answers["/oauth2/token"] = Answer(body={"access_token": access_token(*actions)})
    with pytest.raises(NotYetError) as error:
        registry.login()
    assert str(error.value) == f"{HOST} lets us {words} there, not push"
    assert not isinstance(error.value, NotReachableError)


@pytest.mark.parametrize("token", ["", "no-jwt", "a.b", "a.!!!.c", "a.bnVsbA.c"])
def test_a_token_that_says_nothing_is_no_right(registry: Registry, token: str):
    registry.answers["/oauth2/token"] = Answer(body={"access_token": token})
    with pytest.raises(NotYetError, match="lets us do nothing there, not push"):
        registry.login()


def test_all_actions_are_push_too(registry: Registry):
    registry.answers["/oauth2/token"] = Answer(body={"access_token": access_token("*")})
    assert registry.login() == REFRESH


@pytest.mark.parametrize("path", ["/oauth2/exchange", "/oauth2/token"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_a_right_that_is_not_there_yet(registry: Registry, path: str, status: int):
    registry.answers[path] = Answer(status=status, body=UNAUTHORIZED)
    with pytest.raises(NotYetError) as error:
        registry.login()
    assert str(error.value) == (
        f"{HOST} answers {status} to {path} (UNAUTHORIZED, authentication required, visit https://aka.ms/acr/authorization for more information.)"
    )
    assert not isinstance(error.value, NotReachableError)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(status=403, body=SHUT_OUT), "403 to /v2/ (DENIED, client with IP '1.2.3.4' is not allowed access."),
        (Answer(status=429, body={"errors": [{"code": "TOOMANYREQUESTS", "message": "too many"}]}), "429 to /v2/ (TOOMANYREQUESTS, too many)"),
        (Answer(status=503, body="<html>"), "503 to /v2/"),
    ],
)
def test_a_registry_that_is_busy_or_lets_nobody_in_cannot_be_asked(registry: Registry, answer: Answer, words: str):
    registry.answers["/v2/"] = answer
    with pytest.raises(NotReachableError) as error:
        registry.login()
    assert f"{HOST} answers {words}" in str(error.value)


@pytest.mark.parametrize(
    ("path", "answer", "message"),
    [
        ("/v2/", Answer(status=404, body="nothing"), f"{HOST} answers 404 to /v2/; is it an Azure container registry?"),
        (
            "/v2/",
            Answer(status=302, body="", headers={"Location": "https://elsewhere.example/"}),
            f"{HOST} answers 302 to /v2/; is it an Azure container registry?",
        ),
        ("/oauth2/exchange", Answer(body="<html>"), f"{HOST} answers /oauth2/exchange without refresh_token; is it an Azure container registry?"),
        ("/oauth2/exchange", Answer(body=["refresh_token"]), f"{HOST} answers /oauth2/exchange without refresh_token; is it an Azure container registry?"),
        ("/oauth2/token", Answer(body={"access_token": 1}), f"{HOST} answers /oauth2/token without access_token; is it an Azure container registry?"),
        ("/oauth2/exchange", Answer(status=400, body={"errors": ["x"]}), f"{HOST} answers 400 to /oauth2/exchange; is it an Azure container registry?"),
    ],
)
def test_what_is_no_azure_registry_ends_the_update(registry: Registry, path: str, answer: Answer, message: str):
    registry.answers[path] = answer
    with pytest.raises(pulumi.RunError) as error:
        registry.login()
    assert str(error.value) == message


def test_a_basic_challenge_is_no_azure_registry_and_gets_no_token(registry: Registry):
    registry.answers["/v2/"] = Answer(status=401, body="", headers={"WWW-Authenticate": 'Basic realm="ours"'})
    with pytest.raises(pulumi.RunError) as error:
        registry.login()
    assert str(error.value) == f"{HOST} asks for a login that is not by token; is it an Azure container registry?"
    assert registry.asked == [("GET", "/v2/")]


def test_the_challenge_for_a_token_is_found_among_others(registry: Registry):
    # HTTP's names do not differ by case; a mapping's do, which makes two headers of one name here.
    headers = {"Www-Authenticate": 'Basic realm="ours"', "WWW-Authenticate": f'Bearer realm="https://{HOST}/oauth2/token",service="the-service"'}
    registry.answers["/v2/"] = Answer(status=401, body="", headers=headers)
    assert registry.login() == REFRESH
    assert registry.server.asked[1].form["service"] == "the-service"


def test_the_realm_of_a_challenge_is_not_followed(registry: Registry):
    registry.answers["/v2/"] = Answer(status=401, body="", headers={"WWW-Authenticate": 'Bearer realm="https://elsewhere.example/oauth2/token"'})
    assert registry.login() == REFRESH
    assert registry.server.asked[1].form["service"] == HOST


def test_without_network_the_registry_cannot_be_reached():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(NotReachableError, match=f"^{HOST} cannot be reached: .*Connection refused"):
            AzureRegistry(HOST, lambda: ENTRA, f"http://127.0.0.1:{unused.getsockname()[1]}").login()


def test_an_unknown_name_cannot_be_reached():
    with pytest.raises(NotReachableError, match=r"^ours\.azurecr\.io\.invalid cannot be reached: "):
        AzureRegistry("ours.azurecr.io.invalid", lambda: ENTRA).login()


def test_a_certificate_that_is_not_trusted_ends_the_update(monkeypatch: pytest.MonkeyPatch):
    def failing(*_: Any, **__: Any) -> Any:
        raise registry_login.httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")

    monkeypatch.setattr("httpx.Client.get", failing)
    with pytest.raises(pulumi.RunError) as error:
        AzureRegistry(HOST, lambda: ENTRA).login()
    assert str(error.value) == f"the certificate of {HOST} is not trusted; behind a proxy, name its CA's file in REQUESTS_CA_BUNDLE"


def test_without_an_azure_login_the_update_ends_and_says_how_to_log_in(registry: Registry, monkeypatch: pytest.MonkeyPatch):
    class NoLogin:
        def get_token(self, scope: str) -> Any:
            assert scope == "https://containerregistry.azure.net/.default"
            raise ModelStoreError("no Azure login works here; log in with `az login`")

        def close(self) -> None:
            pass

    monkeypatch.setattr("model_store.credential.Credential", NoLogin)
    with pytest.raises(pulumi.RunError) as error:
        AzureRegistry(HOST, base_url=registry.server.url).login()
    assert str(error.value) == "no login to the registry: no Azure login works here; log in with `az login`"


def test_no_error_has_a_token_in_it(registry: Registry):
    for path in registry.answers:
        for answer in (
            Answer(status=401, body=UNAUTHORIZED),
            Answer(status=400, body={"sent": [ENTRA, REFRESH]}),
            Answer(status=503, body=f"{ENTRA} {REFRESH}"),
        ):
            before, registry.answers[path] = registry.answers[path], answer
            with pytest.raises((NotYetError, pulumi.RunError)) as error:
                registry.login()
            assert ENTRA not in str(error.value)
            assert REFRESH not in str(error.value)
            registry.answers[path] = before


@pytest.mark.parametrize(
    ("host", "azure"),
    [
        ("ours.azurecr.io", True),
        ("ours-abc123.azurecr.io", True),
        ("ours.azurecr.cn", True),
        ("ours.azurecr.us", True),
        ("ours.azurecr.io.invalid", False),
        ("localhost:18103", False),
        ("registry.company.example", False),
        ("azurecr.io.elsewhere.example", False),
        ("oursazurecr.io", False),
    ],
)
def test_azures_registries_are_known_by_their_names(host: str, azure: bool):
    assert is_azure(host) is azure


def recorded(host: str, *, preview: bool, time: FakeTime | None = None) -> Recording:
    return record(lambda: consume(registries=logins(host, [PUSH], (time or FakeTime()).patience())), preview=preview, answered=False)


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize("host", ["localhost:18103", "registry.company.example", "ours.azurecr.io.invalid"])
def test_other_registries_get_no_login_and_no_question(host: str, preview: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry_login, "AzureRegistry", pytest.fail)
    assert recorded(host, preview=preview).named("consumer").inputs == {"registries": []}


def test_preview_and_update_differ_in_nothing_but_the_password(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(AzureRegistry, "login", lambda _: REFRESH)
    login = {"address": HOST, "username": USER}
    assert recorded(HOST, preview=False).named("consumer").inputs == {"registries": [{**login, "password": Secret(REFRESH)}]}
    monkeypatch.setattr(AzureRegistry, "login", lambda _: pytest.fail("a preview asks nobody"))
    assert recorded(HOST, preview=True).named("consumer").inputs == {"registries": [{**login, "password": Secret("asked for in an update only")}]}


def test_a_registry_without_login_gets_the_same_shape(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(AzureRegistry, "login", lambda _: None)
    ((login,),) = recorded(HOST, preview=False).named("consumer").inputs.values()
    assert login == {"address": HOST, "username": USER, "password": Secret("the registry asks for none")}


def test_it_waits_until_the_deployer_may_push(monkeypatch: pytest.MonkeyPatch):
    time = FakeTime()

    def login(_: AzureRegistry) -> str:
        if time.now - 1000 < 300:
            raise NotYetError("ours.azurecr.io lets us do nothing there, not push")
        return REFRESH

    monkeypatch.setattr(AzureRegistry, "login", login)
    recording = recorded(HOST, preview=False, time=time)
    ((login_args,),) = recording.named("consumer").inputs.values()
    assert login_args["password"] == Secret(REFRESH)
    assert 300 <= time.now - 1000 < 315
    assert recording.logs[0] == (
        "waiting for the right to push to the registry: 0 s so far, at most 15 min; ours.azurecr.io lets us do nothing there, not push; "
        "needed: 'AcrPush' for the deployer (somebody) on /subscriptions/1/registry"
    )
    assert REFRESH not in "".join(recording.logs)
