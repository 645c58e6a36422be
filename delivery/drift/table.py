"""The table of what Azure and Kubernetes change by themselves: python -m delivery.drift.table writes it into docs/drift.md."""

from collections.abc import Iterator
from pathlib import Path

from delivery.drift.azure_rules import AZURE
from delivery.drift.kubernetes_rules import KUBERNETES
from delivery.drift.rules import Rule

DOCS = Path(__file__).parents[2] / "docs" / "drift.md"
_START, _END = "<!-- rules: made by `python -m delivery.drift.table` -->", "<!-- end of rules -->"


def table() -> str:
    """As Markdown."""
    return "\n".join(["| of | values | why | only |", "|---|---|---|---|", *_rows()])


def with_table(document: str) -> str:
    """The document with the table as it is now between its two marks."""
    before, _, rest = document.partition(_START)
    _, _, after = rest.partition(_END)
    return f"{before}{_START}\n{table()}\n{_END}{after}"


def _rows() -> Iterator[str]:
    for rule in (*AZURE, *KUBERNETES):
        kind = rule.kind.removeprefix("azure-native:")
        places = ", ".join(f"`{' '.join(place.split())}`" for place in rule.places)
        yield f"| `{kind if kind != '*' else 'azure-native:*'}` | {places} | [{rule.reason}]({rule.source}) | {_condition(rule)} |"


def _condition(rule: Rule) -> str:
    told = (rule.when.__doc__ or "").strip() if rule.when else ""
    condition = told.removeprefix("Whether ").rstrip(".")
    return "; ".join(text for text in (condition and f"if {condition}", "" if rule.set_by_us else "what the program does not set") if text)


if __name__ == "__main__":
    DOCS.write_text(with_table(DOCS.read_text()))
