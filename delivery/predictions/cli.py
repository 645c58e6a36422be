"""`converge predictions`: what another image does to predictions."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from delivery.predictions.requests import read_samples
from delivery.predictions.result import Predictions
from delivery.predictions.sides import Side, sides
from local_azure.progress import Progress


def predictions(
    old: Annotated[str, typer.Argument(metavar="OLD", help="An image (registry/repository@sha256:...), a digest, a stack (prod) or a release (prod:ID).")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same.")],
    samples: Annotated[Path | None, typer.Option(metavar="FILE", help="More inputs (JSON): Open Inference requests, or rows.")] = None,
    service: Annotated[str | None, typer.Option(help="Which service of a release.", show_default="the only one")] = None,
    memory: Annotated[str, typer.Option(help="That each of the two pods may use.")] = "1Gi",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Run two images for a minute, send both the same requests, and say which predictions change.

    They run as pods in a namespace of their own, without a way out, in the cluster that kubectl points at; it is deleted at the end. Exit code 0: they
    were compared; 1: they could not be, and a message says why.
    """
    from delivery.predictions.of_images import compare_images  # noqa: PLC0415 - httpx

    more = read_samples(samples) if samples else None
    both = sides(Path.cwd(), old, new, service)
    with Progress(Console(stderr=True)) as progress:
        found = compare_images(both, more, memory, progress)
    if as_json:
        about = {"old": both[0].image, "new": both[1].image, "definition": found.definition}
        print(json.dumps({**about, **found.model_dump(mode="json")}, indent=2))
    else:
        _show(found, both, Console())


def _show(found: Predictions, both: tuple[Side, Side], console: Console) -> None:
    lines = [
        f"{both[0].label} -> {both[1].label}",
        f"  {found.title}",
        *(f"    {line}" for line in found.example_lines()),
        *(f"  {note}" for note in found.notes),
    ]
    for index, line in enumerate([*lines, f"  ({found.definition})"]):
        console.print(Text(line, style="bold" if index < 2 else ""), soft_wrap=True)
