"""What Microsoft.ContainerService refuses although each property alone is right."""

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from local_azure.arm.spec import Properties, Rule, at, objects
from local_azure.arm.types.network_rules import overlap, range_of
from local_azure.arm.types.pool_rules import COUNT, SCALE, TAINTS, count_wrong, scaling_wrong, taint_wrong, version_rule
from local_azure.arm.wire import Unknown

_PRIVATE = "https://github.com/aquasecurity/tfsec/issues/571"
OUTBOUND = "https://learn.microsoft.com/azure/aks/egress-outboundtype"
_MANAGED_NAT = "https://github.com/MicrosoftDocs/azure-docs/issues/83858"
_ADDRESSES = "https://learn.microsoft.com/azure/aks/concepts-network-ip-address-planning"
API_SERVER = "https://learn.microsoft.com/azure/aks/api-server-vnet-integration"
_WORKLOAD = "https://learn.microsoft.com/azure/aks/workload-identity-deploy-cluster"
_KUBELET = "https://learn.microsoft.com/azure/aks/use-managed-identity"
_OVERLAY = "https://learn.microsoft.com/azure/aks/azure-cni-overlay"
_NAMES = "https://aka.ms/aks-naming-rules"
_LONGEST_GROUP = 80
_CILIUM = "https://learn.microsoft.com/azure/aks/azure-cni-powered-by-cilium"


def _is(value: Any, wanted: str) -> bool:
    return str(value).lower() == wanted.lower()


def _private(inputs: Properties) -> str | None:
    profile = inputs.get("apiServerAccessProfile") or {}
    both = profile.get("enablePrivateCluster") is True and profile.get("authorizedIPRanges")
    return "Private cluster cannot be enabled with AuthorizedIPRanges." if both else None


def _managed_nat(inputs: Properties) -> str | None:
    if _is(at(inputs, "networkProfile.outboundType"), "managedNATGateway"):
        for pool in objects(inputs, "agentPoolProfiles"):
            if pool.get("vnetSubnetID"):
                return f"Outbound type is managedNATGateway but agent pool '{pool.get('name')}' is using custom VNet, which is not allowed."
    return None


def _own_network(inputs: Properties) -> str | None:
    outbound = at(inputs, "networkProfile.outboundType")
    if str(outbound).lower() in ("userassignednatgateway", "userdefinedrouting"):
        for pool in objects(inputs, "agentPoolProfiles"):
            if not pool.get("vnetSubnetID"):
                return f"Outbound type is {outbound} but agent pool '{pool.get('name')}' has no vnetSubnetID; it needs a subnet of a network of your own."
    return None


def _in_pools(check: Callable[[Properties], str | None]) -> Callable[[Properties], str | None]:
    def broken(inputs: Properties) -> str | None:
        return next((wrong for pool in objects(inputs, "agentPoolProfiles") if (wrong := check(pool))), None)

    return broken


def _no_system_pool(inputs: Properties) -> str | None:
    modes = [pool.get("mode") for pool in objects(inputs, "agentPoolProfiles")]
    if modes and not any(isinstance(mode, Unknown) or _is(mode, "System") for mode in modes):
        return "Must define at least one system pool."
    return None


def _dns_address(inputs: Properties) -> str | None:
    services, address = range_of(at(inputs, "networkProfile.serviceCidr")), at(inputs, "networkProfile.dnsServiceIP")
    if services is None or not isinstance(address, str):
        return None
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return f"The DNS service IP {address} is no address."
    if found not in services or found == services.network_address + 1:
        return f"The DNS service IP {address} must be in the service CIDR {services}, and not its first address."
    return None


def _pods_and_services(inputs: Properties) -> str | None:
    pods, services = range_of(at(inputs, "networkProfile.podCidr")), range_of(at(inputs, "networkProfile.serviceCidr"))
    return f"The pod CIDR {pods} overlaps with the service CIDR {services}." if overlap(pods, services) else None


def _dns_prefix(inputs: Properties) -> str | None:
    prefix = inputs.get("dnsPrefix")
    if isinstance(prefix, str) and not re.fullmatch(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,52}[a-zA-Z0-9])?", prefix):
        return f"The value of parameter dnsPrefix is invalid. Please see {_NAMES} for more details."
    return None


def _node_group(inputs: Properties) -> str | None:
    made = "_".join(["MC", *(str(inputs.get(name)) for name in ("resourceGroupName", "resourceName", "location"))])
    length = len(inputs.get("nodeResourceGroup") or made)
    if length > _LONGEST_GROUP:
        return (
            f"The length of the node resource group name is too long. The maximum length is {_LONGEST_GROUP}, and the length of the value provided is "
            f"{length}. Please see {_NAMES} for more details."
        )
    return None


