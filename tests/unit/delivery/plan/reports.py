"""Reports for tests."""

from delivery.plan.report import BrokenRule, Effect, EffectKind, Infrastructure, Operation, PlanReport, Policies, ResourceChange, ValueChange

BROKEN = BrokenRule(
    rule="CVG107", severity="high", resource="account", message="publicNetworkAccess is Enabled", reason="anybody can knock", fix="set it to Disabled"
)
LOST = Effect(kind=EffectKind.DATA_LOSS, reason="deletes every blob of the account")


def change(operation: Operation, name: str = "account", *, values: tuple[ValueChange, ...] = (), effects: tuple[Effect, ...] = ()) -> ResourceChange:
    return ResourceChange(
        operation=operation, type="azure-native:storage:StorageAccount", name=name, component="converge-models", values=values, effects=effects
    )


def report(
    *changes: ResourceChange,
    base: str | None = "1a2b3c4 (main)",
    violations: tuple[BrokenRule, ...] = (),
    hints: tuple[str, ...] = (),
    enforced: bool = False,
) -> PlanReport:
    numbers = {"score": 90, "score_before": 95 if base else None, "passed": 8, "failed": len(violations), "undecided": 1, "not_applicable": 2}
    policies = Policies(violations=violations, enforced=enforced, **numbers)
    return PlanReport(stack="dev", base=base, infrastructure=Infrastructure(changes=changes, unchanged=7), policies=policies, hints=hints)
