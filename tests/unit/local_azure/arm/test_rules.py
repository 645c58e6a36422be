"""What ARM refuses although each property alone is right: every rule is broken once, and every relation."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_azure.arm import check
from local_azure.arm.errors import ArmError
from local_azure.arm.resources import Resources
from local_azure.arm.services import Services
from local_azure.arm.spec import Context, Properties, at
from local_azure.arm.state import State
from local_azure.arm.types import ALL
from local_azure.arm.types.containerservice import MANAGED_CLUSTER
from local_azure.arm.types.network import PRIVATE_ENDPOINT, VIRTUAL_NETWORK
from local_azure.arm.types.resources import RESOURCE_GROUP
from local_azure.arm.wire import UNKNOWN
from tests.unit.local_azure.arm.examples import EXAMPLES, GROUP, NETWORK

CONTEXT = Context(subscription_id="00000000-0000-0000-0000-000000000001", tenant_id="tenant", services=Services(Path("/nowhere"), "none"))
CLUSTER = "azure-native:containerservice:ManagedCluster"
POOL = "azure-native:containerservice:AgentPool"
REGISTRY = "azure-native:containerregistry:Registry"
NET = "azure-native:network:VirtualNetwork"
NSG = "azure-native:network:NetworkSecurityGroup"
ADDRESS = "azure-native:network:PublicIPAddress"
BLOBS = "azure-native:storage:BlobServiceProperties"
ACCOUNT = "azure-native:storage:StorageAccount"
VAULT = "azure-native:keyvault:Vault"

REMOVED = "(removed)"
Change = dict[str, Any]


def changed(pulumi_type: str, change: Change) -> Properties:
    """A type's example with other values at dotted paths; a number is the place in a list."""
    result = copy.deepcopy(EXAMPLES[pulumi_type])
    for path, value in change.items():
        place: Any = result
        steps: list[Any] = [int(step) if step.isdigit() else step for step in path.split(".")]
        last = steps.pop()
        for step in steps:
            place = place[step] if isinstance(place, list) else place.setdefault(step, {})
        if value is REMOVED:
            place.pop(last, None)
        elif isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return result


BASIC = {
    "sku.name": "Basic",
    "publicNetworkAccess": "Enabled",
    "zoneRedundancy": "Disabled",
    "dataEndpointEnabled": False,
    "networkRuleSet": REMOVED,
    "policies": REMOVED,
}
SECOND_RULE = {**EXAMPLES[NSG]["securityRules"][0], "name": "Second"}

