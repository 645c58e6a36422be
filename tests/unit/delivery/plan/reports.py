"""Reports and locks for tests."""

import json
from typing import Any

from delivery.plan.report import BrokenRule, Effect, EffectKind, Infrastructure, Operation, PlanReport, Policies, ResourceChange, ValueChange
from model_store import LockedModel, LockedService, Pin

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


def locked(version: int = 1, *, name: str = "digits", image: str | None = None, pin: Pin | None = None, content: str = "a", **changes: Any) -> LockedService:
    """What a lock has of a service; `content` stands for the bytes of the model."""
    files = {"model.onnx": content, "golden.json": "b", "manifest.json": f"{version % 10}"}
    tensor = {"datatype": "FP32", "shape": [-1, 64]}
    document = {
        "name": name,
        "version": version,
        "files": {file: {"sha256": digit * 64, "size": 21_000} for file, digit in files.items()},
        "inputs": [{"name": "image", **tensor}],
        "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1]}],
        "metrics": {},
        "published_at": "2026-11-20T10:00:00Z",
        "published_by": "ann",
        **changes,
    }
    return LockedService(model=LockedModel.model_validate_json(json.dumps(document)), image=image, pin=pin)
