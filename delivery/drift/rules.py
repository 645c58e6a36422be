"""What Azure and Kubernetes change by themselves: a table, so that everything else is people's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from delivery.drift.paths import matches
from delivery.drift.resources import Change, Resource


@dataclass(frozen=True)
class Rule:
    """One kind of change that nobody made.

    Attributes:
        kind: of the resource, with `*`.
        places: patterns of paths (delivery.drift.paths), one of which must fit.
        reason: who or what changes it, for people.
        source: where its documentation says so.
        when: what must be so besides; None: nothing.
        set_by_us: whether it is meant also for what the program sets.
    """

    kind: str
    places: tuple[str, ...]
    reason: str
    source: str
    when: Callable[[Change, Sequence[Resource]], bool] | None = None
    set_by_us: bool = False

    def explains(self, change: Change, stack: Sequence[Resource]) -> bool:
        """Whether this is why the value differs.

        Args:
            stack: all resources: an upgrade channel is the cluster's, the version a pool's.
        """
        if not fnmatchcase(change.resource.kind, self.kind) or (change.ours and not self.set_by_us):
            return False
        return any(matches(place, change.parts) for place in self.places) and (self.when is None or self.when(change, stack))


def rule_of(change: Change, stack: Sequence[Resource]) -> Rule | None:
    """The first rule that explains a change; None: people made it."""
    # Here, because each table needs the class above.
    from delivery.drift.azure_rules import AZURE  # noqa: PLC0415
    from delivery.drift.kubernetes_rules import KUBERNETES  # noqa: PLC0415

    return next((rule for rule in (*AZURE, *KUBERNETES) if rule.explains(change, stack)), None)
