"""`converge deploy` and `converge release record`."""

import json
import signal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from delivery.checkout import checkout_here
from delivery.deploy.attempt import Failure
from delivery.deploy.by_hand import BY_HAND, record_by_hand
from delivery.deploy.deployment import PlanChangedError, Result, run_deployment
from delivery.deploy.live import read_plan
from delivery.image.cli import attest_release
from delivery.release.ledger import Written
from delivery.release.record import Outcome, Record, one_line
from delivery.smoke.cli import FAILED
from local_azure.progress import Progress

CHANGED = 4
"""Exit code: the plan is not the approved one."""
_ENDED = {Outcome.SUCCEEDED: "deployed", Outcome.FAILED: "not deployed as it should be", Outcome.ROLLED_BACK: "went back to the release before"}


def deploy(
    stack: Annotated[str, typer.Argument(help="dev, prod or another stack with a Pulumi.<stack>.yaml.")],
    plan: Annotated[Path | None, typer.Option("--plan", metavar="FILE", help="The plan that was approved (`converge plan STACK --live --save FILE`).")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The record, for programs.")] = False,
) -> None:
    """Make a stack what the checkout says: live plan, update, smoke test, and a record of it in the repository.

    Exit code 0: it serves; 1: it could not be done; 4: another plan than the approved one would be carried out, and nothing was changed; 5: it is
    deployed, but the smoke test failed.
    """
    checkout = checkout_here("converge deploy")
    approved = None if plan is None else read_plan(plan, stack)
    # A pipeline that is cancelled sends SIGTERM, and the engine must end in order then, too.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    console = Console(stderr=True)
    with Progress(console) as progress:
        try:
            result = run_deployment(checkout, stack, progress, approved=approved, reason=one_line(reason))
        except PlanChangedError as error:
            console.print(f"error: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
            raise typer.Exit(CHANGED) from error
        if result.failure is None:
            attest_release(checkout, result.record, progress)
    print(json.dumps(as_document(result), indent=2) if as_json else "\n".join(lines_of(result)))
    if result.failure is not None:
        raise typer.Exit(1 if result.failure is Failure.UPDATE else FAILED)


def record(
    stack: Annotated[str, typer.Argument(help="The stack that `pulumi up` was run for.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = BY_HAND,
    as_json: Annotated[bool, typer.Option("--json", help="The record, for programs.")] = False,
) -> None:
    """Record the newest update of a stack that was made with `pulumi up`; one that is recorded already stays as it is."""
    checkout = checkout_here("converge release record")
    with Progress(Console(stderr=True)) as progress:
        result = record_by_hand(checkout, stack, progress, one_line(reason))
    print(json.dumps(as_document(result), indent=2) if as_json else "\n".join([*_running(result.record), f"  {told(result.record, result.written)}"]))


def as_document(result: Result) -> dict[str, Any]:
    """For programs: the record, what became of it, and the same of the roll-back."""
    return {
        "record": result.record.model_dump(mode="json"),
        "recorded": result.written is not None,
        "pushed": result.written is not None and result.written.pushed,
        "problem": result.written.problem if result.written else "",
        "roll_back": as_document(result.way_back) if result.way_back else None,
    }


def lines_of(result: Result) -> list[str]:
    """What people see at the end."""
    lines = [_title(result), *_running(result.record)]
    if result.record.reason:
        lines.append(f"  {result.record.reason}")
    lines.append(f"  {told(result.record, result.written)}")
    if result.way_back:
        lines += [*lines_of(result.way_back), *_to_do(result.record.stack, result.way_back.record)]
    return lines


def _to_do(stack: str, back: Record) -> list[str]:
    """The lock of this working tree alone knows of the way back."""
    target = next((service.pin.release for service in back.services.values() if service.pin), back.id)
    return [
        f"locks/{stack}.json of this working tree says so now. Commit it, or the next deployment from the repository brings back what failed; in a pipeline:",
        f"  converge release rollback {stack} --to {target} --pull-request",
    ]


def told(record: Record, written: Written | None) -> str:
    """What became of a record."""
    if written is None:
        return f"release {record.id}, recorded before"
    if written.pushed:
        return f"release {written.record.id} is recorded"
    return f"release {written.record.id} is recorded in this clone only, and pushed by the next run: {written.problem}"


def _title(result: Result) -> str:
    record = result.record
    if result.written is None:
        return f"{record.stack}: nothing was to be changed"
    return f"{record.stack}: {_ENDED[record.outcome]}, {record.duration_seconds:.0f} s"


def _running(record: Record) -> list[str]:
    return [f"  {name}: {one.model.name} v{one.model.version}, sha256 {one.model.sha256[:12]}, {one.image}" for name, one in sorted(record.services.items())]
