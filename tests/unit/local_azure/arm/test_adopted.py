"""What a stack adopts is answered without having been made."""

import json
from pathlib import Path

import pytest

from local_azure.arm import invokes
from local_azure.arm.adopted import Adopted, assumed
from local_azure.arm.errors import ArmError
from local_azure.arm.resources import Resources
from local_azure.arm.services import Services
from local_azure.arm.spec import Context
from local_azure.arm.state import State
from local_azure.arm.types import ALL
from local_azure.arm.types.storage import BLOB_CONTAINER
from local_azure.arm.wire import has_unknown
from tests.unit.local_azure.arm.examples import EXAMPLES

CONTEXT = Context(subscription_id="00000000-0000-0000-0000-000000000001", tenant_id="tenant", services=Services(Path("/nowhere"), "none"))
CONTAINER = {"resourceGroupName": "shared", "accountName": "models123", "containerName": "models"}


def resources(folder: Path) -> Resources:
    return Resources(State(folder / "arm"), CONTEXT)


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_type_can_be_assumed_from_its_names_alone(name: str):
    kind = ALL[name]
    names = {key: value for key, value in EXAMPLES[name].items() if key in kind.in_url}
    record = assumed(kind, CONTEXT, names)
    assert record["id"] == kind.id_of(CONTEXT, {**EXAMPLES[name], **record["inputs"]})
    assert record["outputs"]["azureApiVersion"] == "assumed"
    assert not has_unknown(record)


def test_getters_answer_what_the_program_asks_for(tmp_path: Path):
    arm = resources(tmp_path)
    registry = invokes.answer("azure-native:containerregistry:getRegistry", {"resourceGroupName": "shared", "registryName": "images"}, arm)
    assert registry["loginServer"].startswith("images.azurecr.io")
    assert registry["id"].endswith("/resourceGroups/shared/providers/Microsoft.ContainerRegistry/registries/images")
    cluster = invokes.answer("azure-native:containerservice:getManagedCluster", {"resourceGroupName": "shared", "resourceName": "aks"}, arm)
    assert cluster["identityProfile"]["kubeletidentity"]["objectId"]
    assert cluster["addonProfiles"]["azureKeyvaultSecretsProvider"]["identity"]["objectId"]
    assert cluster["oidcIssuerProfile"]["issuerURL"].startswith("https://westeurope.oic.prod-aks.azure.com/tenant/")
    credentials = invokes.answer("azure-native:containerservice:listManagedClusterUserCredentials", {"resourceGroupName": "shared", "resourceName": "aks"}, arm)
    assert credentials["kubeconfigs"][0]["value"]
    assert State(tmp_path / "arm").read() == {}


def test_what_lies_in_an_adopted_resource_can_be_made_and_elsewhere_not(tmp_path: Path):
    arm = resources(tmp_path)
    with pytest.raises(ArmError, match="ParentResourceNotFound"):
        arm.put(BLOB_CONTAINER, dict(CONTAINER))
    invokes.answer("azure-native:storage:getStorageAccount", {"resourceGroupName": "Shared", "accountName": "Models123"}, arm)
    arm.put(BLOB_CONTAINER, dict(CONTAINER))
    # The group of an adopted account is there as well.
    kind = ALL["azure-native:managedidentity:UserAssignedIdentity"]
    arm.put(kind, {"resourceGroupName": "shared", "resourceName": "puller", "location": "westeurope"})
    with pytest.raises(ArmError, match="ResourceGroupNotFound"):
        arm.put(kind, {"resourceGroupName": "share", "resourceName": "puller", "location": "westeurope"})


def test_what_the_simulation_made_is_answered_as_it_is(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(ALL["azure-native:resources:ResourceGroup"], {"resourceGroupName": "apps", "location": "northeurope"})
    answered = invokes.answer("azure-native:resources:getResourceGroup", {"resourceGroupName": "apps"}, arm)
    assert (answered["location"], answered["azureApiVersion"]) == ("northeurope", "simulated")
    assert not (tmp_path / "arm" / "adopted.json").exists()


def test_the_list_can_be_written_by_people_and_has_everything_once(tmp_path: Path):
    (tmp_path / "adopted.json").write_text(json.dumps(["/subscriptions/x/resourceGroups/Hub"]))
    adopted = Adopted(tmp_path)
    assert adopted.has("/subscriptions/X/resourcegroups/hub")
    assert not adopted.has("/subscriptions/X/resourcegroups/hu")
    assert not adopted.has("/subscriptions/X/resourcegroups/hub/providers/Microsoft.Network/virtualNetworks/net")
    adopted.add("/subscriptions/x/resourceGroups/hub")
    adopted.add("/subscriptions/x/resourceGroups/other")
    assert json.loads((tmp_path / "adopted.json").read_text()) == ["/subscriptions/x/resourceGroups/Hub", "/subscriptions/x/resourceGroups/other"]


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[/subscriptions"])
def test_a_list_that_is_none_is_refused_with_its_path(tmp_path: Path, text: str):
    (tmp_path / "adopted.json").write_text(text)
    with pytest.raises(ArmError, match=r"/adopted\.json must be a JSON list of resource ids; mend it, or remove it and preview again\."):
        Adopted(tmp_path).has("/x")
