"""`converge model promote`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from delivery.promotion import options
from delivery.promotion.options import Branch, Commit, PullRequest, Reason, Unpin
from delivery.release.prepare import Desk, Way
from delivery.release.record import one_line
from model_store import layout
from model_store.console import Json, ModelName, Store, VersionText, errors, open_store, print_json, say, say_indented
from model_store.gates import GatesFailedError

if TYPE_CHECKING:
    from delivery.promotion.model import Promotion
    from model_store import LockChange


def promote(
    name: ModelName,
    version: VersionText,
    stack: Annotated[str, typer.Option("--stack", help="The stack whose lock is written.")],
    service: Annotated[str | None, typer.Option("--service", help="The service that shall run it; named like the model by default.")] = None,
    locks: Annotated[Path, typer.Option("--locks", metavar="DIR", help="Folder of the locks.")] = Path("locks"),
    reason: Reason = "",
    unpin: Unpin = False,
    commit: Commit = False,
    branch: Branch = "",
    pull_request: PullRequest = False,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Write a version into a stack's lock, when its gates pass. Commit the lock: that is what makes the stack run it."""
    from delivery.promotion.model import Promotion  # noqa: PLC0415 - see open_store

    wanted = Promotion(
        name=name, version=layout.parse_version(version), stack=stack, service=service or name, locks=locks, reason=one_line(reason), unpin=unpin
    )
    way = Way(commit=commit, branch=branch, pull_request=pull_request)
    desk = Desk(wanted.lock, way) if way.wanted else None
    change = _carried_out(wanted, store, as_json=as_json)
    message = options.message(stack, "", [change], wanted.reason)
    prepared = None
    if desk and change.changed:
        prepared = desk.commit(message, [change.service], f"promote-{name}-v{change.after.model.version}-to-{stack}")
        prepared = desk.publish(prepared, message)
    if as_json:
        print_json({**change.as_json(), **(prepared.as_json() if prepared else {})})
        return
    say_indented([*change.lines(), *(change.gates.lines() if change.gates else [])])
    if prepared:
        say(options.handed_over(prepared))
    elif change.changed:
        say(f"next: commit {change.path}, then pulumi preview --stack {stack}")


def _carried_out(wanted: "Promotion", store: str | None, *, as_json: bool) -> "LockChange":
    with open_store(store) as opened:
        try:
            return wanted.carry_out(opened, errors())
        except GatesFailedError as error:
            if as_json:
                print_json({"lock": str(wanted.lock), "service": wanted.service, "changed": False, "gates": error.report.as_json()})
            raise
