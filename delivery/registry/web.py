"""Requests to a registry that speaks the OCI distribution API: over which protocol, with which token, how often."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed
from tenacity.wait import wait_base

from delivery.registry.errors import RegistryError
from delivery.registry.reference import DOCKER_HUB

_DOCKER_HUB_API = "registry-1.docker.io"
_TIMEOUT = httpx.Timeout(20, connect=5)
_ATTEMPTS = 3
_LONGEST_WAIT = 10.0
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class _BusyError(Exception):
    """429 or 5xx: worth asking again."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(f"{answer.status_code}")
        self.answer = answer


class _AsTheRegistrySays(wait_base):
    """What `Retry-After` says, within bounds; one second when it says nothing."""

    def __call__(self, retry_state: Any) -> float:
        error = retry_state.outcome.exception()
        text = error.answer.headers.get("Retry-After", "") if isinstance(error, _BusyError) else ""
        return min(float(text), _LONGEST_WAIT) if text.isdecimal() else wait_fixed(1)(retry_state)


class RegistryClient:
    """Answers of one registry. Safe to use from several threads."""

    def __init__(self, host: str, client: httpx.Client | None = None) -> None:
        self.host = host
        plain = _is_this_machine(host)
        self._url = f"{'http' if plain else 'https'}://{_DOCKER_HUB_API if host == DOCKER_HUB else host}"
        # A proxy of the environment is no way to this machine. Blobs are often kept elsewhere; httpx takes the token off when it is sent there.
        self._client = client or httpx.Client(timeout=_TIMEOUT, follow_redirects=True, trust_env=not plain)
        self._tokens: dict[str, str] = {}

    def ask(
        self, method: str, repository: str, path: str, *, accept: str = "", content: bytes | None = None, content_type: str = "", rights: str = "pull"
    ) -> httpx.Response | None:
        """The answer; None for 404.

        Args:
            path: below /v2/<repository>/, or from `/` on a path of the registry, as the link to a next page has it.
            rights: what a token is asked for.

        Raises:
            RegistryError: it cannot be reached, refuses, or says something that is not understood.
        """
        url = f"{self._url}{path}" if path.startswith("/") else f"{self._url}/v2/{repository}/{path}"
        headers = {name: value for name, value in (("Accept", accept), ("Content-Type", content_type)) if value}
        scope = f"repository:{repository}:{rights}"
        answer = self._send(method, url, {**headers, **self._authorization(scope)}, content)
        if answer.status_code == httpx.codes.UNAUTHORIZED and (token := self._token(answer, scope)):
            self._tokens[scope] = token
            answer = self._send(method, url, {**headers, **self._authorization(scope)}, content)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.is_error:
            raise self._refusal(answer, repository)
        return answer

    def _authorization(self, scope: str) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._tokens[scope]}"} if scope in self._tokens else {}

    def _token(self, answer: httpx.Response, scope: str) -> str | None:
        """An anonymous token from whom the registry names, as Docker Hub and ghcr.io want it; None where it wants something else."""
        challenges = answer.headers.get_list("www-authenticate")
        bearer = next((challenge for challenge in challenges if challenge.lower().startswith("bearer ")), None)
        wanted = dict(_PARAMETER.findall(bearer or ""))
        realm = httpx.URL(wanted.get("realm", ""))
        if realm.scheme != "https" and not _is_this_machine(realm.netloc.decode()):
            return None
        # The registry's own idea of the scope is not needed: it names the repository that was asked for.
        given = self._send("GET", str(realm.copy_merge_params({"service": wanted.get("service", self.host), "scope": scope})), {}, None)
        document = _document(given)
        token = document.get("token") or document.get("access_token")
        return token if given.is_success and isinstance(token, str) else None

    def _send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> httpx.Response:
        retrying = Retrying(retry=retry_if_exception_type(_BusyError), stop=stop_after_attempt(_ATTEMPTS), wait=_AsTheRegistrySays(), reraise=True)
        try:
            return retrying(self._once, method, url, headers, content)
        except _BusyError as busy:
            return busy.answer
        except httpx.HTTPError as error:
            where = httpx.URL(url).netloc.decode()
            advice = (
                "is it running? (the local stack: `converge local status`)"
                if _is_this_machine(where)
                else "check the network, and HTTPS_PROXY if there is a proxy"
            )
            raise RegistryError(f"{where} cannot be reached ({str(error) or type(error).__name__}); {advice}") from error

    def _once(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> httpx.Response:
        answer = self._client.request(method, url, headers=headers, content=content)
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise _BusyError(answer)
        return answer

    def _refusal(self, answer: httpx.Response, repository: str) -> RegistryError:
        said = f"{self.host} answers {answer.status_code} for {repository}{_reasons(answer)}"
        match answer.status_code:
            case httpx.codes.TOO_MANY_REQUESTS:
                return RegistryError(f"{said}: too many requests, also after {_ATTEMPTS} attempts; try again later")
            case httpx.codes.UNAUTHORIZED | httpx.codes.FORBIDDEN:
                return RegistryError(f"{said}: only what needs no login can be done here; registries of Azure are asked with your Azure login")
            case httpx.codes.METHOD_NOT_ALLOWED:
                return RegistryError(f"{said}: the registry deletes nothing; its configuration must say storage.delete.enabled: true")
            case status if status >= httpx.codes.INTERNAL_SERVER_ERROR:
                return RegistryError(f"{said}, again and again; try again later")
            case _:
                return RegistryError(f"{said}; is it a container registry?")


def _is_this_machine(host: str) -> bool:
    """Plain HTTP without being told to: what BuildKit and containerd do for these names, too."""
    name = host.rpartition(":")[0] if re.search(r":[0-9]+$", host) else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _reasons(answer: httpx.Response) -> str:
    errors = _document(answer).get("errors")
    found = [f"{error.get('code')}, {error.get('message')}" for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    return f" ({'; '.join(found)})" if found else ""
