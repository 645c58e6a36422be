"""Every rule is broken once, and told; the stack that is to pass them passes them all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import UNKNOWN, PlannedResource, Report, evaluate
from policies.catalogue import RULES
from tests.unit.policies.breaks import BREAKS, Break
from tests.unit.policies.changed import plan


def _places(one: Break) -> set[tuple[str, ...]]:
    """What a break changes, down to single values."""
    settings = {(key, name) for key, value in one.settings.items() for name in (value if isinstance(value, dict) else [""])}
    return settings | {(change.kind, change.path) for change in one.inputs}


def _agree(one: Break, other: Break) -> bool:
    common = _places(one) & _places(other)
    return one.apart == other.apart and (not common or (dict(_values(one, common)) == dict(_values(other, common))))


def _values(one: Break, places: set[tuple[str, ...]]) -> list[tuple[tuple[str, ...], Any]]:
    settings = [((key, name), value[name] if name else value) for key, value in one.settings.items() for name in (value if isinstance(value, dict) else [""])]
    inputs = [((change.kind, change.path), change.value) for change in one.inputs]
    return [(place, value) for place, value in (*settings, *inputs) if place in places]


def _together() -> list[list[Break]]:
    """Breaks that do not get into each other's way share a run of the program: a hundred runs would take minutes."""
    groups: list[list[Break]] = []
    for one in BREAKS:
        for group in groups:
            if all(_agree(one, other) for other in group):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


_GROUPS = _together()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Report]:
    """What the rules say to the program with each break in it, by the rule that is broken."""
    made: dict[str, Report] = {}
    for group in _GROUPS:
        settings: dict[str, Any] = {}
        for one in group:
            for key, value in one.settings.items():
                settings[key] = {**settings.get(key, {}), **value} if isinstance(value, dict) else value
        inputs = tuple({(change.kind, change.path): change for one in group for change in one.inputs}.values())
        beside = [one.beside for one in group if one.beside]
        report = evaluate(plan(tmp_path_factory.mktemp("checkout"), settings=settings, inputs=inputs, beside=beside))
        made |= {one.rule: report for one in group}
    return made


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Sequence[PlannedResource]:
    """The plan of prod as it is committed."""
    return plan(tmp_path_factory.mktemp("checkout"))


def test_prod_breaks_no_rule(prod: Sequence[PlannedResource]):
    committed = evaluate(prod)
    assert [str(violation) for violation in committed.violations] == []
    assert committed.score == 100


def test_in_an_update_nothing_is_left_open(tmp_path: Path):
    report = evaluate(plan(tmp_path, known=True))
    assert [str(violation) for violation in report.violations] == []
    assert [rule.id for rule in report.undecided] == []


def _with_unknowns(value: Any) -> Iterator[Any]:
    """The value with each of its parts, large and small, not known: one at a time."""
    yield UNKNOWN
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from ({**value, key: changed} for changed in _with_unknowns(entry))
    elif isinstance(value, list):
        for place, entry in enumerate(value):
            yield from ([*value[:place], changed, *value[place + 1 :]] for changed in _with_unknowns(entry))


def test_a_part_that_is_not_known_yet_breaks_nothing(prod: Sequence[PlannedResource]):
    one_by_one = [rule for rule in RULES if rule.per_resource]
    tried = 0
    for resource in prod:
        for properties in _with_unknowns(dict(resource.properties)):
            if isinstance(properties, dict):
                tried += 1
                assert [str(violation) for violation in evaluate([replace(resource, properties=properties)], one_by_one).violations] == []
    print(f"{tried} parts of {len(prod)} resources")
    assert tried > len(prod)


@given(st.data())
def test_nor_does_it_between_resources(prod: Sequence[PlannedResource], data: st.DataObject):
    between = [rule for rule in RULES if not rule.per_resource]
    resource = data.draw(st.sampled_from(prod))
    variants = [properties for properties in _with_unknowns(dict(resource.properties)) if isinstance(properties, dict)]
    changed = replace(resource, properties=data.draw(st.sampled_from(variants or [{}])))
    plan_with_it = [changed if one is resource else one for one in prod]
    assert [str(violation) for violation in evaluate(plan_with_it, between).violations] == []


@pytest.mark.parametrize("one", BREAKS, ids=[one.rule for one in BREAKS])
def test_a_rule_that_is_broken_is_told(one: Break, reports: Mapping[str, Report]):
    violations = [violation for violation in reports[one.rule].violations if violation.rule.id == one.rule]
    assert [violation for violation in violations if one.says in violation.message], [str(violation) for violation in violations]
    assert {violation.resource.kind for violation in violations} <= violations[0].rule.looks_at
    refusal = str(violations[0])
    assert refusal.startswith(f"{one.rule} ({violations[0].rule.severity}): ")
    assert violations[0].resource.name in refusal
    assert f"Fix: {violations[0].rule.fix}" in refusal


@pytest.mark.figures
def test_every_rule_has_such_a_test():
    print(f"{len(RULES)} rules, broken in {len(_GROUPS)} runs of the program")
    hows = {one.rule: one.how for one in BREAKS}
    for rule in RULES:
        print(f"{rule.id} -> test_rules.py::test_a_rule_that_is_broken_is_told[{rule.id}]: {hows.get(rule.id)}")
    assert sorted(hows) == sorted(rule.id for rule in RULES)
    assert len(BREAKS) == len(hows)