def _overlay(inputs: Properties) -> str | None:
    profile = inputs.get("networkProfile") or {}
    wrong = _is(profile.get("networkPluginMode"), "overlay") and not _is(profile.get("networkPlugin"), "azure")
    return f"networkPluginMode overlay needs networkPlugin azure; it is {profile.get('networkPlugin')}." if wrong else None


def _cilium(inputs: Properties) -> str | None:
    profile = inputs.get("networkProfile") or {}
    if _is(profile.get("networkDataplane"), "cilium") and str(profile.get("networkPolicy", "cilium")).lower() not in ("cilium", "none"):
        return f"networkDataplane cilium needs networkPolicy cilium; it is {profile.get('networkPolicy')}."
    return None


def _workload_identity(inputs: Properties) -> str | None:
    wrong = at(inputs, "securityProfile.workloadIdentity.enabled") is True and at(inputs, "oidcIssuerProfile.enabled") is not True
    return "Enabling workload identity requires enabling the OIDC issuer." if wrong else None


def _kubelet_identity(inputs: Properties) -> str | None:
    wrong = at(inputs, "identityProfile.kubeletidentity") is not None and not _is(at(inputs, "identity.type"), "UserAssigned")
    return "A kubelet identity of your own needs a control plane identity of type UserAssigned." if wrong else None


def _api_server_subnet(inputs: Properties) -> str | None:
    profile = inputs.get("apiServerAccessProfile") or {}
    own = any(pool.get("vnetSubnetID") for pool in objects(inputs, "agentPoolProfiles"))
    if profile.get("enableVnetIntegration") is True and own and not profile.get("subnetId"):
        return "API server VNet integration in a network of your own needs apiServerAccessProfile.subnetId."
    return None


_POOLS = "agentPoolProfiles"

CLUSTER_RULES = (
    Rule(code="InvalidParameter", property="apiServerAccessProfile", reads=("apiServerAccessProfile",), broken=_private, source=_PRIVATE),
    Rule(code="InvalidParameter", property=_POOLS, reads=("networkProfile.outboundType",), broken=_managed_nat, source=_MANAGED_NAT),
    Rule(code="InvalidParameter", property=_POOLS, reads=("networkProfile.outboundType",), broken=_own_network, source=OUTBOUND),
    version_rule("kubernetesVersion"),
    Rule(code="InvalidParameter", property="dnsPrefix", reads=("dnsPrefix",), broken=_dns_prefix, source=_NAMES),
    Rule(
        code="InvalidParameter",
        property="nodeResourceGroup",
        reads=("nodeResourceGroup", "resourceGroupName", "resourceName", "location"),
        broken=_node_group,
        source=_NAMES,
    ),
    Rule(code="InvalidParameter", property=_POOLS, reads=(), broken=_in_pools(taint_wrong), source=TAINTS),
    Rule(code="InvalidParameter", property=_POOLS, reads=(), broken=_in_pools(count_wrong), source=COUNT),
    Rule(code="InvalidParameter", property=_POOLS, reads=(), broken=_in_pools(scaling_wrong), source=SCALE),
    Rule(code="InvalidParameter", property=_POOLS, reads=(), broken=_no_system_pool, source="https://learn.microsoft.com/azure/aks/use-system-pools"),
    Rule(code="BadRequest", property="networkProfile", reads=("networkProfile",), broken=_dns_address, source=_ADDRESSES),
    Rule(code="BadRequest", property="networkProfile", reads=("networkProfile",), broken=_pods_and_services, source=_ADDRESSES),
    Rule(code="BadRequest", property="networkProfile", reads=("networkProfile",), broken=_overlay, source=_OVERLAY),
    Rule(code="BadRequest", property="networkProfile", reads=("networkProfile",), broken=_cilium, source=_CILIUM),
    Rule(
        code="BadRequest",
        property="securityProfile",
        reads=("securityProfile.workloadIdentity", "oidcIssuerProfile"),
        broken=_workload_identity,
        source=_WORKLOAD,
    ),
    Rule(code="BadRequest", property="identityProfile", reads=("identity.type",), broken=_kubelet_identity, source=_KUBELET),
    Rule(
        code="BadRequest",
        property="apiServerAccessProfile",
        reads=("apiServerAccessProfile.enableVnetIntegration",),
        broken=_api_server_subnet,
        source=API_SERVER,
    ),
)
