import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_azure.arm import check
from local_azure.arm.models import chosen_shape
from local_azure.arm.spec import ResourceType
from local_azure.arm.types import ALL
from local_azure.arm.types.containerservice import MANAGED_CLUSTER
from local_azure.arm.types.monitor import ACTION_GROUP, METRIC_ALERT
from local_azure.arm.types.network import VIRTUAL_NETWORK
from local_azure.arm.types.storage import BLOB_CONTAINER, BLOB_SERVICE, IMMUTABILITY_POLICY, STORAGE_ACCOUNT
from local_azure.arm.wire import UNKNOWN, Secret
from tests.unit.local_azure.arm.examples import EXAMPLES

ACCOUNT: dict[str, Any] = {"accountName": "models123", "resourceGroupName": "data", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
CRITERIA = ("MultipleResourceMultipleMetric", "SingleResourceMultipleMetric", "WebtestLocationAvailability")
CLUSTER: dict[str, Any] = {"resourceName": "k", "resourceGroupName": "g"}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_valid_resource_of_every_type_passes(name: str):
    found = check.examine(ALL[name], EXAMPLES[name])
    assert found.problems == []
    assert found.checked
    assert found.unknown == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"acountName": "x"}, ("acountName", "UnknownProperty: Microsoft.Storage/storageAccounts has no property 'acountName'; is it 'accountName'?")),
        ({"primaryEndpoints": {}}, ("primaryEndpoints", "ReadOnlyProperty: Microsoft.Storage/storageAccounts sets 'primaryEndpoints' itself; remove it")),
        ({"accountName": "My-Models"}, ("accountName", "InvalidResourceName: the name is 'My-Models'; allowed are 3 to 24 lower-case letters and digits")),
        ({"minimumTlsVersion": "1.2"}, ("minimumTlsVersion", "InvalidValue: it is '1.2'; allowed are TLS1_0, TLS1_1, TLS1_2, TLS1_3")),
        ({"allowSharedKeyAccess": "false"}, ("allowSharedKeyAccess", "InvalidType: it is 'false'; it must be a boolean")),
        ({"tags": ["a"]}, ("tags", "InvalidType: it is a list; it must be an object")),
        ({"tags": {"a": 1}}, ('tags["a"]', "InvalidType: it is 1; it must be a string")),
        ({"sku": "Standard_LRS"}, ("sku", "InvalidType: it is 'Standard_LRS'; it must be an object")),
        ({"sku": {}}, ("sku.name", "MissingProperty: Microsoft.Storage/storageAccounts needs 'sku.name'")),
        (
            {"sku": {"name": "Standard_LRS", "tier": "Standard"}},
            ("sku.tier", "ReadOnlyProperty: Microsoft.Storage/storageAccounts sets 'sku.tier' itself; remove it"),
        ),
        (
            {"networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"iPAddressOrRange": "10.0.0.0/8"}, {"value": "x"}]}},
            ("networkRuleSet.ipRules[1].value", "UnknownProperty: Microsoft.Storage/storageAccounts has no property 'networkRuleSet.ipRules[1].value'"),
        ),
        (
            {"immutableStorageWithVersioning": {"immutabilityPolicy": {"immutabilityPeriodSinceCreationInDays": 0}}},
            (
                "immutableStorageWithVersioning.immutabilityPolicy.immutabilityPeriodSinceCreationInDays",
                "ValueOutOfRange: it is '0'; allowed are 1 to 146000",
            ),
        ),
    ],
)
def test_what_arm_refuses_is_refused_in_its_words(change: dict[str, Any], problem: tuple[str, str]):
    assert problem in check.problems(STORAGE_ACCOUNT, {**ACCOUNT, **change})


