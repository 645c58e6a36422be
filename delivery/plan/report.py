"""What a plan says, as data. Terminal, Markdown and JSON show the same."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from delivery.plan.sections import AppChange, ModelChange, PinnedService, Roll


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Operation(StrEnum):
    """What happens to a resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    MAY_REPLACE = "may replace"
    """Replaced only if a value that an update will know turns out to be another one than now."""

    DELETE = "delete"
    FORGET = "forget"
    """The program has it no longer, and it stays where it is."""


class EffectKind(StrEnum):
    """What a change does to those who use the stack."""

    REFUSED = "refused"
    DATA_LOSS = "data loss"
    DOWNTIME = "downtime"
    NODE_ROLL = "node roll"
    ROLL_OUT = "roll-out"


DANGERS = (EffectKind.REFUSED, EffectKind.DATA_LOSS, EffectKind.DOWNTIME, EffectKind.NODE_ROLL)
"""Effects that somebody must want; a roll-out is what every change of a service does. The worst first."""


class Effect(_Frozen):
    """One effect of a change, and why."""

    kind: EffectKind
    reason: str


class ValueChange(_Frozen):
    """One value. Secrets are `[secret]`, values that only an update will know `(known when it is done)`.

    Attributes:
        before: None where there was nothing.
        after: None where there will be nothing.
        replaces: this value cannot be changed in place.
    """

    path: str
    before: str | None = None
    after: str | None = None
    replaces: bool = False


class ResourceChange(_Frozen):
    """What happens to one resource.

    Attributes:
        component: name of the component that it belongs to; empty for what belongs to none.
    """

    operation: Operation
    type: str
    name: str
    component: str
    values: tuple[ValueChange, ...] = ()
    effects: tuple[Effect, ...] = ()

    @property
    def dangers(self) -> tuple[Effect, ...]:
        """The effects that somebody must want."""
        return tuple(effect for effect in self.effects if effect.kind in DANGERS)

    @property
    def kind(self) -> str:
        """The type as people say it: `storage.StorageAccount`, `apps/v1.Deployment`."""
        provider, module, noun = self.type.split(":")
        return {"docker-build": noun, "pulumi": f"{noun} provider"}.get(provider, f"{module}.{noun}")


class Infrastructure(_Frozen):
    """The resources that change, by component, type and name; and how many do not."""

    changes: tuple[ResourceChange, ...] = ()
    unchanged: int = 0

    def count(self, operation: Operation) -> int:
        """How many resources an operation concerns."""
        return sum(change.operation is operation for change in self.changes)

    @property
    def dangers(self) -> tuple[tuple[ResourceChange, Effect], ...]:
        """Every danger with its resource, the worst first."""
        found = [(change, effect) for change in self.changes for effect in change.dangers]
        return tuple(sorted(found, key=lambda pair: DANGERS.index(pair[1].kind)))


class BrokenRule(_Frozen):
    """A resource that breaks a policy, and what to do about it.

    Attributes:
        new: the base did not break it.
    """

    rule: str
    severity: str
    resource: str
    message: str
    reason: str
    fix: str
    new: bool = True


class Policies(_Frozen):
    """What the rules say about the stack as it would be.

    Attributes:
        enforced: the stack refuses an update that breaks a rule; otherwise it warns.
        score_before: of the base; None for a plan from nothing.
    """

    enforced: bool = False
    score: int
    score_before: int | None = None
    passed: int
    failed: int
    undecided: int
    not_applicable: int
    violations: tuple[BrokenRule, ...] = ()

    @property
    def new_violations(self) -> tuple[BrokenRule, ...]:
        """What the change itself breaks."""
        return tuple(broken for broken in self.violations if broken.new)

    @property
    def refuses(self) -> bool:
        """Whether an update would end with an error."""
        return self.enforced and bool(self.violations)


class PlanReport(_Frozen):
    """What `converge plan` found.

    Attributes:
        schema_version: counts up when a field changes its meaning.
        base: the commit that the plan starts from, as people know it; None for one from nothing.
        hints: what the program says to its user, such as how a service gets its first model.
        models: services that run another model than before.
        apps: services whose app or image changes; none in a plan from nothing.
        rolls: of every service, what happens to its pods.
        pins: services whose lock names an image that was built before.
        plan_sha256: of what changes, in a plan of the real stack: what was approved can be told from what would be done later. Empty otherwise.
    """

    schema_version: int = 2
    stack: str
    base: str | None = None
    infrastructure: Infrastructure
    policies: Policies
    hints: tuple[str, ...] = ()
    models: tuple[ModelChange, ...] = ()
    apps: tuple[AppChange, ...] = ()
    rolls: tuple[Roll, ...] = ()
    pins: tuple[PinnedService, ...] = ()
    plan_sha256: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not self.infrastructure.changes

    @property
    def needs_a_decision(self) -> bool:
        """Whether something is dangerous, breaks a rule that the base keeps, or is refused by the policies."""
        return bool(self.infrastructure.dangers or self.policies.new_violations or self.policies.refuses)
