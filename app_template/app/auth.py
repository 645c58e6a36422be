"""Who calls: an API key from a mounted secret, or a token of Microsoft Entra. Off unless one of them is set.

Neither a key nor a token is ever logged or sent back; a caller appears in logs by the name beside its key, or by its object id.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import re
import time
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .errors import ForbiddenError, UnauthorizedError, UnavailableError
from .settings import Settings, SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEY = re.compile(r"[\x21-\x7e]{16,1024}")
_HASH = re.compile(r"sha256:([0-9a-fA-F]{64})")
_LOOK_SECONDS = 1.0  # between two looks at whether the file of keys has changed
_MOST_FILE_BYTES = 1 << 20

_TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PUBLIC_CLOUD = "https://login.microsoftonline.com"
_LEEWAY_SECONDS = 60  # between the clocks
_LONGEST_TOKEN = 16_384
_FETCH_SECONDS = 5.0
_MOST_KEYS_BYTES = 1 << 20
_FRESH_SECONDS = 3600.0  # after that the signing keys are asked for anew
_USABLE_SECONDS = 86400.0  # as long as they are trusted when nobody answers
_AGAIN_SECONDS = 60.0  # between two requests for them because of a key that is not known: callers can name any
_AFTER_FAILURE_SECONDS = 5.0
_REMEMBER_SECONDS = 300.0  # a token that was checked is not checked again for so long
_MOST_REMEMBERED = 4096
log = logging.getLogger("app")


class Authenticator:
    """Tells who calls."""

    def __init__(self, keys: "ApiKeys | None", entra: "Entra | None") -> None:
        self._keys = keys
        self._entra = entra
        ways = (["an API key as x-api-key"] if keys else []) + (["a token as Authorization: Bearer ..."] if entra else [])
        self._advice = f"send {' or '.join(ways)}"

    @staticmethod
    def from_settings(settings: Settings) -> "Authenticator | None":
        """None if anybody may call. Raises SettingsError."""
        keys = ApiKeys(settings.api_keys_file) if settings.api_keys_file else None
        entra = Entra(settings.entra_tenant, settings.entra_audience, settings.entra_roles, settings.entra_authority) if settings.entra_tenant else None
        return Authenticator(keys, entra) if keys or entra else None

    async def check(self, authorization: str | None, api_key: str | None) -> str:
        """The caller's name. Raises UnauthorizedError, ForbiddenError, or UnavailableError while Entra's keys cannot be had."""
        if self._keys is not None and api_key is not None:
            return self._keys.name_of(api_key)
        scheme, _, token = (authorization or "").strip().partition(" ")
        if self._entra is not None and scheme.lower() == "bearer" and token:
            return await self._entra.caller_of(token.strip())
        raise UnauthorizedError(f"nobody knows who calls; {self._advice}")


class ApiKeys:
    """Lines `name:key` or `name:sha256:hash of the key`. Read again when the file changes: a mounted secret is replaced under a running service."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises SettingsError."""
        self._file = file
        self._clock = clock
        self._looked = clock()
        self._stamp: object = None
        self._keys: list[tuple[str, bytes]] = []
        problem = self._read()
        if problem:
            raise SettingsError(f"API_KEYS_FILE: {problem}")

    def name_of(self, key: str) -> str:
        """Whose key that is. Raises UnauthorizedError."""
        self._look()
        given = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        name = ""
        # All of them, so that the time taken tells nothing about which are there.
        for known, expected in self._keys:
            if hmac.compare_digest(given, expected):
                name = known
        if not name:
            raise UnauthorizedError("the API key is not one of those that are known here")
        return name

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        problem = self._read()
        if problem:
            log.error("the file of API keys is not read again, the keys of before stay valid: %s", problem)

    def _read(self) -> str:
        """Reads the file if it is not the one of before; returns what is wrong with it, once."""
        try:
            status = self._file.stat()  # of what a link leads to: that is how a mounted secret changes
            stamp: object = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        except OSError as error:
            status, stamp = None, error.strerror
        if stamp == self._stamp:
            return ""
        self._stamp = stamp
        if status is None:
            return f"{self._file} cannot be read: {stamp}"
        if status.st_size > _MOST_FILE_BYTES:
            return f"{self._file} is larger than {_MOST_FILE_BYTES} bytes"
        try:
            text = self._file.read_text(encoding="utf-8")
        except OSError as error:
            return f"{self._file} cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            return f"{self._file} is not UTF-8"
        try:
            keys = _parse_keys(text)
        except ValueError as error:
            return f"{self._file}: {error}"
        if self._keys:
            log.info("the file of API keys was read again", extra={"fields": {"callers": sorted({name for name, _ in keys})}})
        self._keys = keys
        return ""


