from functools import cache
from typing import Any

import pulumi
import pytest

from components.model_storage import ModelStorage, ModelStorageArgs
from components.private_access import PrivateAccess
from components.role_grants import Principal, Role
from tests.unit.components.recording import GET_ACCOUNT, GRANT, GROUP, LOCK, SUBSCRIPTION, UNKNOWN, Recording, consume, record

ACCOUNT = f"{SUBSCRIPTION}/resourceGroups/models-group/providers/Microsoft.Storage/storageAccounts/convergedev"
CONTAINER = f"{ACCOUNT}/blobServices/default/containers/models"
_ADOPTED = f"{SUBSCRIPTION}/resourceGroups/shared/providers/Microsoft.Storage/storageAccounts/theirmodels"
_WORKSPACE = f"{SUBSCRIPTION}/resourceGroups/monitoring/providers/Microsoft.OperationalInsights/workspaces/logs"
_NETWORK = f"{SUBSCRIPTION}/resourceGroups/network/providers/Microsoft.Network"
_PRIVATELY = PrivateAccess(
    subnet_id=f"{_NETWORK}/virtualNetworks/hub/subnets/endpoints", zone_id=f"{_NETWORK}/privateDnsZones/privatelink.blob.core.windows.net"
)
_ACCOUNT_TYPE = "azure-native:storage:StorageAccount"
_CONTAINER_TYPE = "azure-native:storage:BlobContainer"
_WRITE_ONCE = "azure-native:storage:BlobContainerImmutabilityPolicy"
_ENDPOINT = "azure-native:network:PrivateEndpoint"
_LOGS = "azure-native:monitor:DiagnosticSetting"
_FOUND = {"primaryEndpoints": {"blob": "https://theirmodels.z12.blob.storage.azure.net/"}}
"""An account whose DNS name is not the usual one."""


def _recorded(opts: pulumi.ResourceOptions | None = None, *, preview: bool = False, **changes: Any) -> Recording:
    def program() -> None:
        args = ModelStorageArgs(**{"account_name": "convergedev", "deployer": Principal(id="us", type="Group"), **changes})
        models = ModelStorage("models", args, opts)
        consume(name=models.account_name, id=models.account_id, url=models.container_url)

    return record(program, preview=preview, calls={GET_ACCOUNT: _FOUND})


@cache
def _usual() -> Recording:
    """With nothing changed; recorded once for the many tests that look at it."""
    return _recorded()


def test_the_deployer_may_read_models_and_sign_for_them_and_nobody_may_do_anything_else():
    assert _usual().grants == {
        (Role.STORAGE_BLOB_DELEGATOR.value, ACCOUNT, "us", "Group"),
        (Role.STORAGE_BLOB_DATA_READER.value, CONTAINER, "us", "Group"),
    }


def test_a_group_may_publish_into_the_container_if_there_is_one():
    rights = _recorded(contributor_group_id="publishers").grants - _usual().grants
    assert rights == {(Role.STORAGE_BLOB_DATA_CONTRIBUTOR.value, CONTAINER, "publishers", "Group")}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("accountName", "convergedev"),
        ("allowSharedKeyAccess", False),
        ("defaultToOAuthAuthentication", True),
        ("allowBlobPublicAccess", False),
        ("allowCrossTenantReplication", False),
        ("allowedCopyScope", "AAD"),
        ("isLocalUserEnabled", False),
        ("isSftpEnabled", False),
        ("enableHttpsTrafficOnly", True),
        ("minimumTlsVersion", "TLS1_2"),
        ("kind", "StorageV2"),
        ("accessTier", "Hot"),
        # Disabled, it would let nobody in whatever the rules say.
        ("publicNetworkAccess", "Enabled"),
        ("sasPolicy", {"sasExpirationPeriod": "00.01:00:00", "expirationAction": "Log"}),
        ("networkRuleSet", {"defaultAction": "Deny", "bypass": "AzureServices", "ipRules": []}),
    ],
)
def test_the_account_has_no_keys_and_lets_nobody_in(key: str, value: object):
    assert _usual().only(_ACCOUNT_TYPE).inputs[key] == value


def test_data_is_encrypted_twice():
    encryption = _usual().only(_ACCOUNT_TYPE).inputs["encryption"]
    assert encryption["requireInfrastructureEncryption"] is True
    assert encryption["services"]["blob"]["enabled"] is True


def test_only_named_addresses_reach_the_account():
    rules = _recorded(allowed_ip_ranges=["203.0.113.0/24", "198.51.100.7"]).only(_ACCOUNT_TYPE).inputs["networkRuleSet"]
    assert rules["defaultAction"] == "Deny"
    assert rules["ipRules"] == [{"iPAddressOrRange": addresses, "action": "Allow"} for addresses in ("203.0.113.0/24", "198.51.100.7")]


