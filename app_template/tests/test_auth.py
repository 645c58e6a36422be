import asyncio
import base64
import hashlib
import hmac
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from app.auth import ApiKeys, Authenticator, Entra
from app.errors import ForbiddenError, RequestError, UnauthorizedError, UnavailableError
from app.settings import Settings, SettingsError
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from entra_directory import AUDIENCE, TENANT, Directory, new_key
from jwt.algorithms import RSAAlgorithm

KEY = "0123456789abcdef-the-first"
OTHER_KEY = "fedcba9876543210-the-second"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# --- API keys ---


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text(f"# who may call\n\nreports:{KEY}\nshop:sha256:{hashlib.sha256(OTHER_KEY.encode()).hexdigest()}\n")
    return file


def test_a_key_is_known_as_it_is_and_by_its_hash(keys_file: Path) -> None:
    keys = ApiKeys(keys_file)
    assert keys.name_of(KEY) == "reports"
    assert keys.name_of(OTHER_KEY) == "shop"


@pytest.mark.parametrize("key", ["", "x", KEY[:-1], KEY + "x", KEY.upper(), f"reports:{KEY}", "ключ-что-не-подходит", "\udcff" * 20, "sha256:" + "0" * 64])
def test_any_other_key_is_refused_and_never_shown(keys_file: Path, key: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UnauthorizedError) as refused:
        ApiKeys(keys_file).name_of(key)
    assert str(refused.value) == "the API key is not one of those that are known here"
    assert not caplog.records


def test_a_hash_is_no_key(keys_file: Path) -> None:
    digest = hashlib.sha256(OTHER_KEY.encode()).hexdigest()
    for given in (digest, f"sha256:{digest}"):
        with pytest.raises(UnauthorizedError):
            ApiKeys(keys_file).name_of(given)


def test_a_key_of_64_hex_digits_is_a_key(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"a:{'ab' * 32}")
    assert ApiKeys(file).name_of("ab" * 32) == "a"


def test_keys_are_replaced_while_the_service_runs_as_a_mounted_secret_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for number, text in enumerate((f"a:{KEY}", f"a:{KEY}\na:{OTHER_KEY}", f"a:{OTHER_KEY}")):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "keys").write_text(text)
    current = tmp_path / "current"
    current.symlink_to("0")
    clock = Clock()
    keys = ApiKeys(current / "keys", clock)

    def turn_to(number: int) -> None:
        (tmp_path / "next").symlink_to(str(number))
        (tmp_path / "next").rename(current)
        clock.now += 2

    with pytest.raises(UnauthorizedError):
        keys.name_of(OTHER_KEY)
    turn_to(1)
    assert keys.name_of(KEY) == keys.name_of(OTHER_KEY) == "a", "both are valid for as long as callers change over"
    turn_to(2)
    assert keys.name_of(OTHER_KEY) == "a"
    with pytest.raises(UnauthorizedError):
        keys.name_of(KEY)
    assert [record.message for record in caplog.records] == ["the file of API keys was read again"] * 2
    assert_no_secret(caplog)


def test_the_file_is_not_looked_at_for_every_request(keys_file: Path) -> None:
    clock = Clock()
    keys = ApiKeys(keys_file, clock)
    keys_file.write_text(f"new:{KEY}")
    assert keys.name_of(KEY) == "reports"
    clock.now += 1.1
    assert keys.name_of(KEY) == "new"


