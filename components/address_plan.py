"""How a virtual network's addresses are cut into subnets: pure, the same for every size."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice

_ENDPOINT_BITS = 27
_API_SERVER_BITS = 28
"""The smallest that AKS takes for an API server with virtual network integration."""


@dataclass(frozen=True, kw_only=True)
class AddressPlan:
    """The subnets of a network. The first half is for nodes; pods have addresses of their own (overlay)."""

    nodes: str
    endpoints: str
    api_server: str

    @classmethod
    def of(cls, address_space: str) -> "AddressPlan":
        """The plan of a range from /8 to /24."""
        nodes, rest = IPv4Network(address_space).subnets(prefixlen_diff=1)
        first, second = islice(rest.subnets(new_prefix=_ENDPOINT_BITS), 2)
        return cls(nodes=str(nodes), endpoints=str(first), api_server=str(next(second.subnets(new_prefix=_API_SERVER_BITS))))
