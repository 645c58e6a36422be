"""What was found, on a terminal or in a log."""

from rich.console import Console
from rich.text import Text

from delivery.drift import words
from delivery.drift.report import DriftReport


def show(report: DriftReport, console: Console) -> None:
    """Prints the report, people's changes first."""

    def line(text: str, style: str = "") -> None:
        console.print(Text(text, style=style), soft_wrap=True)

    line(words.title(report), "bold red" if report.people else "bold green")
    line(f"  {words.summary(report)}")
    for resource in report.people:
        line(f"\n{words.heading(resource)}", "bold")
        for text in words.values_of(resource):
            line(f"  {text}", "red")
        line(f"    to do: {resource.advice}")
    if report.azure:
        line("\nAzure's own; nothing to do", "bold")
        for name, text, reason in words.azures_own(report):
            line(f"  {name}: {text}", "dim")
            line(f"      # {reason}", "dim")
    for note in report.notes:
        line(f"\n{note}", "yellow")
