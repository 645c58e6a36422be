"""What a plan is worth: every rule's outcome, and a score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from policies.catalogue import RULES
from policies.planned import STACK, UNKNOWN, Mark, PlannedResource, marked
from policies.rule import Rule

WEIGHTS = {"low": 1, "medium": 3, "high": 6, "critical": 10}
_GONE = frozenset({"delete", "delete-replaced", "discard", "discard-replaced", "remove-pending-replace", "read", "read-discard"})
"""Steps after which the resource is not, or never was, the program's own."""


class Outcome(Enum):
    """What a rule says about a plan."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "cannot be told before an update"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A resource that breaks a rule."""

    rule: Rule
    resource: PlannedResource
    message: str
    """What is wrong with it."""

    def __str__(self) -> str:
        return f"{self.rule.id} ({self.rule.severity}): {self.resource.name} ({self.resource.type}): {self.message}. {self.rule.reason} Fix: {self.rule.fix}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one rule says."""

    rule: Rule
    outcome: Outcome
    violations: tuple[Violation, ...] = ()
    reason: str = ""
    """Why it is not applicable."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What all rules say."""

    results: tuple[Result, ...]
    """In the order of the catalogue."""

    @cached_property
    def violations(self) -> tuple[Violation, ...]:
        """Of all rules, the most severe first."""
        found = [violation for result in self.results for violation in result.violations]
        return tuple(sorted(found, key=lambda violation: -WEIGHTS[violation.rule.severity]))

    def rules(self, outcome: Outcome) -> tuple[Rule, ...]:
        """The rules with this outcome."""
        return tuple(result.rule for result in self.results if result.outcome is outcome)

    @property
    def passed(self) -> tuple[Rule, ...]:
        """Rules that everything they are about keeps to."""
        return self.rules(Outcome.PASSED)

    @property
    def failed(self) -> tuple[Rule, ...]:
        """Rules that something breaks."""
        return self.rules(Outcome.FAILED)

    @property
    def undecided(self) -> tuple[Rule, ...]:
        """Rules about values that only an update will know."""
        return self.rules(Outcome.UNDECIDED)

    @property
    def not_applicable(self) -> tuple[Result, ...]:
        """Rules about nothing that is in the plan, with the reason."""
        return tuple(result for result in self.results if result.outcome is Outcome.NOT_APPLICABLE)

    @property
    def score(self) -> int:
        """Of 100, rounded down: the weight (WEIGHTS, by severity) of the rules that passed among those that passed or failed.

        What is not applicable or cannot be told yet counts neither way, so 100 means that nothing failed, and only that.
        """
        passed, failed = (sum(WEIGHTS[rule.severity] for rule in rules) for rules in (self.passed, self.failed))
        return 100 * passed // (passed + failed) if failed else 100


def evaluate(resources: Sequence[PlannedResource], rules: Sequence[Rule] = RULES) -> Report:
    """Asks every rule about a plan. The order of resources, which differs from run to run, makes no difference."""
    in_order = sorted(resources, key=lambda resource: resource.urn)
    return Report(results=tuple(_result(rule, in_order) for rule in rules))


def _result(rule: Rule, resources: Sequence[PlannedResource]) -> Result:
    if not rule.subjects(resources):
        there = any(resource.kind in rule.looks_at for resource in resources)
        reason = rule.otherwise if there else "nothing of its kind is planned"
        return Result(rule=rule, outcome=Outcome.NOT_APPLICABLE, reason=reason)
    findings = list(rule.check(rule.subjects(resources) if rule.per_resource else resources))
    violations = tuple(
        Violation(rule=rule, resource=finding.resource, message=finding.message) for finding in findings if not isinstance(finding.message, Mark)
    )
    outcome = Outcome.FAILED if violations else Outcome.UNDECIDED if findings else Outcome.PASSED
    return Result(rule=rule, outcome=outcome, violations=violations)


def planned_from_preview_json(document: Mapping[str, Any]) -> list[PlannedResource]:
    """The resources that are there after a plan, from what `pulumi preview --json` printed."""
    planned: dict[str, PlannedResource] = {}
    for step in document.get("steps", ()):
        state = step.get("newState")
        if state and step["op"] not in _GONE:
            planned[step["urn"]] = _planned(step["urn"], state)
    return list(planned.values())


def _planned(urn: str, state: Mapping[str, Any]) -> PlannedResource:
    kind = state["type"]
    # The JSON of a preview has no outputs of a stack that is not there yet; without them none of them can be judged.
    properties = state.get("outputs", {"outputs": UNKNOWN}) if kind == STACK else state.get("inputs", {})
    return PlannedResource(
        urn=urn,
        type=kind,
        name=urn.rpartition("::")[2],
        properties=marked(properties),
        protect=bool(state.get("protect")),
        parent=state.get("parent", ""),
        retain_on_delete=bool(state.get("retainOnDelete")),
    )
