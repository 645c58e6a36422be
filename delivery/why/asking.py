"""What a service says of itself, by its metadata, by the headers of an answer, or by the digest that somebody read elsewhere."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from delivery.errors import DeliveryError
from delivery.release.record import Record

_TIMEOUT = httpx.Timeout(15, connect=5)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HOST = re.compile(rb"[A-Za-z0-9._:-]+")
_MOST_MODELS = 20
_HEADERS = {"digest": "x-image-digest", "sha256": "x-model-sha256", "version": "x-model-version"}
_LONGEST_FILE = 2**20
_ON_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What an answer says about what gave it. None: it does not say it.

    Attributes:
        where: the URL or file that says it.
        sha256: of the model's bytes.
        digest: of the image, sha256:<digest>.
    """

    where: str
    model: str | None = None
    version: str | None = None
    sha256: str | None = None
    digest: str | None = None


def models_of(records: Iterable[Record]) -> list[str]:
    """Names of models that releases deployed, those of the newest ones first."""
    return list(dict.fromkeys(service.model.name for record in records for service in record.services.values()))[:_MOST_MODELS]


def of_service(url: str, models: Sequence[str], token: str | None, *, named: bool, client: httpx.Client | None = None) -> Said:
    """Asks the service for the metadata of its model.

    Args:
        models: to try when the URL names none; named: somebody gave the name, and it counts more than the URL's.

    Raises:
        DeliveryError: it cannot be asked, refuses, has none of the models, or does not say what it runs.
    """
    address = _parsed(url, token)
    bases, in_url = _taken_apart(address)
    names = [in_url] if in_url and not named else list(models)
    if not names:
        raise DeliveryError(f"which model {address} serves is not known: it names none, and no release is recorded; give it with --model")
    headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    with client or httpx.Client(timeout=_TIMEOUT, follow_redirects=True, trust_env=address.host not in _ON_THIS_MACHINE) as http:
        for base in bases:
            for name in names:
                where = base.copy_with(path=f"{base.path.rstrip('/')}/v2/models/{name}")
                metadata = _ask(http, where, headers)
                if metadata is not None:
                    return _of_metadata(str(where), name, metadata)
    tried = f"{', '.join(names)}" if len(names) == 1 else f"any of {', '.join(names)}"
    raise DeliveryError(f"{bases[0]} serves no model {tried}; give the name of the one that it serves with --model, and the service's own base as URL")


def of_headers(file: Path, model: str | None) -> Said:
    """Reads saved headers; of several answers in a row (redirects), the last.

    Raises:
        DeliveryError: the file cannot be read, or they say neither image nor model.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(_LONGEST_FILE).decode("latin-1")
    except OSError as error:
        raise DeliveryError(f"{file} cannot be read: {error.strerror}") from error
    answers = [block for block in re.split(r"\r?\n\r?\n", content) if block.strip()]
    found = _headers(answers[-1]) if answers else {}
    said = Said(
        where=str(file),
        model=model,
        version=found.get(_HEADERS["version"]),
        sha256=_matching(_SHA256, found.get(_HEADERS["sha256"])),
        digest=_matching(_DIGEST, found.get(_HEADERS["digest"])),
    )
    if not said.digest and not said.sha256:
        raise DeliveryError(f"{file} has neither {_HEADERS['digest']} nor {_HEADERS['sha256']}; save the headers of a prediction: curl -D {file} ...")
    return said


def of_digest(text: str) -> Said:
    """A digest that somebody has read elsewhere; raises DeliveryError when it is none."""
    digest = text.strip().rpartition("@")[2]
    if not _DIGEST.fullmatch(digest):
        raise DeliveryError(f"--digest is {text!r}; it must be sha256: and 64 hexadecimal digits, with or without the image's name before it")
    return Said(where=digest, digest=digest)


def _parsed(url: str, token: str | None) -> httpx.URL:
    try:
        address = httpx.URL(url if "://" in url else f"https://{url}")
        if "://" not in url and address.host in _ON_THIS_MACHINE:
            address = address.copy_with(scheme="http")
    except httpx.InvalidURL as error:
        raise DeliveryError(f"{url!r} is no URL ({error}); give the service's, such as https://digits.example.com") from error
    if address.scheme not in ("http", "https") or not _HOST.fullmatch(address.raw_host):
        raise DeliveryError(f"{url!r} is no URL of a service; give one such as https://digits.example.com")
    if token and address.scheme == "http" and address.host not in _ON_THIS_MACHINE:
        raise DeliveryError(f"a token goes to {address.host} over https:// only")
    # What somebody has pasted may hold a password or a query with a secret; none of it is needed, shown or sent.
    return httpx.URL(scheme=address.scheme, host=address.host, port=address.port, path=address.path)


def _taken_apart(address: httpx.URL) -> tuple[list[httpx.URL], str | None]:
    """Where the protocol's paths may begin, and the model if the URL names one."""
    parts = [part for part in address.path.split("/") if part]
    if "v2" not in parts:
        return list(dict.fromkeys(address.copy_with(path=path) for path in (f"/{'/'.join(parts)}", "/"))), None
    at = len(parts) - 1 - parts[::-1].index("v2")
    below = parts[at + 1 :]
    return [address.copy_with(path=f"/{'/'.join(parts[:at])}")], below[1] if len(below) > 1 and below[0] == "models" else None


def _ask(http: httpx.Client, where: httpx.URL, headers: dict[str, str]) -> dict[str, Any] | None:
    """The metadata; None when the service has no such model."""
    try:
        answer = http.get(where, headers=headers)
    except httpx.HTTPError as error:
        raise DeliveryError(f"{where.host} cannot be reached ({str(error) or type(error).__name__}); inside a cluster: {_FORWARD}") from error
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise DeliveryError(
            f"{where} answers {answer.status_code}: it wants a login; put a token into an environment variable and name it with --token-env "
            "(az account get-access-token --resource <audience> --query accessToken --output tsv)"
        )
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    if answer.is_error:
        raise DeliveryError(f"{where} answers {answer.status_code}; try again, or name the image with --digest: {_POD}")
    try:
        document = answer.json()
    except ValueError:
        return None
    return document if isinstance(document, dict) and "name" in document else None


def _of_metadata(where: str, name: str, metadata: dict[str, Any]) -> Said:
    given = metadata.get("parameters")
    parameters: dict[str, Any] = given if isinstance(given, dict) else {}
    versions = metadata.get("versions")
    said = Said(
        where=where,
        model=str(metadata.get("name") or name),
        version=", ".join(map(str, versions)) if isinstance(versions, list) and versions else None,
        sha256=_matching(_SHA256, parameters.get("sha256")),
        digest=_matching(_DIGEST, parameters.get("image_digest")),
    )
    if not said.digest and not said.sha256:
        raise DeliveryError(f"{where} says neither its image (parameters.image_digest) nor its model (parameters.sha256); name the image with --digest: {_POD}")
    return said


_FORWARD = "kubectl -n <namespace> port-forward service/<service> 8080:80, then http://localhost:8080"
_POD = "kubectl -n <namespace> get pods -o jsonpath='{..imageID}'"


def _headers(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None
