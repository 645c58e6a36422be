"""A plan on a terminal or in a log."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from delivery.plan import meaning, words
from delivery.plan.report import DANGERS, Operation, PlanReport, Policies, ResourceChange

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
    for text in _meaning(report):
        console.print(text, soft_wrap=True)
    for component, changes in words.by_component(report):
        line(f"\n{component}", "bold")
        for change in changes:
            _show_change(change, console)
    if dangers := report.infrastructure.dangers:
        line("\nDanger", "bold red")
        for change, effect in dangers:
            line(f"  {effect.kind}: {change.kind} {change.name} ({change.operation}): {effect.reason}", "red")
    _show_policies(report.policies, console)
    for hint in report.hints:
        line(f"\n{hint}")
    if report.plan_sha256:
        line(f"\nPlan {report.plan_sha256}", "bold")


def _meaning(report: PlanReport) -> Iterator[Text]:
    texts = [text for line in meaning.lines(report) for text in _texts(line, 0)]
    yield from ([Text(""), *texts] if texts else [])


def _show_policies(policies: Policies, console: Console) -> None:
    console.print(Text(f"\nPolicies: {words.verdict(policies)}", style="bold"), soft_wrap=True)
    for broken in policies.new_violations:
        style = "red" if broken.severity in ("high", "critical") else "yellow"
        console.print(Text(f"  {broken.rule} ({broken.severity}): {broken.resource}: {broken.message}", style=style), soft_wrap=True)
        console.print(Text(f"    fix: {broken.fix}"), soft_wrap=True)
    if known := len(policies.violations) - len(policies.new_violations):
        console.print(Text(f"  {known} violation{'s are' if known != 1 else ' is'} as in the base; `--base none` lists them"), soft_wrap=True)


def _texts(one: meaning.Line, depth: int) -> Iterator[Text]:
    text = Text("  " * (depth + 1))
    for part in one.parts:
        plain = part if isinstance(part, str) else part.text
        # A subject or a reason may hold anything, but must not steer a terminal.
        text.append("".join(sign if sign.isprintable() else " " for sign in plain), style="bold" if isinstance(part, meaning.Strong) else "")
    yield text
    for below in one.below:
        yield from _texts(below, depth + 1)


def _show_change(change: ResourceChange, console: Console) -> None:
    console.print(Text(f"  {words.heading(change)}", style=_STYLES[change.operation]), soft_wrap=True)
    for effect in change.effects:
        console.print(Text(f"       # {effect.kind}: {effect.reason}", style="red" if effect.kind in DANGERS else "dim"), soft_wrap=True)
    if change.operation is not Operation.CREATE:
        for text in words.value_lines(change, full=False):
            console.print(Text(f"       {text}"), soft_wrap=True)
