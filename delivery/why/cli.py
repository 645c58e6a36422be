"""`converge why`: where a running answer comes from."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from delivery.errors import DeliveryError


def why(
    url: Annotated[str | None, typer.Argument(metavar="[URL]", help="Of the service, or anything below it, such as of the request that was asked.")] = None,
    digest: Annotated[str | None, typer.Option(metavar="sha256:...", help="Of the image, where the service itself cannot be asked.")] = None,
    header_file: Annotated[Path | None, typer.Option(metavar="FILE", help="Headers of a saved answer (`curl -D FILE`).")] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model, when the URL does not say it.", show_default="those of the newest releases")
    ] = None,
    token_env: Annotated[str | None, typer.Option(metavar="NAME", help="Environment variable with a bearer token for the service.")] = None,
    store: Annotated[str | None, typer.Option(envvar="CONVERGE_MODEL_STORE", help="URL of the model store, which knows how a model was trained.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say where a running answer comes from: image, release, commits, who deployed and approved it, model, metrics, training data.

    Exit code 0: it is known; 1: no release has deployed it, or it could not be asked; what the service says of itself is printed either way.
    """
    if sum(given is not None for given in (url, digest, header_file)) != 1:
        raise typer.BadParameter("give one of: a URL, --digest, --header-file")
    # Asking brings HTTP and the model store along: not for `converge --help`.
    from delivery.release.ledger import Ledger  # noqa: PLC0415
    from delivery.why import asking, origin, show  # noqa: PLC0415

    ledger = Ledger.of(Path.cwd())
    records = ledger.records()
    notes = [f"the newest releases may be missing: {ledger.stale}"] if ledger.stale else []
    notes += [f"{path} cannot be read: {reason}" for path, reason in ledger.unreadable.items()]
    if url is not None:
        names = [model] if model else asking.models_of(records)
        said = asking.of_service(url, names, _token(token_env), named=model is not None)
    else:
        said = asking.of_headers(header_file, model) if header_file else asking.of_digest(digest or "")
    found = origin.trace(said, records, Path.cwd(), store)
    if as_json:
        print(show.as_json(said, found, notes))
    else:
        for note in notes:
            Console(stderr=True).print(Text(note, style="yellow"), soft_wrap=True)
        for line in show.lines(said, found):
            Console().print(line, highlight=False, markup=False, soft_wrap=True)
    if found is None:
        raise typer.Exit(1)


def _token(name: str | None) -> str | None:
    """From the environment: on the command line everybody on the machine could read it."""
    if name is None:
        return None
    token = os.environ.get(name, "").strip()
    if not token:
        raise DeliveryError(f"the environment variable {name} has no token; --token-env takes a variable's name, never the token itself")
    if not token.isascii() or any(sign.isspace() for sign in token):
        raise DeliveryError(f"the environment variable {name} holds something that is no token: it has spaces or other than ASCII characters")
    return token
