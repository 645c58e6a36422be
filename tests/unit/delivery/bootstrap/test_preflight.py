"""What is asked before anything is planned: subscription, rights, names."""

from typing import Any

import pytest

from delivery.azure.errors import AzureError
from delivery.bootstrap import preflight
from delivery.bootstrap.wanted import Wanted
from tests.unit.delivery.bootstrap.test_wanted import _CALLER, made
from tests.unit.delivery.fake_azure import TENANT, FakeAzure, refusal

_SCOPE = f"/subscriptions/{made().subscription_id}"
_PERMISSIONS = f"{_SCOPE}/providers/Microsoft.Authorization/permissions"
_STORAGE_NAME = f"{_SCOPE}/providers/Microsoft.Storage/checkNameAvailability"
_VAULT_NAME = f"{_SCOPE}/providers/Microsoft.KeyVault/checkNameAvailability"
_NOT_WRITE = ["Microsoft.Authorization/*/Write", "Microsoft.Authorization/*/Delete"]


def owned() -> FakeAzure:
    azure = FakeAzure()
    azure.set(_SCOPE, {"subscriptionId": made().subscription_id, "state": "Enabled"})
    azure.set(_PERMISSIONS, {"value": [{"actions": ["*"]}]})
    azure.set(_STORAGE_NAME, {"nameAvailable": True})
    azure.set(_VAULT_NAME, {"nameAvailable": True})
    return azure


def refused(azure: FakeAzure) -> str:
    with pytest.raises(AzureError) as raised:
        preflight.check(azure.arm, made(), _CALLER)
    return str(raised.value)


def test_an_owner_of_an_empty_subscription_may_begin():
    preflight.check(owned().arm, made(), _CALLER)


@pytest.mark.parametrize("answer", [None, refusal(403, "AuthorizationFailed"), refusal(401, "InvalidAuthenticationTokenTenant")])
def test_a_wrong_subscription_is_told_with_those_that_the_login_sees(answer: Any):
    azure = owned()
    azure.set(_SCOPE, answer)
    azure.set("/subscriptions", {"value": [{"subscriptionId": "aaa", "displayName": "Vision"}]})
    assert refused(azure) == (
        f"ada (tenant {TENANT}) does not see subscription {made().subscription_id} of Pulumi.dev.yaml. It sees: aaa (Vision). "
        "Log in where it is (`az login --tenant <tenant>`), or correct azure-native:subscriptionId"
    )


def test_a_subscription_that_is_switched_off():
    azure = owned()
    azure.set(_SCOPE, {"state": "Disabled"})
    assert "is Disabled: nothing can be made in it" in refused(azure)


def test_a_contributor_is_told_which_rights_are_missing_and_who_gives_them():
    azure = owned()
    azure.set(_PERMISSIONS, {"value": [{"actions": ["*"], "notActions": _NOT_WRITE}]})
    assert refused(azure) == (
        f"ada lacks rights on {_SCOPE}: Microsoft.Authorization/roleAssignments/write, Microsoft.Authorization/roleAssignments/delete, "
        "Microsoft.Authorization/locks/write. Somebody who owns the subscription runs: "
        f'az role assignment create --assignee {_CALLER.object_id} --role "User Access Administrator" --scope {_SCOPE}'
    )


def test_a_reader_needs_two_roles():
    azure = owned()
    azure.set(_PERMISSIONS, {"value": [{"actions": ["*/read"]}]})
    message = refused(azure)
    assert '--role "Contributor"' in message
    assert '--role "User Access Administrator"' in message


def test_names_that_are_taken_are_told_together():
    azure = owned()
    azure.set(_STORAGE_NAME, {"nameAvailable": False, "reason": "AlreadyExists", "message": "The storage account named x is already taken."})
    azure.set(_VAULT_NAME, {"nameAvailable": False, "message": "The vault name is already in use."})
    lines = refused(azure).splitlines()
    assert lines == [
        f"storage account {made().account} exists outside converge-bootstrap-dev (The storage account named x is already taken.); name the stack differently",
        f"vault {made().vault} exists outside converge-bootstrap-dev (The vault name is already in use.); name the stack differently",
    ]


def test_a_vault_that_was_deleted_can_be_brought_back():
    azure = owned()
    azure.set(_VAULT_NAME, {"nameAvailable": False})
    azure.set(f"{_SCOPE}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/{made().vault}", {"name": made().vault})
    assert (
        refused(azure) == f"vault {made().vault} was deleted and is kept for converge-bootstrap-dev; bring it back: az keyvault recover --name {made().vault}"
    )


def test_what_is_ours_already_is_not_taken():
    wanted: Wanted = made()
    azure = owned()
    group = f"{_SCOPE}/resourceGroups/{wanted.group}/providers"
    azure.set(f"{group}/Microsoft.Storage/storageAccounts/{wanted.account}", {"id": "x"})
    azure.set(f"{group}/Microsoft.KeyVault/vaults/{wanted.vault}", {"id": "x"})
    azure.set(_STORAGE_NAME, {"nameAvailable": False})
    azure.set(_VAULT_NAME, {"nameAvailable": False})
    preflight.check(azure.arm, wanted, _CALLER)