@pytest.mark.parametrize("harm", ["missing", "malformed", "empty", "binary", "too large"])
def test_a_file_that_got_harmed_leaves_the_keys_of_before_valid_and_is_told_once(keys_file: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    keys = ApiKeys(keys_file, clock)
    if harm == "missing":
        keys_file.unlink()
    else:
        keys_file.write_bytes({"malformed": f"{KEY}\n".encode(), "empty": b"\n", "binary": b"\xff\xfe", "too large": b"#" * (1 << 20) + b"##"}[harm])
    for _ in range(3):
        clock.now += 2
        assert keys.name_of(KEY) == "reports"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert_no_secret(caplog)
    keys_file.write_text(f"again:{KEY}")
    clock.now += 2
    assert keys.name_of(KEY) == "again"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no key"),
        ("# only a remark", "it has no key"),
        (KEY, "line 1 must be 'name:key'"),
        (f"a:{KEY}\n:{KEY}", "line 2 must be 'name:key'"),
        (f"a b:{KEY}", "line 1 must be 'name:key'"),
        ("a:short", "line 1: the key needs 16"),
        (f"a:{KEY} {KEY}", "line 1: the key needs 16"),
        ("a:ключ-что-не-подходит", "line 1: the key needs 16"),
        (f"a:sha256:{'0' * 63}", "line 1: the key needs 16"),
    ],
)
def test_a_wrong_file_keeps_the_service_from_starting_and_its_keys_out_of_the_message(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        ApiKeys(file)
    assert message in str(refused.value)
    assert KEY not in str(refused.value)


def test_a_file_that_cannot_be_read_keeps_the_service_from_starting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"API_KEYS_FILE: .*nowhere cannot be read: No such file"):
        ApiKeys(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        ApiKeys(tmp_path)


# --- Entra ---


@pytest.fixture(scope="session")
def private_keys() -> dict[str, rsa.RSAPrivateKey]:
    return {name: new_key() for name in ("first", "second", "strange")}


@pytest.fixture
def directory(private_keys: dict[str, rsa.RSAPrivateKey]) -> Iterator[Directory]:
    directory = Directory(private_keys, ["first"])
    with directory.listening():
        yield directory


def entra_of(directory: Directory, roles: tuple[str, ...] = (), clock: Callable[[], float] = time.monotonic) -> Entra:
    return Entra(TENANT, AUDIENCE, roles, directory.url, clock)


async def outcome(call: Awaitable[str]) -> str | type[RequestError]:
    try:
        return await call
    except RequestError as error:
        return type(error)


def test_a_token_of_the_tenant_for_the_audience_names_its_caller(directory: Directory) -> None:
    entra = entra_of(directory, ("Predict", "Admin"))
    assert asyncio.run(entra.caller_of(directory.token())) == "a-caller"
    assert asyncio.run(entra.caller_of(directory.token(aud=["api://else", AUDIENCE], oid=None))) == "an-application"
    assert directory.paths == [f"/{TENANT}/discovery/v2.0/keys"]


def test_the_first_version_of_tokens_is_taken_where_entra_issues_it() -> None:
    public, local = Entra(TENANT.upper(), AUDIENCE), Entra(TENANT, AUDIENCE, (), "http://localhost:1")
    assert public._issuers == [f"https://login.microsoftonline.com/{TENANT}/v2.0", f"https://sts.windows.net/{TENANT}/"]
    assert local._issuers == [f"http://localhost:1/{TENANT}/v2.0"]


HOUR = 3600


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"exp": int(time.time()) - HOUR}, "the token has expired"),
        ({"nbf": int(time.time()) + HOUR}, "the token is not valid yet"),
        ({"aud": "api://else"}, "the token is for another audience"),
        ({"aud": [AUDIENCE, 3]}, "the token is for another audience"),
        ({"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"}, "the token comes from another issuer"),
        ({"iss": f"https://sts.windows.net/{TENANT}/"}, "the token comes from another issuer"),
        ({"tid": "99999999-2222-3333-4444-555555555555"}, "the token comes from another tenant"),
        ({"azp": None}, "the token is no access token"),
        ({"exp": None}, "the token is not valid"),
        ({"tid": None}, "the token is not valid"),
        ({"aud": None}, "the token is not valid"),
        ({"iss": None}, "the token is not valid"),
        ({"exp": "tomorrow"}, "the token is not valid"),
        ({"exp": [1]}, "the token is not valid"),
        ({"exp": 1e400}, "the token is not valid"),
        ({"aud": 3}, "the token "),
    ],
)
def test_a_token_that_is_not_for_us_is_refused(directory: Directory, changed: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UnauthorizedError) as refused:
        asyncio.run(entra_of(directory).caller_of(directory.token(**changed)))
    assert str(refused.value).startswith(message)


