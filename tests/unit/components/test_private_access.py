import pulumi
import pytest

from components.private_access import PrivateAccess, private_endpoint
from tests.unit.components.recording import SUBSCRIPTION, UNKNOWN, Recording, consume, record

_NETWORK = f"{SUBSCRIPTION}/resourceGroups/network/providers/Microsoft.Network"
SUBNET = f"{_NETWORK}/virtualNetworks/hub/subnets/private-endpoints"
ZONE = f"{_NETWORK}/privateDnsZones/privatelink.blob.core.windows.net"
_ACCOUNT = f"{SUBSCRIPTION}/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/models"
_ENDPOINT = "azure-native:network:PrivateEndpoint"
_NAMES = "azure-native:network:PrivateDnsZoneGroup"


def _recorded(*, preview: bool = False, protect: bool = False) -> Recording:
    def program() -> None:
        parent = pulumi.ComponentResource("test:index:Parent", "parent", None, pulumi.ResourceOptions(protect=protect))
        access = PrivateAccess(subnet_id=SUBNET, zone_id=ZONE)
        names = private_endpoint("models", access, target=_ACCOUNT, part="blob", group="data", tags={"application": "converge"}, parent=parent)
        consume(ready=names.id)

    return record(program, preview=preview)


def test_the_endpoint_lies_in_the_subnet_and_leads_to_one_part_of_the_service():
    endpoint = _recorded().only(_ENDPOINT)
    assert endpoint.inputs == {
        "resourceGroupName": "data",
        "subnet": {"id": SUBNET},
        "privateLinkServiceConnections": [{"name": "blob", "privateLinkServiceId": _ACCOUNT, "groupIds": ["blob"]}],
        "tags": {"application": "converge"},
    }
    assert endpoint.parent == "parent"


def test_its_address_is_in_the_zone_before_anybody_is_told():
    recording = _recorded()
    names = recording.only(_NAMES)
    assert names.inputs == {
        "privateDnsZoneGroupName": "default",
        "privateEndpointName": "models-endpoint",
        "resourceGroupName": "data",
        "privateDnsZoneConfigs": [{"name": "blob", "privateDnsZoneId": ZONE}],
    }
    assert names.dependencies == {"models-endpoint"}
    assert recording.named("consumer").dependencies == {"models-names"}
    assert _recorded(preview=True).named("consumer").inputs == {"ready": UNKNOWN}


@pytest.mark.parametrize("protect", [True, False])
def test_neither_is_protected_for_they_hold_no_data(protect: bool):
    recording = _recorded(protect=protect)
    assert recording.named("parent").protected is protect
    assert not any(resource.protected for resource in recording.resources if resource.name != "parent")
