"""How long to wait for what Azure needs time to spread, how often to look, and how the waiting is told."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pulumi
from tenacity import AsyncRetrying, RetryCallState, wait_exponential_jitter


@dataclass(frozen=True, kw_only=True)
class AwaitedGrant:
    """A role assignment that may not have taken effect yet: who needs which role where."""

    role: str
    """Azure's name of the role, e.g. `Managed Identity Operator`."""
    scope: pulumi.Input[str]
    """Azure resource id that the role is assigned on."""
    principal_id: pulumi.Input[str]
    """Object id in Entra."""
    holder: str
    """Who that is, for people: `the cluster's control plane`."""

    async def known(self) -> "KnownGrant":
        """With its values; in an update they are there by the time that anything waits for the grant."""
        scope, principal = [await pulumi.Output.from_input(value).future() for value in (self.scope, self.principal_id)]
        return KnownGrant(role=self.role, scope=scope or "a scope that is not known yet", principal_id=principal or "unknown", holder=self.holder)


@dataclass(frozen=True, kw_only=True)
class KnownGrant:
    """An awaited grant in plain values."""

    role: str
    scope: str
    principal_id: str
    holder: str

    def __str__(self) -> str:
        return f"'{self.role}' for {self.holder} ({self.principal_id}) on {self.scope}"

    @property
    def command(self) -> str:
        """Shows whether the assignment exists, also when it was made on something above the scope."""
        return f"az role assignment list --assignee {self.principal_id} --role '{self.role}' --scope {self.scope} --include-inherited --output table"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait in all, and how often to look meanwhile."""

    at_most: float = 15 * 60
    """Seconds. Azure says that a role assignment takes up to ten minutes ("Troubleshoot Azure RBAC"); seen are a few more."""
    unreachable: float = 5 * 60
    """Seconds for a host that nobody can connect to: names of new accounts and clusters spread in less, and no right will mend a missing route."""
    first_pause: float = 3
    longest_pause: float = 15
    """Ctrl-C ends a run no later than after one pause. It makes some 65 attempts in 15 minutes; the engine refuses the hundredth without saying why."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def pause_after(self, attempt: int, left: float) -> float:
        """Seconds until the next look: twice as many every time, with some chance in it, and never past the end."""
        state = RetryCallState(AsyncRetrying(), None, (), {})
        state.attempt_number = attempt
        backoff = wait_exponential_jitter(multiplier=self.first_pause, max=self.longest_pause, jitter=self.first_pause)
        return max(0.0, min(backoff(state), left))


def listed(grants: Sequence[KnownGrant]) -> str:
    """Grants in a sentence."""
    return " and ".join(str(grant) for grant in grants)


def how_to_look(grants: Sequence[KnownGrant]) -> str:
    """What to do about grants that did not come: a line to look, per grant, and how to go on."""
    commands = "".join(f"\n  {grant.command}" for grant in grants)
    return (
        f"Look whether it exists:{commands}\n"
        "If it does, Azure needs longer: run `pulumi up` again, it continues. If not, somebody has removed it: run `pulumi refresh`, then `pulumi up`."
    )


def spoken(seconds: float) -> str:
    """A duration as people say it: 45 s, 5 min, 2 min 30 s."""
    minutes, rest = divmod(round(seconds), 60)
    return " ".join(filter(None, [f"{minutes} min" if minutes else "", f"{rest} s" if rest or not minutes else ""]))
