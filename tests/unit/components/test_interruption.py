import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pulumi
import pytest

from components.interruption import beside, interruptible

ROOT = Path(__file__).parents[3]


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_result_comes_through():
    async def work() -> str:
        return "done"

    assert asyncio.run(interruptible(work(), "nothing")) == "done"


def test_a_failure_comes_through():
    async def work() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        asyncio.run(interruptible(work(), "nothing"))


def test_ctrl_c_ends_all_that_waits_and_says_what():
    async def run() -> list[object]:
        waits = [interruptible(asyncio.sleep(60), what) for what in ("the right to push", "the right to read models")]
        asyncio.get_running_loop().call_later(0.05, press_ctrl_c)
        return list(await asyncio.wait_for(asyncio.gather(*waits, return_exceptions=True), 5))

    first, second = asyncio.run(run())
    assert isinstance(first, pulumi.RunError)
    assert (str(first), str(second)) == ("interrupted while waiting for the right to push", "interrupted while waiting for the right to read models")


def test_afterwards_ctrl_c_is_pythons_own_again():
    async def run() -> None:
        await interruptible(asyncio.sleep(0), "nothing")

    def work_on() -> None:
        press_ctrl_c()
        time.sleep(1)

    asyncio.run(run())
    with pytest.raises(KeyboardInterrupt):
        work_on()


def test_one_wait_that_ends_leaves_the_others_interruptible():
    async def run() -> object:
        long = asyncio.ensure_future(interruptible(asyncio.sleep(60), "the right to push"))
        await asyncio.sleep(0)
        await interruptible(asyncio.sleep(0.01), "nothing")
        press_ctrl_c()
        return (await asyncio.gather(long, return_exceptions=True))[0]

    assert str(asyncio.run(run())) == "interrupted while waiting for the right to push"


def test_a_cancelled_wait_cancels_its_work():
    async def run() -> None:
        work = asyncio.ensure_future(asyncio.sleep(60))
        waiting = asyncio.ensure_future(interruptible(work, "nothing"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert work.cancelled()

    asyncio.run(run())


def test_in_a_thread_where_no_signal_arrives_it_works_all_the_same():
    found: list[str] = []

    async def work() -> str:
        return "done"

    thread = threading.Thread(target=lambda: found.append(asyncio.run(interruptible(work(), "nothing"))))
    thread.start()
    thread.join()
    assert found == ["done"]


def test_blocking_work_runs_beside_the_loop():
    async def run() -> tuple[int, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.ensure_future(tick())
        thread = await beside(lambda _: (time.sleep(0.2), threading.get_ident())[1], "value")
        ticking.cancel()
        return ticks, thread

    ticks, thread = asyncio.run(run())
    assert ticks > 3
    assert thread != threading.get_ident()


@pytest.mark.parametrize("failure", [ValueError("wrong"), SystemExit(3)])
def test_its_failure_comes_through(failure: BaseException):
    def work(_: str) -> None:
        raise failure

    async def run() -> None:
        with pytest.raises(type(failure)):
            await beside(work, "value")

    asyncio.run(run())


def test_blocking_work_does_not_keep_the_program_from_ending():
    program = """
import asyncio, os, signal, sys, threading, time
sys.path.insert(0, ".")
import pulumi
from components.interruption import beside, interruptible

async def main():
    asyncio.get_running_loop().call_later(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    await interruptible(beside(lambda _: time.sleep(60), "value"), "the right to push")

try:
    asyncio.run(main())
except pulumi.RunError as error:
    print(error)
"""
    started = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.stdout, ran.stderr) == ("interrupted while waiting for the right to push\n", "")
    assert time.monotonic() - started < 20
