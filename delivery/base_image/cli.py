"""`converge base-image`: whether there is a newer base image under the stack's tag."""

from pathlib import Path
from typing import Annotated

import typer

from delivery.azure import stack_file

NEWER = 3
"""Exit code: a newer one is there; somebody decides."""


def base_image(
    stack: Annotated[str, typer.Argument(help="The stack, such as dev.")],
    write: Annotated[bool, typer.Option("--write", help="Write the new digest into Pulumi.<stack>.yaml; everything else of the file stays as it is.")] = False,
) -> None:
    """Say whether the tag in `converge:baseImage` points at another image by now: security updates come that way.

    Exit code 0: it is the same, or the new digest was written; 1: it could not be asked; 3: there is a newer one, and `--write` was not given.
    """
    # Registries bring Azure's libraries along, which take half a second to import: not for `converge --help`.
    from delivery.base_image import refresh  # noqa: PLC0415

    file = stack_file.checkout(Path.cwd()) / f"Pulumi.{stack}.yaml"
    found = refresh.look(file, stack)
    for line in refresh.lines(found):
        typer.echo(line)
    if found.same:
        return
    if not write:
        typer.echo(f"converge base-image {stack} --write writes it; then review, test and deploy it as any change")
        raise typer.Exit(NEWER)
    refresh.write(file, found)
    typer.echo(f"written into {file.name}; commit it, and the next deployment builds on it")
