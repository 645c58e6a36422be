"""`converge plan`: what the working tree changes of a stack."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from delivery.errors import DeliveryError
from delivery.plan import markdown, terminal
from delivery.plan.making import check_stack, make_plan
from delivery.plan.report import PlanReport
from delivery.plan.revisions import NOTHING, find_base
from local_azure.progress import Progress

REFUSED = 3
"""Exit code of `--refuse`; Typer has taken 2 for wrong usage."""


def plan(
    stack: Annotated[str, typer.Argument(help="dev, prod or another stack with a Pulumi.<stack>.yaml.")],
    base: Annotated[
        str | None, typer.Option(help=f"Revision to compare with; `{NOTHING}` for nothing.", show_default="where HEAD left origin/main or main")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="For a comment on a pull request.")] = False,
    refuse: Annotated[bool, typer.Option("--refuse", help=f"Exit code {REFUSED} when a change is dangerous or breaks a policy that the base keeps.")] = False,
) -> None:
    """Show what the working tree, with all that is not committed, changes of a stack; no login, nothing that runs.

    The base is brought up in a simulated Azure, then the working tree is previewed against it. Exit code 0: there is a plan; 1: there is none, and a
    message says why.
    """
    if as_json and as_markdown:
        raise DeliveryError("--json and --markdown are two forms of one output; give one of them")
    checkout = _checkout()
    check_stack(checkout, stack)
    with Progress(Console(stderr=True)) as progress:
        found = None if base == NOTHING else find_base(checkout, base)
        report = make_plan(checkout, stack, found, progress)
    _show(report, as_json=as_json, as_markdown=as_markdown)
    if refuse and report.needs_a_decision:
        raise typer.Exit(REFUSED)


def _checkout() -> Path:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").exists():
            return folder
    raise DeliveryError(f"no Pulumi.yaml in {here} or above it; run `converge plan` in a checkout of the project")


def _show(report: PlanReport, *, as_json: bool, as_markdown: bool) -> None:
    if as_json:
        print(report.model_dump_json(indent=2))
    elif as_markdown:
        print(markdown.render(report), end="")
    else:
        terminal.show(report, Console())
