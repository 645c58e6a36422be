"""`converge drift`: what of a stack is not as the last deployment left it."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from delivery.checkout import checkout_here
from delivery.drift import markdown, terminal
from delivery.drift.report import DriftReport
from delivery.errors import DeliveryError
from local_azure.progress import Progress

CHANGED = 3
"""Exit code when people changed something: somebody has to decide."""


def drift(
    stack: Annotated[str, typer.Argument(help="dev, prod or another stack with a Pulumi.<stack>.yaml.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="For the summary of a job.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write it to a file, and what it says to the terminal.", show_default="the terminal only")] = None,
) -> None:
    """Show what of a stack is not as the last deployment left it: what people changed, and what Azure changes by itself.

    Asks Azure and the cluster with the login and the backend of this shell, and changes neither them nor the stack's state. Exit code 0: nothing, or only
    what Azure changes by itself; 3: people changed something; 1: it could not be found out, and a message says why.
    """
    if as_json and as_markdown:
        raise DeliveryError("--json and --markdown are two forms of one output; give one of them")
    if out and not (as_json or as_markdown):
        raise DeliveryError("--out needs a form for the file: --json or --markdown")
    if out and not out.parent.is_dir():
        raise DeliveryError(f"--out {out}: there is no folder {out.parent}; make it first")
    # The engine's words for errors come from Pulumi's SDK, which takes long to import.
    from delivery.drift.finding import find_drift  # noqa: PLC0415

    with Progress(Console(stderr=True)) as progress:
        report = find_drift(checkout_here("converge drift"), stack, progress)
    text = _text(report, as_json=as_json, as_markdown=as_markdown)
    if out:
        _write(out, text)
    if out or not text:
        terminal.show(report, Console())
    else:
        print(text, end="")
    if report.people:
        raise typer.Exit(CHANGED)


def _text(report: DriftReport, *, as_json: bool, as_markdown: bool) -> str:
    if as_json:
        return f"{report.model_dump_json(indent=2)}\n"
    return markdown.render(report) if as_markdown else ""


def _write(path: Path, text: str) -> None:
    """In one piece, so that nobody reads half of it."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(text)
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
    except OSError as error:
        raise DeliveryError(f"--out {path} cannot be written: {error.strerror}") from error