BROKEN: list[tuple[str, Change, str, str]] = [
    (
        CLUSTER,
        {"apiServerAccessProfile.authorizedIPRanges": ["198.51.100.0/24"]},
        "apiServerAccessProfile",
        "InvalidParameter: Private cluster cannot be enabled with AuthorizedIPRanges.",
    ),
    (
        CLUSTER,
        {"networkProfile.outboundType": "managedNATGateway"},
        "agentPoolProfiles",
        "InvalidParameter: Outbound type is managedNATGateway but agent pool 'system' is using custom VNet, which is not allowed.",
    ),
    (
        CLUSTER,
        {"agentPoolProfiles.0.vnetSubnetID": REMOVED},
        "agentPoolProfiles",
        "InvalidParameter: Outbound type is userAssignedNATGateway but agent pool 'system' has no vnetSubnetID; it needs a subnet of a network of your own.",
    ),
    (
        CLUSTER,
        {"kubernetesVersion": "v1.34"},
        "kubernetesVersion",
        "K8sVersionNotSupported: Version v1.34 is not supported in this region; it must be <major>.<minor> or <major>.<minor>.<patch>.",
    ),
    (
        CLUSTER,
        {
            "agentPoolProfiles.0.count": 0,
            "agentPoolProfiles.0.enableAutoScaling": False,
            "agentPoolProfiles.0.minCount": REMOVED,
            "agentPoolProfiles.0.maxCount": REMOVED,
        },
        "agentPoolProfiles",
        "InvalidParameter: agentPoolProfile.count was 0. It must be greater or equal to minCount:1 and less than or equal to maxCount:1000.",
    ),
    (
        CLUSTER,
        {"agentPoolProfiles.0.minCount": 9, "agentPoolProfiles.0.maxCount": 3},
        "agentPoolProfiles",
        "InvalidParameter: The value of minCount, 9, is greater than that of maxCount, 3.",
    ),
    (CLUSTER, {"agentPoolProfiles.0.minCount": 0}, "agentPoolProfiles", "InvalidParameter: The value of minCount is 0; a system pool needs at least 1."),
    (
        CLUSTER,
        {"agentPoolProfiles.0.enableAutoScaling": False},
        "agentPoolProfiles",
        "InvalidParameter: The values of minCount and maxCount must not be set when enableAutoScaling is not true.",
    ),
    (CLUSTER, {"agentPoolProfiles.0.mode": "User"}, "agentPoolProfiles", "InvalidParameter: Must define at least one system pool."),
    (
        CLUSTER,
        {"networkProfile.dnsServiceIP": "10.1.0.10"},
        "networkProfile",
        "BadRequest: The DNS service IP 10.1.0.10 must be in the service CIDR 10.0.0.0/16, and not its first address.",
    ),
    (
        CLUSTER,
        {"networkProfile.podCidr": "10.0.128.0/17"},
        "networkProfile",
        "BadRequest: The pod CIDR 10.0.128.0/17 overlaps with the service CIDR 10.0.0.0/16.",
    ),
    (
        CLUSTER,
        {"networkProfile.networkPlugin": "kubenet"},
        "networkProfile",
        "BadRequest: networkPluginMode overlay needs networkPlugin azure; it is kubenet.",
    ),
    (
        CLUSTER,
        {"networkProfile.networkPolicy": "calico"},
        "networkProfile",
        "BadRequest: networkDataplane cilium needs networkPolicy cilium; it is calico.",
    ),
    (CLUSTER, {"oidcIssuerProfile": REMOVED}, "securityProfile", "BadRequest: Enabling workload identity requires enabling the OIDC issuer."),
    (
        CLUSTER,
        {"identity": {"type": "SystemAssigned"}},
        "identityProfile",
        "BadRequest: A kubelet identity of your own needs a control plane identity of type UserAssigned.",
    ),
    (
        CLUSTER,
        {"apiServerAccessProfile.subnetId": REMOVED},
        "apiServerAccessProfile",
        "BadRequest: API server VNet integration in a network of your own needs apiServerAccessProfile.subnetId.",
    ),
    (
        CLUSTER,
        {"dnsPrefix": "a.b"},
        "dnsPrefix",
        "InvalidParameter: The value of parameter dnsPrefix is invalid. Please see https://aka.ms/aks-naming-rules for more details.",
    ),
    (
        CLUSTER,
        {"resourceName": "c" * 63},
        "nodeResourceGroup",
        (
            "InvalidParameter: The length of the node resource group name is too long. The maximum length is 80, and the length of the value provided is 82. "
            "Please see https://aka.ms/aks-naming-rules for more details."
        ),
    ),
    (
        CLUSTER,
        {"agentPoolProfiles.0.nodeTaints.0": "CriticalAddonsOnly=true"},
        "agentPoolProfiles",
        ("InvalidParameter: The node taint CriticalAddonsOnly=true is invalid; it must be <key>=<value>:<NoSchedule, PreferNoSchedule or NoExecute>."),
    ),
    (
        POOL,
        {"nodeTaints.0": "gpu:Never"},
        "nodeTaints",
        "InvalidParameter: The node taint gpu:Never is invalid; it must be <key>=<value>:<NoSchedule, PreferNoSchedule or NoExecute>.",
    ),
    (POOL, {"count": REMOVED}, "count", "InvalidParameter: Required parameter properties.count is missing (null)."),
    (
        POOL,
        {"count": 1001, "maxCount": 1001},
        "count",
        "InvalidParameter: agentPoolProfile.count was 1001. It must be greater or equal to minCount:0 and less than or equal to maxCount:1000.",
    ),
    (POOL, {"minCount": REMOVED}, "minCount", "InvalidParameter: The values of minCount and maxCount must be set when enableAutoScaling is true."),
    (
        POOL,
        {"orchestratorVersion": "1"},
        "orchestratorVersion",
        "K8sVersionNotSupported: Version 1 is not supported in this region; it must be <major>.<minor> or <major>.<minor>.<patch>.",
    ),
    (
        REGISTRY,
        {**BASIC, "publicNetworkAccess": "Disabled"},
        "publicNetworkAccess",
        (
            "DisablingPublicNetworkAccessNotSupported: Disabling public network access is not supported for the SKU Basic. "
            "For more information, please visit https://aka.ms/acr/private-link."
        ),
    ),
    (
        REGISTRY,
        {"publicNetworkAccess": "Enabled"},
        "publicNetworkAccess",
        "BadRequest: Enabling public network access is not supported because the registry 'converge123' has exports disabled.",
    ),
    (
        REGISTRY,
        {"policies.retentionPolicy.status": "enabled"},
        "policies",
        "BadRequest: The policies retentionPolicy and softDeletePolicy cannot both be enabled.",
    ),
    (
        REGISTRY,
        {**BASIC, "anonymousPullEnabled": True},
        "anonymousPullEnabled",
        "BadRequest: Anonymous pull is not supported for the SKU Basic; it needs Standard or Premium.",
    ),
    (
        REGISTRY,
        {**BASIC, "zoneRedundancy": "Enabled"},
        "zoneRedundancy",
        "BadRequest: Zone redundancy is not supported for the SKU Basic; it needs Premium.",
    ),
    (
        REGISTRY,
        {**BASIC, "dataEndpointEnabled": True},
        "dataEndpointEnabled",
        "BadRequest: A dedicated data endpoint is not supported for the SKU Basic; it needs Premium.",
    ),
    (
        REGISTRY,
        {**BASIC, "networkRuleSet": {"defaultAction": "Deny"}},
        "networkRuleSet",
        "BadRequest: A network rule is not supported for the SKU Basic; it needs Premium.",
    ),
    (
        REGISTRY,
        {**BASIC, "policies": {"retentionPolicy": {"status": "enabled", "days": 7}}},
        "policies.retentionPolicy.status",
        "BadRequest: Retention of untagged manifests is not supported for the SKU Basic; it needs Premium.",
    ),
    (
        REGISTRY,
        {**BASIC, "publicNetworkAccess": "Disabled", "policies": {"exportPolicy": {"status": "disabled"}}},
        "policies.exportPolicy.status",
        "BadRequest: Disabling exports is not supported for the SKU Basic; it needs Premium.",
    ),
    (
        NET,
        {"addressSpace.addressPrefixes.0": "10.100.0.0"},
        "subnets",
        "NetcfgSubnetRangeOutsideVnet: Subnet 'nodes' is not valid because its IP address range is outside the IP address range of virtual network 'net'.",
    ),
    (
        NET,
        {"addressSpace.addressPrefixes.0": "ten"},
        "addressSpace",
        "InvalidAddressPrefixFormat: Address prefix ten of resource net is not formatted correctly. It should follow CIDR notation, for example 10.0.0.0/24.",
    ),
    (
        NET,
        {"subnets.0.addressPrefix": "10.100.1.0/20"},
        "addressSpace",
        (
            "InvalidCIDRNotation: The address prefix 10.100.1.0/20 in resource net has an invalid CIDR notation. "
            "For the given prefix length, the address prefix should be 10.100.0.0/20."
        ),
    ),
    (
        NET,
        {"subnets.1.addressPrefix": "10.100.8.0/28"},
        "subnets",
        (
            "NetcfgSubnetRangesOverlap: Subnet 'api-server' is not valid because its IP address range overlaps with that of an existing subnet "
            "in virtual network 'net'."
        ),
    ),
    (
        NET,
        {"subnets.1.addressPrefix": "10.100.16.0/30"},
        "subnets",
        "NetcfgInvalidSubnet: Subnet 'api-server' is 10.100.16.0/30; the smallest is /29, since Azure keeps five addresses of each.",
    ),
    (
        NSG,
        {"securityRules.1": SECOND_RULE},
        "securityRules",
        "SecurityRuleConflict: Security rule Second conflicts with rule AllowHttps. Rules cannot have the same Priority and Direction.",
    ),
    (
        NSG,
        {"securityRules.0.priority": 99},
        "securityRules",
        "SecurityRuleInvalidPriority: Security rule AllowHttps has invalid priority. Value provided: 99 Allowed range 100-4096.",
    ),
    (
        ADDRESS,
        {"publicIPAllocationMethod": "Dynamic"},
        "publicIPAllocationMethod",
        "BadRequest: A public IP address of SKU Standard must have publicIPAllocationMethod Static.",
    ),
    (
        BLOBS,
        {"deleteRetentionPolicy": {"enabled": True}},
        "deleteRetentionPolicy",
        "InvalidValuesForRequestParameters: deleteRetentionPolicy is enabled without days; allowed are 1 to 365.",
    ),
    (
        BLOBS,
        {"containerDeleteRetentionPolicy": {"enabled": True}},
        "containerDeleteRetentionPolicy",
        "InvalidValuesForRequestParameters: containerDeleteRetentionPolicy is enabled without days; allowed are 1 to 365.",
    ),
    (
        BLOBS,
        {"restorePolicy": {"enabled": True, "days": 30}},
        "restorePolicy",
        "BadRequest: restorePolicy.days is 30; it must be less than deleteRetentionPolicy.days, which is 30.",
    ),
    (
        BLOBS,
        {"restorePolicy": {"enabled": True, "days": 7}, "isVersioningEnabled": False},
        "restorePolicy",
        "BadRequest: Point-in-time restore needs isVersioningEnabled true.",
    ),
    (
        ACCOUNT,
        {"sasPolicy.sasExpirationPeriod": "1.25:00:00"},
        "sasPolicy",
        "InvalidValuesForRequestParameters: sasPolicy.sasExpirationPeriod is 1.25:00:00; it must be DD.HH:MM:SS.",
    ),
    (
        "azure-native:network:PrivateEndpoint",
        {"privateLinkServiceConnections.0.groupIds.0": "blobs"},
        "privateLinkServiceConnections",
        (
            f"BadRequest: The group blobs is none of {GROUP}/providers/Microsoft.Storage/storageAccounts/models123; allowed are blob, blob_secondary, dfs, "
            "dfs_secondary, file, queue, queue_secondary, table, table_secondary, web, web_secondary."
        ),
    ),
    (ACCOUNT, {"kind": "BlobStorage"}, "accessTier", "AccountPropertyIsInvalid: An account of kind BlobStorage needs accessTier."),
    (
        VAULT,
        {"properties.enablePurgeProtection": False},
        "properties",
        'BadRequest: The property "enablePurgeProtection" cannot be set to false. Enabling the purge protection for a vault is an irreversible action.',
    ),
]


