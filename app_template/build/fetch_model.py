"""Downloads a model's files during the image build and lets nothing through but the bytes that were asked for.

    fetch_model.py --model digits --version 3 --to FOLDER --file model.onnx SHA256 URL_FILE [--file ...]

Each URL stands in a file (a BuildKit secret) and carries a signature in its query, so no URL, and no text that could
hold one, is ever printed. Standard library only: it runs before anything is installed.
"""

import argparse
import hashlib
import http.client
import json
import os
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import SplitResult, urlsplit

ATTEMPTS = 5
TIMEOUT_SECONDS = 30  # without a single byte
CHUNK = 1024 * 1024
PROGRESS_SECONDS = 5
# Worth another attempt: the server is busy or broken. Everything else will say the same again.
RETRIED_STATUSES = {408, 429, 500, 502, 503, 504}
HINTS = {
    403: "; the download permission has expired or does not cover this file: run the build again",
    404: "; it is not in the model store",
}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class FetchError(Exception):
    """The file cannot be had; the text says which, and why, without the URL's query."""


class TransientError(Exception):
    """Another attempt may succeed."""


@dataclass(frozen=True)
class Wanted:
    """One file: its name, the only bytes that are right, and where its URL stands."""

    name: str
    sha256: str
    url_file: Path


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would hand the signed URL's request to somebody else."""

    def redirect_request(self, req: object, fp: object, code: int, msg: str, headers: object, newurl: str) -> None:  # noqa: ARG002
        return None


def opener(ca_file: Path | None) -> urllib.request.OpenerDirector:
    """Trusts what the system trusts and the certificates in the file, if it is there and has any."""
    context = ssl.create_default_context()
    if ca_file and ca_file.is_file():
        added = ca_file.read_text(encoding="ascii", errors="replace")
        if "BEGIN CERTIFICATE" in added:
            context.load_verify_locations(cadata=added)
    return urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=context))


def fetch(client: urllib.request.OpenerDirector, wanted: Wanted, folder: Path, retry_wait: float) -> None:
    """Downloads one file into the folder, or leaves nothing. Raises FetchError."""
    url = _read_url(wanted)
    started = time.monotonic()
    part = folder / f".{wanted.name}.part"
    try:
        size, sha256 = _download(client, wanted, url, part, retry_wait)
        if sha256 != wanted.sha256:
            raise FetchError(f"{wanted.name}: expected sha256 {wanted.sha256}, got {sha256} ({size} bytes)")
        _finish(part, folder / wanted.name)
    finally:
        part.unlink(missing_ok=True)
    print(f"{wanted.name}: {size} bytes, sha256 {sha256} as expected, {time.monotonic() - started:.1f} s", flush=True)


def _read_url(wanted: Wanted) -> str:
    url, valid = "", False
    try:
        url = wanted.url_file.read_text(encoding="ascii").strip()
        parts = urlsplit(url)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        valid = secure and bool(parts.hostname) and parts.port != 0 and not re.search(r"[\s\x00-\x1f]", url)
    except OSError as error:
        raise FetchError(f"{wanted.name}: cannot read its URL from {wanted.url_file}: {error.strerror}") from None
    except ValueError:
        pass  # not a URL; the exception's text may hold it
    if not valid:
        raise FetchError(f"{wanted.name}: what {wanted.url_file} holds is not an https URL")
    return url


def _download(client: urllib.request.OpenerDirector, wanted: Wanted, url: str, part: Path, retry_wait: float) -> tuple[int, str]:
    """Size and sha256 of what was written to `part`, after as many attempts as are allowed."""
    source = _without_query(urlsplit(url))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _download_once(client, wanted, url, source, part)
        except TransientError as error:
            if attempt == ATTEMPTS:
                raise FetchError(f"{wanted.name}: {error} from {source}, {ATTEMPTS} attempts") from None
            wait = retry_wait * 2 ** (attempt - 1)
            print(f"{wanted.name}: {error} from {source}; attempt {attempt + 1} in {wait:g} s", flush=True)
            time.sleep(wait)
    raise AssertionError("unreachable")


