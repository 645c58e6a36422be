import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from local_azure.arm.errors import ArmError
from local_azure.arm.resources import Resources
from local_azure.arm.services import Services
from local_azure.arm.spec import Context
from local_azure.arm.state import State
from local_azure.arm.types.authorization import ROLE_ASSIGNMENT
from local_azure.arm.types.resources import RESOURCE_GROUP
from local_azure.arm.types.storage import BLOB_CONTAINER, STORAGE_ACCOUNT

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP = {"resourceGroupName": "data", "location": "westeurope"}
ACCOUNT = {"resourceGroupName": "data", "accountName": "models123", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}


def resources(folder: Path) -> Resources:
    return Resources(State(folder / "arm"), Context(subscription_id=SUBSCRIPTION, tenant_id="t", services=Services(folder, SUBSCRIPTION)))


def test_an_account_inherits_the_groups_location_and_answers_like_azure(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(RESOURCE_GROUP, dict(GROUP))
    identifier, outputs = arm.put(STORAGE_ACCOUNT, dict(ACCOUNT))
    assert identifier == f"/subscriptions/{SUBSCRIPTION}/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/models123"
    assert outputs["primaryLocation"] == "westeurope"
    assert outputs["primaryEndpoints"]["blob"] == "https://models123.blob.core.windows.net/"


def test_a_resource_without_its_group_or_parent_is_refused(tmp_path: Path):
    arm = resources(tmp_path)
    with pytest.raises(ArmError) as caught:
        arm.put(STORAGE_ACCOUNT, dict(ACCOUNT))
    assert str(caught.value) == 'Status=404 Code="ResourceGroupNotFound" Message="Resource group \'data\' could not be found."'
    arm.put(RESOURCE_GROUP, dict(GROUP))
    with pytest.raises(ArmError, match="ParentResourceNotFound"):
        arm.put(BLOB_CONTAINER, {"resourceGroupName": "data", "accountName": "models123", "containerName": "models"})


def test_putting_again_changes_and_never_doubles(tmp_path: Path):
    arm = resources(tmp_path)
    first = arm.put(RESOURCE_GROUP, dict(GROUP))
    assert arm.put(RESOURCE_GROUP, {**GROUP, "tags": {"a": "b"}})[0] == first[0]
    stored = json.loads((tmp_path / "arm" / "resources.json").read_text())["resources"]
    assert len(stored) == 1


def test_a_storage_accounts_name_is_taken_in_the_whole_world(tmp_path: Path):
    arm = resources(tmp_path)
    for group in ("data", "other"):
        arm.put(RESOURCE_GROUP, {**GROUP, "resourceGroupName": group})
    arm.put(STORAGE_ACCOUNT, dict(ACCOUNT))
    with pytest.raises(ArmError, match="StorageAccountAlreadyTaken"):
        arm.put(STORAGE_ACCOUNT, {**ACCOUNT, "resourceGroupName": "other"})


def test_one_assignment_per_scope_principal_and_role(tmp_path: Path):
    arm = resources(tmp_path)
    inputs = {"scope": "/subscriptions/x", "principalId": "p", "roleDefinitionId": "/a/b/role", "roleAssignmentName": "11111111-1111-1111-1111-111111111111"}
    arm.put(ROLE_ASSIGNMENT, dict(inputs))
    with pytest.raises(ArmError, match="RoleAssignmentExists"):
        arm.put(ROLE_ASSIGNMENT, {**inputs, "roleAssignmentName": "22222222-2222-2222-2222-222222222222"})


def test_deleting_a_group_deletes_what_is_in_it_and_twice_is_no_error(tmp_path: Path):
    arm = resources(tmp_path)
    group, _ = arm.put(RESOURCE_GROUP, dict(GROUP))
    arm.put(RESOURCE_GROUP, {**GROUP, "resourceGroupName": "data2"})
    account, _ = arm.put(STORAGE_ACCOUNT, dict(ACCOUNT))
    arm.delete(group.upper())
    arm.delete(group)
    state = State(tmp_path / "arm")
    assert state.find(account) is None
    assert list(state.read()) == [f"/subscriptions/{SUBSCRIPTION}/resourcegroups/data2"]


def _put_many(folder: Path, start: int) -> None:
    for number in range(start, start + 20):
        resources(folder).put(RESOURCE_GROUP, {"resourceGroupName": f"group{number}", "location": "westeurope"})


def test_two_engines_at_once_lose_nothing(tmp_path: Path):
    engines = [multiprocessing.get_context("spawn").Process(target=_put_many, args=(tmp_path, start)) for start in (0, 100)]
    for engine in engines:
        engine.start()
    for engine in engines:
        engine.join(60)
    assert len(State(tmp_path / "arm").read()) == 40


def test_a_write_that_was_cut_off_leaves_the_old_state(tmp_path: Path):
    arm = resources(tmp_path)
    arm.put(RESOURCE_GROUP, dict(GROUP))
    (tmp_path / "arm" / "resources.tmp").write_text('{"schema": 1, "resou')
    assert len(State(tmp_path / "arm").read()) == 1
    arm.put(RESOURCE_GROUP, {**GROUP, "resourceGroupName": "second"})
    assert len(State(tmp_path / "arm").read()) == 2


def test_a_failed_change_writes_nothing(tmp_path: Path):
    state = State(tmp_path / "arm")

    def edit(all_resources: dict[str, dict[str, Any]]) -> None:
        all_resources["x"] = {}
        raise ArmError("Conflict", "no")

    with pytest.raises(ArmError):
        state.change(edit)
    assert state.read() == {}


def test_services_stand_behind_the_sandboxs_subscription_only(tmp_path: Path):
    endpoints = {"subscription_id": "sandbox", "blob_accounts": {"models123": "https://127.0.0.1:1/models123/"}, "registry": "localhost:2", "kubeconfig": "/x"}
    (tmp_path / "endpoints.json").write_text(json.dumps(endpoints))
    assert Services(tmp_path, "sandbox").registry == "localhost:2"
    assert Services(tmp_path, SUBSCRIPTION).registry is None
    assert Services(tmp_path, "sandbox").blob_endpoint("models123") == "https://127.0.0.1:1/models123/"
    assert Services(tmp_path, SUBSCRIPTION).blob_endpoint("other") is None
    with pytest.raises(ArmError, match="has the accounts models123 and none named other"):
        Services(tmp_path, "sandbox").blob_endpoint("other")
