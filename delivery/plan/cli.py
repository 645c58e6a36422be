"""`converge plan`: what the working tree changes of a stack."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from delivery.checkout import checkout_here
from delivery.errors import DeliveryError
from delivery.plan import markdown, terminal
from delivery.plan.making import check_stack, make_plan
from delivery.plan.report import PlanReport
from delivery.plan.revisions import NOTHING, find_base
from delivery.predictions.requests import Samples, read_samples
from local_azure.progress import Progress
from model_store.documents import write_file

REFUSED = 3
"""Exit code of `--refuse`; Typer has taken 2 for wrong usage."""


def plan(
    stack: Annotated[str, typer.Argument(help="dev, prod or another stack with a Pulumi.<stack>.yaml.")],
    base: Annotated[
        str | None, typer.Option(help=f"Revision to compare with; `{NOTHING}` for nothing.", show_default="where HEAD left origin/main or main")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Compare with the real stack, with your own login and backend.")] = False,
    samples: Annotated[
        Path | None, typer.Option(metavar="FILE", help="More inputs for both versions of a model that changes (JSON; needs CONVERGE_MODEL_STORE).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="For a comment on a pull request.")] = False,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the JSON into a file as well, for instance to be approved.")] = None,
    refuse: Annotated[bool, typer.Option("--refuse", help=f"Exit code {REFUSED} when a change is dangerous or breaks a policy that the base keeps.")] = False,
) -> None:
    """Show what the working tree, with all that is not committed, changes of a stack; no login, nothing that runs.

    The base is brought up in a simulated Azure, then the working tree is previewed against it; with --live the real stack is asked instead, as
    `pulumi preview` does. Exit code 0: there is a plan; 1: there is none, and a message says why.
    """
    if as_json and as_markdown:
        raise DeliveryError("--json and --markdown are two forms of one output; give one of them")
    if live and base is not None:
        raise DeliveryError("--live compares with what is deployed, --base with a revision; give one of them")
    checkout = checkout_here("converge plan")
    check_stack(checkout, stack)
    more = read_samples(samples) if samples else None
    with Progress(Console(stderr=True)) as progress:
        report = _live(checkout, stack, progress, more) if live else _simulated(checkout, stack, base, progress, more)
    if save:
        write_file(save, report.model_dump_json(indent=2).encode() + b"\n")
    _show(report, as_json=as_json, as_markdown=as_markdown)
    if refuse and report.needs_a_decision:
        raise typer.Exit(REFUSED)


def _simulated(checkout: Path, stack: str, base: str | None, progress: Progress, samples: Samples | None) -> PlanReport:
    found = None if base == NOTHING else find_base(checkout, base)
    return make_plan(checkout, stack, found, progress, samples)


def _live(checkout: Path, stack: str, progress: Progress, samples: Samples | None) -> PlanReport:
    # Only who asks for it waits for the libraries of a real engine.
    from delivery.deploy.live import live_plan, plan_sha256  # noqa: PLC0415
    from delivery.plan.added import with_sections  # noqa: PLC0415
    from delivery.plan.before import deployed  # noqa: PLC0415

    report = live_plan(checkout, stack, progress)
    meant = with_sections(report, checkout, deployed(checkout, stack, report), progress, samples)
    return meant.model_copy(update={"plan_sha256": plan_sha256(report)})


def _show(report: PlanReport, *, as_json: bool, as_markdown: bool) -> None:
    if as_json:
        print(report.model_dump_json(indent=2))
    elif as_markdown:
        print(markdown.render(report), end="")
    else:
        terminal.show(report, Console())
