import json
import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from model_store.layout import NAME_PATTERN
from settings.parts import Service, UserPool
from settings.schema import StackSettings, nested_models
from tests.unit.settings.stack_files import PREFIX, project_keys, stack_values

BASE_IMAGE = f"docker.io/library/python:3.11@sha256:{'f' * 64}"
_GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/shared"
_PRIVATE = [IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")]


def parsed(**values: Any) -> StackSettings:
    """As the program does it: from JSON, keys as typed."""
    return StackSettings.model_validate_json(json.dumps({"baseImage": BASE_IMAGE, **values}))


def service(**values: Any) -> Service:
    return parsed(services=[{"name": "digits", **values}]).services[0]


def accepts(**values: Any) -> bool:
    try:
        parsed(**values)
    except ValidationError:
        return False
    return True


def _typed(stack: str) -> dict[str, Any]:
    return {key.removeprefix(PREFIX): value for key, value in stack_values(stack).items() if key.startswith(PREFIX)}


def test_pulumi_yaml_declares_exactly_the_keys_that_the_program_reads():
    assert list(project_keys()) == [to_camel(name) for name in StackSettings.model_fields]


@pytest.mark.parametrize("name", StackSettings.model_fields)
def test_pulumi_yaml_and_the_program_describe_a_key_with_the_same_words(name: str):
    assert project_keys()[to_camel(name)]["description"] == StackSettings.model_fields[name].description


@pytest.mark.parametrize("name", StackSettings.model_fields)
def test_pulumi_yaml_and_the_program_have_the_same_default(name: str):
    declared, field = project_keys()[to_camel(name)], StackSettings.model_fields[name]
    assert ("default" in declared) == (not field.is_required())
    if "default" in declared:
        assert getattr(parsed(**{to_camel(name): declared["default"]}), name) == field.default == getattr(parsed(), name)


@pytest.mark.parametrize("name", StackSettings.model_fields)
def test_pulumi_yaml_and_the_program_take_the_same_type(name: str):
    kind = StackSettings.model_fields[name].annotation
    expected: dict[str, Any]
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        expected = {"type": "array", "items": {"type": "object" if isinstance(item, type) and issubclass(item, BaseModel) else "string"}}
    else:
        texts = get_origin(kind) is Literal
        expected = {"type": "string" if texts else {str: "string", bool: "boolean"}.get(kind, "object") if isinstance(kind, type) else "object"}
    assert {key: value for key, value in project_keys()[to_camel(name)].items() if key in ("type", "items")} == expected


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_committed_stack_file_is_valid(stack: str):
    made = StackSettings.model_validate_json(json.dumps(_typed(stack)))
    assert made.tags["environment"] == stack
    assert {"azure-native:subscriptionId", "azure-native:location"} <= set(stack_values(stack))
    assert {key.partition(":")[0] for key in stack_values(stack)} == {"azure-native", "bootstrap", "converge"}


def _defaults(model: type[BaseModel], values: dict[str, Any], path: str = "") -> Iterator[str]:
    """Keys whose value is what the program would take anyway."""
    nested = dict(nested_models(model))
    for name, field in model.model_fields.items():
        key = to_camel(name)
        if key not in values:
            continue
        if not field.is_required():
            # The value as the program sees it: `replicas: 2` is the default, too, however it is written.
            required = {"name": "digits"} if model in (Service, UserPool) else {"baseImage": BASE_IMAGE} if model is StackSettings else {}
            if getattr(model.model_validate_json(json.dumps({**required, key: values[key]})), name) == field.default:
                yield f"{path}{key}"
        for place, entry in [(f"{key}[{index}]", entry) for index, entry in enumerate(values[key])] if isinstance(values[key], list) else [(key, values[key])]:
            if key in nested and isinstance(entry, dict) and key != "replicas":
                yield from _defaults(nested[key], entry, f"{path}{place}.")


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_committed_stack_file_says_nothing_that_is_the_default(stack: str):
    assert list(_defaults(StackSettings, _typed(stack))) == []


def test_the_search_for_defaults_finds_them():
    said = {"registry": {"sku": "Standard"}, "services": [{"name": "x", "replicas": 2, "startupSeconds": 61}], "tags": {}, "protectData": True}
    assert list(_defaults(StackSettings, said)) == ["services[0].replicas", "registry", "registry.sku", "tags"]


def test_defaults_are_what_the_documentation_says():
    made = parsed()
    assert made.services == (Service(name="digits"),)
    digits = made.services[0]
    assert (digits.app, digits.model, digits.model_name, digits.startup_seconds, digits.exposure) == ("app_template", "", "digits", 60, "cluster")
    assert digits.replicas.model_dump() == {"min": 2, "max": 2}
    assert digits.resources.model_dump() == {"cpu": "250m", "memory": "512Mi", "cpu_limit": "1"}
    assert (made.model_storage.sku, made.model_storage.soft_delete_days, made.model_storage.write_once_days) == ("Standard_LRS", 7, 0)
    assert made.registry.sku == "Standard"
    cluster = made.cluster
    assert (cluster.kubernetes_version, cluster.upgrade_channel, cluster.tier, cluster.node_size) == ("1.34", "stable", "Free", "Standard_D2ds_v5")
    assert (cluster.min_nodes, cluster.max_nodes, cluster.user_pools, cluster.zones, cluster.admin_group_ids) == (1, 3, (), (), ())
    assert (cluster.defender, cluster.azure_policy, cluster.encryption_at_host, made.monitoring.enabled, made.network.private) == (False,) * 5
    assert cluster.maintenance.model_dump() == {"day": "Sunday", "start": "02:00", "hours": 4, "utc_offset": "+00:00"}
    assert (made.network.address_space, made.network.outbound, made.policies) == ("10.100.0.0/16", "loadBalancer", "warn")
    adopted = [
        value
        for part in (made.network, made.model_storage, made.registry, made.cluster, made.monitoring, made.ingress)
        for key, value in part
        if key.endswith("_id")
    ]
    assert set(adopted) == {""}
    assert made.deployer.model_dump() == {"principal_id": "", "principal_type": ""}
    assert (made.allowed_ip_ranges, made.protect_data, made.tags, made.storage_account_name, made.registry_name) == ((), False, {}, "", "")


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        parsed().registry.__setattr__("sku", "Premium")


def test_every_key_is_described():
    def described(model: type[BaseModel]) -> Iterator[str | None]:
        for field in model.model_fields.values():
            yield field.description
        for _, inner in nested_models(model):
            yield from described(inner)

    descriptions = list(described(StackSettings))
    assert len(descriptions) > 30
    assert all(description and description.endswith(".") for description in descriptions)


_NAMES = st.from_regex(NAME_PATTERN, fullmatch=True) | st.text("abz09-A_. ", max_size=70) | st.text(max_size=5)


@given(_NAMES)
@hypothesis(deadline=None)
def test_a_service_has_a_name_that_is_good_for_a_namespace_and_not_taken(name: str):
    taken = name.startswith("kube-") or name in {"default", "gatekeeper-system", "calico-system", "app-routing-system", "dapr-system"}
    assert accepts(services=[{"name": name}]) == (re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name) is not None and not taken)


