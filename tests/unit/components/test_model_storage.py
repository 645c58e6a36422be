from typing import Any

import pulumi
import pytest

from components.model_storage import ModelStorage, ModelStorageArgs
from components.role_grants import Principal, Role
from tests.unit.components.recording import GRANT, SUBSCRIPTION, UNKNOWN, Recording, consume, record

ACCOUNT = f"{SUBSCRIPTION}/resourceGroups/models-group/providers/Microsoft.Storage/storageAccounts/convergedev"
CONTAINER = f"{ACCOUNT}/blobServices/default/containers/models"
_ACCOUNT_TYPE = "azure-native:storage:StorageAccount"


def _recorded(opts: pulumi.ResourceOptions | None = None, *, preview: bool = False, **changes: Any) -> Recording:
    def program() -> None:
        args = ModelStorageArgs(**{"account_name": "convergedev", "deployer": Principal(id="us", type="Group"), **changes})
        models = ModelStorage("models", args, opts)
        consume(name=models.account_name, url=models.container_url)

    return record(program, preview=preview)


def test_the_deployer_may_read_models_and_sign_for_them_and_nobody_may_do_anything_else():
    assert _recorded().grants == {
        (Role.STORAGE_BLOB_DELEGATOR.value, ACCOUNT, "us", "Group"),
        (Role.STORAGE_BLOB_DATA_READER.value, CONTAINER, "us", "Group"),
    }


def test_a_group_may_publish_into_the_container_if_there_is_one():
    rights = _recorded(contributor_group_id="publishers").grants - _recorded().grants
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
    assert _recorded().only(_ACCOUNT_TYPE).inputs[key] == value


def test_data_is_encrypted_twice():
    encryption = _recorded().only(_ACCOUNT_TYPE).inputs["encryption"]
    assert encryption["requireInfrastructureEncryption"] is True
    assert encryption["services"]["blob"]["enabled"] is True


def test_only_named_addresses_reach_the_account():
    rules = _recorded(allowed_ip_ranges=["203.0.113.0/24", "198.51.100.7"]).only(_ACCOUNT_TYPE).inputs["networkRuleSet"]
    assert rules["defaultAction"] == "Deny"
    assert rules["ipRules"] == [{"iPAddressOrRange": addresses, "action": "Allow"} for addresses in ("203.0.113.0/24", "198.51.100.7")]


def test_redundancy_and_tags_are_as_asked_for():
    recording = _recorded(sku="Standard_ZRS", tags={"application": "converge"})
    assert recording.only(_ACCOUNT_TYPE).inputs["sku"] == {"name": "Standard_ZRS"}
    for kind in (_ACCOUNT_TYPE, "azure-native:resources:ResourceGroup"):
        assert recording.only(kind).inputs["tags"] == {"application": "converge"}


def test_data_has_a_resource_group_of_its_own():
    recording = _recorded()
    assert recording.only("azure-native:resources:ResourceGroup").parent == "models"
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
    container = _recorded().only("azure-native:storage:BlobContainer")
    assert "models-blobs" in container.dependencies
    assert container.inputs["containerName"] == "models"
    assert container.inputs["publicAccess"] == "None"


def test_protection_reaches_everything_that_holds_data_and_no_grant():
    recording = _recorded(pulumi.ResourceOptions(protect=True), contributor_group_id="publishers")
    assert {resource.name for resource in recording.resources if resource.protected} == {
        "models", "models-group", "models-account", "models-blobs", "models-container",
    }  # fmt: skip
    assert len(recording.of(GRANT)) == 3


def test_unless_asked_for_nothing_is_protected():
    assert not any(resource.protected for resource in _recorded().resources)


def test_who_gets_the_url_may_read_there():
    consumer = _recorded().named("consumer")
    assert consumer.inputs == {"name": "convergedev", "url": "https://convergedev.blob.core.windows.net/models"}
    assert {"models-delegator", "models-reader"} <= consumer.dependencies_of("url")
    assert "models-reader" not in consumer.dependencies_of("name")


def test_before_the_account_exists_its_url_is_unknown():
    recording = _recorded(preview=True)
    assert recording.outputs_of("models") == {"account_name": UNKNOWN, "account_id": UNKNOWN, "container_url": UNKNOWN}
    assert recording.named("consumer").inputs["url"] is UNKNOWN


@pytest.mark.parametrize("days", [-1, 0, 366])
def test_a_retention_that_azure_does_not_have_is_refused(days: int):
    with pytest.raises(pulumi.InputPropertyError) as error:
        ModelStorageArgs(account_name="convergedev", deployer=Principal(id="us"), soft_delete_days=days)
    assert (error.value.property_path, error.value.reason) == ("soft_delete_days", f"is {days}; Azure allows 1 to 365")
