"""`converge release page`: the releases as one file for a browser."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from delivery.errors import DeliveryError
from delivery.release.ledger import Ledger


def page(
    out: Annotated[Path, typer.Option(help="The file to write, such as releases.html.")],
    images: Annotated[bool, typer.Option("--images/--no-images", help="Ask the registries whether each image is still there.")] = True,
) -> None:
    """Write one page with what runs where, a timeline, every release and every model's versions: no server, no request, made from the ledger alone."""
    if not out.parent.is_dir():
        raise DeliveryError(f"--out {out}: there is no folder {out.parent}; make it first")
    # Templates and registries take long to import.
    from delivery.page.rendering import render  # noqa: PLC0415
    from delivery.release.images import present  # noqa: PLC0415

    ledger = Ledger.of(Path.cwd())
    records = ledger.records()
    notes = [f"the newest releases may be missing: {ledger.stale}"] if ledger.stale else []
    if ledger.unreadable:
        notes.append(f"records of the ledger that cannot be read: {len(ledger.unreadable)}; `converge release list` names them")
    text = render(records, datetime.now(UTC).replace(microsecond=0), present(records) if images else None, notes)
    partial = out.with_name(f".{out.name}.partial")
    try:
        partial.write_text(text)
        partial.replace(out)
    except OSError as error:
        raise DeliveryError(f"--out {out} cannot be written: {error.strerror}") from error
    print(f"{out}: {len(records)} releases, {len(text.encode()):,} bytes")