@pytest.mark.parametrize(("pulumi_type", "change", "property_name", "reason"), BROKEN, ids=lambda value: str(value)[:40])
def test_what_properties_may_not_be_together_is_refused_in_arms_words(pulumi_type: str, change: Change, property_name: str, reason: str):
    assert (property_name, reason) in check.problems(ALL[pulumi_type], changed(pulumi_type, change))


def test_every_rule_is_broken_by_one_of_these():
    hit = set()
    for pulumi_type, change, _, _ in BROKEN:
        for number, rule in enumerate(ALL[pulumi_type].rules):
            if rule.broken(changed(pulumi_type, change)):
                hit.add((pulumi_type, number))
    assert {(name, number) for name, kind in ALL.items() for number, _ in enumerate(kind.rules)} == hit


def test_everything_written_by_hand_says_where_it_comes_from():
    for kind in ALL.values():
        assert kind.sources, kind.arm_type
        for source in (*kind.sources, *(rule.source for rule in (*kind.rules, *kind.relations))):
            assert source.startswith("https://")


@pytest.mark.parametrize("pulumi_type", [name for name, kind in ALL.items() if kind.rules])
def test_what_is_not_known_yet_breaks_no_rule(pulumi_type: str):
    def without(value: Any, depth: int) -> Any:
        if depth == 0 or not isinstance(value, dict | list):
            return UNKNOWN
        return {name: without(item, depth - 1) for name, item in value.items()} if isinstance(value, dict) else [without(item, depth - 1) for item in value]

    kind = ALL[pulumi_type]
    for depth in range(1, 6):
        names = {name: EXAMPLES[pulumi_type][name] for name in kind.in_url if name in EXAMPLES[pulumi_type]}
        assert check.problems(kind, {**without(EXAMPLES[pulumi_type], depth), **names}) == [], depth


