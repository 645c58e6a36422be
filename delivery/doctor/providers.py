"""Resource providers: a subscription must have registered those that the stack uses."""

from collections.abc import Sequence

from delivery.doctor.context import Context
from delivery.doctor.findings import Finding, failure, ok

_API = "2021-04-01"
_ALWAYS = (
    "Microsoft.ContainerService",
    "Microsoft.ContainerRegistry",
    "Microsoft.Storage",
    "Microsoft.Network",
    "Microsoft.Compute",
    "Microsoft.ManagedIdentity",
    "Microsoft.KeyVault",
)
_MONITORING = ("Microsoft.OperationalInsights", "Microsoft.OperationsManagement", "Microsoft.Insights", "Microsoft.Monitor", "Microsoft.AlertsManagement")
_DEFENDER = ("Microsoft.Security",)
_POLICY = ("Microsoft.PolicyInsights",)


def check(context: Context) -> Sequence[Finding]:
    """Those that are not registered. Azure's tools register them by the way where they may; a restricted identity may not."""
    states = {
        str(item.get("namespace", "")).lower(): str(item.get("registrationState", "")) for item in context.arm.list(f"{context.subscription}/providers", _API)
    }
    wanted = needed(context)
    missing = [name for name in wanted if states.get(name.lower()) != "Registered"]
    if not missing:
        return [ok("providers", f"all {len(wanted)} are registered")]
    words = ", ".join(f"{name} ({states.get(name.lower(), 'unknown')})" for name in missing)
    commands = " && ".join(f"az provider register --subscription {context.file.subscription_id} --namespace {name} --wait" for name in missing)
    return [failure("providers", f"not registered: {words}", commands)]


def needed(context: Context) -> Sequence[str]:
    """The providers that the stack's settings use."""
    file = context.file
    return [
        *_ALWAYS,
        *(_MONITORING if file.get("converge:monitoring.enabled") else ()),
        *(_DEFENDER if file.get("converge:cluster.defender") else ()),
        *(_POLICY if file.get("converge:cluster.azurePolicy") else ()),
    ]