@pytest.mark.parametrize(
    "name", ["default", "kube-system", "kube-node-lease", "kube-x", "gatekeeper-system", "calico-system", "dapr-system", "app-routing-system"]
)
def test_namespaces_of_kubernetes_and_aks_are_taken(name: str):
    assert not accepts(services=[{"name": name}])


@pytest.mark.parametrize(("length", "good"), [(1, True), (63, True), (64, False)])
def test_a_name_fits_into_a_label_of_kubernetes(length: int, good: bool):
    assert accepts(services=[{"name": "a" * length}]) == accepts(services=[{"name": "a", "model": "a" * length}]) == good


@given(_NAMES)
@hypothesis(deadline=None)
def test_models_are_named_as_the_store_names_them(name: str):
    assert accepts(services=[{"name": "digits", "model": name}]) == (re.fullmatch(NAME_PATTERN, name) is not None)


def test_a_model_has_the_services_name_unless_given():
    assert service().model_name == "digits"
    assert service(model="other").model_name == "other"


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=4))
@hypothesis(deadline=None)
def test_names_of_services_are_different(names: list[str]):
    assert accepts(services=[{"name": name} for name in names]) == (len(set(names)) == len(names))


_ADDRESSES = st.integers(0, 2**32 - 1)


@given(_ADDRESSES, st.integers(0, 32))
@hypothesis(deadline=None)
def test_ranges_are_public_and_of_a_size_that_azure_takes(address: int, bits: int):
    network = IPv4Network((address, bits), strict=False)
    private = any(network.overlaps(private) for private in _PRIVATE)
    assume(private or (network.is_global and not network.is_multicast))
    allowed = (8 <= bits <= 30 or bits == 32) and not private
    assert accepts(allowedIpRanges=[str(network)]) == allowed


@given(_ADDRESSES, st.integers(8, 30))
@hypothesis(deadline=None)
def test_a_range_starts_where_it_starts(address: int, bits: int):
    assume(address % 2 ** (32 - bits))
    assert not accepts(allowedIpRanges=[f"{IPv4Network(address).network_address}/{bits}"])


