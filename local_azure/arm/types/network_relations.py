"""What Microsoft.Network refuses for what another resource is."""

from collections.abc import Callable, Iterable, Iterator

from local_azure.arm.spec import Lookup, Properties, Relation, at, objects


def _elsewhere(identifier: str, inputs: Properties, referenced: Iterable[str], lookup: Lookup) -> str | None:
    mine = inputs.get("location")
    for other in referenced:
        place = (lookup(other) or {}).get("location")
        if mine and place and _region(mine) != _region(place):
            return (
                f"Resource {other} referenced by resource {identifier} was not found. "
                "Please make sure that the referenced resource exists, and that both resources are in the same region."
            )
    return None


def _region(name: str) -> str:
    return name.replace(" ", "").lower()


def _network_of(endpoint: Properties) -> Iterator[str]:
    subnet = at(endpoint, "subnet.id")
    if isinstance(subnet, str):
        yield subnet.rsplit("/subnets/", 1)[0]


def _parts_of(network: Properties) -> Iterator[str]:
    for subnet in objects(network, "subnets"):
        for part in ("natGateway.id", "networkSecurityGroup.id", "routeTable.id"):
            if isinstance(identifier := at(subnet, part), str):
                yield identifier


def _addresses_of(gateway: Properties) -> Iterator[str]:
    yield from (str(address.get("id")) for address in objects(gateway, "publicIpAddresses"))


def _not_standard(_identifier: str, gateway: Properties, lookup: Lookup) -> str | None:
    for address in _addresses_of(gateway):
        found = lookup(address)
        if found and str(at(found, "sku.name") or "Basic").lower() == "basic":
            return f"The public IP address {address} is of SKU Basic; a NAT gateway needs Standard."
    return None


def _same_region(referenced: Callable[[Properties], Iterable[str]]) -> Relation:
    return Relation(
        code="InvalidResourceReference",
        broken=lambda identifier, inputs, lookup: _elsewhere(identifier, inputs, referenced(inputs), lookup),
        source="https://github.com/microsoft-foundry/foundry-samples/issues/657",
    )


NETWORK_RELATIONS = (_same_region(_parts_of),)


def _small_registry(_identifier: str, endpoint: Properties, lookup: Lookup) -> str | None:
    for connection in objects(endpoint, "privateLinkServiceConnections"):
        target = str(connection.get("privateLinkServiceId"))
        found = lookup(target) if "/registries/" in target else None
        if found and str(at(found, "sku.name")).lower() != "premium":
            return f"The registry {target} is of SKU {at(found, 'sku.name')}; a private endpoint needs Premium."
    return None


ENDPOINT_RELATIONS = (
    _same_region(_network_of),
    Relation(code="BadRequest", broken=_small_registry, source="https://learn.microsoft.com/azure/container-registry/container-registry-private-link"),
)
NAT_GATEWAY_RELATIONS = (
    Relation(code="BadRequest", broken=_not_standard, source="https://learn.microsoft.com/azure/nat-gateway/nat-gateway-resource"),
    _same_region(_addresses_of),
)
