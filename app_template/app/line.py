"""Where requests of slow models wait, and the threads that answer them.

Nobody waits longer than the time that was promised: who would have to is told at once to come again, and how soon.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from .errors import UnavailableError
from .metrics import Metrics
from .settings import Settings

if TYPE_CHECKING:
    from .engine import Job, Served

_MARGIN = 0.8  # of the promised time is given away: under load work takes longer than it did, and a late refusal helps nobody
_BATCH_BYTES = 1 << 20  # of requests that one thread takes at once


class _Waiting(NamedTuple):
    served: "Served"
    job: "Job"
    seconds: float  # that it is expected to take
    done: "asyncio.Future[None]"


class Line:
    """First come, first served; requests of one model that wait together may be taken together."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._threads = settings.worker_threads
        self._pool = ThreadPoolExecutor(settings.worker_threads, thread_name_prefix="infer")
        self._queue_seconds = settings.queue_seconds
        self._request_seconds = settings.request_seconds
        self._max_batch = settings.max_batch_rows
        self._batch_seconds = settings.batch_seconds
        self._queue: deque[_Waiting] = deque()
        self._running = 0
        self._backlog = 0.0  # seconds of work that was accepted and is not done
        self._waiting = metrics.gauge("inference_waiting", "Requests that wait for a thread.")
        self._refused = {
            reason: metrics.counter("inference_refused_total", "Requests that were told to come again (503).", {"reason": reason})
            for reason in ("queue", "expired", "time")
        }

    async def answer(self, served: "Served", job: "Job") -> None:
        """Returns when the job has an answer or an error."""
        wait = self._backlog / self._threads
        if self._running >= self._threads and wait > _MARGIN * self._queue_seconds:
            self.refuse(served, job, "queue", f"too much is waiting already: about {wait:.1f} s", wait)
            return
        waiting = _Waiting(served, job, served.expected(job.size), asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._backlog += waiting.seconds
        self._start()
        try:
            async with asyncio.timeout(self._request_seconds):
                await waiting.done
        except TimeoutError:
            self.refuse(served, job, "time", f"no answer within {self._request_seconds:g} s", wait)

    def refuse(self, served: "Served", job: "Job", reason: str, message: str, wait: float = 0.0) -> None:
        """503, and when another try makes sense."""
        self._refused[reason].add()
        served.fail(job, UnavailableError(f"{message}; try again later", retry_after=max(1, math.ceil(wait))))

    def _start(self) -> None:
        while self._running < self._threads and self._queue:
            served = self._queue[0].served
            if self._is_worth_waiting(served):
                return
            group = self._take(served)
            self._waiting.set(len(self._queue))
            if group:
                self._running += 1
                work = asyncio.get_running_loop().run_in_executor(self._pool, served.answer, [waiting.job for waiting in group])
                work.add_done_callback(partial(self._finished, group))
        self._waiting.set(len(self._queue))

    def _is_worth_waiting(self, served: "Served") -> bool:
        """Is there time left for others to join?"""
        if not self._batch_seconds or not served.batches or len(self._queue) >= self._max_batch:
            return False
        left = self._queue[0].job.arrived + self._batch_seconds - time.perf_counter()
        if left <= 0:
            return False
        asyncio.get_running_loop().call_later(left, self._start)
        return True

    def _take(self, served: "Served") -> list[_Waiting]:
        """The next request, and where they can share a run, those of the same model behind it."""
        group: list[_Waiting] = []
        others: list[_Waiting] = []
        room, rows = _BATCH_BYTES, self._max_batch if served.batches else 1
        time_left = self._queue_seconds / 2  # nobody behind them should have to wait longer for so many at once
        now = time.perf_counter()
        while self._queue and rows and room > 0 and time_left > 0:
            waiting = self._queue.popleft()
            if waiting.done.done():  # nobody waits for it any more
                self._backlog -= waiting.seconds
            elif now - waiting.job.arrived > self._queue_seconds + self._batch_seconds:
                self._backlog -= waiting.seconds
                self.refuse(waiting.served, waiting.job, "expired", f"it was not its turn within {self._queue_seconds:g} s", self._backlog / self._threads)
                waiting.done.set_result(None)
            elif waiting.served is not served:
                others.append(waiting)
            else:
                group.append(waiting)
                room, rows, time_left = room - waiting.job.size, rows - 1, time_left - waiting.seconds
        self._queue.extendleft(reversed(others))
        return group

    def _finished(self, group: Sequence[_Waiting], work: "asyncio.Future[None]") -> None:
        self._running -= 1
        for waiting in group:
            self._backlog -= waiting.seconds
            if not waiting.done.done():
                waiting.done.set_result(None)
        if not self._queue and not self._running:
            self._backlog = 0.0  # what rounding left
        work.result()  # a fault in here must not get lost
        self._start()

    def close(self) -> None:
        self._pool.shutdown()
