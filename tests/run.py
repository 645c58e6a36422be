"""Runs every check and test, says what it runs and how long it took. `make test` calls it, and CI calls that.

With arguments only the named stages run: python tests/run.py unit plan
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

_ROOT = Path(__file__).resolve().parents[1]
_BIN = Path(sys.executable).parent
_PYTEST = [str(_BIN / "python"), "-m", "pytest", "--quiet"]
# Tests that share nothing: one process per core.
_PARALLEL = [*_PYTEST, "--numprocesses", "auto", "--dist", "worksteal"]

STAGES: dict[str, list[list[str]]] = {
    "checks": [[str(_BIN / "ruff"), "format", "--check", "--quiet", "."], [str(_BIN / "ruff"), "check", "--quiet", "."], [str(_BIN / "pyright")]],
    "app": [[*_PARALLEL, "app_template/tests"]],
    "unit": [[*_PARALLEL, "tests/unit"]],
    "tools": [[str(_BIN / "converge"), "local", "prepare"]],
    "clients": [[str(_BIN / "python"), "tests/clients/run.py"]],
    "pipelines": [[*_PYTEST, "tests/pipelines"]],
    "plan": [[*_PARALLEL, "tests/plan"]],
    "integration": [[*_PYTEST, "tests/integration"]],
    # Two stories, each with a sandbox of its own: what comes after a step that failed says nothing new.
    "end_to_end": [
        [*_PYTEST, "--exitfirst", "tests/end_to_end", "--ignore", "tests/end_to_end/test_delivery.py"],
        [*_PYTEST, "--exitfirst", "tests/end_to_end/test_delivery.py"],
    ],
}
"""Commands per stage, in order: what is quick and needs nothing comes first."""
_TOGETHER = {"end_to_end"}
"""Stages that mostly wait, so that their commands run at the same time."""


def main(names: list[str]) -> int:
    """Returns the exit code: 0 when every stage passed."""
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        print(f"error: no stage is called {', '.join(unknown)}; there are {', '.join(STAGES)}", file=sys.stderr)
        return 2
    times: list[tuple[str, float, bool]] = []
    for name in names or STAGES:
        started = time.monotonic()
        passed = _run_stage(name)
        times.append((name, time.monotonic() - started, passed))
        if not passed:
            break
    print("\nstage        seconds")
    for name, seconds, passed in times:
        print(f"{name:<12} {seconds:7.1f}{'' if passed else '  FAILED'}")
    return 0 if all(passed for _, _, passed in times) else 1


def _run_stage(name: str) -> bool:
    environment = {**os.environ, "PULUMI_ERROR_OUTPUT_STRING": "true"}
    with contextlib.ExitStack() as stack:
        running: list[tuple[subprocess.Popen[bytes], IO[bytes] | None]] = []
        for command in STAGES[name]:
            print(f"\n== {name}: {' '.join([Path(command[0]).name, *command[1:]])}", flush=True)
            # Of those that run together the first is seen at once, the others' output when they are done.
            output = stack.enter_context(tempfile.TemporaryFile()) if running else None
            process = stack.enter_context(subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=output, stderr=output))
            if name in _TOGETHER:
                running.append((process, output))
            elif process.wait():
                return False
        passed = [_passed(process, output) for process, output in running]
        return all(passed)


def _passed(process: subprocess.Popen[bytes], output: IO[bytes] | None) -> bool:
    """Waits for it and shows what it kept to itself."""
    passed = process.wait() == 0
    if output is not None:
        output.seek(0)
        print(output.read().decode(errors="replace"), flush=True)
    return passed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
