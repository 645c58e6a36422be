"""Writes the second half of docs/policies.md from the catalogue and the tests: `python -m tests.unit.policies.document`."""

from collections.abc import Sequence

from policies.catalogue import RULES
from policies.evaluation import WEIGHTS
from policies.rule import Rule
from tests.unit.policies.breaks import BREAKS
from tests.unit.settings.stack_files import ROOT

PATH = ROOT / "docs" / "policies.md"
_MARKER = "<!-- From here on made by `python -m tests.unit.policies.document`; a test compares. -->\n"
_SCORE = """## The score
Of 100, rounded down: the weight of the rules that passed among those that passed or failed ({weights}).
What is not applicable, or cannot be told before an update, counts neither way.

"""
_EXCEPTIONS = """## When a rule does not apply
A rule about something that is not in the plan is not applicable. So are these, to what they are not about:

"""
_RULES = """
## The {count} rules and their tests
Each is broken in `tests/unit/policies` by what the last column says, in the program with the settings of `prod` as they are committed;
then its id, the resource and the fix must be in the refusal. `setting` and `argument` are what the program offers. `SDK` means that neither
offers the mistake: a stack transformation changes what a component hands to the SDK, or a wrong resource is declared beside the components.

| id | severity | rule | why | fix | source | broken in its test by |
|---|---|---|---|---|---|---|
"""


def text() -> str:
    """The page, with its first half as it is."""
    written, marker, _ = PATH.read_text().partition(_MARKER)
    weights = ", ".join(f"{severity} {weight}" for severity, weight in WEIGHTS.items())
    hows = {one.rule: one.how for one in BREAKS}
    rows = "".join(_row([f"`{rule.id}`", rule.severity, rule.title, rule.reason, rule.fix, rule.source, hows[rule.id]]) for rule in RULES)
    exceptions = "".join(_exception(rule) for rule in RULES if rule.otherwise)
    return written + marker + _SCORE.format(weights=weights) + _EXCEPTIONS + exceptions + _RULES.format(count=len(RULES)) + rows


def _exception(rule: Rule) -> str:
    return f"- `{rule.id}`: {rule.otherwise}\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    PATH.write_text(text())
