"""`converge release clean`: takes images away that no release needs any more."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.filesize import decimal

from delivery.azure import stack_file
from delivery.errors import DeliveryError
from delivery.registry.errors import RegistryError
from local_azure.progress import Progress

if TYPE_CHECKING:
    from delivery.release.ledger import Ledger
    from delivery.release.record import Record
    from delivery.release.retention import CleanUp


def clean(
    registry: Annotated[str | None, typer.Option(metavar="HOST", help="Only this registry.", show_default="every one that releases name")] = None,
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Do it, or only say what would be done.")] = False,
) -> None:
    """Protect the images of the newest releases, and delete those of older ones, and those that are of no release and older than 7 days.

    Only in the repositories that releases name. What stays: the newest `delivery.keepReleases` of each stack, what any stack runs, what any lock names.
    Nothing is deleted when the ledger cannot be read as a whole. Exit code 0: done, or there is nothing to do; 1: it could not be done, at least not all of it.
    """
    # Registries bring Azure's libraries along, which take half a second to import: not for `converge --help`.
    from delivery.release import images, retention  # noqa: PLC0415
    from delivery.release.ledger import Ledger  # noqa: PLC0415

    checkout = stack_file.checkout(Path.cwd())
    with Progress(Console(stderr=True)) as progress:
        with progress.phase("reading the ledger", quiet_under=1):
            records = _complete(Ledger.of(checkout))
        _check_host(records, registry)
        with progress.phase("asking what runs and what locks name", quiet_under=1):
            deployed, unknown = images.deployed(checkout)
            kept = images.kept(records, images.keep_releases(checkout), images.locked(checkout) | deployed)
        for problem in unknown:
            progress.say(f"what it runs is told by the ledger only: {problem}")
        with progress.phase("asking the registries", quiet_under=1):
            found = retention.plan(records, kept, retention.now(), registry)
        for clean_up in found:
            _carry_out(clean_up, progress) if yes else _show(clean_up)
    if not records:
        _say("no release is recorded, so nothing is known to be one's; nothing is deleted")


def _complete(ledger: "Ledger") -> "list[Record]":
    """Every record there is; raises DeliveryError when one may be missing."""
    records = ledger.records()
    if ledger.stale:
        raise DeliveryError(f"the ledger could not be read as a whole, so nothing is deleted: the newest releases may be missing: {ledger.stale}")
    if ledger.unreadable:
        problems = "; ".join(f"{path}: {reason}" for path, reason in ledger.unreadable.items())
        raise DeliveryError(f"the ledger could not be read as a whole, so nothing is deleted: {problems}")
    return records


def _check_host(records: "Sequence[Record]", host: str | None) -> None:
    from delivery.registry import split_host  # noqa: PLC0415 - as above

    known = sorted({split_host(service.repository)[0] for record in records for service in record.services.values()})
    if host is not None and host not in known:
        raise DeliveryError(f"no release has an image in {host}; releases name {', '.join(known) or 'none'}")


def _show(clean_up: "CleanUp") -> None:
    from delivery.release import retention  # noqa: PLC0415 - as above

    if _head(clean_up):
        return
    for item in clean_up.protected:
        how = "lock" if clean_up.registry.has_locks else "tag"
        _say(f"  would {how} {item.repository}@{item.image.digest} ({item.why})")
    for item in clean_up.marked:
        _say(f"  would mark {item.repository}@{item.image.digest} (of no release; goes if it is none's in {retention.YOUNG.days} days either)")
    for item in clean_up.goes:
        _say(f"  would delete {item.repository}@{item.image.digest}, {decimal(item.image.size)} ({item.why})")
    _say(f"  would delete {_amount(clean_up)}; --yes does it" if clean_up.goes else f"  nothing to delete{'; --yes does the rest' if _steps(clean_up) else ''}")


def _carry_out(clean_up: "CleanUp", progress: Progress) -> None:
    from delivery.release import retention  # noqa: PLC0415 - as above

    if _head(clean_up):
        return
    steps, done = _steps(clean_up), 0
    with progress.phase(f"cleaning {clean_up.host}", quiet_under=1) as phase:
        try:
            for line in retention.carry_out(clean_up, retention.now()):
                _say(f"  {line}")
                done += 1
                phase.detail(f"{done} of {steps}")
        except RegistryError as error:
            raise RegistryError(f"{error}; {done} of {steps} steps in {clean_up.host} are done, run it again to go on") from error
    _say(f"  deleted {_amount(clean_up)}" if clean_up.goes else "  nothing to delete")
    if clean_up.goes and not clean_up.registry.has_locks:
        _say("  the bytes go when the registry collects its garbage (docs/retention.md)")


def _head(clean_up: "CleanUp") -> bool:
    """Says which registry, what stays and what is missing there; whether there is nothing more to say."""
    _say(clean_up.host)
    if clean_up.skipped:
        _say(f"  skipped: {clean_up.skipped}")
        return True
    stays = (*clean_up.protected, *clean_up.marked, *clean_up.stays)
    _say(f"  {_images(len(stays))} stay, {sum(item.needed for item in stays)} of them because of a release or a lock")
    for (repository, digest), why in clean_up.missing:
        _say(f"  gone already, so it cannot be brought back: {repository}@{digest} ({why})")
    return False


def _steps(clean_up: "CleanUp") -> int:
    return len(clean_up.protected) + len(clean_up.marked) + len(clean_up.goes)


def _amount(clean_up: "CleanUp") -> str:
    return f"{_images(len(clean_up.goes))}, {decimal(clean_up.freed)} with layers that others share"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _say(text: str) -> None:
    console = Console()
    # A line is one image with its reason: as long as that takes, in a log as on a terminal.
    console.print(text, highlight=False, markup=False, soft_wrap=True)
