"""A published model into a stack's lock, after its gates passed."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from delivery.promotion.proof import prove
from delivery.promotion.rules import StackRules
from model_store import LockedModel, LockedService, layout
from model_store.gates import GateReport
from model_store.lock import lock_file
from model_store.promotion import LockChange, promote

if TYPE_CHECKING:
    from model_store.store import ModelStore


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What is to be promoted.

    Attributes:
        version: None for the latest.
        locks: folder of the locks; the settings of the stack lie beside it.
        unpin: also where somebody went back to an earlier release.
    """

    name: str
    version: int | None
    stack: str
    service: str
    locks: Path
    reason: str = ""
    unpin: bool = False

    @property
    def lock(self) -> Path:
        """The stack's lock; raises ModelStoreError for a name that no stack has."""
        return lock_file(self.locks, self.stack)

    def carry_out(self, store: "ModelStore", console: Console) -> LockChange:
        """Asks the gates, and writes the lock when all passed.

        Args:
            console: for progress.

        Raises:
            DeliveryError, ModelStoreError: nothing was changed; says why.
        """
        layout.check_name(self.service, "service")
        rules = StackRules.beside(self.lock, self.stack)
        if rules:
            rules.service(self.service)

        def gatekeeper(running: LockedModel | None, candidate: LockedModel) -> GateReport:
            proof, notes = prove(store, running, candidate, console)
            if rules:
                asked = rules.judge(self.service, running, LockedService(model=candidate), [proof], self.reason)
                return GateReport(asked.gates, (*asked.notes, *notes))
            settings = f"Pulumi.{self.stack}.yaml"
            return GateReport((proof,), (*notes, f"there is no {settings} beside {self.locks}, so nobody asked for metrics, contract or a reason"))

        return promote(store, self.name, self.version, self.lock, self.service, gatekeeper, unpin=self.unpin)
