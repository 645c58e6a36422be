"""Runs a Pulumi program as in a preview, also while the engine updates the simulated Azure.

A program asks the world outside in updates only: tokens, signed addresses, whether a grant has arrived. A plan has no such world, so the program of
its base is told that this is a preview; the engine and the plugins update nonetheless. The language host calls this file instead of its own executor.
"""

import gc
import os
import runpy
import sys

REAL = "CONVERGE_PLAN_EXECUTOR"
"""The variable that names the language host's own executor."""
_OPTION = "--dry_run"


def as_preview(arguments: list[str]) -> list[str]:
    """The executor's arguments, of which one says that this is a preview."""
    place = arguments.index(_OPTION)
    return [*arguments[: place + 1], "true", *arguments[place + 2 :]]


if __name__ == "__main__":
    # A program lives for seconds, and a third of its start would go into looking for garbage among the SDKs' classes.
    gc.disable()
    real = os.environ[REAL]
    # As if it had been called itself: our folder is none to import from.
    sys.path[0] = os.path.dirname(real)  # noqa: PTH120 - what Python itself puts there
    sys.argv = [real, *as_preview(sys.argv[1:])]
    runpy.run_path(real, run_name="__main__")
