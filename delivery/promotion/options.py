"""Options of every command that changes a lock, and how such a command says what became of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from delivery.release.prepare import Message, Prepared

if TYPE_CHECKING:
    from model_store import LockChange

Reason = Annotated[str, typer.Option("--reason", help="Why; for the commit, and for those who ask later.")]
Unpin = Annotated[bool, typer.Option("--unpin", help="Also where somebody went back to an earlier release.")]
Commit = Annotated[bool, typer.Option("--commit", help="Commit the lock, and nothing else, on the branch that is checked out.")]
Branch = Annotated[str, typer.Option("--branch", metavar="NAME", help="Commit it on a new branch; the checkout stays as it is.")]
PullRequest = Annotated[bool, typer.Option("--pull-request", help="Push such a branch and open a pull request.")]


def message(stack: str, what: str, changes: Sequence["LockChange"], reason: str) -> Message:
    """What the commit says: what, from, to, why, and what the gates compared.

    Args:
        what: said before the versions.
    """
    changed = [change for change in changes if change.changed]
    titles = ", ".join(change.title if change.after.model.name == change.service else f"{change.service}: {change.title}" for change in changed)
    title = f"{what} ({titles})" if what and titles else what or titles
    details = [f"{change.service}: {line}" for change in changed for line in [*change.lines()[1:], *(change.gates.lines() if change.gates else [])]]
    return Message(f"{stack}: {title}", [*([f"reason: {reason}"] if reason else []), *details])


def handed_over(prepared: Prepared) -> str:
    """How a reader finds what was committed."""
    if prepared.url:
        return f"pull request: {prepared.url}"
    return f"committed as {prepared.commit[:7]}{f' on {prepared.branch}' if prepared.branch else ''}"
