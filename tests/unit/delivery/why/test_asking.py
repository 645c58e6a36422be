from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.errors import DeliveryError
from delivery.why.asking import Said, models_of, of_digest, of_headers, of_service
from tests.unit.components.local_server import Answer, Asked, LocalServer
from tests.unit.delivery.release.releases import release, service

DIGEST = "sha256:" + "d" * 64
SHA256 = "a" * 64


def metadata(name: str = "digits", **parameters: object) -> dict[str, Any]:
    """As the app answers."""
    return {"name": name, "versions": ["13"], "platform": "onnxruntime_onnx", "inputs": [], "outputs": [], "parameters": parameters}


def app(path: str = "", name: str = "digits", **parameters: object) -> Callable[[Asked], Answer]:
    """A service below a path, which has one model."""

    def answer(asked: Asked) -> Answer:
        if asked.path == f"{path}/v2/models/{name}":
            return Answer(body=metadata(name, **(parameters or {"sha256": SHA256, "image_digest": DIGEST})))
        return Answer(status=404, body={"error": f"there is nothing at {asked.path}"})

    return answer


@pytest.mark.parametrize(
    "path", ["", "/", "/v2", "/v2/", "/v2/health/ready", "/v2/models/digits", "/v2/models/digits/versions/13/infer", "/?q=1", "/favicon.ico"]
)
def test_any_path_of_a_service_leads_to_its_model(path: str):
    with LocalServer(app()).running() as server:
        said = of_service(f"{server.url}{path}", ["letters", "digits"], None, named=False)
    assert said == Said(where=f"{server.url}/v2/models/digits", model="digits", version="13", sha256=SHA256, digest=DIGEST)


@pytest.mark.parametrize("path", ["/team/digits", "/team/digits/", "/team/digits/v2/models/digits/infer", "/team/digits/v2"])
def test_a_service_below_a_path_is_found_there(path: str):
    with LocalServer(app("/team/digits")).running() as server:
        said = of_service(f"{server.url}{path}", ["digits"], None, named=False)
    assert said.where == f"{server.url}/team/digits/v2/models/digits"


def test_a_model_in_the_url_is_the_only_one_asked_for_unless_another_is_named():
    with LocalServer(app(name="letters")).running() as server:
        with pytest.raises(DeliveryError, match=r"serves no model digits; give the name of the one that it serves with --model"):
            of_service(f"{server.url}/v2/models/digits", ["letters"], None, named=False)
        assert [asked.path for asked in server.asked] == ["/v2/models/digits"]
        assert of_service(f"{server.url}/v2/models/digits", ["letters"], None, named=True).model == "letters"


def test_an_app_from_before_says_its_model_only():
    with LocalServer(app(sha256=SHA256)).running() as server:
        assert of_service(server.url, ["digits"], None, named=False) == Said(
            where=f"{server.url}/v2/models/digits", model="digits", version="13", sha256=SHA256
        )


def test_a_service_that_says_nothing_of_itself_is_told():
    with LocalServer(app(other="x", sha256=7, image_digest="latest")).running() as server, pytest.raises(DeliveryError) as raised:
        of_service(server.url, ["digits"], None, named=False)
    assert "says neither its image (parameters.image_digest) nor its model (parameters.sha256); name the image with --digest: kubectl" in str(raised.value)


def test_no_model_of_the_ledger_there_is_told():
    with LocalServer(app(name="x")).running() as server, pytest.raises(DeliveryError) as raised:
        of_service(f"{server.url}/path", ["digits", "letters"], None, named=False)
    assert str(raised.value).startswith(f"{server.url}/path serves no model any of digits, letters; give the name")
    with pytest.raises(DeliveryError, match=r"^which model http://localhost:1/ serves is not known: .* give it with --model$"):
        of_service("localhost:1", [], None, named=False)


def test_a_page_that_is_no_service_has_no_model():
    with LocalServer(lambda _: Answer(body="<html>")).running() as server, pytest.raises(DeliveryError, match="serves no model digits"):
        of_service(server.url, ["digits"], None, named=False)


def test_a_login_is_asked_for_and_a_token_is_sent():
    def answer(asked: Asked) -> Answer:
        return app()(asked) if asked.headers.get("Authorization") == "Bearer the.secret.token" else Answer(status=401, body="Jwt is missing")

    with LocalServer(answer).running() as server:
        assert of_service(server.url, ["digits"], "the.secret.token", named=False).digest == DIGEST
        with pytest.raises(DeliveryError, match=r"answers 401: it wants a login; put a token into an environment variable and name it with --token-env"):
            of_service(server.url, ["digits"], None, named=False)
        with pytest.raises(DeliveryError) as raised:
            of_service(server.url, ["digits"], "another.token", named=False)
    assert "another.token" not in str(raised.value)


