"""Who one is, and whether that is where the stack is to be."""

import re
from collections.abc import Sequence

from delivery.azure.errors import RefusedError
from delivery.doctor.context import Context
from delivery.doctor.findings import Finding, failure, ok, warning

_SUBSCRIPTIONS = "2022-12-01"
_REFUSED = (401, 403)
_PLACEHOLDER = re.compile(r"0{8}-0{4}-0{4}-0{4}-0{10}[0-9a-f]{2}")
"""The ids of the committed examples, which Azure hands out to nobody."""


def check(context: Context) -> Sequence[Finding]:
    """The caller, the subscription and who is to deploy."""
    caller = context.caller
    found = [ok("login", f"{caller.name or caller.object_id} ({caller.kind} {caller.object_id}) in tenant {caller.tenant_id}")]
    return [*found, _subscription(context), _deployer(context)]


def _subscription(context: Context) -> Finding:
    wanted = context.file.subscription_id
    if _PLACEHOLDER.fullmatch(wanted):
        return failure(
            "subscription",
            f"{context.file.path.name} still has the example's subscription {wanted}",
            f'replace azure-native:subscriptionId in {context.file.path.name}: az account list --query "[].id" --output tsv',
        )
    try:
        found = context.arm.get(context.subscription, _SUBSCRIPTIONS)
    except RefusedError as refused:
        if refused.status not in _REFUSED:
            raise
        found = None
    if found is None:
        return failure(
            "subscription",
            f"{context.caller.name or context.caller.object_id} does not see {wanted}, which {context.file.path.name} names",
            f"az login --tenant <tenant> && az account set --subscription {wanted}",
        )
    name = f"{found.get('displayName', '')} ({wanted})"
    state = found.get("state", "Enabled")
    if state not in ("Enabled", "Warned"):
        return failure("subscription", f"{name} is {state}: nothing can be made in it", "enable it again in the portal (billing)")
    return ok("subscription", name)


def _deployer(context: Context) -> Finding:
    kind = context.file.get("converge:deployer.principalType", default="")
    principal = context.file.get("converge:deployer.principalId", default="")
    if kind == "Group":
        return ok("deployer", f"the group {principal}: who runs an update makes no difference")
    stack_file = context.file.path.name
    if not principal:
        return warning(
            "deployer",
            "whoever runs an update gets the rights to build and deploy, and takes them from whoever did before",
            f"name a group in {stack_file}: converge:deployer: {{principalId: <object id>, principalType: Group}}",
        )
    if not kind:
        return warning(
            "deployer",
            "what kind of principal it is stands nowhere: Azure looks it up, and refuses where the identity that deploys may assign roles to some kinds only",
            f"add principalType to converge:deployer in {stack_file}",
        )
    return ok("deployer", f"{kind} {principal}")
