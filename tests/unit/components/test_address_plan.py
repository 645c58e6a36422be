from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.address_plan import AddressPlan


@st.composite
def _spaces(draw: st.DrawFn) -> IPv4Network:
    """Every range that settings let through, and the many that they do not: the plan knows no range from another."""
    bits = draw(st.integers(8, 24))
    return IPv4Network((draw(st.integers(0, 2**32 - 1)), bits), strict=False)


def _subnets(space: IPv4Network) -> dict[str, IPv4Network]:
    plan = AddressPlan.of(str(space))
    return {name: IPv4Network(getattr(plan, name)) for name in ("nodes", "endpoints", "api_server")}


@given(_spaces())
def test_subnets_lie_in_the_space_and_apart_from_each_other(space: IPv4Network):
    subnets = list(_subnets(space).values())
    assert all(subnet.subnet_of(space) for subnet in subnets)
    assert not any(one.overlaps(other) for place, one in enumerate(subnets) for other in subnets[:place])


@given(_spaces())
def test_half_of_the_space_is_for_nodes_and_the_others_have_what_azure_wants(space: IPv4Network):
    subnets = _subnets(space)
    assert subnets["nodes"].num_addresses == space.num_addresses // 2
    # AKS takes nothing smaller than /28 for an API server.
    assert (subnets["endpoints"].prefixlen, subnets["api_server"].prefixlen) == (27, 28)


@pytest.mark.parametrize(
    ("space", "plan"),
    [
        ("10.100.0.0/16", AddressPlan(nodes="10.100.0.0/17", endpoints="10.100.128.0/27", api_server="10.100.128.32/28")),
        ("10.0.0.0/24", AddressPlan(nodes="10.0.0.0/25", endpoints="10.0.0.128/27", api_server="10.0.0.160/28")),
        ("10.0.0.0/8", AddressPlan(nodes="10.0.0.0/9", endpoints="10.128.0.0/27", api_server="10.128.0.32/28")),
    ],
)
def test_where_subnets_are(space: str, plan: AddressPlan):
    # Networks that exist have these: another answer would replace their subnets.
    assert AddressPlan.of(space) == plan
