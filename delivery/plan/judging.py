"""What the policies say about the stack as it would be, and what of that is new."""

from collections.abc import Mapping, Sequence
from typing import Any

from delivery.plan.report import BrokenRule, Policies
from policies.evaluation import Report, Violation, evaluate, planned_from_preview_json

SETTING = "converge:policies"
"""Key of the stack that decides whether a violation warns or refuses."""


def judged(preview: Mapping[str, Any], protected: frozenset[str], *, from_nothing: bool) -> Policies:
    """Asks every rule about both sides of a preview.

    Args:
        preview: what `pulumi preview --json --show-sames` printed.
        protected: URNs of what the base protects; the plan itself took that away.
        from_nothing: there is no other side, so everything is new.
    """
    steps: Sequence[Mapping[str, Any]] = preview["steps"]
    after = evaluate(planned_from_preview_json(preview))
    before = None if from_nothing else evaluate(planned_from_preview_json({"steps": [_as_it_was(step, protected) for step in steps]}))
    known = {_key(violation) for violation in before.violations} if before else set()
    return Policies(
        enforced=preview.get("config", {}).get(SETTING) == "refuse",
        score=after.score,
        score_before=before.score if before else None,
        violations=tuple(_broken(violation, new=_key(violation) not in known) for violation in after.violations),
        **_counts(after),
    )


def _as_it_was(step: Mapping[str, Any], protected: frozenset[str]) -> dict[str, Any]:
    state = step.get("oldState")
    if state and step.get("newState") and "outputs" not in step["newState"]:
        # A preview does not show what a stack will put out. What cannot be judged of one side says nothing about the difference.
        state = {key: value for key, value in state.items() if key != "outputs"}
    return {"urn": step["urn"], "op": "same", "newState": state and {**state, "protect": state.get("urn", step["urn"]) in protected}}


def _key(violation: Violation) -> tuple[str, str, str]:
    return violation.rule.id, violation.resource.urn, violation.message


def _broken(violation: Violation, *, new: bool) -> BrokenRule:
    rule = violation.rule
    what = {"rule": rule.id, "severity": rule.severity, "resource": violation.resource.name, "message": violation.message}
    return BrokenRule(**what, reason=rule.reason, fix=rule.fix, new=new)


def _counts(report: Report) -> dict[str, int]:
    return {name: len(getattr(report, name)) for name in ("passed", "failed", "undecided", "not_applicable")}