def test_a_token_never_goes_over_plain_http_nor_to_another_host():
    with pytest.raises(DeliveryError, match=r"^a token goes to digits\.example\.com over https:// only$"):
        of_service("http://digits.example.com", ["digits"], "token", named=False)
    seen: list[tuple[str, str | None]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.host, request.headers.get("Authorization")))
        if request.url.host == "digits.example.com":
            return httpx.Response(302, headers={"Location": "https://elsewhere.example/v2/models/digits"})
        return httpx.Response(200, json=metadata(sha256=SHA256))

    client = httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True)
    of_service("https://digits.example.com", ["digits"], "token", named=False, client=client)
    assert seen == [("digits.example.com", "Bearer token"), ("elsewhere.example", None)]


def test_what_was_pasted_with_the_url_is_neither_sent_nor_shown():
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url) + str(request.headers.get("Authorization")))
        return httpx.Response(404)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    with pytest.raises(DeliveryError) as raised:
        of_service("https://ada:secret@digits.example.com/x?sig=secret#secret", ["digits"], None, named=False, client=client)
    assert "secret" not in str(raised.value) + "".join(seen)


def test_nobody_there_is_one_message():
    with pytest.raises(DeliveryError, match=r"^localhost cannot be reached \(.*refused.*\); inside a cluster: kubectl -n <namespace> port-forward"):
        of_service("localhost:1", ["digits"], None, named=False)


def test_a_service_that_fails_is_told():
    with LocalServer(lambda _: Answer(status=503)).running() as server, pytest.raises(DeliveryError, match="answers 503; try again, or name the image"):
        of_service(server.url, ["digits"], None, named=False)


@pytest.mark.parametrize("url", ["", "http://", "ftp://digits.example.com", "https://[", "http://a:port", "https://a b"])
def test_what_is_no_url_is_told(url: str):
    with pytest.raises(DeliveryError, match="is no URL"):
        of_service(url, ["digits"], None, named=False)


@given(st.text(max_size=40))
def test_any_text_is_a_url_or_a_message(url: str):
    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(404)))
    with pytest.raises(DeliveryError):
        of_service(url, ["digits"], None, named=False, client=client)


def test_models_are_tried_in_the_order_of_the_newest_releases():
    records = [release(2, services=[service(name="letters")]), release(1, services=[service(name="digits"), service(name="letters")])]
    assert models_of(records) == ["letters", "digits"]


HEADERS = f"HTTP/2 200\r\ncontent-type: application/json\r\nX-Model-Version: 13\r\nx-model-sha256: {SHA256}\r\nx-image-digest: {DIGEST}\r\n\r\n"


def test_saved_headers_are_read_as_curl_writes_them(tmp_path: Path):
    file = tmp_path / "headers"
    before = f"HTTP/1.1 302 Found\r\nlocation: /x\r\nx-image-digest: sha256:{'0' * 64}\r\n\r\n"
    file.write_bytes((before + HEADERS).encode())
    assert of_headers(file, "digits") == Said(where=str(file), model="digits", version="13", sha256=SHA256, digest=DIGEST)
    file.write_text(HEADERS.replace("\r\n", "\n").replace(f"x-image-digest: {DIGEST}\n", ""))
    assert of_headers(file, None) == Said(where=str(file), version="13", sha256=SHA256)


def test_headers_without_an_origin_are_told(tmp_path: Path):
    file = tmp_path / "headers"
    for content in (b"", b"HTTP/2 200\r\n\r\n", b"\xff\x00", HEADERS.replace("sha256:d", "sha256:z").replace(SHA256, "x").encode()):
        file.write_bytes(content)
        with pytest.raises(DeliveryError) as raised:
            of_headers(file, None)
        assert str(raised.value) == f"{file} has neither x-image-digest nor x-model-sha256; save the headers of a prediction: curl -D {file} ..."
    with pytest.raises(DeliveryError, match="missing cannot be read: No such file or directory"):
        of_headers(tmp_path / "missing", None)


def test_a_digest_may_come_with_the_images_name():
    assert of_digest(f" localhost:18002/digits@{DIGEST}\n") == of_digest(DIGEST) == Said(where=DIGEST, digest=DIGEST)
    for text in ("", "latest", "sha256:abc", DIGEST.upper()):
        with pytest.raises(DeliveryError, match="it must be sha256: and 64 hexadecimal digits"):
            of_digest(text)
