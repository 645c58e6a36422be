"""Types of the values in a stack file, each with the words by which a message says what is allowed."""

import json
import re
from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

_TAKEN_NAMESPACES = {"default", "gatekeeper-system", "calico-system", "app-routing-system", "dapr-system"}
_NOT_PUBLIC = [
    IPv4Network(network)
    for network in ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3")
]
"""IANA's special-purpose registry, without the ranges for documentation, which stand in the committed stack files."""
_SET_BY_THE_DEPLOYMENT = ("HOST", "PORT", "GRPC_PORT", "MODEL_DIR", "IMAGE_DIGEST")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_SOUNDS_SECRET = re.compile(r"(^|_)(API)?(KEY|KEYS|TOKEN|PASSWORD|SECRET)(_|$)")
_FORBIDDEN_WAYS = [IPv4Network(network) for network in ("169.254.0.0/16", "168.63.129.16/32", "127.0.0.0/8", "224.0.0.0/3")]
"""The node's metadata service, where a pod could get the node's identity; Azure's own agent; and what is no way out at all."""
_RANGE_BITS = range(8, 31)
"""Widest range that still is a choice, and the narrowest that Azure Storage takes; a single address is written without a mask."""
_MOST = 1000
ALLOWED: dict[str, str] = {}
"""What a message says is allowed, by the pattern that refused."""


def _text(pattern: str, allowed: str) -> StringConstraints:
    ALLOWED[pattern] = allowed
    return StringConstraints(pattern=pattern)


def not_taken(name: str) -> str:
    """Refuses a namespace that Kubernetes or AKS has for itself."""
    if name in _TAKEN_NAMESPACES or name.startswith("kube-"):
        raise ValueError("a name that is not one of Kubernetes' or AKS' own namespaces")
    return name


def public_range(text: str) -> str:
    """Storage and AKS both take a single address without a mask, and neither takes private ones here."""
    try:
        network = IPv4Network(text)
    except ValueError:
        network = None
    if network is None or any(network.overlaps(other) for other in _NOT_PUBLIC) or network.prefixlen not in (*_RANGE_BITS, 32):
        raise ValueError("a public IPv4 address, or a range from /8 to /30, such as 203.0.113.7 or 203.0.113.0/24")
    return str(network).removesuffix("/32")


def outward_range(text: str) -> str:
    """Addresses that pods may be let out to."""
    try:
        network = IPv4Network(text)
    except ValueError:
        network = None
    if network is None or network.prefixlen < _RANGE_BITS.start or any(network.overlaps(other) for other in _FORBIDDEN_WAYS):
        raise ValueError("an IPv4 address or a range from /8 to /32 without Azure's metadata service, such as 10.20.0.0/24")
    return str(network)


def variable_name(name: str) -> str:
    """Refuses what the app could not be told this way, or should not be."""
    if not _VARIABLE.fullmatch(name):
        raise ValueError("a name of upper-case letters, digits and underscores that starts with a letter, such as QUEUE_MILLISECONDS")
    if name in _SET_BY_THE_DEPLOYMENT:
        raise ValueError(f"a name that the deployment does not set itself; it sets {', '.join(_SET_BY_THE_DEPLOYMENT)}")
    if _SOUNDS_SECRET.search(name) and not name.endswith("_FILE"):
        raise ValueError(f"a name that is not a secret's: put the secret into a Kubernetes Secret, name that in `secret`, and its file in {name}_FILE")
    return name


def variable_value(value: object) -> object:
    """Everything in an environment is text; booleans as YAML writes them."""
    if isinstance(value, str) and "\0" not in value:
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise ValueError("text, a number, true or false")


