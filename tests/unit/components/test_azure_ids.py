from hypothesis import given
from hypothesis import strategies as st

from components import azure_ids

_SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
_NAME = st.text("abcABC019-_.()", min_size=1, max_size=20)


def test_the_parts_of_a_resource_group():
    group = f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/hub"
    assert (azure_ids.subscription(group), azure_ids.resource_group(group), azure_ids.name(group)) == (_SUBSCRIPTION, "hub", "hub")


@given(_NAME, _NAME, _NAME)
def test_the_parts_of_a_resource_and_of_what_is_in_it(group: str, network: str, subnet: str):
    network_id = f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/{network}"
    subnet_id = f"{network_id}/subnets/{subnet}"
    assert azure_ids.parent(subnet_id) == network_id
    for resource_id, name in ((network_id, network), (subnet_id, subnet)):
        assert azure_ids.subscription(resource_id) == _SUBSCRIPTION
        assert azure_ids.resource_group(resource_id) == group
        assert azure_ids.name(resource_id) == name
