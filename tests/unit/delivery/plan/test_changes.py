"""From the engine's steps to what changes."""

import random

import pytest

from delivery.plan.changes import infrastructure
from delivery.plan.report import EffectKind, Operation, ValueChange
from tests.unit.delivery.plan.steps import STORAGE, because, step, urn

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def test_an_update_tells_the_values_that_differ():
    before = {"sku": {"name": "Standard_LRS"}, "tags": {"a": "1"}, "kept": True, "__defaults": []}
    after = {"sku": {"name": "Standard_ZRS"}, "tags": {"b": "2"}, "kept": True, "__defaults": ["x"]}
    (change,) = infrastructure([step("update", old=before, new=after)]).changes
    assert (change.operation, change.kind, change.name, change.component) == (Operation.UPDATE, "storage.StorageAccount", "account", "converge-models")
    assert change.values == (
        ValueChange(path="sku.name", before="Standard_LRS", after="Standard_ZRS"),
        ValueChange(path="tags.a", before="1"),
        ValueChange(path="tags.b", after="2"),
    )


def test_the_steps_of_a_replacement_are_one_change():
    before, after = {"kind": "StorageV2"}, {"kind": "BlobStorage"}
    steps = [
        step("delete-replaced", old=before),
        because(step("replace", old=before, new=after), kind="update-replace"),
        because(step("create-replacement", old=before, new=after), kind="update-replace"),
    ]
    (change,) = infrastructure(steps).changes
    assert change.operation is Operation.REPLACE
    assert change.values == (ValueChange(path="kind", before="StorageV2", after="BlobStorage", replaces=True),)
    assert [effect.kind for effect in change.effects] == [EffectKind.DATA_LOSS]


def test_what_stays_and_what_is_only_a_name_is_counted_or_left_out():
    steps = [
        step("same", old={}, new={}),
        step("same", "converge:index:ModelStorage", "models", old={}, new={}, custom=False),
        step("create", "pulumi:pulumi:Stack", "converge-dev", new={}, custom=False),
        step("create", "pulumi:providers:azure-native", "default_3_29_0", new={}),
        step("read", "azure-native:containerregistry:Registry", "adopted", new={}),
        step("create", "pulumi:providers:kubernetes", "workloads", new={}),
    ]
    found = infrastructure(steps)
    assert [(change.kind, change.name) for change in found.changes] == [("kubernetes provider", "workloads")]
    assert found.unchanged == 1


def test_a_secret_is_never_shown_and_yet_told():
    hidden = {"kubeconfig": "[secret]", "secrets": {"token": "[secret]"}, "name": "x"}
    update = step("update", old=hidden, new={**hidden, "name": "y"})
    (change,) = infrastructure([because(update, kubeconfig="update", secrets__token="update", name="update")]).changes
    assert change.values == (
        ValueChange(path="name", before="x", after="y"),
        ValueChange(path="kubeconfig", before="[secret]", after="[secret]"),
        ValueChange(path="secrets.token", before="[secret]", after="[secret]"),
    )


def test_a_value_that_only_an_update_will_know():
    (change,) = infrastructure([step("update", old={"image": "a@sha256:1"}, new={"image": UNKNOWN})]).changes
    assert change.values == (ValueChange(path="image", before="a@sha256:1", after="(known when it is done)"),)


def test_values_of_every_kind_are_told_as_json_would():
    (change,) = infrastructure([step("create", new={"a": True, "b": None, "c": 1.5, "d": [], "e": {}, "f": ""})]).changes
    assert [(value.path, value.before, value.after) for value in change.values] == [
        ("a", None, "true"),
        ("b", None, "null"),
        ("c", None, "1.5"),
        ("d", None, "[]"),
        ("e", None, "{}"),
        ("f", None, ""),
    ]


@pytest.mark.parametrize("operation", ["delete", "replace"])
def test_what_is_protected_is_refused(operation: str):
    (change,) = infrastructure([step(operation, old={"a": 1}, new={"a": 2})], frozenset({urn(STORAGE, "account")})).changes
    assert [effect.kind for effect in change.effects] == [EffectKind.REFUSED, EffectKind.DATA_LOSS]


def test_protection_goes_with_the_name_that_a_resource_had():
    renamed = step("replace", old={"a": 1}, new={"a": 2})
    renamed["oldState"]["urn"] = "urn:of:before"
    (change,) = infrastructure([renamed], frozenset({"urn:of:before"})).changes
    assert change.effects[0].kind is EffectKind.REFUSED


def test_what_is_protected_may_be_updated():
    (change,) = infrastructure([step("update", old={"a": 1}, new={"a": 2})], frozenset({urn(STORAGE, "account")})).changes
    assert change.effects == ()


def test_what_is_retained_is_forgotten_and_loses_nothing():
    (change,) = infrastructure([step("delete", old={"a": 1}, retainOnDelete=True)]).changes
    assert (change.operation, change.effects) == (Operation.FORGET, ())


def test_a_deletion_has_no_values():
    (change,) = infrastructure([step("delete", old={"a": 1})]).changes
    assert (change.operation, change.values) == (Operation.DELETE, ())


def test_the_order_of_the_steps_makes_no_difference():
    steps = [step("create", STORAGE, name, new={}, parent=f"urn:pulumi:dev::converge::converge:index:X::{parent}") for name in "cab" for parent in "zy"]
    steps = [{**one, "urn": f"{one['urn']}-{number}"} for number, one in enumerate(steps)]
    expected = infrastructure(steps)
    assert [change.component for change in expected.changes] == ["y", "y", "y", "z", "z", "z"]
    for seed in range(5):
        shuffled = random.Random(seed).sample(steps, len(steps))
        assert infrastructure(shuffled) == expected


def test_what_lies_directly_in_the_stack_has_no_component():
    (change,) = infrastructure([step("create", new={}, parent="urn:pulumi:dev::converge::pulumi:pulumi:Stack::converge-dev")]).changes
    assert change.component == ""


_LOCKED = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/models"


@pytest.mark.parametrize(
    ("lock", "operation", "scope", "refused"),
    [
        ("same", "replace", f"{_LOCKED.upper()}/blobServices/default/containers/models", True),
        ("same", "delete", _LOCKED, True),
        ("same", "delete", f"{_LOCKED}2", False),
        ("same", "update", _LOCKED, False),
        ("delete", "replace", _LOCKED, False),
    ],
)
def test_a_lock_that_stays_keeps_grants_below_it(lock: str, operation: str, scope: str, refused: bool):
    locks = step(lock, "azure-native:authorization:ManagementLockByScope", "lock", old={"scope": _LOCKED}, new=None if lock == "delete" else {"scope": _LOCKED})
    new = None if operation == "delete" else {"scope": scope, "principalId": "b"}
    grant = step(operation, "azure-native:authorization:RoleAssignment", "grant", old={"scope": scope, "principalId": "a"}, new=new)
    (change,) = (change for change in infrastructure([locks, grant]).changes if change.name == "grant")
    assert (EffectKind.REFUSED in {effect.kind for effect in change.effects}) == refused
