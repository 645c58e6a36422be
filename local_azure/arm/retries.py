"""How the azure-native plugin repeats calls that Azure refuses for a while: the policy of azcore, with the plugin's own delays.

Imitated from its provider/pkg/azure/client_azcore.go, and from azcore's retry and registration policies.
"""

from collections.abc import Callable
from typing import TypeVar

from local_azure.arm.clock import Clock
from local_azure.arm.errors import ArmError

_TRIES = 4
"""The first one, and azcore's three repetitions."""
_DELAY = 20.0
_LONGEST_DELAY = 120.0
_REPEATED_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_NOT_REGISTERED = "MissingSubscriptionRegistration"
_REGISTRATIONS = 3
"""How often azcore registers a resource provider for a call before it gives up."""
_REGISTRATION_TAKES = 30.0
Result = TypeVar("Result")


def repeated(call: Callable[[], Result], clock: Clock) -> Result:
    """The result of a call, which is repeated as azcore repeats it: no more than three times, after Retry-After or 20, 60 and 120 seconds.

    Raises:
        ArmError: what Azure answered last.
    """
    tries, registrations = 1, 0
    while True:
        try:
            return call()
        except ArmError as error:
            if error.code == _NOT_REGISTERED and registrations < _REGISTRATIONS:
                registrations += 1
                clock.sleep(_REGISTRATION_TAKES)
                continue
            delay = _delay(error, tries)
            if delay is None:
                raise
            clock.sleep(delay)
            tries += 1


def _delay(error: ArmError, tries: int) -> float | None:
    """Seconds until the next try; None when there is none."""
    if tries == _TRIES or not (error.status in _REPEATED_STATUS or error.code == "AnotherOperationInProgress"):
        return None
    if error.retry_after is None:
        return min(_DELAY * (2**tries - 1), _LONGEST_DELAY)
    # A longer wait than the longest is no wait: azcore gives up at once.
    return error.retry_after if error.retry_after <= _LONGEST_DELAY else None
