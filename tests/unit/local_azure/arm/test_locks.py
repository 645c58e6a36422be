from typing import Any

import pytest

from local_azure.arm.errors import ArmError
from local_azure.arm.locks import check

GROUP = "/subscriptions/s/resourceGroups/Data"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/models"


def lock(scope: str, level: str = "CanNotDelete") -> dict[str, dict[str, Any]]:
    identifier = f"{scope}/providers/Microsoft.Authorization/locks/data"
    return {identifier.lower(): {"id": identifier, "token": "azure-native:authorization:ManagementLockByScope", "inputs": {"level": level, "scope": scope}}}


@pytest.mark.parametrize(
    "identifier",
    [ACCOUNT, ACCOUNT.upper(), f"{ACCOUNT}/blobServices/default/containers/models", f"{ACCOUNT}/providers/Microsoft.Authorization/roleAssignments/x", GROUP],
)
def test_what_is_locked_lies_below_a_lock_or_holds_one_cannot_be_deleted(identifier: str):
    with pytest.raises(ArmError) as caught:
        check("delete", identifier, lock(ACCOUNT))
    assert str(caught.value) == (
        f'Status=409 Code="ScopeLocked" Message="The scope \'{identifier}\' cannot perform delete operation because following scope(s) are locked: '
        f"'{ACCOUNT}'. Please remove the lock and try again.\""
    )


def test_everything_else_can():
    check("delete", f"{ACCOUNT}2", lock(ACCOUNT))
    check("delete", f"{GROUP}/providers/Microsoft.Storage/storageAccounts/other", lock(ACCOUNT))
    check("delete", f"{ACCOUNT}/providers/Microsoft.Authorization/locks/data", lock(ACCOUNT))
    check("write", ACCOUNT, lock(ACCOUNT))


def test_what_is_read_only_cannot_be_written():
    with pytest.raises(ArmError, match="cannot perform write operation"):
        check("write", ACCOUNT, lock(GROUP, "ReadOnly"))
    with pytest.raises(ArmError, match="cannot perform delete operation"):
        check("delete", ACCOUNT, lock(GROUP, "ReadOnly"))
    check("write", GROUP, lock(ACCOUNT, "ReadOnly"))
