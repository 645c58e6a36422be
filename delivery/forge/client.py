"""HTTP to a forge: patient with what passes, plain about what does not."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import sleep
from typing import Any

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from delivery.errors import DeliveryError

_ATTEMPTS = 6
_LONGEST_PAUSE = 60.0
_SECONDS = 30.0
_SAID = 300


class ForgeError(DeliveryError):
    """The forge refused.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class _PassingError(Exception):
    """Something that a moment later may work."""

    def __init__(self, problem: str, seconds: float | None) -> None:
        super().__init__(problem)
        self.seconds = seconds


@dataclass(frozen=True)
class Forge:
    """A forge's API behind one address, with a token that never leaves the headers.

    Attributes:
        name: as people know it.
        url: that paths are added to.
        permission: what a pipeline needs, told when it is refused.
    """

    name: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    permission: Callable[[str], str]
    transport: httpx.BaseTransport | None = field(default=None, repr=False)

    def get(self, path: str, **query: str | int) -> Any:
        """The answer's JSON; raises ForgeError."""
        return self.send("GET", path, query=query)

    def send(self, method: str, path: str, body: Any = None, query: Mapping[str, str | int] | None = None) -> Any:
        """The answer's JSON, None when it has none.

        Raises:
            ForgeError: it was refused; the text says what was asked for, and which permission is missing.
            DeliveryError: it cannot be reached, or not in time.
        """
        return self.answer(method, path, body, query)[0]

    def answer(self, method: str, path: str, body: Any = None, query: Mapping[str, str | int] | None = None) -> tuple[Any, str]:
        """The answer's JSON, and the URL of the next page; raises as `send`."""
        retrying = Retrying(retry=retry_if_exception_type(_PassingError), stop=stop_after_attempt(_ATTEMPTS), wait=_pause, sleep=sleep, reraise=True)
        try:
            return retrying(self._once, method, path, body, query)
        except _PassingError as error:
            raise DeliveryError(f"{self.name} did not answer {method} {_shown(path)} after {_ATTEMPTS} attempts: {error}") from error

    def _once(self, method: str, path: str, body: Any, query: Mapping[str, str | int] | None) -> tuple[Any, str]:
        url = f"{self.url}{path}" if path.startswith("/") else path
        if not url.startswith(f"{self.url}/"):
            # A link to a next page is followed only to where the token belongs.
            raise DeliveryError(f"{self.name} at {self.url} leads to {_shown(path)}, which gets no token")
        try:
            with httpx.Client(transport=self.transport, timeout=_SECONDS, headers=dict(self.headers)) as client:
                found = client.request(method, url, json=body, params=query or None)
        except httpx.TransportError as error:
            # A write may have arrived; whoever writes looks what is there afterwards.
            raise _PassingError(f"{type(error).__name__}: {error}", None) from error
        if _passes(found):
            raise _PassingError(f"HTTP {found.status_code}", _asked_to_wait(found))
        if found.is_success and _is_json(found):
            return (found.json() if found.content else None), found.links.get("next", {}).get("url", "")
        raise self._refusal(found, method, path)

    def _refusal(self, found: httpx.Response, method: str, path: str) -> ForgeError:
        said = _said(found)
        if found.status_code in (203, 302, 401):
            return ForgeError(f"{self.name} does not accept the token ({_shown(path)}); {self.permission('')}", 401)
        if found.status_code == httpx.codes.FORBIDDEN:
            return ForgeError(f"{self.name} refuses {method} {_shown(path)}: {said or 'no rights'}; {self.permission(said)}", found.status_code)
        if found.status_code == httpx.codes.NOT_FOUND:
            return ForgeError(f"{self.name} has no {_shown(path)}, or the token may not know of it; {self.permission(said)}", found.status_code)
        return ForgeError(f"{self.name} answers {method} {_shown(path)} with HTTP {found.status_code}{f': {said}' if said else ''}", found.status_code)


def _passes(found: httpx.Response) -> bool:
    limited = found.status_code == httpx.codes.FORBIDDEN and ("retry-after" in found.headers or found.headers.get("x-ratelimit-remaining") == "0")
    return limited or found.status_code in (408, 429) or found.status_code >= httpx.codes.INTERNAL_SERVER_ERROR


def _asked_to_wait(found: httpx.Response) -> float | None:
    after = found.headers.get("retry-after", "")
    if after.isdigit():
        return float(after)
    reset = found.headers.get("x-ratelimit-reset", "")
    if found.headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(0.0, float(reset) - time.time())
    return None


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.seconds if isinstance(error, _PassingError) else None
    if asked is not None and asked > _LONGEST_PAUSE:
        raise DeliveryError(
            f"the forge asks to wait {asked:.0f} s before the next request, more than the {_LONGEST_PAUSE:.0f} s that are waited for; run it again then"
        )
    return asked if asked is not None else min(2.0 ** (state.attempt_number - 1), _LONGEST_PAUSE)


def _is_json(found: httpx.Response) -> bool:
    # Azure DevOps shows its page to log in, with a status that means success, to whoever it does not know.
    return found.status_code == httpx.codes.NO_CONTENT or not found.content or "json" in found.headers.get("content-type", "")


def _said(found: httpx.Response) -> str:
    try:
        document = found.json()
    except ValueError:
        return ""
    message = document.get("message", "") if isinstance(document, dict) else ""
    details = document.get("errors") if isinstance(document, dict) else None
    more = [str(one.get("message") or one.get("code") or "") for one in details if isinstance(one, dict)] if isinstance(details, list) else []
    return " ".join(" ".join([str(message), *more]).split())[:_SAID]


def _shown(path: str) -> str:
    return path.partition("?")[0]
