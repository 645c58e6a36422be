"""`converge doctor`: whether a stack can be deployed from here, by whom one is."""

from typing import Annotated

import typer


def doctor(
    stack: Annotated[str, typer.Argument(help="The stack that is to be deployed, such as dev.")],
    plan: Annotated[bool, typer.Option("--plan", help="Check only what a preview needs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say whether a stack can be deployed from here: login, rights, names, reachability, quota, versions. Changes nothing."""
    # Azure's libraries take half a second to import: not for `converge --help`.
    from delivery.doctor import command  # noqa: PLC0415

    command.doctor(stack, plans_only=plan, as_json=as_json)
