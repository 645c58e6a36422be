"""`converge comment`: a report on its pull request."""

from pathlib import Path
from typing import Annotated

import typer


def comment(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Markdown, as `converge plan --markdown` prints it.")],
    key: Annotated[str, typer.Option(help="Which comment: there is one per key, such as plan-dev.")],
    pull_request: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Number of the pull request.", show_default="the one that the pipeline runs for")
    ] = None,
) -> None:
    """Make the one comment of this key on a pull request say what FILE says; on GitHub or Azure DevOps, with the pipeline's token.

    Exit code 1: it could not be done, and a message says which permission is missing.
    """
    from delivery.forge.commenting import comment as put  # noqa: PLC0415 - httpx

    print(put(Path.cwd(), file, key, pull_request))
