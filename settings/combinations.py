"""Do the settings fit each other? What one key says can make another wrong, or useless."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from settings.messages import NAMESPACE
from settings.schema import StackSettings

_BESIDE_ADOPTED: Mapping[tuple[str, str], frozenset[str]] = {
    ("network", "node_subnet_id"): frozenset({"private", "outbound", "api_server_subnet_id", "endpoint_subnet_id", "blob_zone_id", "registry_zone_id"}),
    ("model_storage", "account_id"): frozenset({"contributor_group_id"}),
    ("registry", "registry_id"): frozenset(),
    ("cluster", "cluster_id"): frozenset({"admin_group_ids"}),
}
"""Keys that still mean something when their part of the stack exists already."""
SECRET_FOLDER = "/run/secrets/app"  # noqa: S105 - a place
"""Where a service finds the files of its Secret."""
_ENDING = ("DRAIN_SECONDS", "SHUTDOWN_SECONDS")
_LONGEST_END = 3600


def problems(values: StackSettings, subscription_id: str) -> Iterator[str]:
    """What does not fit, each with the key as it is typed.

    Args:
        values: of the stack file.
        subscription_id: where the stack's own resources go.
    """
    yield from _groups(values, subscription_id)
    for (part, adopted), useful in _BESIDE_ADOPTED.items():
        yield from _useless(part, getattr(values, part), adopted, useful)
    yield from _names_of_adopted(values)
    yield from _network(values)
    yield from _private(values)
    yield from _cluster(values)
    yield from _exposure(values)
    yield from _told(values)


def _useless(part: str, chosen: BaseModel, adopted: str, useful: frozenset[str]) -> Iterator[str]:
    if getattr(chosen, adopted):
        for name in sorted(chosen.model_fields_set - useful - {adopted}):
            yield f"{_key(part, name)}: has no effect beside {_key(part, adopted)}, which names what exists already; remove one of the two"


def _groups(values: StackSettings, subscription_id: str) -> Iterator[str]:
    """A resource group takes part in what the stack makes, so it is in the stack's subscription; whatever else exists already may be in another one."""
    for part in ("network", "model_storage", "registry", "cluster", "monitoring"):
        group = getattr(values, part).resource_group_id
        its_subscription = group.split("/")[2] if group else subscription_id
        if its_subscription.lower() != subscription_id.lower():
            where = f"is in the subscription {its_subscription}"
            yield f"{_key(part, 'resource_group_id')}: {where}; the stack makes its resources in azure-native:subscriptionId, {subscription_id}"


def _names_of_adopted(values: StackSettings) -> Iterator[str]:
    for name, part, adopted in (("storage_account_name", "model_storage", "account_id"), ("registry_name", "registry", "registry_id")):
        if getattr(values, name) and getattr(getattr(values, part), adopted):
            yield f"{_key(name)}: has no effect beside {_key(part, adopted)}, which names what exists already; remove one of the two"


def _network(values: StackSettings) -> Iterator[str]:
    network = values.network
    subnets = {"node_subnet_id", "api_server_subnet_id"} | ({"endpoint_subnet_id"} if network.private or network.endpoint_subnet_id else set())
    given = {name for name in subnets if getattr(network, name)}
    if given:
        named = ", ".join(_key("network", name) for name in sorted(given))
        for name in sorted(subnets - given):
            yield f"{_key('network', name)}: is missing beside {named}; of a network that exists every subnet is named"
    elif network.outbound == "userDefinedRouting":
        yield f"{_key('network', 'outbound')}: was userDefinedRouting, whose route table is at a subnet that exists; name the subnets, or choose natGateway"


def _private(values: StackSettings) -> Iterator[str]:
    if not values.network.private:
        return
    private = f"{_key('network', 'private')}: true"
    if values.allowed_ip_ranges:
        yield f"{_key('allowed_ip_ranges')}: has no effect beside {private}, which closes every public address; remove one of the two"
    if values.registry.sku != "Premium" and not values.registry.registry_id:
        yield f"{_key('registry', 'sku')}: was {values.registry.sku}; allowed is Premium beside {private}, no other tier has private endpoints"
    if values.cluster.tier == "Free" and not values.cluster.cluster_id:
        yield f"{_key('cluster', 'tier')}: was Free; allowed is Standard or Premium beside {private}, since others rely on such a cluster"


def _cluster(values: StackSettings) -> Iterator[str]:
    if values.cluster.defender and not values.monitoring.enabled:
        yield f"{_key('cluster', 'defender')}: was true, but it has no workspace to report to; set {_key('monitoring', 'enabled')}: true"


def _exposure(values: StackSettings) -> Iterator[str]:
    hosts: dict[str, int] = {}
    for number, service in enumerate(values.services):
        key, inside = f"{NAMESPACE}:services[{number}]", service.exposure == "cluster"
        for name in ("host", "certificate", "audience"):
            if inside and getattr(service, name):
                yield f"{key}.{name}: has no effect with exposure: cluster; remove it, or choose network or internet"
            if not inside and not getattr(service, name):
                yield f"{key}.{name}: is missing; with exposure: {service.exposure} a service has a host, a certificate and an audience"
        if not inside and not values.ingress.key_vault_id:
            yield f"{_key('ingress', 'key_vault_id')}: is missing; it holds the certificate of services[{number}]"
        if service.host in hosts:
            yield f"{key}.host: was {service.host}, which services[{hosts[service.host]}] has, too; every service has a host of its own"
        if service.host:
            hosts[service.host] = number


def _told(values: StackSettings) -> Iterator[str]:
    """What the deployment itself must understand of an app's settings."""
    for number, service in enumerate(values.services):
        key = f"{NAMESPACE}:services[{number}]"
        for name in _ENDING:
            value = service.environment.get(name, "0")
            if not (value.isascii() and value.isdecimal() and int(value) <= _LONGEST_END):
                yield f"{key}.environment.{name}: was {value}; allowed is a whole number of seconds up to {_LONGEST_END}, by which a pod's time to end is set"
        for name, value in service.environment.items():
            if value.startswith(f"{SECRET_FOLDER}/") and not service.secret:
                yield f"{key}.secret: is missing; it names the Secret with the file that environment.{name} means, {value}"


def _key(*parts: str) -> str:
    return f"{NAMESPACE}:" + ".".join(to_camel(part) for part in parts)
