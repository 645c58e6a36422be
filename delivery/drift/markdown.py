"""What was found, as Markdown: for the summary of a nightly job."""

import re

from delivery.drift import words
from delivery.drift.report import DriftReport

_ACTIVE = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@-])")


def render(report: DriftReport) -> str:
    """The report. Texts that come from Azure stand in code or are escaped: a tag's value is nobody's Markdown."""
    lines = [f"### Drift of {_plain(words.title(report))}", "", f"{words.summary(report)}.", ""]
    for resource in report.people:
        lines += [f"**{_plain(words.heading(resource))}**", ""]
        if resource.values:
            lines += ["| value | was | is | by |", "|---|---|---|---|"]
            for value in resource.values:
                path = f"{value.path}{'' if value.declared else ' +'}"
                secret = value.was == value.now
                cells = (path, "[secret]" if secret else value.was, "another [secret]" if secret else value.now)
                lines.append(f"| {' | '.join(map(_code, cells))} | {_plain(words.by(value.by, value.at)) if value.by else ''} |")
            lines.append("")
        lines += [resource.advice, ""]
    if report.azure:
        lines += ["<details><summary>Azure's own; nothing to do</summary>", ""]
        lines += [f"- {_plain(name)}: {_code(text)}: {reason}" for name, text, reason in words.azures_own(report)]
        lines += ["", "</details>", ""]
    lines += [f"> {_plain(note)}\n" for note in report.notes]
    return "\n".join(lines).rstrip("\n") + "\n"


def _code(text: str | None) -> str:
    """Text as code; in a cell of a table a `|` would end it even there."""
    if text is None:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    space = " " if "`" in text or not text else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", "\\|")


def _plain(text: str) -> str:
    return _ACTIVE.sub(r"\\\1", text)
