import pulumi
from pulumi_azure_native import containerregistry

from components.existing import asking_about
from tests.unit.components.recording import GET_REGISTRY, record

_REGISTRY = "/subscriptions/00000000-0000-0000-0000-000000000077/resourceGroups/hub/providers/Microsoft.ContainerRegistry/registries/images"


def test_what_exists_is_asked_for_in_its_own_subscription():
    def program() -> None:
        parent = pulumi.ComponentResource("test:index:Part", "part")
        options = asking_about("part", _REGISTRY, parent)
        containerregistry.get_registry_output(registry_name="images", resource_group_name="hub", opts=options)

    recording = record(program, calls={GET_REGISTRY: {"loginServer": "images.azurecr.io"}})
    provider = recording.only("pulumi:providers:azure-native")
    assert (provider.name, provider.parent, provider.protected) == ("part-existing", "part", False)
    assert provider.inputs["subscriptionId"] == "00000000-0000-0000-0000-000000000077"
    assert recording.calls == [(GET_REGISTRY, {"registryName": "images", "resourceGroupName": "hub"})]