@given(st.integers(2**28 * 12, 2**28 * 13 - 1).filter(lambda number: (number >> 16) != 0xC0A8))
@hypothesis(deadline=None)
def test_a_single_address_is_kept_without_a_mask(number: int):
    address = str(IPv4Network(number).network_address)
    assert parsed(allowedIpRanges=[address]).allowed_ip_ranges == parsed(allowedIpRanges=[f"{address}/32"]).allowed_ip_ranges == (address,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "here",
        "203.0.113.0/24 ",
        "203.0.113.256",
        "203.0.113",
        "2001:db8::/32",
        "0.0.0.0/0",
        "8.8.8.8/31",
        "10.1.2.3",
        "172.16.0.0/16",
        "192.168.0.0/24",
        "0.0.0.0",
        "100.64.0.0/10",
        "127.0.0.1",
        "169.254.1.1",
        "224.0.0.1",
        "240.0.0.0/8",
        "255.255.255.255",
    ],
)
def test_what_is_no_public_ipv4_range_is_refused(text: str):
    assert not accepts(allowedIpRanges=[text])


@given(st.integers(-5, 1100) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.text(max_size=3))
@hypothesis(deadline=None)
def test_a_number_of_replicas_is_a_range_of_one(value: object):
    good = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1000
    assert accepts(services=[{"name": "digits", "replicas": value}]) == good
    if good:
        assert service(replicas=value) == service(replicas={"min": value, "max": value})


@given(st.integers(-2, 1002), st.integers(-2, 1002))
@hypothesis(deadline=None)
def test_a_range_of_replicas_goes_upwards(fewest: int, most: int):
    assert accepts(services=[{"name": "digits", "replicas": {"min": fewest, "max": most}}]) == (1 <= fewest <= most <= 1000)


@given(st.integers(0, 5), st.integers(0, 5))
@hypothesis(deadline=None)
def test_a_range_of_nodes_goes_upwards(fewest: int, most: int):
    assert accepts(cluster={"minNodes": fewest, "maxNodes": most}) == (1 <= fewest <= most)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 2000))
@hypothesis(deadline=None)
def test_a_pod_gets_what_aks_requires_and_may_use_what_it_is_promised(cpu: int, limit: int, memory: int):
    resources = {"cpu": f"{cpu}m", "cpuLimit": f"{limit}m", "memory": f"{memory}Mi"}
    assert accepts(services=[{"name": "digits", "resources": resources}]) == (100 <= cpu <= limit and memory >= 100)


@pytest.mark.parametrize(
    "resources", [{"cpu": "1", "cpuLimit": "1000m"}, {"cpu": "2", "cpuLimit": "2"}, {"memory": "1Gi"}, {"memory": "100Mi"}, {"cpu": "100m"}]
)
def test_units_are_understood(resources: dict[str, str]):
    assert accepts(services=[{"name": "digits", "resources": resources}])


@pytest.mark.parametrize(
    "resources",
    [{"cpu": "0.5"}, {"cpu": "0m"}, {"cpu": 1}, {"memory": "1G"}, {"memory": "512"}, {"memory": "1.5Gi"}, {"cpuLimit": ""}, {"cpu": "2"}, {"gpu": "1"}],
)
def test_quantities_that_are_not_understood_are_refused(resources: dict[str, Any]):
    assert not accepts(services=[{"name": "digits", "resources": resources}])


@pytest.mark.parametrize("app", ["app_template", "apps/digits", "a", "apps/v1.2/x"])
def test_an_app_lies_inside_the_project(app: str):
    assert service(app=app).app == app


@pytest.mark.parametrize("app", ["", "/etc", "../other", "apps/../../other", "apps//x", "apps/", "./app", ".hidden", "a b", "apps\\x"])
def test_an_app_outside_of_the_project_is_refused(app: str):
    assert not accepts(services=[{"name": "digits", "app": app}])


@pytest.mark.parametrize(
    "image",
    [
        "",
        "python:3.11",
        f"python@sha256:{'f' * 63}",
        f"python@sha256:{'F' * 64}",
        f"python@sha256:{'f' * 64}\n",
        f"@sha256:{'f' * 64}",
        f"a b@sha256:{'f' * 64}",
    ],
)
def test_a_base_image_is_named_by_digest(image: str):
    assert not accepts(baseImage=image)


