"""`converge release`: what was deployed, when and by whom."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from delivery.deploy.cli import record as record_
from delivery.errors import DeliveryError
from delivery.page.cli import page
from delivery.release import show as words
from delivery.release.clean import clean
from delivery.release.ledger import Ledger, running
from delivery.release.moves_cli import promote, rollback, unpin
from delivery.release.record import Record
from local_azure.progress import Progress

app = typer.Typer(no_args_is_help=True, help="Releases: what every deployment brought, what ran when, and the way on or back.")
app.command("record")(record_)
app.command()(clean)
app.command()(page)
app.command()(promote)
app.command()(rollback)
app.command()(unpin)

_LIMIT = 20
_LONG_SECONDS = 5.0

Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Stack = Annotated[str | None, typer.Argument(metavar="[STACK]", help="All stacks by default.")]


@app.command("list")
def list_(
    stack: Stack = None,
    as_json: Json = False,
    everything: Annotated[bool, typer.Option("--all", help="Every release.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="How many.", show_default=str(_LIMIT))] = None,
) -> None:
    """List releases, newest first: when, by whom, which commit, model and image, how it ended, and whether the image is still there."""
    if everything and limit is not None:
        raise DeliveryError("--all and --limit say two things; give one of them")
    ledger = Ledger.of(Path.cwd())
    with _phase("asking for the releases"):
        records = ledger.records(stack)
    _warn(ledger)
    shown = records if everything else records[: limit or _LIMIT]
    if as_json:
        _print_json([record.model_dump(mode="json") for record in shown])
    elif shown:
        words.Listing(shown, ledger.waiting, _present(shown), with_stack=stack is None).print(words.console())
        if len(shown) < len(records):
            _say(f"{len(shown)} of {len(records)} releases; --all lists every one")
    else:
        _say(f"no release{f' of stack {stack}' if stack else ''} is recorded")


@app.command()
def show(
    stack: Annotated[str, typer.Argument(help="The stack.")],
    release: Annotated[str, typer.Argument(metavar="ID", help="The release's id, or the beginning of it.")],
    as_json: Json = False,
) -> None:
    """Show everything that is known about a release."""
    ledger = Ledger.of(Path.cwd())
    with _phase("asking for the releases"):
        record = ledger.find(stack, release)
    _warn(ledger)
    if as_json:
        _print_json(record.model_dump(mode="json"))
    else:
        words.print_release(record, _present([record]), words.console(), waits=record in ledger.waiting)


@app.command()
def at(
    time: Annotated[str, typer.Argument(metavar="TIME", help='Such as "2026-11-24 23:00", with a zone such as +01:00 or in UTC.')],
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Show what every service ran at a time."""
    moment = _moment(time)
    ledger = Ledger.of(Path.cwd())
    with _phase("asking for the releases"):
        records = ledger.records(stack)
    _warn(ledger)
    if not records:
        raise DeliveryError(f"no release{f' of stack {stack}' if stack else ''} is recorded, so it is not known what ran")
    if moment > datetime.now(UTC):
        _note("that time is yet to come; this is what runs now")
    if as_json:
        _print_json({name: record and record.model_dump(mode="json") for name, record in _ran(records, moment).items()})
        return
    _say(f"at {moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    words.print_what_ran(records, moment, words.console())


@app.command()
def push() -> None:
    """Push the records that could not be pushed when they were made; the next deployment does it, too."""
    ledger = Ledger.of(Path.cwd())
    with _phase("pushing"):
        written = ledger.push_kept()
    _, unreadable = ledger.kept.records()
    for path, reason in unreadable.items():
        _note(f"{path} is left where it is: {reason}")
    for one in written:
        if one.pushed:
            _say(f"pushed {_name(one.record)}")
    if not written:
        _say("no record waits to be pushed")
    if waiting := [one for one in written if not one.pushed]:
        raise DeliveryError(f"not pushed, and kept in {ledger.kept.folder}: {', '.join(_name(one.record) for one in waiting)}: {waiting[0].problem}")


@app.command()
def schema() -> None:
    """Print the JSON schema of a release record, for programs that read the ledger."""
    _print_json(Record.model_json_schema())


def _name(record: Record) -> str:
    return f"{record.stack} {record.id}"


def _ran(records: Sequence[Record], moment: datetime) -> dict[str, Record | None]:
    stacks = sorted({record.stack for record in records})
    return {stack: running(record for record in records if record.stack == stack and record.finished_at <= moment) for stack in stacks}


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip().removesuffix("UTC").strip())
    except ValueError as error:
        raise DeliveryError(f'TIME must be like "2026-11-24 23:00", 2026-11-24T23:00+01:00 or 2026-11-24, got {text!r}') from error
    if moment.tzinfo is None:
        if not text.strip().endswith("UTC"):
            _note(f"{text} has no zone and is taken as UTC")
        return moment.replace(tzinfo=UTC)
    return moment


def _present(records: Sequence[Record]) -> Mapping[str, bool | None]:
    # Asks registries, whose clients take a while to import: not for `converge --help`.
    from delivery.release.images import present  # noqa: PLC0415

    with _phase("asking registries for the images"):
        return present(records)


@contextmanager
def _phase(title: str) -> Iterator[None]:
    """Shown while it runs; it leaves a line only when it took long."""
    with Progress(Console(stderr=True)) as progress, progress.phase(title, quiet_under=_LONG_SECONDS):
        yield


def _warn(ledger: Ledger) -> None:
    if ledger.stale:
        _note(f"the newest releases may be missing: {ledger.stale}")
    for path, reason in ledger.unreadable.items():
        _note(f"{path} cannot be read: {reason}")
    if ledger.waiting:
        count = len(ledger.waiting)
        _note(f"{count} record{'s are' if count > 1 else ' is'} not pushed yet; `converge release push` does it, and the next deployment")


def _note(text: str) -> None:
    Console(stderr=True).print(Text(text, style="yellow"), soft_wrap=True)


def _say(text: str) -> None:
    words.console().print(Text(text), soft_wrap=True)


def _print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    print()
