"""Outcomes, score, marks for what is not known or secret, and what a preview's JSON becomes."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import SECRET, UNKNOWN, Outcome, PlannedResource, Rule, evaluate, planned_from_preview_json
from policies.catalogue import RULES
from policies.evaluation import WEIGHTS
from policies.planned import STACK, Mark, entries, find, leaves, marked
from policies.rule import Severity, each, must_have, requires
from policies.rules.kinds import ACCOUNT, CLUSTER

_UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SECRET_FORM = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "hush"}


def resource(kind: str = ACCOUNT, name: str = "models", **properties: Any) -> PlannedResource:
    return PlannedResource(urn=f"urn:pulumi:dev::converge::{kind}::{name}", type=kind, name=name, properties=properties)


def rule(name: str = "R1", severity: Severity = "high", **more: Any) -> Rule:
    texts = {"title": "Keys are off", "reason": "Keys leak.", "fix": "turn them off.", "source": "us", "looks_at": frozenset({ACCOUNT})}
    return Rule(**{"id": name, "severity": severity, "check": each(requires(keys=False)), **texts, **more})


def outcome(one: Rule, *resources: PlannedResource) -> Outcome:
    (result,) = evaluate(resources, [one]).results
    return result.outcome


@pytest.mark.parametrize(
    ("value", "expected"),
    [(False, Outcome.PASSED), (True, Outcome.FAILED), (None, Outcome.FAILED), (UNKNOWN, Outcome.UNDECIDED), (SECRET, Outcome.UNDECIDED)],
)
def test_what_cannot_be_told_neither_passes_nor_fails(value: Any, expected: Outcome):
    assert outcome(rule(), resource(keys=value)) is expected


def test_one_violation_outweighs_what_cannot_be_told():
    assert outcome(rule(), resource(keys=UNKNOWN), resource(keys=True)) is Outcome.FAILED


def test_without_its_kind_a_rule_does_not_apply():
    (result,) = evaluate([resource(CLUSTER)], [rule()]).not_applicable
    assert result.reason == "nothing of its kind is planned"


def test_an_exception_has_its_reason():
    excused = rule(applies=lambda account: account.name != "old", otherwise="old ones are let off")
    (result,) = evaluate([resource(name="old", keys=True)], [excused]).not_applicable
    assert result.reason == "old ones are let off"
    assert outcome(excused, resource(name="old", keys=True), resource(keys=True)) is Outcome.FAILED


def test_a_violation_says_rule_resource_what_it_is_and_what_to_do():
    (violation,) = evaluate([resource(keys=True)], [rule()]).violations
    assert str(violation) == f"R1 (high): models ({ACCOUNT}): keys is true; it must be false. Keys leak. Fix: turn them off."


def test_the_most_severe_comes_first():
    rules = [rule("low", "low"), rule("critical", "critical"), rule("medium", "medium")]
    assert [violation.rule.id for violation in evaluate([resource(keys=True)], rules).violations] == ["critical", "medium", "low"]


def test_a_type_with_a_version_is_the_same_kind():
    assert outcome(rule(), resource("azure-native:storage/v20240101:StorageAccount", keys=True)) is Outcome.FAILED
    assert resource("kubernetes:apps/v1:Deployment").kind == "kubernetes:apps/v1:Deployment"


def test_a_rule_about_all_resources_sees_all():
    seen: list[str] = []

    def check(resources: Sequence[PlannedResource]) -> Iterator[Any]:
        seen.extend(one.name for one in resources)
        yield from ()

    evaluate([resource(), resource(CLUSTER, "aks")], [rule(check=check, per_resource=False)])
    assert seen == ["aks", "models"]


@given(st.permutations([resource(name=name, keys=True) for name in ("a", "b", "c")]))
def test_the_order_of_resources_makes_no_difference(resources: list[PlannedResource]):
    assert [violation.resource.name for violation in evaluate(resources, [rule(), rule("R2")]).violations] == ["a", "b", "c"] * 2


@given(st.lists(st.sampled_from(list(WEIGHTS)), max_size=6), st.lists(st.sampled_from(list(WEIGHTS)), max_size=6))
def test_the_score_is_100_only_without_a_violation(good: list[Severity], bad: list[Severity]):
    rules = [rule(f"good{n}", severity, check=each(lambda _: iter(()))) for n, severity in enumerate(good)]
    rules += [rule(f"bad{n}", severity) for n, severity in enumerate(bad)]
    report = evaluate([resource(keys=True)], rules)
    passed, failed = (sum(WEIGHTS[severity] for severity in severities) for severities in (good, bad))
    assert (report.score == 100) == (not bad)
    assert report.score == (100 if not bad else int(100 * passed / (passed + failed)))


def test_what_cannot_be_told_does_not_count():
    report = evaluate([resource(keys=UNKNOWN)], [rule(), rule("R2", looks_at=frozenset({CLUSTER}))])
    assert (report.score, report.passed, report.failed, len(report.undecided), len(report.not_applicable)) == (100, (), (), 1, 1)


def test_paths_end_at_what_is_not_known():
    value = {"a": {"b": UNKNOWN, "c": SECRET, "d": 5}}
    assert [find(value, path) for path in ("a.b", "a.b.c", "a.c", "a.c.d", "a.d", "a.d.e", "x", "a")] == [
        UNKNOWN,
        UNKNOWN,
        SECRET,
        UNKNOWN,
        5,
        None,
        None,
        value["a"],
    ]
    assert (entries(UNKNOWN), entries(None), entries([1]), entries("text")) == ([UNKNOWN], [], [1], [])
    assert list(leaves({"a": [{"b": 1}], "c": 2})) == [("a[0].b", 1), ("c", 2)]


def test_a_list_that_is_not_known_may_have_the_entry():
    assert list(must_have({"taints": ["a", UNKNOWN]}, "taints", "b")) == [UNKNOWN]
    assert list(must_have({"taints": ["b", UNKNOWN]}, "taints", "b")) == []
    assert list(must_have({}, "taints", "b")) == ["taints is empty; b must be in it"]


def test_the_engines_signs_become_marks():
    found = marked({"known": "x", "later": _UNKNOWN_TEXT, "hidden": _SECRET_FORM, "printed": "[secret]", "number": 5.0, "share": 0.5, "list": [_UNKNOWN_TEXT]})
    assert found == {"known": "x", "later": UNKNOWN, "hidden": SECRET, "printed": SECRET, "number": 5, "share": 0.5, "list": [UNKNOWN]}
    assert str(found["number"]) == "5"
    assert "hush" not in str(found)


def _step(op: str, name: str, kind: str = ACCOUNT, **state: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:dev::converge::{kind}::{name}"
    return {"op": op, "urn": urn, "newState": {"urn": urn, "type": kind, **state}}


def test_a_preview_is_what_will_be_there():
    stack = _step("create", "converge-dev", STACK, inputs={}, outputs={"registry": _UNKNOWN_TEXT})
    kept = _step("same", "kept", inputs={"keys": False}, protect=True, parent="urn:parent", retainOnDelete=True)
    steps = [stack, kept, _step("create", "new", inputs={"keys": _UNKNOWN_TEXT}), _step("delete", "old", inputs={}), _step("read", "theirs", inputs={})]
    steps.append({"op": "delete-replaced", "urn": "urn:x", "newState": None})
    found = {one.name: one for one in planned_from_preview_json({"steps": steps})}
    assert set(found) == {"converge-dev", "kept", "new"}
    assert found["converge-dev"].properties == {"registry": UNKNOWN}
    assert (found["kept"].protect, found["kept"].parent, found["kept"].retain_on_delete) == (True, "urn:parent", True)
    assert (found["new"].properties, found["new"].protect) == ({"keys": UNKNOWN}, False)
    assert planned_from_preview_json({}) == []


def test_outputs_that_a_preview_does_not_show_are_not_known():
    report = evaluate(planned_from_preview_json({"steps": [_step("create", "converge-dev", STACK)]}))
    assert "CVG505" in [rule.id for rule in report.undecided]


def test_a_replacement_is_one_resource():
    steps = [_step("create-replacement", "a", inputs={"keys": True}), _step("replace", "a", inputs={"keys": True}), _step("delete-replaced", "a", inputs={})]
    assert [one.name for one in planned_from_preview_json({"steps": steps})] == ["a"]


def test_the_catalogue_is_in_order():
    assert len({one.id for one in RULES}) == len(RULES)
    assert [sum(one.id.startswith(prefix) for one in RULES) for prefix in ("cluster-", "pool-", "safeguard-")] == [17, 6, 24]
    for one in RULES:
        assert one.title
        assert not one.title.endswith(".")
        assert one.reason.endswith(".")
        assert one.fix.endswith(".") or one.fix.endswith(").")
        assert one.source
        assert one.looks_at


class _AllUnknown(dict[str, Any]):
    """Inputs of which none is known."""

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ARG002 - a dict's
        return UNKNOWN


@pytest.mark.parametrize("kind", sorted({kind for one in RULES for kind in one.looks_at}))
def test_what_is_not_known_breaks_no_rule_about_it(kind: str):
    unknown = PlannedResource(urn=f"urn:pulumi:dev::converge::{kind}::later", type=kind, name="later", properties=_AllUnknown(), retain_on_delete=UNKNOWN)
    about_it = [violation for violation in evaluate([unknown]).violations if violation.rule.per_resource]
    # These two are not about a value.
    assert {violation.message for violation in about_it} <= {"is not protected", "uploads later with the account's key"}


def test_a_mark_is_not_a_text():
    assert not isinstance(UNKNOWN, str)
    assert isinstance(SECRET, Mark)
