"""`converge bootstrap`: what must exist before a stack."""

from typing import Annotated

import typer


def bootstrap(
    stack: Annotated[str, typer.Argument(help="The stack that is to be deployed, such as dev.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    simulate: Annotated[bool, typer.Option("--simulate", help="With the simulated Azure, from nothing: no login, and nothing stays.")] = False,
) -> None:
    """Make what must exist before a stack: Pulumi's state and key, and the pipeline's two identities. Safe to run again."""
    # Azure's and Pulumi's libraries take a second to import: not for `converge --help`.
    from delivery.bootstrap import command  # noqa: PLC0415

    command.bootstrap(stack, yes=yes, simulate=simulate)
