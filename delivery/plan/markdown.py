"""A plan as Markdown, for a comment on a pull request and for the golden plans in the repository."""

import re
from collections.abc import Iterator

from delivery.plan import words
from delivery.plan.report import Operation, PlanReport

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&@])")


def escape(text: str) -> str:
    """Text that Markdown shows as it is: nothing in it is markup, HTML or the mention of a person."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[1])};" if found[1] in "<>&@" else f"\\{found[1]}", " ".join(text.split()))


def fenced(lines: list[str], language: str) -> Iterator[str]:
    """A block of code that no line in it can end."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}{language}", *lines, fence)


def render(report: PlanReport, *, full: bool = False) -> str:
    """The report as Markdown.

    Args:
        full: with every value of every resource, in all its length; otherwise values of new resources are shown only beside ones that were there before.
    """
    return "\n".join(_lines(report, full=full)) + "\n"


def _lines(report: PlanReport, *, full: bool) -> Iterator[str]:
    yield from (f"## {escape(words.title(report))}", "", f"**{words.summary(report)}.** Policies: {words.verdict(report.policies)}.", "")
    yield from _dangers(report)
    yield from _violations(report)
    yield from _changes(report, full=full)
    for hint in report.hints:
        yield from (escape(hint), "")


def _dangers(report: PlanReport) -> Iterator[str]:
    if dangers := report.infrastructure.dangers:
        yield "> [!CAUTION]"
        yield from (f"> - **{effect.kind}**: {escape(change.kind)} `{change.name}` ({change.operation}): {escape(effect.reason)}" for change, effect in dangers)
        yield ""


def _violations(report: PlanReport) -> Iterator[str]:
    if violations := report.policies.new_violations:
        yield from ("| rule | severity | resource | what is wrong | fix |", "|---|---|---|---|---|")
        for broken in violations:
            yield f"| {' | '.join(map(escape, (broken.rule, broken.severity, broken.resource, broken.message, broken.fix)))} |"
        yield ""
    if known := len(report.policies.violations) - len(report.policies.new_violations):
        yield from (f"{known} violations are as in the base.", "")


def _changes(report: PlanReport, *, full: bool) -> Iterator[str]:
    for component, changes in words.by_component(report):
        lines = []
        for change in changes:
            lines.append(words.heading(change))
            lines += [f"   # {effect.kind}: {effect.reason}" for effect in change.effects]
            if full or report.base or change.operation is not Operation.CREATE:
                lines += [f"     {line}" for line in words.value_lines(change, full=full)]
        yield from ("<details open>" if not full and report.base else "<details>", f"<summary>{escape(component)}: {len(changes)} resources</summary>", "")
        yield from (*fenced(lines, "diff"), "", "</details>", "")
