"""From the engine's preview to what changes."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from delivery.plan.certainty import REPLACING, Step, replacing_paths, uncertain
from delivery.plan.effects import effects_of
from delivery.plan.report import Effect, EffectKind, Infrastructure, Operation, ResourceChange, ValueChange
from local_azure.differences import ABSENT, Difference, differences, lies_in
from policies.planned import Mark, marked

_SECRET = "[secret]"  # noqa: S105 - what the engine writes instead of one
LATER = "(known when it is done)"
"""What stands for a value that only an update will know."""
_OPERATIONS = {
    "create": Operation.CREATE,
    "import": Operation.CREATE,
    "update": Operation.UPDATE,
    "delete": Operation.DELETE,
    "discard": Operation.FORGET,
}
"""Others are no changes of the program's own resources: same, read, refresh."""
_GONE = (Operation.DELETE, Operation.REPLACE, Operation.MAY_REPLACE)
_LOCK, _GRANT = ":ManagementLockByScope", ":RoleAssignment"


def infrastructure(steps: Sequence[Step], protected: frozenset[str] = frozenset()) -> Infrastructure:
    """What the steps of `pulumi preview --json --show-sames` change.

    Args:
        protected: URNs of the resources that the engine refuses to delete.
    """
    by_urn: defaultdict[str, list[Step]] = defaultdict(list)
    for step in steps:
        by_urn[step["urn"]].append(step)
    maybe, locked = uncertain(by_urn), _locked(by_urn)
    found = [change for urn, its_steps in by_urn.items() if (change := _change(urn, its_steps, protected, locked, certain=urn not in maybe))]
    unchanged = sum(its_steps[0]["op"] == "same" and _is_real(its_steps[0]) for its_steps in by_urn.values())
    return Infrastructure(changes=tuple(sorted(found, key=lambda change: (change.component, change.type, change.name))), unchanged=unchanged)


def _change(urn: str, steps: Sequence[Step], protected: frozenset[str], locked: frozenset[str], *, certain: bool) -> ResourceChange | None:
    """What happens to one resource; None when nothing does, or when it is only a name for others."""
    operations = {step["op"] for step in steps}
    replaced = Operation.REPLACE if certain else Operation.MAY_REPLACE
    operation = replaced if operations & REPLACING else _OPERATIONS.get(steps[0]["op"])
    if operation is None or not _is_real(steps[0]):
        return None
    old = next((step["oldState"] for step in steps if step.get("oldState")), {})
    new = next((step["newState"] for step in steps if step.get("newState")), {})
    if operation is Operation.DELETE and old.get("retainOnDelete"):
        operation = Operation.FORGET
    # Of what is deleted or let go every value would be listed, and none of them tells anything.
    values = _values(old, new, steps) if operation not in (Operation.DELETE, Operation.FORGET) else []
    kind = urn.split("::")[2].rpartition("$")[2]
    # By the name that it had: the program may have given it another one, with an alias.
    refusals = [*_refusal(operation, old.get("urn", urn), protected), *_locked_grant(operation, kind, old.get("inputs") or {}, locked)]
    effects = [*refusals, *effects_of(kind, operation, values)]
    name, parent = urn.rpartition("::")[2], (new or old).get("parent", "")
    change = {"operation": operation, "type": kind, "name": name, "component": _component(parent)}
    return ResourceChange(**change, values=tuple(_shown(value, steps) for value in values), effects=tuple(effects))


def _is_real(step: Step) -> bool:
    """Neither a component nor the stack, nor a provider that the engine makes by itself."""
    state = step.get("newState") or step.get("oldState") or {}
    made_by_the_engine = "pulumi:providers:" in step["urn"] and "::default_" in step["urn"]
    return bool(state.get("custom")) and not made_by_the_engine


def _component(parent: str) -> str:
    kind, _, name = parent.split("::", 2)[-1].rpartition("::")
    return "" if kind.endswith("pulumi:pulumi:Stack") else name


def _refusal(operation: Operation, urn: str, protected: frozenset[str]) -> list[Effect]:
    if urn not in protected or operation not in _GONE:
        return []
    return [Effect(kind=EffectKind.REFUSED, reason="it is protected, so the update ends with an error instead of deleting it")]


def _locked(steps: Mapping[str, Sequence[Step]]) -> frozenset[str]:
    """What is locked in Azure now and stays it, by lower-case id."""
    staying = [its_steps[0] for urn, its_steps in steps.items() if urn.split("::")[2].endswith(_LOCK) and its_steps[0]["op"] in ("same", "update")]
    return frozenset(str(step["oldState"]["inputs"]["scope"]).lower() for step in staying)


def _locked_grant(operation: Operation, kind: str, old: Mapping[str, Any], locked: frozenset[str]) -> list[Effect]:
    """Azure's lock keeps grants, too (learn.microsoft.com/azure/azure-resource-manager/management/lock-resources)."""
    scope = str(old.get("scope", "")).lower()
    if not kind.endswith(_GRANT) or operation not in _GONE or not any(f"{scope}/".startswith(f"{lock}/") for lock in locked):
        return []
    reason = "a lock in Azure keeps it, so the update ends with an error; take the lock away in an update of its own first (`protectData: false`)"
    return [Effect(kind=EffectKind.REFUSED, reason=reason)]


def _values(old: Mapping[str, Any], new: Mapping[str, Any], steps: Sequence[Step]) -> list[Difference]:
    """The inputs that differ. A changed secret is told by the engine alone, since it shows none."""
    found = [value for value in differences(old.get("inputs") or {}, new.get("inputs") or {}) if not value.path.startswith("__") and ".__" not in value.path]
    known = {value.path for value in found}
    hidden = [path for step in steps for path in step.get("detailedDiff") or () if _is_secret(new.get("inputs") or {}, path)]
    return [*found, *(Difference(path, _SECRET, _SECRET) for path in dict.fromkeys(hidden) if path not in known)]


def _is_secret(inputs: Mapping[str, Any], path: str) -> bool:
    """Whether something secret lies at a path or above it."""
    return any(value.after == _SECRET and (lies_in(path, (value.path,)) or lies_in(value.path, (path,))) for value in differences({}, inputs))


def _shown(value: Difference, steps: Sequence[Step]) -> ValueChange:
    return ValueChange(path=value.path, before=_text(value.before), after=_text(value.after), replaces=lies_in(value.path, replacing_paths(steps)))


def _text(value: Any) -> str | None:
    if value is ABSENT:
        return None
    mark = marked(value)
    if isinstance(mark, Mark):
        return _SECRET if mark is Mark.SECRET else LATER
    return value if isinstance(value, str) else json.dumps(value)
