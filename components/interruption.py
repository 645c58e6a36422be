"""Work that may take long, and that Ctrl-C ends at once, with one line: on a Ctrl-C the engine interrupts the program and kills it five seconds later."""

import asyncio
import contextvars
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import pulumi

Result = TypeVar("Result")
_waiting: set["asyncio.Task[object]"] = set()
_interrupted: set["asyncio.Task[object]"] = set()


async def interruptible(work: Awaitable[Result], what: str) -> Result:
    """The result of the work; on an interrupt RunError, which says what was waited for, where otherwise a traceback would."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    _waiting.add(task)
    # Not in a thread, where a signal never arrives.
    with suppress(ValueError, RuntimeError):
        loop.add_signal_handler(signal.SIGINT, _interrupt)
    try:
        return await task
    except asyncio.CancelledError as error:
        task.cancel()
        if task in _interrupted:
            raise pulumi.RunError(f"interrupted while waiting for {what}") from error
        raise
    finally:
        _waiting.discard(task)
        _interrupted.discard(task)
        if not _waiting:
            loop.remove_signal_handler(signal.SIGINT)


def _interrupt() -> None:
    for task in _waiting:
        _interrupted.add(task)
        task.cancel()


async def beside(work: Callable[[str], Result], value: str) -> Result:
    """The result of blocking work, on a thread that does not keep the program from ending; asyncio's own threads would."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            settle = partial(future.set_result, context.run(work, value))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to whoever waits
            settle = partial(future.set_exception, error)
        # The program may be over, or nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: future.done() or settle())

    threading.Thread(target=run, name="beside", daemon=True).start()
    return await future
