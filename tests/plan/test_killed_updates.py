"""An update of prod whose engine is killed again and again: real program and engine, simulated Azure."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from delivery.plan.golden import sample_lock
from local_azure.engine import repair_state
from tests.plan.conftest import ROOT, Program, simulated

_STACK = "prod"
_EVERY = 10


@contextmanager
def _program(checkout: Path) -> Iterator[Program]:
    """The program in a sandbox of its own, with a model to deploy and nothing of it deployed yet."""
    with simulated(checkout) as program:
        program.new_stack(_STACK)
        program.write_lock(_STACK, sample_lock(ROOT, _STACK))
        yield program


def _azure(program: Program) -> dict[str, Any]:
    """Everything that exists, by id; what was asked for, without Azure's own bookkeeping."""
    file = program.sandbox / "arm" / "resources.json"
    resources = json.loads(file.read_text())["resources"] if file.exists() else {}
    return {key: (one["token"], one["inputs"]) for key, one in resources.items()}


def _kill_at(program: Program, count: int) -> None:
    """Starts an update, and kills engine, program and plugins once so many resources exist."""
    running = program.start("up", "--yes", "--skip-preview", "--stack", _STACK)
    while len(_azure(program)) < count:
        assert running.poll() is None, "it was done before it could be killed"
        time.sleep(0.01)
    family = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    running.wait(10)
    repair_state(program.sandbox / "pulumi-state")


def _up(program: Program) -> None:
    result = program.pulumi("up", "--yes", "--skip-preview", "--stack", _STACK)
    assert result.returncode == 0, result.stdout + result.stderr


def test_prod_that_is_killed_at_every_tenth_resource_ends_in_the_same_state(checkout: Path):
    with _program(checkout) as program:
        _up(program)
        uninterrupted = _azure(program)
    with _program(checkout) as program:
        # Long enough to be killed between Azure's answer and the engine's note of it.
        (program.sandbox / "arm").mkdir(exist_ok=True)
        faults = program.sandbox / "arm" / "faults.json"
        faults.write_text(json.dumps({"delay": 0.1}))
        for count in range(_EVERY, len(uninterrupted), _EVERY):
            _kill_at(program, count)
        faults.unlink()
        _up(program)
        assert _azure(program) == uninterrupted
        preview = program.pulumi("preview", "--expect-no-changes", "--stack", _STACK)
        assert preview.returncode == 0, preview.stdout