@pytest.mark.parametrize(
    ("kind", "change", "problem"),
    [
        (
            MANAGED_CLUSTER,
            {"networkProfile": {"podCidr": "10.0.0.0/99"}},
            ("networkProfile.podCidr", r"InvalidPattern: it is '10.0.0.0/99'; it must match ^([0-9]{1,3}\.){3}[0-9]{1,3}(\/([0-9]|[1-2][0-9]|3[0-2]))?$"),
        ),
        (ACTION_GROUP, {"groupShortName": "much too long"}, ("groupShortName", "InvalidLength: it is 'much too long', 13 characters; allowed are 0 to 12")),
        (METRIC_ALERT, {"windowSize": "15m"}, ("windowSize", "InvalidFormat: it is '15m'; it must be an ISO 8601 duration")),
        (METRIC_ALERT, {"severity": True}, ("severity", "InvalidType: it is True; it must be an integer")),
        (METRIC_ALERT, {"severity": 2.5}, ("severity", "InvalidType: it is 2.5; it must be an integer")),
        (
            METRIC_ALERT,
            {"criteria": {"odataType": "Other"}},
            ("criteria.odataType", f"InvalidValue: it is 'Other'; allowed are {', '.join(f'Microsoft.Azure.Monitor.{name}Criteria' for name in CRITERIA)}"),
        ),
        (IMMUTABILITY_POLICY, {"etag": "x"}, ("etag", f"ReadOnlyProperty: {IMMUTABILITY_POLICY.arm_type} sets 'etag' itself; remove it")),
    ],
)
def test_lengths_patterns_formats_and_discriminators_are_the_models(kind: ResourceType, change: dict[str, Any], problem: tuple[str, str]):
    assert check.problems(kind, {**EXAMPLES[kind.pulumi_type], **change}) == [problem]


def test_what_the_sdk_lets_through_and_the_model_says_is_arms_own_is_refused():
    subnets = [{**subnet, "etag": "x"} for subnet in EXAMPLES[VIRTUAL_NETWORK.pulumi_type]["subnets"][:1]]
    reason = "ReadOnlyProperty: Microsoft.Network/virtualNetworks sets 'subnets[0].etag' itself; remove it"
    assert check.problems(VIRTUAL_NETWORK, {**EXAMPLES[VIRTUAL_NETWORK.pulumi_type], "subnets": subnets}) == [("subnets[0].etag", reason)]


def test_what_is_missing_is_named():
    assert check.problems(STORAGE_ACCOUNT, {"accountName": "models123"}) == [
        (name, f"MissingProperty: Microsoft.Storage/storageAccounts needs '{name}'") for name in ("kind", "resourceGroupName", "sku")
    ]


def test_values_inside_lists_are_checked_where_they_stand():
    cluster = {**CLUSTER, "agentPoolProfiles": [{"name": "one", "mode": "System"}, {"name": "two", "mode": "Sytem"}]}
    assert check.problems(MANAGED_CLUSTER, cluster) == [("agentPoolProfiles[1].mode", "InvalidValue: it is 'Sytem'; allowed are Gateway, System, User")]


def test_enumerated_values_are_compared_without_regard_to_case():
    assert check.problems(STORAGE_ACCOUNT, {**ACCOUNT, "minimumTlsVersion": "tls1_2"}) == []


def test_values_that_are_not_known_yet_are_left_alone_and_the_rest_is_checked():
    found = check.examine(STORAGE_ACCOUNT, {**ACCOUNT, "accountName": UNKNOWN, "minimumTlsVersion": UNKNOWN, "sku": {"name": UNKNOWN}, "accessTier": "Warm"})
    assert found.problems == [("accessTier", "InvalidValue: it is 'Warm'; allowed are Cold, Cool, Hot, Premium")]
    assert found.unknown == ["minimumTlsVersion", "sku.name"]
    assert check.problems(STORAGE_ACCOUNT, {**ACCOUNT, "sku": UNKNOWN}) == []


def test_a_secret_is_checked_and_never_shown():
    assert check.problems(STORAGE_ACCOUNT, {**ACCOUNT, "sku": Secret({"name": "Standard_LRS"})}) == []
    for wrong in ({"sku": Secret({"name": "hunter2"})}, {"minimumTlsVersion": Secret("hunter2")}, {"allowSharedKeyAccess": Secret("hunter2")}):
        ((_, reason),) = check.problems(STORAGE_ACCOUNT, {**ACCOUNT, **wrong})
        assert "hunter2" not in reason
        assert "a secret" in reason or "a string" in reason


def test_what_the_model_does_not_have_is_counted_apart():
    found = check.examine(ALL["azure-native:monitor:AzureMonitorWorkspace"], EXAMPLES["azure-native:monitor:AzureMonitorWorkspace"])
    assert found.sdk_only == ["publicNetworkAccess"]
    assert found.checked == ["location"]
    assert found.not_checked == ["publicNetworkAccess"]


def test_the_only_name_of_a_blob_service_is_default():
    inputs = {"accountName": "models123", "resourceGroupName": "g", "blobServicesName": "other"}
    assert check.problems(BLOB_SERVICE, inputs) == [("blobServicesName", "InvalidResourceName: the only name is 'default', it is 'other'")]


