"""Sizes, quota, Kubernetes version and features of a region."""

from typing import Any

import pytest

from delivery.doctor import region
from delivery.doctor.findings import Status
from delivery.doctor.places import Places
from tests.unit.delivery.doctor.stacks import SCOPE, context, healthy, sku, usage
from tests.unit.delivery.fake_azure import FakeAzure

NOTHING = Places(storage=None, registry=None, cluster=None)
_SKUS = f"{SCOPE}/providers/Microsoft.Compute/skus"
_USAGES = f"{SCOPE}/providers/Microsoft.Compute/locations/westeurope/usages"


def looked(azure: FakeAzure, places: Places = NOTHING, **cluster: Any):
    return region.sizes_and_quota(context(azure, cluster=cluster), places)


def quota(azure: FakeAzure, places: Places = NOTHING, **cluster: Any):
    return [one for one in looked(azure, places, **cluster) if one.check == "quota"]


def test_all_is_well():
    found = looked(healthy(), zones=["1", "3"])
    assert [(one.check, one.status) for one in found] == [("node sizes", Status.OK), ("quota", Status.OK), ("quota", Status.OK)]
    assert found[0].message == "Standard_D2ds_v5 in westeurope in zones 1, 3"


def test_the_region_is_asked_for_its_own_sizes_only():
    azure = healthy()
    looked(azure)
    assert next(request for request in azure.requests if request.url.path == _SKUS).url.params["$filter"] == "location eq 'westeurope'"


@pytest.mark.parametrize(
    ("size", "cluster", "words"),
    [
        (
            {"restrictions": [{"type": "Location", "reasonCode": "NotAvailableForSubscription"}]},
            {},
            "cannot be had by this subscription in westeurope (NotAvail",
        ),
        ({"zones": ("1",)}, {"zones": ["1", "2"]}, "cannot be had in zone 2 of westeurope"),
        ({"restrictions": [{"type": "Zone", "restrictionInfo": {"zones": ["2"]}}]}, {"zones": ["1", "2"]}, "cannot be had in zone 2 of westeurope"),
        ({"capabilities": [{"name": "vCPUs", "value": "2"}]}, {"encryptionAtHost": True}, "cannot encrypt on the host"),
    ],
)
def test_a_size_that_cannot_be_had(size: dict[str, Any], cluster: dict[str, Any], words: str):
    azure = healthy()
    azure.set(_SKUS, {"value": [sku("Standard_D2ds_v5", **size)]})
    found = looked(azure, **cluster)[0]
    assert found.status is Status.FAILURE
    assert words in found.message
    assert "az vm list-skus --location westeurope" in found.command


def test_a_size_that_is_not_offered():
    (found,) = looked(healthy(), nodeSize="Standard_X9")
    assert (found.status, found.message) == (Status.FAILURE, "Standard_X9 is not offered in westeurope")


def test_every_pool_at_its_largest_counts():
    azure = healthy()
    azure.set(_USAGES, {"value": [usage("cores", 0, 100), usage("standardDDSv5Family", 0, 41)]})
    pools = {"nodeSize": "Standard_D2ds_v5", "maxNodes": 3, "userPools": [{"name": "apps", "nodeSize": "Standard_D4ds_v5", "maxNodes": 9}]}
    family, total = quota(azure, **pools)
    assert family.status is Status.FAILURE
    assert family.message == "standardDDSv5Family vCPUs in westeurope: 41 vCPUs are left, 42 more are needed with all pools at their largest"
    assert family.command.startswith(
        f"az quota update --resource-name standardDDSv5Family --scope {SCOPE}/providers/Microsoft.Compute/locations/westeurope --limit-object value="
    )
    assert total.status is Status.OK


def test_enough_but_not_for_an_upgrade_is_a_warning():
    azure = healthy()
    azure.set(_USAGES, {"value": [usage("cores", 0, 100), usage("standardDDSv5Family", 0, 7)]})
    family, _ = quota(azure)
    assert family.status is Status.WARNING
    assert "an upgrade at that moment needs 2 besides" in family.message


def test_the_regional_total_counts_too():
    azure = healthy()
    azure.set(_USAGES, {"value": [usage("cores", 98, 100), usage("standardDDSv5Family", 0, 50)]})
    assert [one.status for one in quota(azure)] == [Status.OK, Status.FAILURE]


def test_nodes_that_run_already_are_not_needed_again():
    azure = healthy()
    azure.set(_USAGES, {"value": [usage("cores", 6, 8), usage("standardDDSv5Family", 6, 8)]})
    running = Places(storage=None, registry=None, cluster={"properties": {"agentPoolProfiles": [{"vmSize": "standard_d2ds_v5", "count": 3}]}})
    assert [one.status for one in quota(azure)] == [Status.FAILURE, Status.FAILURE]
    assert [one.status for one in quota(azure, running)] == [Status.OK, Status.OK]


def test_an_adopted_cluster_has_somebody_elses_nodes():
    (found,) = looked(healthy(), clusterId="/x")
    assert found.status is Status.OK


def test_usages_come_only_after_the_registration():
    azure = healthy()
    azure.set(_USAGES, {"value": []})
    assert [one.status for one in quota(azure)] == [Status.NOT_YET]


@pytest.mark.parametrize(
    ("version", "status", "words"),
    [
        ("1.34", Status.OK, "1.34 is offered in westeurope"),
        ("1.35", Status.WARNING, "1.35 is a preview in westeurope"),
        ("1.30", Status.FAILURE, "1.30 gets long-term support only"),
        ("1.20", Status.FAILURE, "1.20 is not offered in westeurope; offered are 1.34"),
    ],
)
def test_the_kubernetes_version(version: str, status: Status, words: str):
    (found,) = region.kubernetes_version(context(healthy(), cluster={"kubernetesVersion": version}), NOTHING)
    assert found.status is status
    assert found.message.startswith(words)
    assert status is Status.OK or "az aks get-versions --location westeurope" in found.command


@pytest.mark.parametrize(
    ("state", "status"), [("Registered", Status.OK), ("NotRegistered", Status.FAILURE), ("Pending", Status.FAILURE), (None, Status.FAILURE)]
)
def test_encryption_at_host_must_be_registered(state: str | None, status: Status):
    azure = healthy()
    if state:
        azure.set(f"{SCOPE}/providers/Microsoft.Features/providers/Microsoft.Compute/features/EncryptionAtHost", {"properties": {"state": state}})
    (found,) = region.features(context(azure, cluster={"encryptionAtHost": True}))
    assert found.status is status
    assert status is Status.OK or found.command.startswith("az feature register --namespace Microsoft.Compute --name EncryptionAtHost")
    assert region.features(context(azure)) == []