def _parse_keys(text: str) -> list[tuple[str, bytes]]:
    """Names with the hashes of their keys. Raises ValueError, whose text holds nothing of any key."""
    keys: list[tuple[str, bytes]] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()  # noqa: PLW2901 - nothing needs what it was
        if not line or line.startswith("#"):
            continue
        name, colon, secret = line.partition(":")
        name, secret = name.strip(), secret.strip()
        hashed = _HASH.fullmatch(secret)
        if not colon or not _NAME.fullmatch(name):
            raise ValueError(f"line {number} must be 'name:key' or 'name:sha256:hash', the name of letters, digits, dots, dashes and underscores")
        if hashed is None and (secret.startswith("sha256:") or not _KEY.fullmatch(secret)):
            raise ValueError(f"line {number}: the key needs 16 to 1024 visible ASCII characters, or the form sha256:<64 hex digits>")
        keys.append((name, bytes.fromhex(hashed[1]) if hashed else hashlib.sha256(secret.encode()).digest()))
    if not keys:
        raise ValueError("it has no key")
    return keys


class Entra:
    """Access tokens of one tenant for one audience, signed by one of the tenant's keys."""

    def __init__(
        self, tenant: str, audience: str, roles: tuple[str, ...] = (), authority: str = _PUBLIC_CLOUD, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises SettingsError."""
        tenant, authority = tenant.lower(), authority.rstrip("/")
        if not _TENANT.fullmatch(tenant):
            raise SettingsError(f"ENTRA_TENANT_ID must be the tenant's id, such as 00000000-0000-0000-0000-000000000000, got '{tenant}'")
        parts = urlsplit(authority)
        if not (parts.scheme == "https" and parts.hostname) and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")):
            raise SettingsError(f"AZURE_AUTHORITY_HOST must be an https URL, got '{authority}'")
        self._tenant = tenant
        self._audience = audience
        self._roles = frozenset(roles)
        # Which of the two a token has is a setting of the application that it is for, not of the caller.
        self._issuers = [f"{authority}/{tenant}/v2.0"] + ([f"https://sts.windows.net/{tenant}/"] if authority == _PUBLIC_CLOUD else [])
        self._signing = _SigningKeys(f"{authority}/{tenant}/discovery/v2.0/keys", clock)
        self._clock = clock
        self._remembered: dict[bytes, tuple[str, float]] = {}

    async def caller_of(self, token: str) -> str:
        """The caller's object id. Raises UnauthorizedError, ForbiddenError, UnavailableError."""
        if len(token) > _LONGEST_TOKEN or not token.isascii():
            raise UnauthorizedError("the token is none of Entra's")
        digest = hashlib.sha256(token.encode()).digest()
        caller, until = self._remembered.get(digest, ("", 0.0))
        if self._clock() < until:
            return caller
        claims = await self._claims(token)
        caller = self._allowed(claims)
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        left = float(claims["exp"]) + _LEEWAY_SECONDS - time.time()
        self._remembered[digest] = (caller, self._clock() + min(_REMEMBER_SECONDS, left))
        return caller

    async def _claims(self, token: str) -> Mapping[str, Any]:
        """What the token says, if it is genuine, valid now, and meant for us."""
        import jwt  # noqa: PLC0415 - only those pay for it who use it

        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise UnauthorizedError("the token is not readable") from None
        # Never the algorithm that the token asks for: "none" needs no key, and HS256 would take the public one for a secret.
        if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
            raise UnauthorizedError("the token must be signed with RS256 by a key that it names")
        key = await self._signing.get(header["kid"])
        try:
            return jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._audience,
                issuer=self._issuers,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "tid"]},
            )
        except jwt.ExpiredSignatureError:
            raise UnauthorizedError("the token has expired") from None
        except jwt.ImmatureSignatureError:
            raise UnauthorizedError("the token is not valid yet") from None
        except jwt.InvalidAudienceError:
            raise UnauthorizedError("the token is for another audience") from None
        except jwt.InvalidIssuerError:
            raise UnauthorizedError("the token comes from another issuer") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):  # also what the library makes of claims of a wrong type
            raise UnauthorizedError("the token is not valid") from None

    def _allowed(self, claims: Mapping[str, Any]) -> str:
        if claims["tid"] != self._tenant:
            raise UnauthorizedError("the token comes from another tenant")
        # An id token has the same issuer and audience, but tells an application who its user is; it is no key to anything.
        if not (claims.get("azp") or claims.get("appid")):
            raise UnauthorizedError("the token is no access token")
        roles = claims.get("roles", [])
        if self._roles and not (isinstance(roles, list) and self._roles.intersection(role for role in roles if isinstance(role, str))):
            raise ForbiddenError(f"the caller has none of the roles that may: {', '.join(sorted(self._roles))}")
        return str(claims.get("oid") or claims.get("azp") or claims["appid"])[:100]


