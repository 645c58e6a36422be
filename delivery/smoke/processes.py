"""Processes that live as long as their use."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def ended_with(process: "subprocess.Popen[Any]") -> Iterator[None]:
    """Ends the process however its use ends."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
