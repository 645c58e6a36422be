"""Effective rights against the table of calls and roles."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from delivery.azure import permissions
from delivery.azure.roles import BuiltIn
from delivery.bootstrap import names
from delivery.doctor.calls import Call, Scope, needed
from delivery.doctor.context import Context
from delivery.doctor.findings import Finding, failure, not_yet, ok
from delivery.doctor.places import Places

_VAULTS = "2024-11-01"
_STORAGE = "2024-01-01"
_NAMED = 3


def check(context: Context, places: Places) -> Sequence[Finding]:
    """One finding per scope: what is missing there, by the role that gives it."""
    calls: dict[Scope, list[Call]] = defaultdict(list)
    for call in needed(context.file):
        if call.preview or not context.plans_only:
            calls[call.scope].append(call)
    scopes = _scopes(context, places)
    return [_at(context, scope, wanted, scopes[scope]) for scope, wanted in calls.items()]


def _at(context: Context, scope: Scope, calls: Sequence[Call], where: str) -> Finding:
    check_name = f"rights on {scope.value}"
    if not where:
        return not_yet(check_name, _comes_from(scope, context))
    have = permissions.at(context.arm, where)
    missing = [call for call in calls if not permissions.allows(have, call.action, data=call.data)]
    if not missing:
        return ok(check_name, f"all {len(calls)} calls are allowed")
    roles: dict[BuiltIn, list[Call]] = defaultdict(list)
    for call in missing:
        roles[call.role].append(call)
    words = "; ".join(f"{role.title} is missing for {_listed(wanted)}" for role, wanted in roles.items())
    if all(call.granted_by_update for call in missing):
        return not_yet(check_name, f"{words}; an update gives it to {_deployer(context)}, and it takes effect within minutes")
    assignee = context.caller.object_id
    asked_for = dict.fromkeys(call.role for call in missing if not call.granted_by_update)
    commands = [f'az role assignment create --assignee {assignee} --role "{role.title}" --scope {where}' for role in asked_for]
    return failure(check_name, words, " && ".join(commands))


def _scopes(context: Context, places: Places) -> Mapping[Scope, str]:
    """The id of each scope; empty where nothing is yet."""
    storage = str(places.storage["id"]) if places.storage else ""
    group = f"{context.subscription}/resourceGroups/{names.group(context.file.stack)}"
    subscription, stack = context.file.subscription_id, context.file.stack
    state = (
        f"{group}/providers/Microsoft.Storage/storageAccounts/{names.storage_account(subscription, stack)}/blobServices/default/containers/{names.CONTAINER}"
    )
    key = f"{group}/providers/Microsoft.KeyVault/vaults/{names.vault(subscription, stack)}/keys/{names.KEY}"
    return {
        Scope.SUBSCRIPTION: context.subscription,
        Scope.STORAGE: storage,
        Scope.CONTAINER: f"{storage}/blobServices/default/containers/models" if storage else "",
        Scope.REGISTRY: str(places.registry["id"]) if places.registry else "",
        Scope.CLUSTER: str(places.cluster["id"]) if places.cluster else "",
        Scope.STATE: state if context.arm.get(state, _STORAGE) else "",
        Scope.KEY: key if context.arm.get(key, _VAULTS) else "",
    }


def _comes_from(scope: Scope, context: Context) -> str:
    if scope in (Scope.STATE, Scope.KEY):
        return f"`converge bootstrap {context.file.stack}` makes it, unless Pulumi's state is kept elsewhere"
    return "the first update makes it, with the grants on it"


def _deployer(context: Context) -> str:
    principal = context.file.get("converge:deployer.principalId", default="") or context.caller.object_id
    if context.file.get("converge:deployer.principalType") == "Group":
        return f"group {principal} (of which this login must be a member: az ad group member check --group {principal} --member-id {context.caller.object_id})"
    return str(principal)


def _listed(calls: Sequence[Call]) -> str:
    actions = list(dict.fromkeys(call.action for call in calls))
    more = len(actions) - _NAMED
    return ", ".join(actions[:_NAMED]) + (f" and {more} more" if more > 0 else "")
