"""The download inside the image build, run as the Dockerfile runs it, against a store that misbehaves."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "build" / "fetch_model.py"
SIGNATURE = "sv=2025&sig=TOPSECRET%2B1"
MODEL = b"the model's bytes" * 1000
GOLDEN = b'{"cases": []}'


class Store(ThreadingHTTPServer):
    """Answers each path with its list of (status, body), the last of them for ever; a body that ends early is cut."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, list[tuple[int, bytes, int]]] = {}
        self.requests: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def put(self, name: str, *answers: tuple[int, bytes] | tuple[int, bytes, int]) -> None:
        """(status, body, bytes that are missing at the end)."""
        self.answers[f"/models/digits/3/{name}"] = [(*answer, 0) if len(answer) == 2 else answer for answer in answers]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        store = self.server
        assert isinstance(store, Store)
        path, _, query = self.path.partition("?")
        store.requests.append(path.rpartition("/")[2])
        if query != SIGNATURE:
            self.send_error(403)
            return
        answers = store.answers[path]
        status, body, missing = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{store.url}/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - missing])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Quiet."""


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _manifest(**changes: object) -> bytes:
    files = {"model.onnx": {"sha256": _sha256(MODEL)}, "golden.json": {"sha256": _sha256(GOLDEN)}}
    return json.dumps({"model": "digits", "version": 3, "files": files, **changes}).encode()


@pytest.fixture
def store() -> Iterator[Store]:
    server = Store()
    server.put("model.onnx", (200, MODEL))
    server.put("golden.json", (200, GOLDEN))
    server.put("manifest.json", (200, _manifest()))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Fetch:
    """Runs the script for the three files; no run may ever print the signature."""

    def __init__(self, folder: Path, url: str) -> None:
        self.to = folder / "out" / "srv" / "model"
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        self.sha256 = {
            "model.onnx": _sha256(MODEL),
            "golden.json": _sha256(GOLDEN),
            "manifest.json": _sha256(_manifest()),
        }
        for name in self.sha256:
            (self.secrets / name).write_text(f"{url}/models/digits/3/{name}?{SIGNATURE}\n")

    def run(self, version: str = "3") -> tuple[int, str, str]:
        files = [["--file", name, sha256, str(self.secrets / name)] for name, sha256 in self.sha256.items()]
        command = [sys.executable, str(SCRIPT), "--model", "digits", "--version", version, "--to", str(self.to)]
        done = subprocess.run(
            [*command, "--retry-wait", "0.01", *(word for file in files for word in file)],
            env={key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert "TOPSECRET" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr.strip()


@pytest.fixture
def fetch(tmp_path: Path, store: Store) -> Fetch:
    return Fetch(tmp_path, store.url)


def test_the_files_arrive_read_only_and_without_a_time(fetch: Fetch) -> None:
    code, out, err = fetch.run()
    assert (code, err) == (0, "")
    assert f"model.onnx: {len(MODEL)} bytes, sha256 {_sha256(MODEL)} as expected" in out
    assert sorted(file.name for file in fetch.to.iterdir()) == ["golden.json", "manifest.json", "model.onnx"]
    assert (fetch.to / "model.onnx").read_bytes() == MODEL
    for file in fetch.to.iterdir():
        assert file.stat().st_mode & 0o777 == 0o444
        assert file.stat().st_mtime == 0


def test_other_bytes_are_refused_at_once(fetch: Fetch, store: Store) -> None:
    other = b"X" + MODEL[1:]
    store.put("model.onnx", (200, other))
    code, _, err = fetch.run()
    expected, got = _sha256(MODEL), _sha256(other)
    assert (code, err) == (1, f"error: model.onnx: expected sha256 {expected}, got {got} ({len(other)} bytes)")
    assert list(fetch.to.iterdir()) == []
    assert store.requests == ["model.onnx"]


def test_a_missing_file(fetch: Fetch, store: Store) -> None:
    store.put("golden.json", (404, b""))
    code, _, err = fetch.run()
    source = f"{store.url}/models/digits/3/golden.json"
    assert (code, err) == (1, f"error: golden.json: HTTP status 404 from {source}; it is not in the model store")
    assert store.requests == ["model.onnx", "golden.json"]


def test_an_expired_signature(fetch: Fetch, store: Store) -> None:
    (fetch.secrets / "model.onnx").write_text(f"{store.url}/models/digits/3/model.onnx?sig=TOPSECRETOLD")
    code, _, err = fetch.run()
    assert code == 1
    assert err == (
        f"error: model.onnx: HTTP status 403 from {store.url}/models/digits/3/model.onnx; "
        "the download permission has expired or does not cover this file: run the build again"
    )


def test_a_busy_store_is_asked_again(fetch: Fetch, store: Store) -> None:
    store.put("model.onnx", (503, b""), (500, b""), (200, MODEL))
    code, out, err = fetch.run()
    assert (code, err) == (0, "")
    assert f"model.onnx: HTTP status 503 from {store.url}/models/digits/3/model.onnx; attempt 2 in 0.01 s" in out
    assert store.requests.count("model.onnx") == 3


def test_a_store_that_stays_busy_is_given_up(fetch: Fetch, store: Store) -> None:
    store.put("model.onnx", (503, b""))
    code, _, err = fetch.run()
    assert (code, err) == (
        1,
        f"error: model.onnx: HTTP status 503 from {store.url}/models/digits/3/model.onnx, 5 attempts",
    )
    assert store.requests == ["model.onnx"] * 5


def test_a_download_that_is_cut_is_started_again(fetch: Fetch, store: Store) -> None:
    store.put("model.onnx", (200, MODEL, 7), (200, MODEL))
    code, out, err = fetch.run()
    assert (code, err) == (0, "")
    assert "model.onnx: connection " in out
    assert (fetch.to / "model.onnx").read_bytes() == MODEL


def test_a_download_that_is_always_cut(fetch: Fetch, store: Store) -> None:
    store.put("model.onnx", (200, MODEL, 7))
    code, _, err = fetch.run()
    assert code == 1
    assert err.startswith("error: model.onnx: connection ")
    assert list(fetch.to.iterdir()) == []


def test_nobody_there(tmp_path: Path) -> None:
    code, _, err = Fetch(tmp_path, "http://127.0.0.1:1").run()
    assert (code, err) == (
        1,
        "error: model.onnx: connection error (Connection refused) from http://127.0.0.1:1/models/digits/3/model.onnx, 5 attempts",
    )


def test_a_redirect_is_not_followed(fetch: Fetch, store: Store) -> None:
    store.put("model.onnx", (302, b""))
    code, _, err = fetch.run()
    assert (code, err) == (1, f"error: model.onnx: HTTP status 302 from {store.url}/models/digits/3/model.onnx")


@pytest.mark.parametrize("url", ["", "http://store.example/m?sig=TOPSECRET", "https://[x?sig=TOPSECRET", "https://a b?TOPSECRET"])
def test_a_secret_that_is_no_https_url(fetch: Fetch, url: str) -> None:
    (fetch.secrets / "model.onnx").write_text(url)
    code, _, err = fetch.run()
    assert (code, err) == (1, f"error: model.onnx: what {fetch.secrets}/model.onnx holds is not an https URL")


def test_a_secret_that_is_missing(fetch: Fetch) -> None:
    (fetch.secrets / "model.onnx").unlink()
    secret = fetch.secrets / "model.onnx"
    assert fetch.run()[2] == f"error: model.onnx: cannot read its URL from {secret}: No such file or directory"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 4}, "manifest.json: expected digits version 3, got digits version 4"),
        ({"model": "other"}, "manifest.json: expected digits version 3, got other version 3"),
        ({"files": []}, "manifest.json: not a manifest of the model store"),
        ({"files": {}}, f"manifest.json: names sha256 None for model.onnx, not {_sha256(MODEL)}"),
    ],
)
def test_a_manifest_of_something_else(fetch: Fetch, store: Store, changes: dict[str, object], message: str) -> None:
    store.put("manifest.json", (200, _manifest(**changes)))
    fetch.sha256["manifest.json"] = _sha256(_manifest(**changes))
    code, _, err = fetch.run()
    assert (code, err) == (1, f"error: {message}")


def test_build_arguments_that_are_missing(fetch: Fetch) -> None:
    assert fetch.run(version="")[2] == ("error: --version must be an integer from 1, got '' (build argument MODEL_VERSION)")
    fetch.sha256["golden.json"] = ""
    assert fetch.run()[2] == "error: golden.json: its sha256 must be 64 hexadecimal digits, got ''"