def _without_query(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _download_once(client: urllib.request.OpenerDirector, wanted: Wanted, url: str, source: str, part: Path) -> tuple[int, str]:
    try:
        with client.open(url, timeout=TIMEOUT_SECONDS) as response:
            return _stream(wanted.name, response, part)
    except urllib.error.HTTPError as error:
        if error.code in RETRIED_STATUSES:
            raise TransientError(f"HTTP status {error.code}") from None
        raise FetchError(f"{wanted.name}: HTTP status {error.code} from {source}{HINTS.get(error.code, '')}") from None
    except urllib.error.URLError as error:
        _raise_connection_error(wanted, source, error.reason)
    except (http.client.HTTPException, OSError) as error:
        _raise_connection_error(wanted, source, error)


def _raise_connection_error(wanted: Wanted, source: str, reason: object) -> NoReturn:
    """Tells what happened in words of our own or the operating system's; other exceptions' texts may quote the URL."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        raise FetchError(f"{wanted.name}: the certificate of {source} is not trusted: {reason.verify_message}") from None
    if isinstance(reason, OSError) and reason.strerror:
        raise TransientError(f"connection error ({reason.strerror})") from None
    raise TransientError(f"connection error ({type(reason).__name__})") from None


def _stream(name: str, response: http.client.HTTPResponse, part: Path) -> tuple[int, str]:
    """Writes the body to `part` and hashes it on the way. Raises TransientError when it ends too early."""
    declared = response.headers.get("Content-Length", "")
    total = int(declared) if declared.isdigit() else None
    digest, size, told = hashlib.sha256(), 0, time.monotonic()
    with part.open("wb") as output:
        while chunk := response.read(CHUNK):
            _write(output, chunk, name)
            digest.update(chunk)
            size += len(chunk)
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                print(f"{name}: {size} of {total if total is not None else 'unknown'} bytes", flush=True)
    if total is not None and size != total:
        raise TransientError(f"connection cut after {size} of {total} bytes")
    return size, digest.hexdigest()


def _write(output: Any, chunk: bytes, name: str) -> None:
    try:
        output.write(chunk)
    except OSError as error:  # a full disk is no connection error
        raise FetchError(f"{name}: cannot write: {error.strerror}") from None


def _finish(part: Path, file: Path) -> None:
    """Read-only and with a fixed time, so that equal bytes make an equal layer."""
    part.chmod(0o444)
    os.utime(part, (0, 0))
    part.replace(file)


def check_manifest(folder: Path, model: str, version: int, files: list[Wanted]) -> None:
    """The manifest must be that of this model and version and name these very files. Raises FetchError."""
    try:
        manifest: Any = json.loads((folder / "manifest.json").read_bytes())
        found = (manifest["model"], manifest["version"])
        listed = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FetchError("manifest.json: not a manifest of the model store") from None
    if found != (model, version):
        raise FetchError(f"manifest.json: expected {model} version {version}, got {found[0]} version {found[1]}")
    for file in files:
        if file.name != "manifest.json" and listed.get(file.name) != file.sha256:
            raise FetchError(f"manifest.json: names sha256 {listed.get(file.name)} for {file.name}, not {file.sha256}")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fetch_model.py", description="Download a model's files and check them.")
    parser.add_argument("--model", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--to", required=True, type=Path)
    parser.add_argument("--file", required=True, action="append", nargs=3, metavar=("NAME", "SHA256", "URL_FILE"))
    parser.add_argument("--ca-file", type=Path, help="certificate authorities to trust besides the system's; may be missing")
    parser.add_argument("--retry-wait", type=float, default=1.0, help="seconds before the second attempt, then doubled")
    return parser.parse_args(arguments)


def _check(version: str, files: list[Wanted]) -> None:
    """A build argument that was not given arrives as an empty text."""
    if not version.isdigit():
        raise FetchError(f"--version must be an integer from 1, got '{version}' (build argument MODEL_VERSION)")
    for file in files:
        if not re.fullmatch("[0-9a-f]{64}", file.sha256):
            raise FetchError(f"{file.name}: its sha256 must be 64 hexadecimal digits, got '{file.sha256}'")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    options = _options(arguments)
    files = [Wanted(name, sha256, Path(url_file)) for name, sha256, url_file in options.file]
    try:
        _check(options.version, files)
        options.to.mkdir(parents=True, exist_ok=True)
        client = opener(options.ca_file)
        for file in files:
            fetch(client, file, options.to, options.retry_wait)
        check_manifest(options.to, options.model, int(options.version), files)
    except FetchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ssl.SSLError as error:
        print(f"error: {options.ca_file} has a certificate that cannot be read: {error.reason}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: cannot write to {options.to}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
