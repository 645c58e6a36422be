"""What Microsoft.ContainerService refuses although each property alone is right."""

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from local_azure.arm.spec import Properties, Rule, at, objects
from local_azure.arm.types.network_rules import overlap, range_of
from local_azure.arm.wire import Unknown

_PRIVATE = "https://github.com/aquasecurity/tfsec/issues/571"
OUTBOUND = "https://learn.microsoft.com/azure/aks/egress-outboundtype"
_MANAGED_NAT = "https://github.com/MicrosoftDocs/azure-docs/issues/83858"
_COUNT = "https://github.com/kubernetes-sigs/cluster-api-provider-azure/issues/5947"
_NO_COUNT = "https://github.com/pulumi/pulumi-azure-native/issues/2943"
_SCALE = "https://learn.microsoft.com/azure/aks/cluster-autoscaler"
_VERSIONS = "https://learn.microsoft.com/azure/aks/supported-kubernetes-versions"
_ADDRESSES = "https://learn.microsoft.com/azure/aks/concepts-network-ip-address-planning"
API_SERVER = "https://learn.microsoft.com/azure/aks/api-server-vnet-integration"
_WORKLOAD = "https://learn.microsoft.com/azure/aks/workload-identity-deploy-cluster"
_KUBELET = "https://learn.microsoft.com/azure/aks/use-managed-identity"
_OVERLAY = "https://learn.microsoft.com/azure/aks/azure-cni-overlay"
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


def _version(path: str) -> Rule:
    def broken(inputs: Properties) -> str | None:
        version = at(inputs, path)
        if isinstance(version, str) and not re.fullmatch(r"\d+\.\d+(\.\d+)?", version):
            return f"Version {version} is not supported in this region; it must be <major>.<minor> or <major>.<minor>.<patch>."
        return None

    return Rule(code="K8sVersionNotSupported", property=path, reads=(path,), broken=broken, source=_VERSIONS)


def _count(pool: Properties) -> str | None:
    count = pool.get("count")
    low = 1 if _is(pool.get("mode"), "System") else 0
    if isinstance(count, int) and not low <= count <= 1000:
        return f"agentPoolProfile.count was {count}. It must be greater or equal to minCount:{low} and less than or equal to maxCount:1000."
    return None


def _scaling(pool: Properties) -> str | None:
    low, high, count = pool.get("minCount"), pool.get("maxCount"), pool.get("count")
    if any(isinstance(value, Unknown) for value in (low, high, pool.get("enableAutoScaling"))):
        return None
    if pool.get("enableAutoScaling") is not True:
        return None if low is None and high is None else "The values of minCount and maxCount must not be set when enableAutoScaling is not true."
    if not isinstance(low, int) or not isinstance(high, int):
        return "The values of minCount and maxCount must be set when enableAutoScaling is true."
    if low > high:
        return f"The value of minCount, {low}, is greater than that of maxCount, {high}."
    if _is(pool.get("mode"), "System") and low < 1:
        return f"The value of minCount is {low}; a system pool needs at least 1."
    if isinstance(count, int) and not low <= count <= high:
        return f"The value of parameter agentPoolProfile.count is invalid: it is {count}, outside of minCount {low} to maxCount {high}."
    return None


def _no_count(pool: Properties) -> str | None:
    return "Required parameter properties.count is missing (null)." if pool.get("count") is None else None


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
    _version("kubernetesVersion"),
    Rule(code="InvalidParameter", property=_POOLS, reads=(), broken=_in_pools(_count), source=_COUNT),
    Rule(code="InvalidParameter", property=_POOLS, reads=(), broken=_in_pools(_scaling), source=_SCALE),
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

POOL_RULES = (
    Rule(code="InvalidParameter", property="count", reads=("count", "mode"), broken=_count, source=_COUNT),
    Rule(code="InvalidParameter", property="count", reads=("count",), broken=_no_count, source=_NO_COUNT),
    Rule(code="InvalidParameter", property="minCount", reads=("minCount", "maxCount", "count", "enableAutoScaling"), broken=_scaling, source=_SCALE),
    _version("orchestratorVersion"),
)
