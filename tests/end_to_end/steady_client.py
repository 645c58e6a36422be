"""A client that calls a service without pause while something else happens."""

import threading
import time
from types import TracebackType
from typing import Any, Self

import httpx

_AT_MOST = 20_000
_PAUSE_SECONDS = 0.005


class SteadyClient:
    """Sends one request after the other, each on a new connection and one on a kept one, until the block ends.

    Bounded: at most 20,000 requests, to a Service of the sandbox on this machine.
    """

    def __init__(self, url: str, request: dict[str, Any]) -> None:
        self._url = f"{url}/v2/models/digits/infer"
        self._request = request
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(keep,)) for keep in (True, False)]
        self.answers = 0
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self, keep: bool) -> None:
        kept = httpx.Client(trust_env=False, timeout=10)
        for _ in range(_AT_MOST // 2):
            if self._stop.is_set():
                break
            try:
                answer = kept.post(self._url, json=self._request) if keep else httpx.post(self._url, json=self._request, timeout=10, trust_env=False)
            except httpx.HTTPError as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            else:
                if answer.status_code == 200:
                    self.answers += 1
                else:
                    self.failures.append(f"HTTP {answer.status_code}: {answer.text[:200]}")
            time.sleep(_PAUSE_SECONDS)
        kept.close()