ADDRESS_ID = f"{GROUP}/providers/Microsoft.Network/publicIPAddresses/outbound"
NETWORK_INPUTS = EXAMPLES[NET]
WIDE = {**NETWORK_INPUTS, "addressSpace": {"addressPrefixes": ["10.0.0.0/8"]}}

RELATED: list[tuple[str, Change, dict[str, Properties], str | None]] = [
    (CLUSTER, {}, {NETWORK: NETWORK_INPUTS}, None),
    (
        CLUSTER,
        {},
        {NETWORK: {**NETWORK_INPUTS, "subnets": [{"name": "nodes", "addressPrefix": "10.0.4.0/24", "natGateway": {"id": "x"}}]}},
        "ServiceCidrOverlapExistingSubnetsCidr: The specified service CIDR 10.0.0.0/16 is conflicted with an existing subnet CIDR 10.0.4.0/24",
    ),
    (CLUSTER, {}, {NETWORK: WIDE}, "NetworkProfileCIDROverlapVNET: NetworkProfile CIDR 10.244.0.0/16 overlaps with reserved VNET CIDR 10.0.0.0/8"),
    (
        CLUSTER,
        {"networkProfile.outboundType": "userDefinedRouting"},
        {NETWORK: NETWORK_INPUTS},
        "BadRequest: Outbound type is userDefinedRouting but subnet 'nodes' of net has no route table.",
    ),
    (
        CLUSTER,
        {"agentPoolProfiles.0.vnetSubnetID": f"{NETWORK}/subnets/private-endpoints"},
        {NETWORK: NETWORK_INPUTS},
        "BadRequest: Outbound type is userAssignedNATGateway but subnet 'private-endpoints' of net has no NAT gateway.",
    ),
    (
        CLUSTER,
        {"apiServerAccessProfile.subnetId": f"{NETWORK}/subnets/private-endpoints"},
        {NETWORK: NETWORK_INPUTS},
        "BadRequest: Subnet 'private-endpoints' of the API server must be delegated to Microsoft.ContainerService/managedClusters.",
    ),
    (
        CLUSTER,
        {},
        {NETWORK: changed(NET, {"subnets.1.addressPrefix": "10.100.16.0/29"})},
        "BadRequest: Subnet 'api-server' of the API server is 10.100.16.0/29; the smallest is /28.",
    ),
    (
        "azure-native:network:PrivateEndpoint",
        {},
        {NETWORK: {**NETWORK_INPUTS, "location": "northeurope"}},
        (
            f"InvalidResourceReference: Resource {NETWORK} referenced by resource here was not found. "
            "Please make sure that the referenced resource exists, and that both resources are in the same region."
        ),
    ),
    ("azure-native:network:PrivateEndpoint", {}, {NETWORK: {**NETWORK_INPUTS, "location": "West Europe"}}, None),
    (
        "azure-native:network:PrivateEndpoint",
        {"privateLinkServiceConnections.0.privateLinkServiceId": f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/r"},
        {f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/r": {"sku": {"name": "Standard"}}},
        f"BadRequest: The registry {GROUP}/providers/Microsoft.ContainerRegistry/registries/r is of SKU Standard; a private endpoint needs Premium.",
    ),
    (
        "azure-native:network:NatGateway",
        {},
        {ADDRESS_ID: {**EXAMPLES[ADDRESS], "sku": {"name": "Basic"}}},
        f"BadRequest: The public IP address {ADDRESS_ID} is of SKU Basic; a NAT gateway needs Standard.",
    ),
    (
        "azure-native:network:NatGateway",
        {},
        {ADDRESS_ID: {**EXAMPLES[ADDRESS], "location": "northeurope"}},
        (
            f"InvalidResourceReference: Resource {ADDRESS_ID} referenced by resource here was not found. "
            "Please make sure that the referenced resource exists, and that both resources are in the same region."
        ),
    ),
    (
        NET,
        {},
        {f"{GROUP}/providers/x/natGateways/n": {"location": "northeurope"}},
        (
            f"InvalidResourceReference: Resource {GROUP}/providers/x/natGateways/n referenced by resource here was not found. "
            "Please make sure that the referenced resource exists, and that both resources are in the same region."
        ),
    ),
]


def refusals(pulumi_type: str, identifier: str, inputs: Properties, others: dict[str, Properties]) -> list[str]:
    return [f"{one.code}: {wrong}" for one in ALL[pulumi_type].relations if (wrong := one.broken(identifier, inputs, others.get))]


@pytest.mark.parametrize(("pulumi_type", "change", "others", "refusal"), RELATED)
def test_what_other_resources_forbid_is_refused_in_arms_words(pulumi_type: str, change: Change, others: dict[str, Properties], refusal: str | None):
    assert refusals(pulumi_type, "here", changed(pulumi_type, change), others) == ([refusal] if refusal else [])


def test_write_once_needs_versions():
    account = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/models123"
    container = "azure-native:storage:BlobContainer"
    found: dict[str, Properties] = {account: EXAMPLES[ACCOUNT]}
    identifier = f"{account}/blobServices/default/containers/models"
    wanted = "BadRequest: Version-level immutability of container 'models' needs versioning; enable it on the blob service of the account."
    assert refusals(container, identifier, EXAMPLES[container], found) == [wanted]
    found[f"{account}/blobServices/default"] = EXAMPLES[BLOBS]
    assert refusals(container, identifier, EXAMPLES[container], found) == []


@pytest.mark.parametrize("pulumi_type", [name for name, kind in ALL.items() if kind.relations])
def test_what_is_not_in_the_simulation_forbids_nothing(pulumi_type: str):
    assert refusals(pulumi_type, f"{GROUP}/providers/x/blobServices/default/containers/y", EXAMPLES[pulumi_type], {}) == []


@given(octets=st.lists(st.integers(0, 255), min_size=2, max_size=8, unique=True))
def test_subnets_that_share_no_address_pass_and_one_twice_does_not(octets: list[int]):
    subnets = [{"name": f"s{number}", "addressPrefix": f"10.1.{octet}.0/24"} for number, octet in enumerate(octets)]
    inputs = {**NETWORK_INPUTS, "addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}, "subnets": subnets}
    assert check.problems(VIRTUAL_NETWORK, inputs) == []
    twice = {**inputs, "subnets": [*subnets, {"name": "again", "addressPrefix": f"10.1.{octets[0]}.128/25"}]}
    assert [reason.split(":")[0] for _, reason in check.problems(VIRTUAL_NETWORK, twice)] == ["NetcfgSubnetRangesOverlap"]


def test_the_smallest_subnet_passes():
    assert check.problems(VIRTUAL_NETWORK, changed(NET, {"subnets.1.addressPrefix": "10.100.16.0/29"})) == []


def test_a_wrong_type_is_told_before_any_rule_looks_at_it():
    inputs = changed(CLUSTER, {"networkProfile.outboundType": 7, "agentPoolProfiles.0.minCount": "three"})
    assert [path for path, _ in check.problems(MANAGED_CLUSTER, inputs)] == ["agentPoolProfiles[0].minCount", "networkProfile.outboundType"]
    assert at(inputs, "networkProfile.outboundType") == 7


def test_a_relation_refuses_when_the_resource_is_put(tmp_path: Path):
    arm = Resources(State(tmp_path / "arm"), CONTEXT)
    arm.put(RESOURCE_GROUP, EXAMPLES[RESOURCE_GROUP.pulumi_type])
    arm.put(VIRTUAL_NETWORK, {**EXAMPLES[NET], "location": "northeurope"})
    with pytest.raises(ArmError, match=r'Code="InvalidResourceReference" Message="Resource /subscriptions/.* was not found'):
        arm.put(PRIVATE_ENDPOINT, {name: value for name, value in EXAMPLES[PRIVATE_ENDPOINT.pulumi_type].items() if name != "location"})