def test_redundancy_and_tags_are_as_asked_for():
    recording = _recorded(sku="Standard_ZRS", tags={"application": "converge"})
    assert recording.only(_ACCOUNT_TYPE).inputs["sku"] == {"name": "Standard_ZRS"}
    for kind in (_ACCOUNT_TYPE, GROUP):
        assert recording.only(kind).inputs["tags"] == {"application": "converge"}


def test_data_has_a_resource_group_of_its_own():
    recording = _usual()
    assert recording.only(GROUP).parent == "models"
    placed = [resource for resource in recording.resources if "resourceGroupName" in resource.inputs]
    assert {resource.name for resource in placed} == {"models-account", "models-blobs", "models-container"}
    assert {resource.inputs["resourceGroupName"] for resource in placed} == {"models-group"}


@pytest.mark.parametrize("days", [1, 7, 365])
def test_what_is_deleted_or_overwritten_can_be_restored(days: int):
    kept = {"enabled": True, "days": days}
    inputs = _recorded(soft_delete_days=days).only("azure-native:storage:BlobServiceProperties").inputs
    assert inputs["isVersioningEnabled"] is True
    assert inputs["changeFeed"] == {"enabled": True}
    assert inputs["deleteRetentionPolicy"] == kept
    assert inputs["containerDeleteRetentionPolicy"] == kept


def test_versioning_is_on_before_the_container_exists():
    container = _usual().only("azure-native:storage:BlobContainer")
    assert "models-blobs" in container.dependencies
    assert container.inputs["containerName"] == "models"
    assert container.inputs["publicAccess"] == "None"


def test_protection_reaches_everything_that_holds_data_and_no_grant():
    more: dict[str, Any] = {"access": _PRIVATELY, "log_workspace_id": _WORKSPACE, "write_once_days": 365, "locked": True}
    recording = _recorded(pulumi.ResourceOptions(protect=True), contributor_group_id="publishers", **more)
    assert {resource.name for resource in recording.resources if resource.protected} == {
        "models", "models-group", "models-account", "models-blobs", "models-container", "models-write-once",
    }  # fmt: skip
    assert len(recording.of(GRANT)) == 3
    # Protected, a lock could not be taken away by the setting that made it.
    assert {"models-endpoint", "models-names", "models-logs", "models-lock"} <= {resource.name for resource in recording.resources}


def test_unless_asked_for_nothing_is_protected():
    assert not any(resource.protected for resource in _usual().resources)


def test_who_gets_the_url_may_read_there():
    consumer = _usual().named("consumer")
    assert consumer.inputs == {"name": "convergedev", "id": ACCOUNT, "url": "https://convergedev.blob.core.windows.net/models"}
    assert {"models-delegator", "models-reader"} <= consumer.dependencies_of("url")
    assert "models-reader" not in consumer.dependencies_of("name")


def test_who_reads_is_told_what_to_wait_for():
    told: list[str] = []

    def program() -> None:
        async def tell() -> None:
            models = ModelStorage("models", ModelStorageArgs(account_name="convergedev", deployer=Principal(id="us", type="Group")))
            told.extend([str(await grant.known()) for grant in models.reading])

        consume(told=pulumi.Output.from_input(tell()))

    record(program)
    assert told == [
        f"'Storage Blob Delegator' for the deployer (us) on {ACCOUNT}",
        f"'Storage Blob Data Reader' for the deployer (us) on {CONTAINER}",
    ]


def test_before_the_account_exists_its_url_is_unknown():
    recording = _recorded(preview=True)
    assert recording.outputs_of("models") == {"account_name": UNKNOWN, "account_id": UNKNOWN, "container_url": UNKNOWN}
    assert recording.named("consumer").inputs["url"] is UNKNOWN


def test_unless_asked_for_models_are_not_write_once():
    # Once the container has it, it cannot be taken back.
    recording = _usual()
    assert recording.of(_WRITE_ONCE) == []
    assert "immutableStorageWithVersioning" not in recording.only(_CONTAINER_TYPE).inputs


def test_write_once_for_a_container_that_exists_is_planned_as_a_replacement():
    # Azure takes it only when the container is made, and two of one name cannot be.
    request = _usual().only(_CONTAINER_TYPE).request
    assert list(request.replaceOnChanges) == ["immutableStorageWithVersioning"]
    assert request.deleteBeforeReplace


