"""Time that passes only while somebody waits."""

from dataclasses import dataclass, field

from components.patience import AwaitedGrant, Patience

SCOPE = "/subscriptions/1/resourceGroups/group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/kubelet"
PRINCIPAL = "11111111-2222-3333-4444-555555555555"
OPERATOR = AwaitedGrant(role="Managed Identity Operator", scope=SCOPE, principal_id=PRINCIPAL, holder="the cluster's control plane")
OPERATOR_WORDS = f"'Managed Identity Operator' for the cluster's control plane ({PRINCIPAL}) on {SCOPE}"
OPERATOR_COMMAND = f"az role assignment list --assignee {PRINCIPAL} --role 'Managed Identity Operator' --scope {SCOPE} --include-inherited --output table"
HOW_TO_GO_ON = "If it does, Azure needs longer: run `pulumi up` again, it continues. If not, somebody has removed it: run `pulumi refresh`, then `pulumi up`."


@dataclass
class FakeTime:
    """A clock in seconds, and the pauses that moved it on."""

    now: float = 1000.0
    pauses: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def patience(self, **changes: float) -> Patience:
        return Patience(clock=lambda: self.now, sleep=self.sleep, **changes)
