"""The simulated Azure's time: real time, or a multiple of it, so that a grant that takes minutes takes seconds."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Time that runs `speed` times as fast as the machine's."""

    speed: float = 1.0

    def sleep(self, seconds: float) -> None:
        """Waits that many simulated seconds."""
        time.sleep(seconds / self.speed)

    def since(self, moment: float) -> float:
        """Simulated seconds since a moment that `now` gave."""
        return (time.time() - moment) * self.speed

    @staticmethod
    def now() -> float:
        """The moment, in seconds of the machine's clock: it goes on between two runs of the engine."""
        return time.time()