@pytest.mark.parametrize("days", [1, 365])
def test_models_can_be_write_once(days: int):
    recording = _recorded(write_once_days=days)
    assert recording.only(_CONTAINER_TYPE).inputs["immutableStorageWithVersioning"] == {"enabled": True}
    policy = recording.only(_WRITE_ONCE)
    assert policy.inputs == {
        "accountName": "convergedev",
        "resourceGroupName": "models-group",
        "containerName": "models",
        "immutabilityPolicyName": "default",
        "immutabilityPeriodSinceCreationInDays": days,
    }
    assert "models-container" in policy.dependencies


def test_azure_refuses_to_delete_an_account_that_is_locked():
    lock = _recorded(locked=True).only(LOCK).inputs
    assert (lock["scope"], lock["level"]) == (ACCOUNT, "CanNotDelete")
    assert _usual().of(LOCK) == []


def test_reads_writes_and_deletions_are_recorded_where_there_is_a_workspace():
    logs = _recorded(log_workspace_id=_WORKSPACE).only(_LOGS).inputs
    # Of blobs: the account itself has no such logs.
    assert (logs["resourceUri"], logs["workspaceId"]) == (f"{ACCOUNT}/blobServices/default", _WORKSPACE)
    assert {log["category"] for log in logs["logs"]} == {"StorageRead", "StorageWrite", "StorageDelete"}
    assert _usual().of(_LOGS) == []


def test_a_private_account_is_reached_through_its_endpoint_only():
    recording = _recorded(access=_PRIVATELY)
    assert recording.only(_ACCOUNT_TYPE).inputs["publicNetworkAccess"] == "Disabled"
    endpoint = recording.only(_ENDPOINT).inputs
    assert endpoint["subnet"] == {"id": _PRIVATELY.subnet_id}
    assert endpoint["privateLinkServiceConnections"] == [{"name": "blob", "privateLinkServiceId": ACCOUNT, "groupIds": ["blob"]}]
    # Earlier, the name would lead to the public address, where nobody is let in.
    assert "models-names" in recording.named("consumer").dependencies_of("url")
    assert "models-names" not in recording.named("consumer").dependencies_of("name")


def test_a_public_account_has_no_endpoint():
    assert _usual().of(_ENDPOINT) == []


def test_the_group_can_be_one_that_exists():
    recording = _recorded(resource_group_id=f"{SUBSCRIPTION}/resourceGroups/ours", access=_PRIVATELY, write_once_days=9)
    assert recording.of(GROUP) == []
    assert {resource.inputs["resourceGroupName"] for resource in recording.resources if "resourceGroupName" in resource.inputs} == {"ours"}


@pytest.mark.parametrize("preview", [True, False])
def test_of_an_account_that_exists_nothing_is_declared_but_grants(preview: bool):
    more: dict[str, Any] = {"access": _PRIVATELY, "log_workspace_id": _WORKSPACE, "locked": True, "write_once_days": 365}
    recording = _recorded(preview=preview, account_id=_ADOPTED, contributor_group_id="publishers", **more)
    declared = {resource.name.removeprefix("models-") for resource in recording.resources if resource.parent == "models"}
    assert declared == {"delegator", "reader", "publishers", "existing"}
    assert recording.named("models-existing").inputs["subscriptionId"] == _ADOPTED.split("/")[2]
    assert recording.calls == [(GET_ACCOUNT, {"accountName": "theirmodels", "resourceGroupName": "shared"})]
    container = f"{_ADOPTED}/blobServices/default/containers/models"
    assert recording.grants == {
        (Role.STORAGE_BLOB_DELEGATOR.value, _ADOPTED, "us", "Group"),
        (Role.STORAGE_BLOB_DATA_READER.value, container, "us", "Group"),
        (Role.STORAGE_BLOB_DATA_CONTRIBUTOR.value, container, "publishers", "Group"),
    }
    url = UNKNOWN if preview else "https://theirmodels.z12.blob.storage.azure.net/models"
    assert recording.outputs_of("models") == {"account_name": "theirmodels", "account_id": _ADOPTED, "container_url": url}
    assert {"models-delegator", "models-reader"} <= recording.named("consumer").dependencies_of("url")


@pytest.mark.parametrize("days", [-1, 0, 366])
def test_a_retention_that_azure_does_not_have_is_refused(days: int):
    with pytest.raises(pulumi.InputPropertyError) as error:
        ModelStorageArgs(account_name="convergedev", deployer=Principal(id="us"), soft_delete_days=days)
    assert (error.value.property_path, error.value.reason) == ("soft_delete_days", f"is {days}; Azure allows 1 to 365")
