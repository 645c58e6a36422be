"""What the commands about models share: options, the store, and how they speak."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from model_store.errors import ModelStoreError

if TYPE_CHECKING:
    from model_store.store import ModelStore

_WIDTH_OF_A_LOG = 200

Store = Annotated[str | None, typer.Option("--store", envvar="CONVERGE_MODEL_STORE", help="URL of the model store's blob container.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
ModelName = Annotated[str, typer.Argument(metavar="NAME", help="The model's name.")]
VersionText = Annotated[str, typer.Argument(metavar="VERSION", help="An integer, or latest.")]


def open_store(url: str | None) -> "ModelStore":
    """The store at a URL; raises ModelStoreError when none was given or it is none."""
    if not url:
        raise ModelStoreError(
            "no model store is named; set CONVERGE_MODEL_STORE or give --store, for instance https://<account>.blob.core.windows.net/models "
            '(the stack\'s output modelStore); for the local stack run eval "$(converge local env)"'
        )
    # Azure's libraries take half a second to import: not for `converge --help`.
    from model_store.store import ModelStore  # noqa: PLC0415

    return ModelStore.open(url)


def output() -> Console:
    """Standard output."""
    # A log has no width; rich would break lines at 80.
    return Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_A_LOG)


def errors() -> Console:
    """Standard error, for progress."""
    return Console(stderr=True)


def say(text: str) -> None:
    """Prints one line as it is."""
    output().print(text, highlight=False, markup=False, soft_wrap=True)


def say_indented(lines: list[str]) -> None:
    """Prints a summary, and what belongs to it indented."""
    for number, line in enumerate(lines):
        say(f"  {line}" if number else line)


def print_json(value: object) -> None:
    """Prints a document for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
