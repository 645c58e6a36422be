from typing import Any

import pulumi
import pytest
from pulumi_azure_native import storage

from components.storage_account import blob_service, storage_account
from tests.unit.components.recording import Recording, record

_ACCOUNT = "azure-native:storage:StorageAccount"
_BLOBS = "azure-native:storage:BlobServiceProperties"


def _recorded(**changes: Any) -> Recording:
    usual: dict[str, Any] = {"sku": "Standard_ZRS", "private": False, "allowed_ip_ranges": ["203.0.113.7"], "tags": {"application": "converge"}}

    def program() -> None:
        storage.StorageAccount("account", storage_account("convergestate", "group", **{**usual, **changes}))
        storage.BlobServiceProperties("blobs", blob_service("convergestate", pulumi.Output.from_input("group"), kept_days=30))

    return record(program)


def test_an_account_has_no_keys_and_every_property_that_azure_would_choose_more_openly_is_said():
    assert _recorded().only(_ACCOUNT).inputs == {
        "accountName": "convergestate",
        "resourceGroupName": "group",
        "kind": "StorageV2",
        "sku": {"name": "Standard_ZRS"},
        "accessTier": "Hot",
        "allowSharedKeyAccess": False,
        "defaultToOAuthAuthentication": True,
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
        "allowedCopyScope": "AAD",
        "isLocalUserEnabled": False,
        "isSftpEnabled": False,
        "enableHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
        "encryption": {
            "keySource": "Microsoft.Storage",
            "requireInfrastructureEncryption": True,
            "services": {"blob": {"enabled": True, "keyType": "Account"}},
        },
        "sasPolicy": {"sasExpirationPeriod": "00.01:00:00", "expirationAction": "Log"},
        "publicNetworkAccess": "Enabled",
        "networkRuleSet": {
            "defaultAction": "Deny", "bypass": "AzureServices", "ipRules": [{"iPAddressOrRange": "203.0.113.7", "action": "Allow"}],
        },
        "tags": {"application": "converge"},
    }  # fmt: skip


@pytest.mark.parametrize(("private", "access", "copies"), [(True, "Disabled", "PrivateLink"), (False, "Enabled", "AAD")])
def test_a_private_account_answers_nobody_outside_and_copies_to_nowhere_outside(private: bool, access: str, copies: str):
    inputs = _recorded(private=private, allowed_ip_ranges=[]).only(_ACCOUNT).inputs
    assert (inputs["publicNetworkAccess"], inputs["allowedCopyScope"]) == (access, copies)
    # Whoever opens the account by hand has not opened it to everybody.
    assert inputs["networkRuleSet"] == {"defaultAction": "Deny", "bypass": "AzureServices", "ipRules": []}


def test_of_every_blob_all_versions_are_kept_and_what_was_deleted_for_a_while():
    kept = {"enabled": True, "days": 30}
    assert _recorded().only(_BLOBS).inputs == {
        "accountName": "convergestate",
        "resourceGroupName": "group",
        "blobServicesName": "default",
        "isVersioningEnabled": True,
        "changeFeed": {"enabled": True},
        "deleteRetentionPolicy": kept,
        "containerDeleteRetentionPolicy": kept,
    }
