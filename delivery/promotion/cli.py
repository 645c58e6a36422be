"""`converge model promote`."""

from pathlib import Path
from typing import Annotated

import typer

from model_store import layout
from model_store.console import Json, ModelName, Store, VersionText, open_store, print_json, say, say_indented


def promote(
    name: ModelName,
    version: VersionText,
    stack: Annotated[str, typer.Option("--stack", help="The stack whose lock is written.")],
    service: Annotated[str | None, typer.Option("--service", help="The service that shall run it; named like the model by default.")] = None,
    locks: Annotated[Path, typer.Option("--locks", metavar="DIR", help="Folder of the locks.")] = Path("locks"),
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Write a version into a stack's lock. Commit the lock: that is what makes the stack run it."""
    from model_store.lock import lock_file  # noqa: PLC0415 - see open_store
    from model_store.promotion import promote as promote_  # noqa: PLC0415

    path, number = lock_file(locks, stack), layout.parse_version(version)
    with open_store(store) as opened:
        change = promote_(opened, name, number, path, service or name)
    if as_json:
        print_json(change.as_json())
        return
    say_indented(change.lines())
    if change.changed:
        say(f"next: commit {change.path}, then pulumi preview --stack {stack}")