def _part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def test_the_token_does_not_choose_how_it_is_checked(directory: Directory) -> None:
    claims = directory.claims()
    public = directory.keys["first"].public_key()
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        b"",
    ):
        signed = f"{_part({'alg': 'HS256', 'kid': 'first', 'typ': 'JWT'})}.{_part(claims)}"
        forged = f"{signed}.{base64.urlsafe_b64encode(hmac.new(secret, signed.encode(), 'sha256').digest()).rstrip(b'=').decode()}"
        with pytest.raises(UnauthorizedError, match="RS256"):
            asyncio.run(entra_of(directory).caller_of(forged))
    for algorithm in ("none", "None", "", "RS512", "PS256", None, 3, {}):
        with pytest.raises(UnauthorizedError):
            asyncio.run(entra_of(directory).caller_of(f"{_part({'alg': algorithm, 'kid': 'first'})}.{_part(claims)}."))
    own = jwt.encode(
        claims,
        directory.keys["strange"],
        algorithm="RS256",
        headers={"kid": "first", "jwk": json.loads(RSAAlgorithm.to_jwk(directory.keys["strange"].public_key()))},
    )
    with pytest.raises(UnauthorizedError, match="not valid"):
        asyncio.run(entra_of(directory).caller_of(own))


@pytest.mark.parametrize("kid", [None, 3, ["first"], {}, ""])
def test_a_token_must_name_its_key(directory: Directory, kid: object) -> None:
    signature = directory.token().rpartition(".")[2]
    with pytest.raises(UnauthorizedError):
        asyncio.run(entra_of(directory).caller_of(f"{_part({'alg': 'RS256', 'kid': kid})}.{_part(directory.claims())}.{signature}"))


@pytest.mark.parametrize("token", ["", "x", "..", "a.b.c", "a.b.c.d", "\xff.\xff.\xff", "e30.e30.", "W10.e30.", "bnVsbA.e30.", "x" * 20_000, "\x00" * 9])
def test_what_is_no_token_is_refused(directory: Directory, token: str) -> None:
    with pytest.raises(UnauthorizedError):
        asyncio.run(entra_of(directory).caller_of(token))


def test_a_changed_token_is_refused_even_after_the_genuine_one_was_taken(directory: Directory) -> None:
    entra = entra_of(directory)
    genuine = directory.token()
    asyncio.run(entra.caller_of(genuine))
    head, claims, signature = genuine.split(".")
    for forged in (f"{head}.{_part(directory.claims(oid='somebody-else'))}.{signature}", f"{head}.{claims}.{signature[::-1]}", f"{head}.{claims}."):
        with pytest.raises(UnauthorizedError):
            asyncio.run(entra.caller_of(forged))


@pytest.mark.parametrize("roles", [None, [], ["Other"], "Predict", [3, None], {"Predict": 1}])
def test_who_has_none_of_the_roles_is_known_but_not_let_in(directory: Directory, roles: object) -> None:
    with pytest.raises(ForbiddenError, match="none of the roles that may: Admin, Predict"):
        asyncio.run(entra_of(directory, ("Predict", "Admin")).caller_of(directory.token(roles=roles)))
    if roles != {"Predict": 1}:
        assert asyncio.run(entra_of(directory).caller_of(directory.token(roles=roles))) == "a-caller"


def test_a_new_signing_key_is_found_by_the_first_token_that_it_signed(directory: Directory) -> None:
    clock = Clock()

    async def check() -> None:
        entra = entra_of(directory, clock=clock)
        assert await entra.caller_of(directory.token()) == "a-caller"
        directory.published = ["second"]
        assert await outcome(entra.caller_of(directory.token("second"))) is UnauthorizedError, "they were asked for a moment ago"
        clock.now += 61
        assert await entra.caller_of(directory.token("second")) == "a-caller"
        assert await outcome(entra.caller_of(directory.token("first", oid="another"))) is UnauthorizedError, "the old key is gone"
        assert directory.asked == 2

    asyncio.run(check())


