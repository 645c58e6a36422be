"""What stands for a plan that is approved, and how another one is told from it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.deploy.live import DEPLOYED, differences, plan_sha256, read_plan
from delivery.errors import DeliveryError
from delivery.plan.report import Effect, EffectKind, Infrastructure, Operation, PlanReport, Policies, ResourceChange, ValueChange

POLICIES = Policies(score=90, passed=1, failed=0, undecided=0, not_applicable=0)


def change(name: str = "digits-deployment", operation: Operation = Operation.UPDATE, values: tuple[ValueChange, ...] = (), **more: object) -> ResourceChange:
    fields = {"type": "kubernetes:apps/v1:Deployment", "component": "digits", **more}
    return ResourceChange.model_validate({"name": name, "operation": operation, "values": values, **fields})


def plan(*changes: ResourceChange, stack: str = "dev", base: str | None = DEPLOYED, **more: object) -> PlanReport:
    fields = {"policies": POLICIES, **more}
    return PlanReport.model_validate({"stack": stack, "base": base, "infrastructure": Infrastructure(changes=changes, unchanged=3), **fields})


def value(path: str = "spec.replicas", before: str | None = "2", after: str | None = "3", *, replaces: bool = False) -> ValueChange:
    return ValueChange(path=path, before=before, after=after, replaces=replaces)


def group(name: str) -> ResourceChange:
    values = (value("location", None, "westeurope"), value("resourceGroupName", None, name))
    return change("group", Operation.CREATE, values, type="azure-native:resources:ResourceGroup")


def test_only_what_changes_counts():
    one = plan(change(values=(value(),)))
    effect = Effect(kind=EffectKind.ROLL_OUT, reason="other words")
    other = plan(change(values=(value(),), effects=(effect,)), hints=("a hint",), policies=POLICIES.model_copy(update={"score": 1}))
    assert plan_sha256(one) == plan_sha256(other)
    assert differences(one, other) == []


def test_the_order_in_which_the_engine_tells_does_not_count():
    values = (value("a"), value("b"))
    one, other = plan(change("a", values=values), change("b")), plan(change("b"), change("a", values=values[::-1]))
    assert plan_sha256(one) == plan_sha256(other)


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (plan(), "apps/v1.Deployment digits-deployment: update in the approved plan, and nothing now"),
        (plan(change(values=(value(),)), change("x")), "apps/v1.Deployment x: update now, and not in the approved plan"),
        (plan(change(values=(value(),), operation=Operation.REPLACE)), "apps/v1.Deployment digits-deployment: update in the approved plan, replace now"),
        (plan(change(values=(value(after="4"),))), "apps/v1.Deployment digits-deployment: spec.replicas: 2 => 3 in the approved plan, 2 => 4 now"),
        (plan(change(values=(value(before="1"),))), "apps/v1.Deployment digits-deployment: spec.replicas: 2 => 3 in the approved plan, 1 => 3 now"),
        (plan(change()), "apps/v1.Deployment digits-deployment: spec.replicas: 2 => 3 in the approved plan, not changed now"),
        (plan(change(values=(value(after=None),))), "apps/v1.Deployment digits-deployment: spec.replicas: 2 => 3 in the approved plan, 2 => (nothing) now"),
        (
            plan(change(values=(value(after="a\nb" + "x" * 200),))),
            f'apps/v1.Deployment digits-deployment: spec.replicas: 2 => 3 in the approved plan, 2 => "a\\nb{"x" * 152}... now',
        ),
        (plan(change(values=(value(),)), stack="prod"), "the approved plan is of the stack dev, this one of prod"),
    ],
)
def test_every_difference_is_told_and_changes_the_hash(now: PlanReport, line: str):
    approved = plan(change(values=(value(),)))
    assert differences(approved, now) == [line]
    assert plan_sha256(approved) != plan_sha256(now)


def test_names_that_are_made_up_for_a_preview_do_not_count():
    """azure-native ends a name with eight random digits that differ between two previews of the same commit."""
    using = change("account", Operation.CREATE, (value("scope", None, "/groups/group1a2b3c4d/x"),))
    other = change("account", Operation.CREATE, (value("scope", None, "/groups/groupffffffff/x"),))
    assert plan_sha256(plan(group("group1a2b3c4d"), using)) == plan_sha256(plan(group("groupffffffff"), other))


@pytest.mark.parametrize("name", ["groupx", "mygroup", "group-of-ours"])
def test_names_that_somebody_chose_do(name: str):
    assert plan_sha256(plan(group("group1a2b3c4d"))) != plan_sha256(plan(group(name)))


texts = st.none() | st.text(max_size=5)
changes = st.builds(
    change,
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(Operation),
    st.lists(st.builds(value, st.sampled_from(["p", "q.r"]), texts, texts), max_size=2, unique_by=lambda one: one.path).map(tuple),
)
plans = st.lists(changes, max_size=3, unique_by=lambda one: one.name).map(lambda found: plan(*found))


@given(plans, plans)
def test_hashes_are_equal_exactly_when_no_difference_is_told(one: PlanReport, other: PlanReport):
    assert (plan_sha256(one) == plan_sha256(other)) is (differences(one, other) == [])


@given(plans)
def test_a_plan_that_was_saved_is_the_same_plan(tmp_path_factory: pytest.TempPathFactory, one: PlanReport):
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    path.write_text(one.model_dump_json(indent=2))
    assert plan_sha256(read_plan(path, "dev")) == plan_sha256(one)


def saved(folder: Path, text: str) -> Path:
    path = folder / "plan.json"
    path.write_text(text)
    return path


AGAIN = "make one with `converge plan dev --live --save {path}`"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "{path} is no plan, because it is not JSON: Expecting property name"),
        ("[]", "{path} is no plan that this version can read: its schema_version is None, needed is 1; " + AGAIN),
        ('{"schema_version": 99}', "{path} is no plan that this version can read: its schema_version is 99, needed is 1; " + AGAIN),
        ('{"schema_version": 1, "stack": 5}', "{path} is no plan: stack: input should be a valid string; " + AGAIN),
        (plan(base=None).model_dump_json(), "the plan {path} starts from nothing, and one to approve from what is deployed; " + AGAIN),
        (plan(base="1a2b3c (main)").model_dump_json(), "the plan {path} starts from 1a2b3c (main), and one to approve from what is deployed; " + AGAIN),
        (plan(stack="prod").model_dump_json(), "the plan {path} is of the stack 'prod', and 'dev' is to be deployed; " + AGAIN),
    ],
)
def test_a_file_that_is_no_such_plan(tmp_path: Path, text: str, message: str):
    version = str(PlanReport.model_fields["schema_version"].default)
    path = saved(tmp_path, text.replace('"schema_version": 1,', f'"schema_version": {version},'))
    with pytest.raises(DeliveryError) as raised:
        read_plan(path, "dev")
    assert str(raised.value).startswith(message.replace("needed is 1", f"needed is {version}").format(path=path))


def test_a_plan_that_somebody_has_changed(tmp_path: Path):
    made = plan(change(values=(value(),)))
    made = made.model_copy(update={"plan_sha256": plan_sha256(made)})
    path = saved(tmp_path, made.model_dump_json())
    assert read_plan(path, "dev") == made
    path.write_text(made.model_dump_json().replace('"after":"3"', '"after":"9"'))
    with pytest.raises(
        DeliveryError, match=r" was changed after it was made: what it changes is not what its plan_sha256 stands for; make one with `converge plan dev"
    ):
        read_plan(path, "dev")


def test_a_plan_that_is_not_there(tmp_path: Path):
    with pytest.raises(DeliveryError) as raised:
        read_plan(tmp_path / "x.json")
    assert str(raised.value) == f"the plan {tmp_path / 'x.json'} cannot be read: No such file or directory"


def test_the_plan_of_a_stack_without_changes_has_a_hash_too():
    assert plan_sha256(plan()) == plan_sha256(plan(base=None)) != plan_sha256(plan(stack="prod"))
    assert json.loads(plan().model_dump_json())["base"] == "what is deployed"
