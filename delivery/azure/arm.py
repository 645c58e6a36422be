"""Azure Resource Manager's REST API, as far as delivery asks it: reading, and the few questions that are asked with POST."""

from collections.abc import Mapping
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed
from tenacity.wait import wait_base

from delivery.azure.errors import AzureError, RefusedError
from delivery.azure.login import Login

ENDPOINT = "https://management.azure.com"
_TIMEOUT = httpx.Timeout(15, connect=5)
_LONGEST_WAIT = 10.0
_ATTEMPTS = 3


class _BusyError(Exception):
    """429 or 5xx: worth asking again."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(f"{answer.status_code}")
        self.answer = answer


class _AsAzureSays(wait_base):
    """What `Retry-After` says, within bounds; two seconds when it says nothing."""

    def __call__(self, retry_state: Any) -> float:
        error = retry_state.outcome.exception()
        text = error.answer.headers.get("Retry-After", "") if isinstance(error, _BusyError) else ""
        return min(float(text), _LONGEST_WAIT) if text.isdecimal() else wait_fixed(2)(retry_state)


class Arm:
    """Answers of the Resource Manager, or one message why there is none."""

    def __init__(self, login: Login, client: httpx.Client | None = None) -> None:
        self._login = login
        # Proxies of the environment are honoured: companies have them.
        self._client = client or httpx.Client(timeout=_TIMEOUT)

    def get(self, path: str, api_version: str, **parameters: str) -> dict[str, Any] | None:
        """What is there; None when nothing is.

        Raises:
            AzureError: Azure cannot be asked.
            RefusedError: it refuses to say.
        """
        return self._ask("GET", f"{ENDPOINT}{path}", {"api-version": api_version, **parameters})

    def list(self, path: str, api_version: str, **parameters: str) -> list[dict[str, Any]]:
        """All items of a collection, page after page; none when the collection is not there."""
        answer = self.get(path, api_version, **parameters)
        items: list[dict[str, Any]] = []
        while answer is not None:
            items += answer.get("value", [])
            link = answer.get("nextLink")
            answer = self._ask("GET", link, {}) if link else None
        return items

    def post(self, path: str, api_version: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a question that is asked with POST."""
        answer = self._ask("POST", f"{ENDPOINT}{path}", {"api-version": api_version}, body)
        if answer is None:
            raise RefusedError(f"Azure does not know {path}", status=404, code="NotFound")
        return answer

    def _ask(self, method: str, url: str, parameters: Mapping[str, str], body: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        if not url.startswith(f"{ENDPOINT}/"):
            # The token goes nowhere else, whatever a nextLink says.
            raise AzureError(f"Azure's answer points to {httpx.URL(url).host}, not to {ENDPOINT}; a proxy has changed it")
        token = self._login.token()
        retrying = Retrying(retry=retry_if_exception_type(_BusyError), stop=stop_after_attempt(_ATTEMPTS), wait=_AsAzureSays(), reraise=True)
        try:
            answer = retrying(self._send, method, url, parameters, body, token)
        except _BusyError as busy:
            answer = busy.answer
        except httpx.HTTPError as error:
            raise AzureError(f"{httpx.URL(url).host} cannot be reached ({_words(error)}); check the network, and HTTPS_PROXY where there is a proxy") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.is_error:
            raise _refusal(answer)
        return _document(answer)

    def _send(self, method: str, url: str, parameters: Mapping[str, str], body: Mapping[str, Any] | None, token: str) -> httpx.Response:
        answer = self._client.request(method, url, params=parameters or None, json=body, headers={"Authorization": f"Bearer {token}"})
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise _BusyError(answer)
        return answer


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json() if answer.content else {}
    except ValueError as error:
        raise AzureError(f"{answer.url.host} does not answer like Azure (no JSON); a proxy answers in its place") from error
    return document if isinstance(document, dict) else {}


def _refusal(answer: httpx.Response) -> RefusedError:
    try:
        document = answer.json()
    except ValueError:
        document = {}
    error = document.get("error", {}) if isinstance(document, dict) else {}
    code, message = str(error.get("code", "")), str(error.get("message", "")) or answer.reason_phrase
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return RefusedError(f"Azure does not accept the login ({code or 401}): {message}; log in again with `az login`", status=401, code=code)
    return RefusedError(
        f"Azure refuses {answer.request.method} {answer.request.url.path}: {code or answer.status_code}: {message}", status=answer.status_code, code=code
    )


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
