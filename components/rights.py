"""Our own rights are proven before they are used: a small request that needs the right, asked again until Azure has spread the grant."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pulumi
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from components.interruption import beside, interruptible
from components.patience import AwaitedGrant, Patience, how_to_look, listed, spoken

Answer = TypeVar("Answer")
_SIMULATED = ".invalid"


class NotYetError(Exception):
    """The service refuses us for want of a right; the text says which service and what it answered."""


class NotReachableError(NotYetError):
    """The service cannot be asked: its name is unknown, it does not answer, it is overloaded, or it lets nobody in from here."""


def proven(
    value: pulumi.Input[str], probe: Callable[[str], None], *, what: str, grants: Sequence[AwaitedGrant], patience: Patience | None = None
) -> pulumi.Output[str]:
    """The value, known in an update only once the probe passes; a preview gets it as it is, without any request. Otherwise as `obtained`."""
    return obtained(value, _Passing(probe), previewed=lambda known: known, what=what, grants=grants, patience=patience)


def obtained(
    value: pulumi.Input[str],
    ask: Callable[[str], Answer],
    *,
    previewed: Callable[[str], Answer],
    what: str,
    grants: Sequence[AwaitedGrant],
    patience: Patience | None = None,
) -> pulumi.Output[Answer]:
    """What a service gives to those who have the right, as soon as it does. However many ask the same of the same, it is asked, and told, once in a run.

    Args:
        value: where to ask: a URL, a host name, a kubeconfig. A secret makes the answer one.
        ask: asks with the value, on a thread of its own. Raises NotYetError or NotReachableError to be called again; anything else ends the update.
        previewed: the answer in a preview, which asks nobody.
        what: for people: `the right to push to the registry`.
        grants: without which asking fails; named while waiting and when it was in vain.
    """

    async def answer(known: str) -> Answer:
        if pulumi.runtime.is_dry_run():
            return previewed(known)
        return await _once((ask, known), lambda: _Wait(what, grants, patience or Patience()).until(ask, known))

    return pulumi.Output.from_input(value).apply(answer)


def is_simulated(host: str) -> bool:
    """Whether a host stands for a service that a simulated Azure does not have.

    The top-level domain is reserved for names that never lead anywhere (RFC 6761), so Azure cannot answer with one, and nobody can own one.
    """
    return host.rstrip(".").endswith(_SIMULATED)


@dataclass(frozen=True)
class _Passing:
    """Asks with a probe, whose answer is what it was asked with."""

    probe: Callable[[str], None]

    def __call__(self, known: str) -> str:
        self.probe(known)
        return known


_asked: dict[tuple[asyncio.AbstractEventLoop, object], asyncio.Future[Any]] = {}
"""What has been asked, by run and question."""


async def _once(question: object, answer: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    """The answer to a question that has been asked in this run, or is to be asked now."""
    for over in [asked for asked in _asked if asked[0].is_closed()]:
        del _asked[over]
    key = (asyncio.get_running_loop(), question)
    if key not in _asked:
        _asked[key] = asyncio.ensure_future(answer())
    # Whoever gives up does not end it for the others.
    return await asyncio.shield(_asked[key])


class _Wait:
    """One bounded wait, told while it lasts."""

    def __init__(self, what: str, grants: Sequence[AwaitedGrant], patience: Patience) -> None:
        self._what = what
        self._grants = grants
        self._patience = patience
        self._began = 0.0
        self._unreachable_since: float | None = None

    async def until(self, ask: Callable[[str], Answer], value: str) -> Answer:
        """The answer; raises RunError at the end of the patience."""
        self._began = self._patience.clock()
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(NotYetError),
            wait=lambda state: self._patience.pause_after(state.attempt_number, self._left(state)),
            stop=lambda state: self._left(state) <= 0,
            before_sleep=self._tell,
            sleep=self._patience.sleep,
            reraise=True,
        )
        try:
            return await interruptible(retrying(beside, ask, value), self._what)
        except NotYetError as error:
            raise pulumi.RunError(await self._in_vain(error)) from error

    @property
    def _waited(self) -> float:
        return self._patience.clock() - self._began

    def _left(self, state: RetryCallState) -> float:
        """Seconds until we give up: in all, and less while the service cannot even be asked."""
        if not isinstance(_failure(state), NotReachableError):
            self._unreachable_since = None
            return self._patience.at_most - self._waited
        if self._unreachable_since is None:
            self._unreachable_since = self._waited
        return min(self._patience.at_most, self._unreachable_since + self._patience.unreachable) - self._waited

    async def _tell(self, state: RetryCallState) -> None:
        most = self._waited + self._left(state)
        needed = listed([await grant.known() for grant in self._grants])
        pulumi.log.info(f"waiting for {self._what}: {spoken(self._waited)} so far, at most {spoken(most)}; {_failure(state)}; needed: {needed}")

    async def _in_vain(self, error: NotYetError) -> str:
        if isinstance(error, NotReachableError):
            return (
                f"{self._what} could not be proven in {spoken(self._waited)}: {error}. A private service is reached from inside its network only: "
                "run from a machine there, or let this one in (key allowed_ip_ranges); `converge doctor` says what is in the way"
            )
        grants = [await grant.known() for grant in self._grants]
        return f"{self._what} did not come in {spoken(self._waited)}: {error}. Missing: {listed(grants)}. {how_to_look(grants)}"


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