@pytest.mark.parametrize(
    ("values", "good"),
    [
        ({"storageAccountName": "abc"}, True),
        ({"storageAccountName": "a" * 24}, True),
        ({"storageAccountName": "ab"}, False),
        ({"storageAccountName": "a" * 25}, False),
        ({"storageAccountName": "Abc"}, False),
        ({"registryName": "Abc12"}, True),
        ({"registryName": "a" * 50}, True),
        ({"registryName": "abcd"}, False),
        ({"registryName": "a" * 51}, False),
        ({"registryName": "abc-de"}, False),
        ({"modelStorage": {"softDeleteDays": 365}}, True),
        ({"modelStorage": {"softDeleteDays": 0}}, False),
        ({"modelStorage": {"softDeleteDays": 366}}, False),
        ({"modelStorage": {"sku": "Premium_LRS"}}, False),
        ({"modelStorage": {"contributorGroupId": "00000000-0000-0000-0000-000000000000"}}, True),
        ({"modelStorage": {"contributorGroupId": "publishers"}}, False),
        ({"registry": {"sku": "Free"}}, False),
        ({"cluster": {"kubernetesVersion": "1.34.1"}}, False),
        ({"cluster": {"kubernetesVersion": 1.34}}, False),
        ({"cluster": {"nodeSize": "D4ds_v5"}}, False),
        ({"cluster": {"zones": ["1", "3"]}}, True),
        ({"cluster": {"zones": ["4"]}}, False),
        ({"cluster": {"zones": [1]}}, False),
        ({"cluster": {"adminGroupIds": [""]}}, False),
        ({"cluster": {"adminGroupIds": ["00000000-0000-0000-0000-00000000000A"]}}, True),
        ({"deployer": {"principalType": "Device"}}, False),
        ({"deployer": {"principalId": ""}}, True),
        ({"protectData": "true"}, False),
        ({"protectData": 1}, False),
        ({"tags": {"a": 1}}, False),
        ({"services": [{"name": "digits", "startupSeconds": 9}]}, False),
        ({"services": [{"name": "digits", "startupSeconds": 1801}]}, False),
        ({"services": [{"name": "digits", "startupSeconds": "60"}]}, False),
        ({"services": [{"name": "digits", "exposure": "everybody"}]}, False),
        ({"services": [{"name": "digits", "exposure": "internet"}]}, True),
        ({"services": [{"name": "digits", "host": "digits"}]}, False),
        ({"services": [{"name": "digits", "host": "digits.example.com"}]}, True),
        ({"network": {"addressSpace": "10.0.0.0/24"}}, True),
        ({"network": {"addressSpace": "10.0.0.0/25"}}, False),
        ({"network": {"addressSpace": "10.0.0.1/16"}}, False),
        ({"network": {"addressSpace": "172.16.0.0/12"}}, False),
        ({"network": {"addressSpace": "192.168.4.0/22"}}, False),
        ({"network": {"addressSpace": "52.0.0.0/16"}}, False),
        ({"network": {"nodeSubnetId": "nodes"}}, False),
        ({"network": {"nodeSubnetId": f"{_GROUP}/providers/Microsoft.Network/virtualNetworks/hub/subnets/nodes"}}, True),
        ({"network": {"nodeSubnetId": f"{_GROUP}/providers/Microsoft.Network/virtualNetworks/hub"}}, False),
        ({"registry": {"registryId": f"{_GROUP}/providers/Microsoft.ContainerRegistry/registries/shared"}}, True),
        ({"registry": {"resourceGroupId": _GROUP}}, True),
        ({"registry": {"resourceGroupId": f"{_GROUP}/"}}, False),
        ({"modelStorage": {"writeOnceDays": 146001}}, False),
        ({"cluster": {"userPools": [{"name": "apps"}, {"name": "apps"}]}}, False),
        ({"cluster": {"userPools": [{"name": "system"}]}}, False),
        ({"cluster": {"userPools": [{"name": "apps", "minNodes": 4, "maxNodes": 3}]}}, False),
        ({"cluster": {"maintenance": {"start": "24:00"}}}, False),
        ({"cluster": {"maintenance": {"utcOffset": "+01:00", "start": "23:30"}}}, True),
        ({"monitoring": {"alertEmails": ["a@example.com", "a@example.com"]}}, False),
        ({"policies": "ignore"}, False),
        ({"monitoring": {"dailyQuotaGb": 0}}, False),
        ({"monitoring": {"dailyQuotaGb": 1}}, True),
        ({"services": []}, True),
        ({"protect_data": True}, False),
    ],
)
def test_values_are_taken_as_typed_and_within_azures_limits(values: dict[str, Any], good: bool):
    assert accepts(**values) == good


@pytest.mark.parametrize("cluster", [{"zones": ["1", "2", "1"]}, {"adminGroupIds": ["11111111-2222-3333-4444-555555555555"] * 2}])
def test_what_is_listed_twice_is_refused(cluster: dict[str, list[str]]):
    assert not accepts(cluster=cluster)