class _SigningKeys:
    """The keys that a tenant signs with, asked for when they are needed."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched = self._failed = -1e9
        self._fetching: asyncio.Task[None] | None = None

    async def get(self, name: str) -> "RSAPublicKey":
        """Raises UnauthorizedError, UnavailableError."""
        if self._is_due(name) and self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
        if self._fetching is not None and (name not in self._keys or self._is_too_old()):  # else it comes when it comes
            await asyncio.shield(self._fetching)  # of all who wait for it: one that gives up does not end it
        if self._is_too_old():
            raise UnavailableError("Entra's signing keys cannot be had at the moment; try again later", retry_after=int(_AFTER_FAILURE_SECONDS))
        key = self._keys.get(name)
        if key is None:
            raise UnauthorizedError("the token is signed with a key that is none of the tenant's")
        return key

    def _is_too_old(self) -> bool:
        return self._clock() - self._fetched > _USABLE_SECONDS

    def _is_due(self, name: str) -> bool:
        now = self._clock()
        return now - self._fetched >= (_FRESH_SECONDS if name in self._keys else _AGAIN_SECONDS) and now - self._failed >= _AFTER_FAILURE_SECONDS

    async def _fetch(self) -> None:
        try:
            self._keys = await asyncio.wait_for(asyncio.to_thread(_download_keys, self._url), _FETCH_SECONDS * 2)
            self._fetched = self._clock()
        except (OSError, HTTPException, ValueError, TimeoutError) as error:
            self._failed = self._clock()
            log.error("Entra's signing keys cannot be had from %s: %s", self._url, error or type(error).__name__)  # noqa: TRY400 - the text says it
        finally:
            self._fetching = None


def _download_keys(url: str) -> "dict[str, RSAPublicKey]":
    """Raises OSError, HTTPException, ValueError."""
    from jwt.algorithms import RSAAlgorithm  # noqa: PLC0415 - as above

    with urllib.request.urlopen(url, timeout=_FETCH_SECONDS) as answer:  # noqa: S310 - https, or this machine: see Entra
        body = answer.read(_MOST_KEYS_BYTES + 1)
    if len(body) > _MOST_KEYS_BYTES:
        raise ValueError("the answer is too long")
    document = json.loads(body)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the answer is no set of keys")  # noqa: TRY004 - the caller's fault is not a type
    keys: dict[str, RSAPublicKey] = {}
    for item in listed:
        if not isinstance(item, dict) or item.get("kty") != "RSA" or item.get("use", "sig") != "sig" or not isinstance(item.get("kid"), str):
            continue
        try:
            key = RSAAlgorithm.from_jwk({name: item[name] for name in ("kty", "n", "e")})
        except Exception as error:  # noqa: BLE001 - a key that is broken must not take the others with it
            log.warning("one of Entra's signing keys is not usable: %s", type(error).__name__)
            continue
        if key.key_size >= 2048:
            keys[item["kid"]] = key  # pyright: ignore[reportArgumentType] - without a private part it is a public one
    if not keys:
        raise ValueError("the answer has no usable key")
    return keys


__all__ = ["ApiKeys", "Authenticator", "Entra"]
