"""A plan on a terminal or in a log."""

from rich.console import Console
from rich.text import Text

from delivery.plan import words
from delivery.plan.report import DANGERS, Operation, PlanReport, ResourceChange

_STYLES = {
    Operation.CREATE: "green",
    Operation.UPDATE: "yellow",
    Operation.REPLACE: "bold red",
    Operation.MAY_REPLACE: "yellow",
    Operation.DELETE: "red",
    Operation.FORGET: "magenta",
}


def show(report: PlanReport, console: Console) -> None:
    """Prints the report; values of new resources are left out, since there are hundreds of them."""

    def line(text: str, style: str = "") -> None:
        console.print(Text(text, style=style), soft_wrap=True)

    line(words.title(report), "bold")
    line(f"  {words.summary(report)}")
    for component, changes in words.by_component(report):
        line(f"\n{component}", "bold")
        for change in changes:
            _show_change(change, console)
    if dangers := report.infrastructure.dangers:
        line("\nDanger", "bold red")
        for change, effect in dangers:
            line(f"  {effect.kind}: {change.kind} {change.name} ({change.operation}): {effect.reason}", "red")
    line(f"\nPolicies: {words.verdict(report.policies)}", "bold")
    for broken in report.policies.new_violations:
        line(f"  {broken.rule} ({broken.severity}): {broken.resource}: {broken.message}", "red" if broken.severity in ("high", "critical") else "yellow")
        line(f"    fix: {broken.fix}")
    if known := len(report.policies.violations) - len(report.policies.new_violations):
        line(f"  {known} violations are as in the base; `--base none` lists them")
    for hint in report.hints:
        line(f"\n{hint}")


def _show_change(change: ResourceChange, console: Console) -> None:
    console.print(Text(f"  {words.heading(change)}", style=_STYLES[change.operation]), soft_wrap=True)
    for effect in change.effects:
        console.print(Text(f"       # {effect.kind}: {effect.reason}", style="red" if effect.kind in DANGERS else "dim"), soft_wrap=True)
    if change.operation is not Operation.CREATE:
        for text in words.value_lines(change, full=False):
            console.print(Text(f"       {text}"), soft_wrap=True)