def replica_range(value: object) -> object:
    """A number is a range of one; both forms mean the same to everyone who reads settings."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST:
        return {"min": value, "max": value}
    if isinstance(value, dict):
        return value
    raise ValueError(f"a whole number from 1 to {_MOST}, or {{min: ..., max: ...}}")


def bytes_of(quantity: str) -> int:
    """Bytes of a quantity such as 512Mi."""
    return int(quantity[:-2]) * {"Mi": 2**20, "Gi": 2**30}[quantity[-2:]]


def millicores_of(quantity: str) -> int:
    """Thousandths of a core of a quantity such as 250m or 2."""
    return int(quantity[:-1]) if quantity.endswith("m") else int(quantity) * 1000


_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
Guid = Annotated[str, _text(rf"^{_GUID}$", "a GUID, such as 11111111-2222-3333-4444-555555555555")]
OptionalGuid = Annotated[str, _text(rf"^({_GUID})?$", "a GUID, or nothing")]
Name = Annotated[
    str, _text(r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", "1 to 63 lower-case letters, digits and hyphens, starting with a letter, not ending with a hyphen")
]
NamespaceName = Annotated[
    str, _text(r"^([a-z]([a-z0-9-]{0,61}[a-z0-9])?)?$", "1 to 63 lower-case letters, digits and hyphens, starting with a letter, not ending with a hyphen")
]
MetricName = Annotated[str, _text(r"^[^\x00-\x1f\x7f]{1,100}$", "1 to 100 characters, the name that training gives the metric")]
Cpu = Annotated[str, _text(r"^([1-9][0-9]*m|[1-9][0-9]?)$", "cores, such as 250m or 2")]
Memory = Annotated[str, _text(r"^[1-9][0-9]*(Mi|Gi)$", "bytes with the unit Mi or Gi, such as 512Mi")]
_PART = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
AppFolder = Annotated[str, _text(rf"^{_PART}(/{_PART})*$", "a folder inside the project, relative and without ..")]
ImageByDigest = Annotated[str, _text(r"^[^\s@]+@sha256:[0-9a-f]{64}$", "an image by digest: <repository>[:<tag>]@sha256:<64 hexadecimal digits>")]
AccountName = Annotated[str, _text(r"^([a-z0-9]{3,24})?$", "3 to 24 lower-case letters and digits")]
RegistryName = Annotated[str, _text(r"^([a-zA-Z0-9]{5,50})?$", "5 to 50 letters and digits")]
KubernetesVersion = Annotated[str, _text(r"^1\.[0-9]{2}$", "a minor version in quotes, such as '1.34'")]
NodeSize = Annotated[str, _text(r"^Standard_[A-Za-z0-9_]+$", "an Azure VM size, such as Standard_D4ds_v5")]
Count = Annotated[int, Field(ge=1, le=_MOST)]
PoolName = Annotated[str, _text(r"^[a-z][a-z0-9]{0,11}$", "1 to 12 lower-case letters and digits, starting with a letter")]
HourOfDay = Annotated[str, _text(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "hours and minutes in quotes, such as '02:00'")]
UtcOffset = Annotated[str, _text(r"^[+-](0[0-9]|1[0-4]):[0-5][0-9]$", "hours and minutes from UTC in quotes, such as '+01:00'")]
EmailAddress = Annotated[str, _text(r"^[^@\s]+@[^@\s]+\.[^@\s]+$", "an e-mail address")]
Host = Annotated[
    str, _text(r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$|^$", "a DNS name of at least two parts in lower case, such as digits.example.com")
]
SecretName = Annotated[
    str, _text(r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$", "the name of a Kubernetes Secret: lower-case letters, digits, hyphens and dots, such as api-keys")
]
Port = Annotated[int, Field(ge=1, le=65535)]
CertificateName = Annotated[str, _text(r"^([0-9a-zA-Z-]{1,127})?$", "the name of a Key Vault certificate: 1 to 127 letters, digits and hyphens")]
Audience = Annotated[str, _text(r"^\S*$", "the application id or application id URI that tokens are issued for, such as api://digits")]
IstioRevision = Annotated[str, _text(r"^asm-1-[0-9]{2}$", "a revision of AKS' Istio, such as asm-1-29 (`az aks mesh get-revisions` lists them)")]
_GROUP = rf"/subscriptions/{_GUID}/resource[gG]roups/[\w.()-]{{1,90}}"


def _resource_id(what: str, kind: str, example: str) -> StringConstraints:
    """Nothing, or the Azure resource id of one type of resource."""
    path = "".join(f"/{part}" if place == 0 else f"/{part}/[\\w.()-]+" for place, part in enumerate(kind.split("/")))
    return _text(rf"^({_GROUP}/providers{path})?$", f"the Azure resource id of {what}: {_EXAMPLE_GROUP}/providers/{example}")


_EXAMPLE_GROUP = "/subscriptions/<subscription>/resourceGroups/<group>"
ResourceGroupId = Annotated[str, _text(rf"^({_GROUP})?$", f"the Azure resource id of a resource group: {_EXAMPLE_GROUP}")]
SubnetId = Annotated[str, _resource_id("a subnet", "Microsoft.Network/virtualNetworks/subnets", "Microsoft.Network/virtualNetworks/<network>/subnets/<subnet>")]
DnsZoneId = Annotated[str, _resource_id("a private DNS zone", "Microsoft.Network/privateDnsZones", "Microsoft.Network/privateDnsZones/<zone>")]
StorageAccountId = Annotated[str, _resource_id("a storage account", "Microsoft.Storage/storageAccounts", "Microsoft.Storage/storageAccounts/<account>")]
RegistryId = Annotated[str, _resource_id("a container registry", "Microsoft.ContainerRegistry/registries", "Microsoft.ContainerRegistry/registries/<registry>")]
ClusterId = Annotated[str, _resource_id("an AKS cluster", "Microsoft.ContainerService/managedClusters", "Microsoft.ContainerService/managedClusters/<cluster>")]
KeyVaultId = Annotated[str, _resource_id("a key vault", "Microsoft.KeyVault/vaults", "Microsoft.KeyVault/vaults/<vault>")]


def _address_space(text: str) -> str:
    """Room for nodes, private endpoints and the API server; and apart from what AKS uses inside the cluster."""
    try:
        network = IPv4Network(text)
    except ValueError:
        network = None
    if network is None or not network.is_private or network.prefixlen not in _ADDRESS_BITS or any(network.overlaps(taken) for taken in _INSIDE_THE_CLUSTER):
        raise ValueError("a private IPv4 range from /8 to /24 that overlaps neither 172.16.0.0/16 (Services) nor 192.168.0.0/16 (pods), such as 10.100.0.0/16")
    return str(network)


_ADDRESS_BITS = range(8, 25)
_INSIDE_THE_CLUSTER = [IPv4Network("172.16.0.0/16"), IPv4Network("192.168.0.0/16")]
AddressSpace = Annotated[str, AfterValidator(_address_space)]
PublicRange = Annotated[str, AfterValidator(public_range)]
OutwardRange = Annotated[str, AfterValidator(outward_range)]
VariableName = Annotated[str, AfterValidator(variable_name)]
VariableValue = Annotated[str, BeforeValidator(variable_value)]
_Items = TypeVar("_Items", bound=tuple[object, ...])


def repeated(items: Sequence[object]) -> str:
    """What is there more than once, for a message."""
    return ", ".join(sorted({str(item) for item in items if items.count(item) > 1}))


def no_repeats(items: _Items) -> _Items:
    """Refuses a list in which something is there twice."""
    if twice := repeated(items):
        raise ValueError(f"a list in which nothing is repeated; {twice} is there more than once")
    return items
