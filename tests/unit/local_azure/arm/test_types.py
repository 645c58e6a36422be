"""What only we say of the types: ids, names, parents, outputs."""

import re
from pathlib import Path
from typing import Any

import pytest

from local_azure.arm import check
from local_azure.arm.models import shape_of
from local_azure.arm.reading import imported
from local_azure.arm.resources import Resources
from local_azure.arm.services import Services
from local_azure.arm.spec import Context, ResourceType
from local_azure.arm.state import State
from local_azure.arm.types import ALL
from local_azure.arm.types.network import VIRTUAL_NETWORK
from local_azure.arm.wire import UNKNOWN, has_unknown
from tests.unit.local_azure.arm.examples import EXAMPLES, GROUP

CONTEXT = Context(subscription_id="00000000-0000-0000-0000-000000000001", tenant_id="tenant", services=Services(Path("/nowhere"), "none"))
EVERY = pytest.mark.parametrize("kind", ALL.values(), ids=lambda kind: kind.arm_type)


@EVERY
def test_every_type_describes_itself_without_contradiction(kind: ResourceType):
    assert kind.required <= kind.properties
    assert {path.split(".")[0].removesuffix("[]") for path in kind.immutable} <= kind.properties
    assert {rule.property.split(".")[0].split("[")[0] for rule in kind.rules} <= kind.properties
    assert set(kind.filled_in) <= kind.properties | {"privateFQDN"}
    assert kind.name_property in kind.properties
    assert not set(kind.outputs) & (kind.required | {kind.name_property})
    assert kind.fixed_name or kind.name_rule or kind.arm_type == "Microsoft.Insights/dataCollectionRuleAssociations"
    assert kind.in_url - {"subscription"} <= kind.properties


def body_of_immutable(kind: ResourceType, path: str) -> bool:
    shape = kind.model.inputs
    namespace = kind.pulumi_type.split(":")[1]
    for name in path.split("."):
        declared = shape.properties.get(name.removesuffix("[]"))
        if declared is None:
            return False
        inner = declared.type.strip("[]{}").split("|")[0]
        shape = shape_of(namespace, inner) if inner[0].isupper() else shape
    return True


@EVERY
def test_what_cannot_be_changed_are_properties_that_exist(kind: ResourceType):
    for path in kind.immutable:
        assert body_of_immutable(kind, path), path


@EVERY
def test_ids_outputs_and_answers_fit_the_inputs(kind: ResourceType):
    inputs: dict[str, Any] = EXAMPLES[kind.pulumi_type]
    inputs = {kind.name_property: "default", **inputs} if kind.fixed_name else inputs
    identifier = kind.id_of(CONTEXT, inputs)
    assert re.fullmatch(r"/[^{}]+[^/]", identifier)
    assert kind.arm_type.split("/")[0].lower() in identifier.lower() or kind.arm_type == "Microsoft.Resources/resourceGroups"
    outputs = kind.compute(CONTEXT, identifier, inputs)
    assert not has_unknown(outputs)
    assert outputs["name"]
    assert outputs.get("type", kind.arm_type).lower() == kind.arm_type.lower()
    assert outputs.keys() <= {*kind.outputs, *kind.properties}
    # What an answer leaves open in a preview, the outputs know.
    assert not has_unknown({**kind.respond(inputs), **outputs})
    assert kind.respond(inputs).keys() == inputs.keys()


