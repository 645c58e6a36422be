"""`converge release promote`, `rollback` and `unpin`."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from delivery.checkout import checkout_here
from delivery.deploy.attempt import Failure
from delivery.deploy.cli import as_document, lines_of
from delivery.deploy.deployment import Result, run_deployment
from delivery.promotion import options
from delivery.promotion.options import Branch, Commit, PullRequest, Reason, Unpin
from delivery.release.prepare import Desk, Prepared, Way
from delivery.release.record import one_line
from delivery.smoke.cli import FAILED
from local_azure.progress import Progress
from model_store.console import Json, errors, output, print_json, say, say_indented
from model_store.lock import lock_file

if TYPE_CHECKING:
    from delivery.release.moves import Move

Services = Annotated[list[str] | None, typer.Option("--service", metavar="NAME", help="Only this service; may be given several times.")]
Plan = Annotated[bool, typer.Option("--plan", help="Show what the new lock changes, as `converge plan` does; takes a while.")]
Stack = Annotated[str, typer.Argument(help="The stack.")]


def promote(
    source: Annotated[str, typer.Option("--from", help="The stack whose newest release has proven itself.")],
    target: Annotated[str, typer.Option("--to", help="The stack whose lock is written.")],
    service: Services = None,
    reason: Reason = "",
    unpin: Unpin = False,
    unchecked: Annotated[bool, typer.Option("--unchecked", help="Also when nobody can say whether the target gets the image.")] = False,
    commit: Commit = False,
    branch: Branch = "",
    pull_request: PullRequest = False,
    plan: Plan = False,
    as_json: Json = False,
) -> None:
    """Write model and image of what a stack runs into another one's lock, when the gates pass. Nothing is built."""
    from delivery.release import moves  # noqa: PLC0415 - brings Pulumi, as the next ones do

    checkout, said = checkout_here("converge release promote"), one_line(reason)
    hand_over = _HandOver(checkout, target, Way(commit=commit, branch=branch, pull_request=pull_request), said)
    move = moves.promote(checkout, source, target, service or (), said, unpin, unchecked=unchecked)
    hand_over.finish(move, f"promote-{source}-to-{target}", as_json=as_json, plan=plan)


def rollback(
    stack: Stack,
    to: Annotated[str, typer.Option("--to", metavar="ID", help="The release; the newest before that ran anything else unless given.")] = "",
    service: Services = None,
    reason: Reason = "",
    deploy: Annotated[bool, typer.Option("--deploy", help="Deploy it at once.")] = False,
    commit: Commit = False,
    branch: Branch = "",
    pull_request: PullRequest = False,
    plan: Plan = False,
    as_json: Json = False,
) -> None:
    """Write model and image of an earlier release into the stack's lock, pinned until `unpin`. Nothing is built, and no model is fetched."""
    from delivery.release import moves  # noqa: PLC0415 - see promote

    checkout, said = checkout_here("converge release rollback"), one_line(reason)
    hand_over = _HandOver(checkout, stack, Way(commit=commit, branch=branch, pull_request=pull_request), said)
    move = moves.rollback(checkout, stack, to, said, service or ())
    hand_over.finish(move, f"rollback-{stack}", as_json=as_json, plan=plan, deploy=deploy)


def unpin(
    stack: Stack,
    service: Services = None,
    reason: Reason = "",
    commit: Commit = False,
    branch: Branch = "",
    pull_request: PullRequest = False,
    plan: Plan = False,
    as_json: Json = False,
) -> None:
    """Take away the pins of a roll-back: from then on promotions and commits count again."""
    from delivery.release import moves  # noqa: PLC0415 - see promote

    checkout = checkout_here("converge release unpin")
    hand_over = _HandOver(checkout, stack, Way(commit=commit, branch=branch, pull_request=pull_request), one_line(reason))
    hand_over.finish(moves.unpin(checkout, stack, service or ()), f"unpin-{stack}", as_json=as_json, plan=plan)


class _HandOver:
    """What happens to a lock once it is written: shown, committed, deployed, proposed."""

    def __init__(self, checkout: Path, stack: str, way: Way, reason: str) -> None:
        """Refuses what could not be committed, before anything is written."""
        self._checkout, self._stack, self._reason = checkout, stack, reason
        self._desk = Desk(lock_file(checkout / "locks", stack), way) if way.wanted else None

    def finish(self, move: "Move", branch: str, *, as_json: bool, plan: bool, deploy: bool = False) -> None:
        document = {"changes": [change.as_json() for change in move.changes], "notes": list(move.notes)}
        if not as_json:
            _show(move)
        if plan and move.changed:
            self._show_plan(as_json=as_json)
        message = options.message(self._stack, move.what, move.changes, self._reason)
        prepared = self._desk.commit(message, move.changed, branch) if self._desk and move.changed else None
        result = None
        if deploy:
            if self._desk and prepared:
                self._desk.switch(prepared)
            result = self._deploy(move)
            document["deployment"] = as_document(result)
            if not as_json:
                say("\n".join(lines_of(result)))
        if self._desk and prepared:
            # After the deployment, which must not wait for a forge; and also when it failed: what runs is not what main says.
            prepared = self._desk.publish(prepared, message)
            document |= prepared.as_json()
        if as_json:
            print_json(document)
        else:
            say(self._next(move, prepared, deployed=deploy))
        if result and result.failure:
            raise typer.Exit(1 if result.failure is Failure.UPDATE else FAILED)

    def _show_plan(self, *, as_json: bool) -> None:
        from delivery.plan import terminal  # noqa: PLC0415 - a plan is not always wanted
        from delivery.plan.making import make_plan  # noqa: PLC0415
        from delivery.plan.revisions import find_base  # noqa: PLC0415

        with Progress(errors()) as progress:
            report = make_plan(self._checkout, self._stack, find_base(self._checkout, "HEAD"), progress)
        terminal.show(report, errors() if as_json else output())

    def _deploy(self, move: "Move") -> Result:
        # A pipeline that is cancelled sends SIGTERM, and the engine must end in order then, too.
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
        reason = f"{move.what}: {self._reason}" if self._reason else move.what
        with Progress(errors()) as progress:
            return run_deployment(self._checkout, self._stack, progress, reason=reason if move.changed else "")

    def _next(self, move: "Move", prepared: Prepared | None, *, deployed: bool) -> str:
        if prepared:
            return options.handed_over(prepared)
        if not move.changed:
            return "nothing to do" if not deployed else f"{move.lock} says so already"
        if deployed:
            return f"next: commit {move.lock} and merge it, or the next deployment from the repository undoes this"
        return f"next: commit {move.lock}; then converge plan {self._stack}, and converge deploy {self._stack}"


def _show(move: "Move") -> None:
    for change in move.changes:
        say_indented([*change.lines(), *(change.gates.lines() if change.gates else [])])
    for note in move.notes:
        say(f"note: {note}")
