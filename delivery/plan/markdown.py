"""A plan as Markdown, for a comment on a pull request and for the golden plans in the repository.

What both GitHub and Azure DevOps show is used: headings, bold, lists, tables, quotes, code, and `<details>`. GitHub's own alerts (`> [!CAUTION]`) are not.
"""

from collections.abc import Iterator, Sequence

from delivery.plan import meaning, words
from delivery.plan.escaping import code, escape, fenced
from delivery.plan.report import Operation, PlanReport

LONGEST = 65_000
"""GitHub refuses a comment of more than 65,536 characters; a comment's marker must fit, too."""
_SHORT = 30
"""So many lines of resources need not be folded."""
_POINTER = 200


def render(report: PlanReport, *, full: bool = False) -> str:
    """The report as Markdown.

    Args:
        full: with every value of every resource, in all its length; otherwise values of new resources are shown only beside ones that were there before,
            and what is too long for a comment is cut.
    """
    first, blocks, last = list(_first(report)), list(_changes(report, full=full)), list(_last(report))
    if not full:
        first, blocks = _cut(report, first, blocks, LONGEST - _length(last))
    return "\n".join([*first, *(line for block in blocks for line in block), *last]) + "\n"


def _first(report: PlanReport) -> Iterator[str]:
    headline = "".join(_part(part) for part in meaning.headline(report))
    summary = f"{headline}. {words.summary(report)}" if headline else words.summary(report)
    yield from (f"## {escape(words.title(report))}", "", f"**{summary}.** Policies: {words.verdict(report.policies)}.", "")
    yield from _dangers(report)
    if lines := list(meaning.lines(report)):
        yield from (*(text for line in lines for text in _bullet(line, 0)), "")
    yield from _violations(report)


def _last(report: PlanReport) -> Iterator[str]:
    for hint in report.hints:
        yield from (escape(hint), "")
    if report.plan_sha256:
        yield from (f"Plan {code(report.plan_sha256)}", "")


def _bullet(line: meaning.Line, depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}- {''.join(_part(part) for part in line.parts)}"
    for below in line.below:
        yield from _bullet(below, depth + 1)


def _part(part: meaning.Part) -> str:
    match part:
        case str():
            return part
        case meaning.Code(text):
            return code(text)
        case meaning.Strong(text):
            return f"**{escape(text)}**"
        case meaning.Foreign(text):
            return escape(text)


def _dangers(report: PlanReport) -> Iterator[str]:
    if dangers := report.infrastructure.dangers:
        yield from ("> **Danger**", ">")
        yield from (
            f"> - **{effect.kind}**: {escape(change.kind)} {code(change.name)} ({change.operation}): {escape(effect.reason)}" for change, effect in dangers
        )
        yield ""


def _violations(report: PlanReport) -> Iterator[str]:
    if violations := report.policies.new_violations:
        yield from ("| rule | severity | resource | what is wrong | fix |", "|---|---|---|---|---|")
        for broken in violations:
            yield f"| {' | '.join(map(escape, (broken.rule, broken.severity, broken.resource, broken.message, broken.fix)))} |"
        yield ""
    known = len(report.policies.violations) - len(report.policies.new_violations)
    if known and report.infrastructure.changes:
        yield from (f"{known} violation{'s are' if known != 1 else ' is'} as in the base.", "")


def _changes(report: PlanReport, *, full: bool) -> Iterator[list[str]]:
    """A block of lines per component."""
    components = []
    for component, changes in words.by_component(report):
        lines = []
        for change in changes:
            lines.append(words.heading(change))
            lines += [f"   # {effect.kind}: {effect.reason}" for effect in change.effects]
            if full or report.base or change.operation is not Operation.CREATE:
                lines += [f"     {line}" for line in words.value_lines(change, full=full)]
        components.append((f"{escape(component)}: {len(changes)} resource{'s' if len(changes) != 1 else ''}", lines))
    folded = full or report.base is None or sum(len(lines) for _, lines in components) > _SHORT
    for title, lines in components:
        yield _block(title, lines, folded=folded)


def _block(title: str, lines: list[str], *, folded: bool) -> list[str]:
    body = [*fenced(lines, "diff"), ""]
    return ["<details>", f"<summary>{title}</summary>", "", *body, "</details>", ""] if folded else [f"**{title}**", "", *body]


def _cut(report: PlanReport, first: list[str], blocks: list[list[str]], room: int) -> tuple[list[str], list[list[str]]]:
    """What fits, and where the rest is."""
    room -= _length(first)
    if room >= sum(map(_length, blocks)):
        return first, blocks
    room -= _POINTER
    kept: list[list[str]] = []
    for block in blocks:
        if _length(block) > room:
            break
        kept.append(block)
        room -= _length(block)
    while room < 0 and first:
        # Tables and lists only, so they may end after any line.
        room += len(first.pop()) + 1
    left = len(blocks) - len(kept)
    pointer = f"Too long for a comment: {left} component{'s' if left != 1 else ''} not shown here. All of it: {code(f'converge plan {report.stack}')}"
    return first, [*kept, ["", pointer, ""]]


def _length(lines: Sequence[str]) -> int:
    return sum(len(line) + 1 for line in lines)
