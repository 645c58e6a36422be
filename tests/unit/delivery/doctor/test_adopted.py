"""Resources that exist already."""

from typing import Any

from delivery.doctor import adopted
from delivery.doctor.findings import Status
from settings.schema import StackSettings, nested_models
from tests.unit.delivery.doctor.stacks import context, healthy
from tests.unit.delivery.fake_azure import OBJECT, FakeAzure, refusal

_REGISTRY = "/subscriptions/hub/resourceGroups/shared/providers/Microsoft.ContainerRegistry/registries/company"
_SUBNET = "/subscriptions/hub/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/hub/subnets/nodes"
_PERMISSIONS = "/providers/Microsoft.Authorization/permissions"


def hub(identifier: str, *actions: str) -> FakeAzure:
    azure = healthy()
    azure.set(identifier, {"id": identifier})
    azure.set(identifier + _PERMISSIONS, {"value": [{"actions": list(actions)}]})
    return azure


def test_a_stack_that_makes_everything_adopts_nothing():
    assert adopted.check(context(healthy())) == []


def test_what_may_be_used_is_told():
    (found,) = adopted.check(context(hub(_REGISTRY, "*"), registry={"registryId": _REGISTRY}))
    assert (found.check, found.status) == ("existing registry.registryId", Status.OK)


def test_a_registry_on_which_one_may_not_grant_would_leave_nodes_without_images():
    (found,) = adopted.check(context(hub(_REGISTRY, "*/read"), registry={"registryId": _REGISTRY}))
    assert found.status is Status.FAILURE
    assert found.message == "Microsoft.Authorization/roleAssignments/write is missing; its owner gives it"
    assert found.command == f'az role assignment create --assignee {OBJECT} --role "Role Based Access Control Administrator" --scope {_REGISTRY}'


def test_a_subnet_is_joined_and_granted():
    (found,) = adopted.check(context(hub(_SUBNET, "*/read"), network={"nodeSubnetId": _SUBNET}))
    assert '--role "Network Contributor"' in found.command
    assert '--role "Role Based Access Control Administrator"' in found.command


def test_for_a_plan_it_only_has_to_be_there():
    (found,) = adopted.check(context(hub(_SUBNET, "*/read"), plans_only=True, network={"nodeSubnetId": _SUBNET}))
    assert found.status is Status.OK


def test_what_is_not_there_is_told_with_the_key_and_the_id():
    (found,) = adopted.check(context(healthy(), network={"blobZoneId": "/zone"}))
    assert (found.check, found.status) == ("existing network.blobZoneId", Status.FAILURE)
    assert found.command == "az resource show --ids /zone; correct it in Pulumi.dev.yaml"


def test_one_that_is_refused_does_not_hide_the_others():
    azure = hub(_REGISTRY, "*")
    azure.set(_SUBNET, refusal(403, "AuthorizationFailed"))
    registry, subnet = adopted.check(context(azure, registry={"registryId": _REGISTRY}, network={"nodeSubnetId": _SUBNET}))
    assert (registry.status, subnet.status) == (Status.OK, Status.FAILURE)
    assert subnet.message.startswith("the login does not see it: Azure refuses GET")


def _ids(model: Any, prefix: str = "converge:") -> set[str]:
    names = {f"{prefix}{field.alias}" for field in model.model_fields.values() if str(field.alias).endswith("Id")}
    return names.union(*(_ids(nested, f"{prefix}{name}.") for name, nested in nested_models(model)))


def test_every_key_that_names_a_resource_is_looked_at():
    entra = {"converge:deployer.principalId", "converge:modelStorage.contributorGroupId"}
    assert _ids(StackSettings) - entra == {key.key for key in adopted._KEYS}