@pytest.mark.parametrize(
    ("name", "allowed"), [("models", True), ("a-b", True), ("ab", False), ("a--b", False), ("-ab", False), ("Models", False), ("a" * 64, False)]
)
def test_container_names_follow_azures_rule(name: str, allowed: bool):
    found = check.problems(BLOB_CONTAINER, {"accountName": "models123", "resourceGroupName": "g", "containerName": name})
    assert (found == []) == allowed


def test_the_names_of_what_a_resource_lies_in_are_checked_too():
    inputs = {"accountName": "a", "resourceGroupName": "g" * 91, "containerName": "models"}
    assert check.problems(BLOB_CONTAINER, inputs) == [
        ("accountName", "InvalidLength: it is 'a', 1 characters; allowed are 3 to 24"),
        ("resourceGroupName", f"InvalidLength: it is '{'g' * 91}', 91 characters; allowed are 1 to 90"),
    ]


@given(data=st.data())
@settings(max_examples=200)
def test_our_rules_for_names_allow_nothing_that_microsofts_own_code_refuses(data: st.DataObject):
    kind = ALL[data.draw(st.sampled_from([name for name, kind in sorted(ALL.items()) if kind.name_rule]))]
    assert kind.name_rule
    name = data.draw(st.from_regex(re.compile(kind.name_rule.pattern, re.ASCII), fullmatch=True))
    limits = kind.model.inputs.properties[kind.name_property].limits
    assert limits.get("minLength", 0) <= len(name) <= limits.get("maxLength", 1000)
    assert re.search(limits.get("pattern", ""), name)


Place = tuple[tuple[str | int, ...], str]


def leaves(kind: ResourceType) -> list[Place]:
    """Every known leaf of a type's example: where it stands, and its type."""

    def walk(names: str, value: dict[str, Any], where: tuple[str | int, ...]) -> Iterator[Place]:
        shape = kind.model.inputs if not where else chosen_shape(kind.pulumi_type.split(":")[1], names, value)
        assert shape
        for name, item in value.items():
            yield from inside(shape.properties[name].type, item, (*where, name))

    def inside(declared: str, item: Any, where: tuple[str | int, ...]) -> Iterator[Place]:
        if declared.startswith("[") and isinstance(item, list):
            for number, one in enumerate(item):
                yield from inside(declared[1:-1], one, (*where, number))
        elif declared.startswith("{"):
            for name, one in item.items():
                yield from inside(declared[1:-1], one, (*where, name))
        elif declared[0].isupper():
            yield from walk(declared, item, where)
        elif declared != "any":
            yield where, declared

    return list(walk("", EXAMPLES[kind.pulumi_type], ()))


def changed(inputs: dict[str, Any], where: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    result = copy.deepcopy(inputs)
    place: Any = result
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    return result


def same_place(where: tuple[str | int, ...], path: str) -> bool:
    return [str(step) for step in where] == [step.strip('"]') for step in path.replace("[", ".").replace('"]', "").replace("]", "").replace('"', "").split(".")]


@given(data=st.data())
@settings(max_examples=200)
def test_one_wrong_value_anywhere_is_refused_where_it_stands(data: st.DataObject):
    kind = ALL[data.draw(st.sampled_from(sorted(EXAMPLES)))]
    where, declared = data.draw(st.sampled_from(leaves(kind)))
    if any("." in str(step) for step in where):
        return
    wrong = data.draw(
        st.sampled_from([value for name, value in {"string": 7, "boolean": "yes", "integer": "3", "number": "3"}.items() if name == declared] + [{"a": 1}, [1]])
    )
    found = check.problems(kind, changed(EXAMPLES[kind.pulumi_type], where, wrong))
    assert found, f"{wrong!r} at {where} of {kind.pulumi_type} passes"
    assert any(same_place(where, path) for path, _ in found), found


@given(data=st.data())
@settings(max_examples=100)
def test_one_unknown_property_anywhere_is_refused_where_it_stands(data: st.DataObject):
    kind = ALL[data.draw(st.sampled_from(sorted(EXAMPLES)))]
    where, _ = data.draw(st.sampled_from(leaves(kind)))
    place: Any = EXAMPLES[kind.pulumi_type]
    for step in where[:-1]:
        place = place[step]
    name = f"{where[-1]}Foo"
    if not isinstance(place, dict) or isinstance(where[-1], int) or (len(where) > 1 and where[-2] in ("tags", "nodeLabels", "labels", "annotations", "config")):
        return
    ((path, reason),) = check.problems(kind, changed(EXAMPLES[kind.pulumi_type], (*where[:-1], name), 1))
    assert same_place((*where[:-1], name), path)
    assert reason.startswith("UnknownProperty: ")
