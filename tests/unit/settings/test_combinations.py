from typing import Any

import pytest

from settings.combinations import problems
from tests.unit.settings.test_schema import parsed

_GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/shared/providers"
_NETWORK = f"{_GROUP}/Microsoft.Network/virtualNetworks/hub/subnets"
_VAULT = f"{_GROUP}/Microsoft.KeyVault/vaults/certificates"
_SUBNETS = {"nodeSubnetId": f"{_NETWORK}/nodes", "apiServerSubnetId": f"{_NETWORK}/api"}
_PRIVATE: dict[str, Any] = {"network": {"private": True}, "registry": {"sku": "Premium"}, "cluster": {"tier": "Standard"}}
_ENDPOINTS_MISSING = (
    "converge:network.endpointSubnetId: is missing beside converge:network.apiServerSubnetId, converge:network.nodeSubnetId; "
    "of a network that exists every subnet is named"
)
_OTHER_SUBSCRIPTION = (
    "converge:registry.resourceGroupId: is in the subscription 00000000-0000-0000-0000-000000000002; "
    "the stack makes its resources in azure-native:subscriptionId, 00000000-0000-0000-0000-000000000001"
)
_OUTSIDE = {"name": "digits", "exposure": "internet", "host": "digits.example.com", "certificate": "digits", "audience": "api://digits"}


@pytest.mark.parametrize(
    "values",
    [
        {},
        _PRIVATE,
        {**_PRIVATE, "network": {"private": True, "endpointSubnetId": f"{_NETWORK}/endpoints", **_SUBNETS}},
        {"network": {"outbound": "userDefinedRouting", **_SUBNETS}},
        {"cluster": {"defender": True}, "monitoring": {"enabled": True}},
        {"cluster": {"clusterId": f"{_GROUP}/Microsoft.ContainerService/managedClusters/shared", "adminGroupIds": []}},
        {"services": [_OUTSIDE], "ingress": {"keyVaultId": _VAULT}},
        {"services": [{"name": "digits", "secret": "keys", "environment": {"API_KEYS_FILE": "/run/secrets/app/keys", "SHUTDOWN_SECONDS": 3600}}]},
    ],
)
def test_settings_that_fit(values: dict[str, Any]):
    assert list(problems(parsed(**values), "00000000-0000-0000-0000-000000000001")) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"cluster": {"clusterId": f"{_GROUP}/Microsoft.ContainerService/managedClusters/shared", "nodeSize": "Standard_D4ds_v5"}},
            "converge:cluster.nodeSize: has no effect beside converge:cluster.clusterId, which names what exists already; remove one of the two",
        ),
        (
            {"registryName": "images", "registry": {"registryId": f"{_GROUP}/Microsoft.ContainerRegistry/registries/shared"}},
            "converge:registryName: has no effect beside converge:registry.registryId, which names what exists already; remove one of the two",
        ),
        (
            {"modelStorage": {"sku": "Standard_GRS", "accountId": f"{_GROUP}/Microsoft.Storage/storageAccounts/shared"}},
            "converge:modelStorage.sku: has no effect beside converge:modelStorage.accountId, which names what exists already; remove one of the two",
        ),
        (
            {"network": {"nodeSubnetId": f"{_NETWORK}/nodes"}},
            "converge:network.apiServerSubnetId: is missing beside converge:network.nodeSubnetId; of a network that exists every subnet is named",
        ),
        (
            {**_PRIVATE, "network": {"private": True, **_SUBNETS}},
            _ENDPOINTS_MISSING,
        ),
        (
            {"network": {"outbound": "userDefinedRouting"}},
            "converge:network.outbound: was userDefinedRouting, whose route table is at a subnet that exists; name the subnets, or choose natGateway",
        ),
        (
            {**_PRIVATE, "allowedIpRanges": ["203.0.113.0/24"]},
            "converge:allowedIpRanges: has no effect beside converge:network.private: true, which closes every public address; remove one of the two",
        ),
        (
            {**_PRIVATE, "registry": {}},
            "converge:registry.sku: was Standard; allowed is Premium beside converge:network.private: true, no other tier has private endpoints",
        ),
        (
            {**_PRIVATE, "cluster": {}},
            "converge:cluster.tier: was Free; allowed is Standard or Premium beside converge:network.private: true, since others rely on such a cluster",
        ),
        (
            {"registry": {"resourceGroupId": "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/images"}},
            _OTHER_SUBSCRIPTION,
        ),
        (
            {"cluster": {"defender": True}},
            "converge:cluster.defender: was true, but it has no workspace to report to; set converge:monitoring.enabled: true",
        ),
        (
            {"services": [{"name": "digits", "host": "digits.example.com"}]},
            "converge:services[0].host: has no effect with exposure: cluster; remove it, or choose network or internet",
        ),
        (
            {"services": [{**_OUTSIDE, "audience": ""}], "ingress": {"keyVaultId": _VAULT}},
            "converge:services[0].audience: is missing; with exposure: internet a service has a host, a certificate and an audience",
        ),
        (
            {"services": [{**_OUTSIDE, "exposure": "network"}]},
            "converge:ingress.keyVaultId: is missing; it holds the certificate of services[0]",
        ),
        (
            {"services": [_OUTSIDE, {**_OUTSIDE, "name": "other"}], "ingress": {"keyVaultId": _VAULT}},
            "converge:services[1].host: was digits.example.com, which services[0] has, too; every service has a host of its own",
        ),
        (
            {"services": [{"name": "digits", "environment": {"SHUTDOWN_SECONDS": 0.5}}]},
            ("converge:services[0].environment.SHUTDOWN_SECONDS: was 0.5; "
            "allowed is a whole number of seconds up to 3600, by which a pod's time to end is set"),
        ),
        (
            {"services": [{"name": "digits", "environment": {"DRAIN_SECONDS": 3601}}]},
            ("converge:services[0].environment.DRAIN_SECONDS: was 3601; "
            "allowed is a whole number of seconds up to 3600, by which a pod's time to end is set"),
        ),
        (
            {"services": [{"name": "digits", "environment": {"API_KEYS_FILE": "/run/secrets/app/keys"}}]},
            "converge:services[0].secret: is missing; it names the Secret with the file that environment.API_KEYS_FILE means, /run/secrets/app/keys",
        ),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_told_with_the_key_and_what_to_do(values: dict[str, Any], message: str):
    assert list(problems(parsed(**values), "00000000-0000-0000-0000-000000000001")) == [message]