def test_tokens_of_unknown_keys_do_not_make_us_ask_again_and_again(directory: Directory) -> None:
    async def check() -> None:
        entra = entra_of(directory)
        await asyncio.gather(*(outcome(entra.caller_of(directory.token("strange", kid=f"key-{number}"))) for number in range(50)))
        assert directory.asked == 1

    asyncio.run(check())


@pytest.mark.parametrize(
    ("answer", "status"), [(b"", 500), (b"nonsense", 200), (b"[]", 200), (b'{"keys": {}}', 200), (b'{"keys": []}', 200), (b" " * (1 << 21), 200), (b"", 404)]
)
def test_while_the_signing_keys_cannot_be_had_callers_are_told_to_come_again(
    directory: Directory, answer: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()

    async def check() -> None:
        entra = entra_of(directory, clock=clock)
        directory.answer, directory.status = answer, status
        tokens = [directory.token(oid=str(number)) for number in range(10)]
        assert set(await asyncio.gather(*(outcome(entra.caller_of(token)) for token in tokens))) == {UnavailableError}
        assert await outcome(entra.caller_of(tokens[0])) is UnavailableError
        assert directory.asked == 1, "not once per request"
        directory.answer, directory.status = None, 200
        clock.now += 6
        assert await entra.caller_of(tokens[0]) == "0"

    asyncio.run(check())
    assert [record.levelname for record in caplog.records if "cannot be had" in record.message] == ["ERROR"]


def test_nobody_listening_is_told_as_such(directory: Directory) -> None:
    entra = Entra(TENANT, AUDIENCE, (), "http://127.0.0.1:1")
    with pytest.raises(UnavailableError) as refused:
        asyncio.run(entra.caller_of(directory.token()))
    assert refused.value.retry_after == 5


def test_known_keys_are_used_on_while_new_ones_cannot_be_had_but_not_for_ever(directory: Directory) -> None:
    clock = Clock()

    async def check() -> None:
        entra = entra_of(directory, clock=clock)
        await entra.caller_of(directory.token())
        directory.status, directory.delay = 500, 0.2
        clock.now += 2 * HOUR
        started = time.perf_counter()
        assert await entra.caller_of(directory.token(oid="later")) == "later"
        assert time.perf_counter() - started < 0.15, "who has a key that is known waits for nobody"
        await asyncio.sleep(0.5)
        assert directory.asked == 2
        clock.now += 23 * HOUR
        assert await outcome(entra.caller_of(directory.token(oid="much later"))) is UnavailableError
        directory.status = 200
        clock.now += 6
        assert await entra.caller_of(directory.token(oid="much later")) == "much later"

    asyncio.run(check())


def test_a_checked_token_is_remembered_for_minutes_only_and_never_beyond_its_end(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    entra = entra_of(directory, clock=clock)
    checked: list[str] = []
    check = entra._claims

    async def counted(token: str) -> Mapping[str, Any]:
        checked.append(token)
        return await check(token)

    monkeypatch.setattr(entra, "_claims", counted)

    async def run() -> None:
        long, short = directory.token(), directory.token(exp=int(time.time()) + 30)
        for _ in range(3):
            await entra.caller_of(long)
            await entra.caller_of(short)
        assert len(checked) == 2
        clock.now += 100
        await entra.caller_of(long)
        await entra.caller_of(short)
        assert len(checked) == 3, "the second one may have expired by now"
        clock.now += 301
        await entra.caller_of(long)
        assert len(checked) == 4

    asyncio.run(run())


def test_memory_does_not_grow_with_the_callers(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth._MOST_REMEMBERED", 5)
    entra = entra_of(directory)

    async def run() -> None:
        for number in range(12):
            await entra.caller_of(directory.token(oid=str(number)))

    asyncio.run(run())
    assert len(entra._remembered) <= 5


@pytest.mark.parametrize(
    ("tenant", "authority", "name"),
    [
        ("contoso.onmicrosoft.com", "https://login.microsoftonline.com", "ENTRA_TENANT_ID"),
        ("common", "https://login.microsoftonline.com", "ENTRA_TENANT_ID"),
        (TENANT, "http://login.microsoftonline.com", "AZURE_AUTHORITY_HOST"),
        (TENANT, "file:///etc", "AZURE_AUTHORITY_HOST"),
        (TENANT, "login.microsoftonline.com", "AZURE_AUTHORITY_HOST"),
    ],
)
def test_settings_that_would_let_in_the_wrong_ones_are_refused(tenant: str, authority: str, name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Entra(tenant, AUDIENCE, (), authority)


# --- both ---


def settings(**environment: str) -> Settings:
    return Settings.from_environment(environment)


def test_without_a_setting_anybody_may_call() -> None:
    assert Authenticator.from_settings(settings()) is None


def test_either_way_lets_a_caller_in_where_both_are_set(keys_file: Path, directory: Directory, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    environment = {
        "API_KEYS_FILE": str(keys_file),
        "ENTRA_TENANT_ID": TENANT,
        "ENTRA_AUDIENCE": AUDIENCE,
        "ENTRA_ROLES": "Predict",
        "AZURE_AUTHORITY_HOST": directory.url,
    }
    both = Authenticator.from_settings(settings(**environment))
    assert both is not None
    token = directory.token()

    async def check() -> None:
        assert await both.check(None, KEY) == "reports"
        for header in (f"Bearer {token}", f"bearer  {token} "):
            assert await both.check(header, None) == "a-caller"
        assert await outcome(both.check(f"Bearer {token}", "a wrong key")) is UnauthorizedError
        for header in (None, "", "Bearer", "Bearer ", f"Basic {token}", token, f"ApiKey {KEY}"):
            with pytest.raises(UnauthorizedError, match="send an API key as x-api-key or a token as Authorization: Bearer"):
                await both.check(header, None)

    asyncio.run(check())
    assert_no_secret(caplog, token)


def test_with_one_way_set_the_other_lets_nobody_in(keys_file: Path, directory: Directory) -> None:
    keys, entra = Authenticator(ApiKeys(keys_file), None), Authenticator(None, entra_of(directory))
    with pytest.raises(UnauthorizedError, match=r"send an API key as x-api-key$"):
        asyncio.run(keys.check(f"Bearer {directory.token()}", None))
    with pytest.raises(UnauthorizedError, match="send a token as Authorization"):
        asyncio.run(entra.check(None, KEY))
    assert asyncio.run(entra.check(f"Bearer {directory.token()}", "a key that some proxy adds")) == "a-caller"


def test_any_headers_end_in_an_answer_for_the_caller(keys_file: Path, directory: Directory) -> None:
    hypothesis = pytest.importorskip("hypothesis")
    strategies = pytest.importorskip("hypothesis.strategies")
    both = Authenticator(ApiKeys(keys_file), entra_of(directory))
    parts = directory.token().split(".")
    pieces = strategies.lists(strategies.sampled_from([*parts, "", "e30", "Bearer", " ", "."]) | strategies.text(max_size=9), max_size=7)
    headers = strategies.none() | pieces.map(".".join).map("Bearer {}".format) | strategies.text()

    @hypothesis.given(headers, strategies.none() | strategies.text())
    @hypothesis.settings(max_examples=150, deadline=None)
    def check(authorization: str | None, api_key: str | None) -> None:
        assert asyncio.run(outcome(both.check(authorization, api_key))) in (UnauthorizedError, "a-caller")

    check()


def assert_no_secret(caplog: pytest.LogCaptureFixture, *more: str) -> None:
    text = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    hashes = [hashlib.sha256(key.encode()).hexdigest() for key in (KEY, OTHER_KEY)]
    assert not [secret for secret in (KEY, OTHER_KEY, *hashes, *more) if secret in text]


def test_what_is_not_used_is_not_imported(keys_file: Path) -> None:
    import subprocess  # noqa: PLC0415 - nothing else needs it
    import sys  # noqa: PLC0415 - as above

    code = "import sys; from pathlib import Path; from app.auth import ApiKeys; ApiKeys(Path(sys.argv[1])); print('jwt' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code, str(keys_file)], check=True, cwd=Path(__file__).parents[1], capture_output=True, env=os.environ)
    assert output.stdout.strip() == b"False"