@pytest.mark.parametrize(
    ("pulumi_type", "parent"),
    [
        ("azure-native:resources:ResourceGroup", None),
        ("azure-native:authorization:RoleAssignment", None),
        ("azure-native:monitor:DiagnosticSetting", None),
        ("azure-native:storage:StorageAccount", GROUP),
        ("azure-native:storage:BlobServiceProperties", f"{GROUP}/providers/Microsoft.Storage/storageAccounts/models123"),
        ("azure-native:storage:BlobContainer", f"{GROUP}/providers/Microsoft.Storage/storageAccounts/models123"),
        (
            "azure-native:storage:BlobContainerImmutabilityPolicy",
            f"{GROUP}/providers/Microsoft.Storage/storageAccounts/models123/blobServices/default/containers/models",
        ),
        ("azure-native:containerservice:AgentPool", f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/cluster"),
        ("azure-native:privatedns:VirtualNetworkLink", f"{GROUP}/providers/Microsoft.Network/privateDnsZones/privatelink.azurecr.io"),
        ("azure-native:keyvault:Key", f"{GROUP}/providers/Microsoft.KeyVault/vaults/converge-state"),
    ],
)
def test_a_resource_lies_in_its_parent(pulumi_type: str, parent: str | None):
    assert ALL[pulumi_type].parent_of(CONTEXT, EXAMPLES[pulumi_type]) == parent


@pytest.mark.parametrize(
    ("pulumi_type", "good", "bad"),
    [
        ("azure-native:resources:ResourceGroup", ["a", "a.b(c)", "größe", "a" * 90], ["", "a.", "a" * 91, "a/b"]),
        ("azure-native:network:VirtualNetwork", ["ab", "a.b_", "a" * 64], ["a", "a-", "-ab", "a" * 65]),
        ("azure-native:network:NatGateway", ["a", "a" * 80], ["_a", "größe", "a.", "a" * 81]),
        ("azure-native:privatedns:PrivateZone", ["privatelink.azurecr.io", "a.b"], ["a", "a..b", f"{'a' * 64}.b"]),
        ("azure-native:keyvault:Vault", ["abc", "a-b-c"], ["1bc", "a--b", "ab-", "ab", "a" * 25]),
        ("azure-native:containerregistry:Registry", ["abcde"], ["abcd", "ab-cd", "a" * 51]),
        ("azure-native:containerservice:AgentPool", ["a", "a" * 12], ["A", "1a", "a" * 13]),
        ("azure-native:containerservice:MaintenanceConfiguration", ["default", "aksManagedAutoUpgradeSchedule"], ["weekly"]),
        ("azure-native:operationalinsights:Workspace", ["logs", "a-b-c"], ["log", "-logs", "a" * 64]),
        ("azure-native:monitor:MetricAlert", ["a b", "x" * 260], ["a?", "a.", "", "x" * 261]),
        ("azure-native:authorization:ManagementLockByScope", ["keep (it)".replace(" ", "-")], ["keep.", "a" * 91]),
    ],
)
def test_names_follow_azures_rules(pulumi_type: str, good: list[str], bad: list[str]):
    rule = ALL[pulumi_type].name_rule
    assert rule
    assert [name for name in good if not rule.allows(name)] == []
    assert [name for name in bad if rule.allows(name)] == []


def test_subnets_are_answered_with_their_ids():
    inputs = EXAMPLES["azure-native:network:VirtualNetwork"]
    assert [subnet["id"] for subnet in VIRTUAL_NETWORK.respond(inputs)["subnets"]] == [UNKNOWN] * 3
    identifier = VIRTUAL_NETWORK.id_of(CONTEXT, inputs)
    assert [subnet["id"] for subnet in VIRTUAL_NETWORK.compute(CONTEXT, identifier, inputs)["subnets"]] == [
        f"{identifier}/subnets/{name}" for name in ("nodes", "api-server", "private-endpoints")
    ]


def test_a_whole_stack_of_examples_can_be_put_and_every_answer_is_known(tmp_path: Path):
    state = State(tmp_path / "arm")
    arm = Resources(state, CONTEXT)
    waiting = dict(EXAMPLES)
    for _ in range(5):
        for name, inputs in list(waiting.items()):
            kind = ALL[name]
            parent = kind.parent_of(CONTEXT, inputs)
            if parent is None or parent.lower() in state.read():
                _, answer = arm.put(kind, {kind.name_property: "default", **inputs} if kind.fixed_name else dict(inputs))
                assert not has_unknown(answer), name
                # What an import would take over from the answer can be sent again.
                names = {key: inputs[key] for key in kind.in_url & inputs.keys()}
                assert check.problems(kind, imported(kind, names, answer)) == [], name
                del waiting[name]
    assert waiting == {}
