"""What `converge bootstrap` does: reads the stack's file, looks whether it can work, shows, asks, makes, and says what comes next."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx
import typer
from rich.console import Console

from delivery.azure import stack_file
from delivery.azure.arm import Arm
from delivery.azure.errors import AzureError
from delivery.azure.login import Login
from delivery.bootstrap import existing, preflight, report, run, simulation, wanted
from delivery.bootstrap.container import StateContainer
from delivery.bootstrap.engine import Step

_console = Console()
_SHORT = httpx.Timeout(15, connect=5)


def bootstrap(stack: str, *, yes: bool, simulate: bool) -> None:
    """Makes what must exist before the stack.

    Raises:
        AzureError: it cannot, or nobody answered.
    """
    checkout = stack_file.checkout(Path.cwd())
    file = stack_file.read(checkout, stack)
    # Before the login: a mistake in the file is one for everybody.
    wanted.read_keys(file)
    outputs: Mapping[str, str] | None
    if simulate:
        made = wanted.from_file(file, simulation.CALLER)
        with simulation.simulated(made, checkout) as (engine, exists):
            steps, _ = engine.plan(exists)
            outputs = engine.update(_told) if _confirm(made, yes=yes)(steps) else None
    else:
        login = Login()
        caller = login.caller()
        made = wanted.from_file(file, caller)
        with httpx.Client(timeout=_SHORT) as client:
            arm = Arm(login, client)
            preflight.check(arm, made, caller)
            asked = run.Asked(say=_say, confirm=_confirm(made, yes=yes))
            container = StateContainer(wanted=made, login=login, client=client)
            outputs = run.run(made, run.Places.of(made), existing.in_azure(arm), container, asked)
    if outputs is None:
        _say("nothing was changed")
        raise typer.Exit(1)
    _say("")
    for line in report.next_lines(made, outputs):
        _say(line)


def _say(line: str) -> None:
    _console.print(line, highlight=False, markup=False, soft_wrap=True)


def _told(step: Step) -> None:
    _say(f"  {step.operation:<8} {step.kind} {step.name}")


def _confirm(made: wanted.Wanted, *, yes: bool) -> Callable[[Sequence[Step]], bool]:
    def confirm(steps: Sequence[Step]) -> bool:
        for line in report.plan(made, steps):
            _say(line)
        if yes:
            return True
        with contextlib.suppress(typer.Abort):
            return typer.confirm("Do it?")
        raise AzureError("nobody answered; say --yes where nobody can")

    return confirm
