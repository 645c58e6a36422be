"""The findings for people on a terminal, for a CI log, and for programs."""

import json
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from delivery.doctor.findings import Finding, Status

_COLORS = {Status.OK: "green", Status.NOT_YET: "cyan", Status.WARNING: "yellow", Status.FAILURE: "bold red"}


def as_json(stack: str, findings: Sequence[Finding]) -> str:
    """One document."""
    rows = [{"check": one.check, "status": one.status.value, "message": one.message, "command": one.command} for one in findings]
    return json.dumps({"stack": stack, "ok": not failed(findings), "findings": rows}, indent=2)


def show(console: Console, stack: str, findings: Sequence[Finding]) -> None:
    """A table where there is room for one, lines where there is a log; then what is to be done, each command on a line of its own."""
    if console.is_terminal:
        table = Table("check", "", "found", box=None, pad_edge=False)
        for one in findings:
            table.add_row(Text(one.check), Text(one.status.value, style=_COLORS[one.status]), Text(one.message))
        console.print(table)
    else:
        for one in findings:
            console.print(f"{one.status.value:<15}{one.check}: {one.message}", markup=False, highlight=False, soft_wrap=True)
    mending = [one for one in findings if one.command and one.status in (Status.FAILURE, Status.WARNING)]
    if mending:
        console.print("\nto do:", highlight=False)
    for one in sorted(mending, key=lambda finding: finding.status is not Status.FAILURE):
        console.print(f"  {one.check} ({one.status.value}):", markup=False, highlight=False, soft_wrap=True)
        console.print(f"    {one.command}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"\n{_summary(stack, findings)}", markup=False, highlight=False, soft_wrap=True)


def failed(findings: Sequence[Finding]) -> bool:
    """Whether an update would fail."""
    return any(one.status is Status.FAILURE for one in findings)


def _summary(stack: str, findings: Sequence[Finding]) -> str:
    counts = Counter(one.status for one in findings)
    numbers = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    verdict = f"{stack} cannot be deployed from here like this" if failed(findings) else f"{stack} can be deployed from here"
    return f"{numbers}. {verdict}."
