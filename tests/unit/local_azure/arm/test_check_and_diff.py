from typing import Any

import pytest

from local_azure.arm import check
from local_azure.arm.types import ALL
from local_azure.arm.types.containerservice import MANAGED_CLUSTER
from local_azure.arm.types.storage import BLOB_CONTAINER, BLOB_SERVICE, STORAGE_ACCOUNT
from local_azure.arm.wire import UNKNOWN, Secret

ACCOUNT: dict[str, Any] = {"accountName": "models123", "resourceGroupName": "data", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}


def test_good_inputs_have_no_problems():
    assert check.problems(STORAGE_ACCOUNT, ACCOUNT) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"acountName": "x"}, ("acountName", "UnknownProperty: Microsoft.Storage/storageAccounts has no property 'acountName'; is it 'accountName'?")),
        ({"primaryEndpoints": {}}, ("primaryEndpoints", "ReadOnlyProperty: Microsoft.Storage/storageAccounts sets 'primaryEndpoints' itself; remove it")),
        (
            {"accountName": "My-Models"},
            ("accountName", "InvalidResourceName: the name is 'My-Models'; allowed are 3 to 24 lower-case letters and digits"),
        ),
        (
            {"minimumTlsVersion": "1.2"},
            ("minimumTlsVersion", "InvalidValue: it is '1.2'; allowed are TLS1_0, TLS1_1, TLS1_2, TLS1_3"),
        ),
    ],
)
def test_what_arm_refuses_is_refused_in_its_words(change: dict[str, Any], problem: tuple[str, str]):
    assert check.problems(STORAGE_ACCOUNT, {**ACCOUNT, **change}) == [problem]


def test_what_is_missing_is_named():
    assert check.problems(STORAGE_ACCOUNT, {"accountName": "models123"}) == [
        (name, f"MissingProperty: Microsoft.Storage/storageAccounts needs '{name}'") for name in ("kind", "resourceGroupName", "sku")
    ]


def test_values_inside_lists_are_checked_where_they_stand():
    cluster = {"resourceName": "k", "resourceGroupName": "g", "agentPoolProfiles": [{"mode": "System"}, {"mode": "Sytem"}]}
    assert check.problems(MANAGED_CLUSTER, cluster) == [("agentPoolProfiles[1].mode", "InvalidValue: it is 'Sytem'; allowed are Gateway, System, User")]


def test_values_that_are_not_known_yet_and_secrets_are_left_alone():
    assert check.problems(STORAGE_ACCOUNT, {**ACCOUNT, "accountName": UNKNOWN, "minimumTlsVersion": UNKNOWN, "sku": Secret({"name": "Standard_LRS"})}) == []


def test_the_only_name_of_a_blob_service_is_default():
    inputs = {"accountName": "a", "resourceGroupName": "g", "blobServicesName": "other"}
    assert check.problems(BLOB_SERVICE, inputs) == [("blobServicesName", "InvalidResourceName: the only name is 'default', it is 'other'")]


@pytest.mark.parametrize(
    ("name", "allowed"), [("models", True), ("a-b", True), ("ab", False), ("a--b", False), ("-ab", False), ("Models", False), ("a" * 64, False)]
)
def test_container_names_follow_azures_rule(name: str, allowed: bool):
    found = check.problems(BLOB_CONTAINER, {"accountName": "a", "resourceGroupName": "g", "containerName": name})
    assert (found == []) == allowed


@pytest.mark.parametrize("kind", ALL.values(), ids=lambda kind: kind.arm_type)
def test_every_type_describes_itself_without_contradiction(kind: Any):
    assert kind.required <= kind.properties
    assert {path.split(".")[0].removesuffix("[]") for path in (*kind.choices, *kind.immutable)} <= kind.properties
    assert kind.name_property in kind.properties
    assert not set(kind.outputs) & (kind.required | {kind.name_property})
