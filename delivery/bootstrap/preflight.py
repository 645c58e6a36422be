"""What is asked of Azure before anything is planned: subscription, rights, names."""

from collections.abc import Sequence

from delivery.azure import permissions
from delivery.azure.arm import Arm
from delivery.azure.errors import AzureError, RefusedError
from delivery.azure.login import Caller
from delivery.bootstrap.wanted import Wanted

_SUBSCRIPTIONS = "2022-12-01"
_STORAGE = "2024-01-01"
_VAULTS = "2024-11-01"
_NEEDED = {
    "Microsoft.Resources/subscriptions/resourceGroups/write": "Contributor",
    "Microsoft.Storage/storageAccounts/write": "Contributor",
    "Microsoft.Storage/storageAccounts/blobServices/write": "Contributor",
    "Microsoft.Storage/storageAccounts/blobServices/containers/write": "Contributor",
    "Microsoft.KeyVault/vaults/write": "Contributor",
    "Microsoft.KeyVault/vaults/keys/write": "Contributor",
    "Microsoft.ManagedIdentity/userAssignedIdentities/write": "Contributor",
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write": "Contributor",
    "Microsoft.Authorization/roleAssignments/write": "User Access Administrator",
    "Microsoft.Authorization/roleAssignments/delete": "User Access Administrator",
    "Microsoft.Authorization/locks/write": "User Access Administrator",
}
"""What bootstrap does, and the role that is enough for it. Owner has all of it."""


def check(arm: Arm, wanted: Wanted, caller: Caller) -> None:
    """Whether bootstrap can work there.

    Raises:
        AzureError: with every reason why it cannot.
    """
    _check_subscription(arm, wanted, caller)
    problems = [*_missing_rights(arm, wanted, caller), *_taken_names(arm, wanted)]
    if problems:
        raise AzureError("\n".join(problems))


def _check_subscription(arm: Arm, wanted: Wanted, caller: Caller) -> None:
    try:
        found = arm.get(f"/subscriptions/{wanted.subscription_id}", _SUBSCRIPTIONS)
    except RefusedError as refused:
        if refused.status not in (401, 403):
            raise
        found = None
    if found is None:
        visible = ", ".join(sorted(f"{item['subscriptionId']} ({item.get('displayName', '')})" for item in arm.list("/subscriptions", _SUBSCRIPTIONS)))
        raise AzureError(
            f"{caller.name or caller.object_id} (tenant {caller.tenant_id}) does not see subscription {wanted.subscription_id} of Pulumi.{wanted.stack}.yaml. "
            f"It sees: {visible or 'none'}. Log in where it is (`az login --tenant <tenant>`), or correct azure-native:subscriptionId"
        )
    if found.get("state", "Enabled") not in ("Enabled", "Warned"):
        raise AzureError(f"subscription {wanted.subscription_id} is {found['state']}: nothing can be made in it until it is enabled again in the portal")


def _missing_rights(arm: Arm, wanted: Wanted, caller: Caller) -> Sequence[str]:
    scope = f"/subscriptions/{wanted.subscription_id}"
    have = permissions.at(arm, scope)
    missing = {action: role for action, role in _NEEDED.items() if not permissions.allows(have, action)}
    if not missing:
        return []
    commands = "; ".join(
        f'az role assignment create --assignee {caller.object_id} --role "{role}" --scope {scope}' for role in sorted(dict.fromkeys(missing.values()))
    )
    return [f"{caller.name or caller.object_id} lacks rights on {scope}: {', '.join(missing)}. Somebody who owns the subscription runs: {commands}"]


def _taken_names(arm: Arm, wanted: Wanted) -> Sequence[str]:
    """Names are unique in the world: what exists must be ours, which lies in our group."""
    subscription = f"/subscriptions/{wanted.subscription_id}"
    group = f"{subscription}/resourceGroups/{wanted.group}"
    problems = []
    if arm.get(f"{group}/providers/Microsoft.Storage/storageAccounts/{wanted.account}", _STORAGE) is None:
        kind = "Microsoft.Storage/storageAccounts"
        answer = arm.post(f"{subscription}/providers/Microsoft.Storage/checkNameAvailability", _STORAGE, {"name": wanted.account, "type": kind})
        if not answer.get("nameAvailable", True):
            problems.append(f"storage account {wanted.account} exists outside {wanted.group} ({answer.get('message', 'taken')}); name the stack differently")
    if arm.get(f"{group}/providers/Microsoft.KeyVault/vaults/{wanted.vault}", _VAULTS) is None:
        deleted = f"{subscription}/providers/Microsoft.KeyVault/locations/{wanted.location}/deletedVaults/{wanted.vault}"
        answer = arm.post(
            f"{subscription}/providers/Microsoft.KeyVault/checkNameAvailability", _VAULTS, {"name": wanted.vault, "type": "Microsoft.KeyVault/vaults"}
        )
        if arm.get(deleted, _VAULTS) is not None:
            problems.append(f"vault {wanted.vault} was deleted and is kept for {wanted.group}; bring it back: az keyvault recover --name {wanted.vault}")
        elif not answer.get("nameAvailable", True):
            problems.append(f"vault {wanted.vault} exists outside {wanted.group} ({answer.get('message', 'taken')}); name the stack differently")
    return problems
