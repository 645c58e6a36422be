"""What is asked of a deployed service: is it ready, is it what the lock says, does it answer its golden requests, and fast enough?"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from delivery.errors import DeliveryError
from delivery.release.record import Check, SmokeResult, one_line
from delivery.smoke.answers import wrong_in
from delivery.smoke.deployed import Deployed
from model_store import LockedModel, Tensor
from model_store.golden import Golden, GoldenCase

API_KEY = "CONVERGE_SMOKE_API_KEY"
"""Environment variable with the key for services that ask for one: a command line is seen by everybody on the machine."""
_REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
_FOR_A_MOMENT = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
_LEAST = 0.1
"""Of the patience: what is left for a check when those before have used it up."""
_SHOWN = 300


class _NotYetError(Exception):
    """What is asked for may still come: a pod that is on its way out answers for a moment after a roll-out."""


@dataclass(kw_only=True)
class Inspection:
    """One service, asked once.

    Attributes:
        client: leads to the service.
        slowest_milliseconds: slowest answer to a golden request that is let pass.
        api_key: for a service that asks for one.
        patience: seconds for which what may still come is waited for, in all.
    """

    client: httpx.Client
    service: Deployed
    model: LockedModel
    slowest_milliseconds: int
    api_key: str = field(default="", repr=False)
    patience: float = 60.0
    pause: float = 0.5
    _started: float = field(default_factory=time.monotonic)

    def run(self, golden: Callable[[], Golden]) -> SmokeResult:
        """Makes every check that can be made.

        Args:
            golden: gets the golden requests, and raises DeliveryError where they cannot be had: then that check is not made.

        Raises:
            DeliveryError: the cluster lets nobody ask who is logged in here, or the service nobody without another key.
        """
        ready = self._ready()
        if not ready.passed:
            return SmokeResult(checks=(ready,))
        identity = self._identity()
        if any(check.passed is False for check in identity):
            # What another one answers says nothing about this one.
            return SmokeResult(checks=(ready, *identity))
        try:
            requests = golden()
        except DeliveryError as error:
            return SmokeResult(checks=(ready, *identity, Check(name="golden requests", passed=None, text=one_line(f"they cannot be had: {error}"))))
        answers, slowest = self._golden(requests)
        latency = [self._latency(slowest)] if answers.passed and slowest is not None else []
        return SmokeResult(checks=(ready, *identity, answers, *latency), slowest_milliseconds=slowest)

    def _ready(self) -> Check:
        paths = ("/v2/health/ready", f"/v2/models/{self.model.name}/ready")
        try:
            for path in paths:
                self._patiently(lambda path=path: self._ok(path))
        except _NotYetError as error:
            return Check(name="ready", passed=False, text=one_line(f"{error}, after {self._waited():.0f} s"))
        return Check(name="ready", passed=True, text="the service and its model are ready")

    def _identity(self) -> tuple[Check, Check]:
        """Is it what was deployed? An answer of the pods before counts only when no other comes in time."""
        checks: list[tuple[Check, Check]] = []

        def look() -> None:
            metadata = _json(self._ok(f"/v2/models/{self.model.name}"))
            checks.append(self._compared(metadata if isinstance(metadata, dict) else {}))
            if any(check.passed is False for check in checks[-1]):
                raise _NotYetError

        try:
            self._patiently(look)
        except _NotYetError as error:
            if not checks:
                unread = Check(name="metadata", passed=False, text=one_line(f"{error}, after {self._waited():.0f} s"))
                return unread, Check(name="image", passed=None, text="not told")
        return checks[-1]

    def _compared(self, metadata: dict[str, Any]) -> tuple[Check, Check]:
        parameters = metadata.get("parameters") or {}
        said = {
            "name": metadata.get("name"),
            "version": ", ".join(map(str, metadata.get("versions") or ())),
            "sha256": parameters.get("sha256"),
            "inputs": metadata.get("inputs"),
            "outputs": metadata.get("outputs"),
        }
        wanted = {
            "name": self.model.name,
            "version": str(self.model.version),
            "sha256": self.model.sha256,
            "inputs": _plain(self.model.inputs),
            "outputs": _plain(self.model.outputs),
        }
        wrong = [f"{key} is {said[key]}, the lock says {wanted[key]}" for key in wanted if said[key] != wanted[key]]
        right = f"it runs {self.model.name} v{self.model.version}, sha256 {self.model.sha256[:12]}, with the signature of the lock"
        first = Check(name="metadata", passed=not wrong, text=one_line("; ".join(wrong) or right))
        digest = parameters.get("image_digest")
        if digest is None:
            return first, Check(name="image", passed=None, text="the service does not say which image it runs")
        same = digest == self.service.digest
        return first, Check(name="image", passed=same, text=f"it runs {digest}" + ("" if same else f", deployed is {self.service.digest}"))

    def _golden(self, golden: Golden) -> tuple[Check, float | None]:
        """Asks every case; the first one once more than needed, since connections and caches are new."""
        times: list[float] = []
        wrong = ""
        try:
            self._patiently(lambda: self._ask(golden.cases[0]))
            for case in golden.cases:
                response, milliseconds = self._patiently(lambda case=case: self._ask(case))
                wrong = wrong_in(_json(response), case, golden.tolerance) if response.status_code == httpx.codes.OK else _answered(response)
                if wrong:
                    break
                times.append(milliseconds)
        except _NotYetError as error:
            wrong = f"{error}, after {self._waited():.0f} s"
        count = len(golden.cases)
        text = f"case {len(times)} of {count}: {wrong}" if wrong else f"{count} of {count} answered as they must be"
        return Check(name="golden requests", passed=not wrong, text=one_line(text)), max(times, default=None)

    def _latency(self, slowest: float) -> Check:
        fast = slowest <= self.slowest_milliseconds
        return Check(name="latency", passed=fast, text=f"the slowest answer took {slowest:.0f} ms; {self.slowest_milliseconds} ms may be taken")

    def _ask(self, case: GoldenCase) -> tuple[httpx.Response, float]:
        """The deployed version's answer, and how many milliseconds it took."""
        request = {"inputs": [tensor.model_dump(mode="json") for tensor in case.inputs]}
        started = time.monotonic()
        response = self._send("POST", f"/v2/models/{self.model.name}/infer", json=request)
        milliseconds = (time.monotonic() - started) * 1000
        for header, wanted in (("x-model-sha256", self.model.sha256), ("x-image-digest", self.service.digest)):
            if response.headers.get(header, wanted) != wanted:
                raise _NotYetError(f"{header} of the answer is {response.headers[header]}, not {wanted}")
        return response, milliseconds

    def _ok(self, path: str) -> httpx.Response:
        response = self._send("GET", path)
        if response.status_code != httpx.codes.OK:
            raise _NotYetError(_answered(response))
        return response

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            response = self.client.request(method, path, headers={"x-api-key": self.api_key} if self.api_key else None, **content)
        except httpx.TransportError as error:
            raise _NotYetError(f"{method} {path} was not answered: {str(error) or type(error).__name__}") from error
        if response.status_code in _REFUSED and _by_the_cluster(response):
            raise DeliveryError(f"the cluster does not let you ask its services ({_answered(response)}); get the rights `get` and `create` on `services/proxy`")
        if response.status_code == httpx.codes.UNAUTHORIZED:
            # Whoever is not let in knows nothing about the service, so that is no failure of it.
            raise DeliveryError(self._without_key(response))
        if response.status_code in _FOR_A_MOMENT:
            raise _NotYetError(_answered(response))
        return response

    def _without_key(self, response: httpx.Response) -> str:
        name = self.service.service
        if self.api_key:
            return f"{name} refuses the API key in {API_KEY} ({_answered(response)}); set it to one of those in the service's Secret"
        return f"{name} asks for an API key ({_answered(response)}); set the environment variable {API_KEY} to one of those in the service's Secret"

    def _patiently(self, call: Callable[[], Any]) -> Any:
        """Repeats what may still come until the patience for all of it ends."""
        left = max(_LEAST * self.patience, self.patience - self._waited())
        return Retrying(retry=retry_if_exception_type(_NotYetError), stop=stop_after_delay(left), wait=wait_fixed(self.pause), reraise=True)(call)

    def _waited(self) -> float:
        return time.monotonic() - self._started


def _plain(tensors: tuple[Tensor, ...]) -> list[dict[str, Any]]:
    return [tensor.model_dump(mode="json") for tensor in tensors]


def _json(response: httpx.Response) -> Any:
    """What was answered; None when it is no JSON."""
    try:
        return response.json()
    except ValueError:
        return None


def _by_the_cluster(response: httpx.Response) -> bool:
    """Whether the API server answered, and not the service."""
    content = _json(response)
    return isinstance(content, dict) and content.get("kind") == "Status"


def _answered(response: httpx.Response) -> str:
    content = _json(response)
    said = (content.get("message") or content.get("error") if isinstance(content, dict) else None) or response.text
    path = response.request.url.path.partition("/proxy/v2/")[2]
    return one_line(f"{response.request.method} /v2/{path} was answered with {response.status_code}: {str(said)[:_SHOWN]}")
