"""What a stack asks of a model before its lock may name it: the glue between the stack's settings and the gates."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from delivery.checkout import settings_of
from delivery.errors import DeliveryError
from model_store import Lock, LockedModel, LockedService, gates
from model_store.gates import Gate, GateReport

if TYPE_CHECKING:
    from settings.parts import Service
    from settings.schema import StackSettings


@dataclass(frozen=True)
class StackRules:
    """The settings of a stack, as far as promotions go by them.

    Attributes:
        root: folder of the project, where the apps lie.
        lock: the stack's lock, for messages.
    """

    root: Path
    stack: str
    lock: Path
    settings: "StackSettings"

    @classmethod
    def beside(cls, lock: Path, stack: str) -> "StackRules | None":
        """The rules of the project that a lock lies in; None when that has no settings for the stack.

        Raises:
            DeliveryError: there are settings, and they cannot be used.
        """
        root = lock.absolute().parent.parent
        return cls.of(root, stack, lock) if (root / f"Pulumi.{stack}.yaml").is_file() else None

    @classmethod
    def of(cls, root: Path, stack: str, lock: Path) -> "StackRules":
        """The rules of a project's stack; raises DeliveryError when it has no settings that can be used."""
        return cls(root, stack, lock, settings_of(root, stack))

    def service(self, name: str) -> "Service":
        """The settings of a service; raises DeliveryError when the stack has none of that name."""
        for service in self.settings.services:
            if service.name == name:
                return service
        known = ", ".join(service.name for service in self.settings.services)
        raise DeliveryError(f"stack {self.stack} has no service {name!r}, only {known}; name one with --service, or add it to Pulumi.{self.stack}.yaml first")

    def judge(self, service: str, before: LockedModel | None, after: LockedService, proofs: Sequence[Gate], reason: str) -> GateReport:
        """Asks every gate.

        Args:
            before: the model that the service runs so far.
            after: what it is to run.
            proofs: gates that were asked already: the golden requests.
        """
        delivery = self.settings.delivery
        metrics = gates.metrics(delivery.gates, before, after.model)
        contract = gates.contract(self.misfits(service, after), "the app in its image" if after.image else self.service(service).app, after.model)
        return GateReport((*metrics, contract, *proofs, *([gates.reason(reason)] if delivery.reason_required else [])))

    def misfits(self, service: str, after: LockedService) -> list[str]:
        """Why the stack's update would refuse the lock."""
        from settings import agreement  # noqa: PLC0415 - as above

        app = self.root / self.service(service).app
        if not (app / "app" / "contract.json").is_file():
            return [f"the folder {app} of service {service} has no app/contract.json"]
        services, name = self.settings.services, str(self.lock)
        known = set(agreement.problems(services, Lock(), name, self.root))
        return [problem for problem in agreement.problems(services, Lock(services={service: after}), name, self.root) if problem not in known]
