"""The simulated Azure's time: real time, or a multiple of it, so that a grant that takes minutes takes seconds."""

import time
from dataclasses import dataclass, field
from threading import Event

from local_azure.arm.errors import PluginError


@dataclass(frozen=True)
class Clock:
    """Time that runs `speed` times as fast as the machine's.

    Attributes:
        cancelled: set when nobody waits for an answer any more.
    """

    speed: float = 1.0
    cancelled: Event = field(default_factory=Event)

    def sleep(self, seconds: float) -> None:
        """Waits that many simulated seconds.

        Raises:
            PluginError: the run was cancelled, before or meanwhile.
        """
        if self.cancelled.wait(seconds / self.speed):
            raise cancelled()

    def since(self, moment: float) -> float:
        """Simulated seconds since a moment that `now` gave."""
        return (time.time() - moment) * self.speed

    @staticmethod
    def now() -> float:
        """The moment, in seconds of the machine's clock: it goes on between two runs of the engine."""
        return time.time()


def cancelled() -> PluginError:
    """What the azure-native plugin answers to every call after it was told to stop."""
    return PluginError("context canceled")
