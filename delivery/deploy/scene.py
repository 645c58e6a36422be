"""What a deployment finds before it changes anything, and what a record is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delivery.checkout import settings_of
from delivery.deploy.engine import Engine
from delivery.deploy.provenance import Provenance, last_commit, provenance
from delivery.errors import DeliveryError
from delivery.plan.making import check_stack
from delivery.release.ledger import Ledger, running
from delivery.release.record import Record, ReleasedService, SmokeResult
from delivery.smoke.deployed import Deployed, deployed_services
from delivery.smoke.stack import models_of
from delivery.smoke.way import current_context
from local_azure.progress import Progress
from model_store import Lock, LockedModel, ModelStoreError, read_lock
from model_store.lock import lock_file

if TYPE_CHECKING:
    from settings.schema import StackSettings

Pair = tuple[str, str]
"""sha256 of a model and digest of an image."""


@dataclass(kw_only=True)
class Scene:
    """A stack and its surroundings.

    Attributes:
        lock: of the working tree.
        outputs: of the stack, when they were last read.
        everywhere: releases of all stacks, newest first.
    """

    checkout: Path
    stack: str
    progress: Progress
    engine: Engine
    settings: "StackSettings"
    lock: Lock
    origin: Provenance
    ledger: Ledger
    outputs: dict[str, Any] = field(default_factory=dict)
    everywhere: list[Record] = field(default_factory=list)

    @classmethod
    def of(cls, checkout: Path, stack: str, progress: Progress) -> "Scene":
        """Refuses what cannot work, before anything is changed.

        Raises:
            DeliveryError: no settings or a wrong lock, no repository, no Pulumi, or no such stack.
        """
        check_stack(checkout, stack)
        settings = settings_of(checkout, stack)
        engine = Engine(checkout, stack)
        origin = provenance(checkout, stack)
        lock = _lock(checkout, stack)
        scene = cls(
            checkout=checkout,
            stack=stack,
            progress=progress,
            engine=engine,
            settings=settings,
            lock=lock,
            origin=origin,
            ledger=Ledger.of(checkout),
            outputs=engine.outputs(),
        )
        with progress.phase("read the ledger", quiet_under=2.0):
            scene.everywhere = scene.ledger.records()
        return scene

    def check_way(self) -> None:
        """Refuses a deployment that could not be tested; raises DeliveryError. Without services there may not even be a cluster yet."""
        if self.services:
            current_context()

    @property
    def releases(self) -> list[Record]:
        """Of the stack, newest first."""
        return [record for record in self.everywhere if record.stack == self.stack]

    @property
    def current(self) -> Record | None:
        """The release that the stack runs, as far as the ledger knows."""
        return running(self.releases)

    @property
    def services(self) -> dict[str, Deployed]:
        """What runs, as the outputs have it."""
        return deployed_services(self.outputs)

    @property
    def behind(self) -> bool:
        """Whether the outputs do not say what the lock says; then an update is due even when no resource changes."""
        found = {name: (service.model.name, service.model.version, service.model.sha256) for name, service in self.services.items()}
        wanted = {name: (locked.model.name, locked.model.version, locked.model.sha256) for name, locked in self.lock.services.items()}
        names = {service.name for service in self.settings.services}
        return found != {name: model for name, model in wanted.items() if name in names}

    def read_lock(self) -> None:
        """Reads the lock anew; raises DeliveryError."""
        self.lock = _lock(self.checkout, self.stack)

    def models(self) -> dict[str, LockedModel]:
        """What is known of the running models; raises DeliveryError when one is unknown."""
        return self._models(self.services)

    def released(self, results: Mapping[str, SmokeResult]) -> dict[str, ReleasedService]:
        """What runs, as a record has it. A service about which nothing is known is left out.

        Args:
            results: of the smoke test, where one was made.
        """
        return {name: made for name, service in self.services.items() if (made := self._released(name, service, results.get(name)))}

    def recorded(self, services: Mapping[str, ReleasedService]) -> bool:
        """Whether the newest release says already that just this runs."""
        newest = next(iter(self.releases), None)
        return newest is not None and newest.succeeded and _identity(newest.services) == _identity(services)

    def _released(self, name: str, service: Deployed, smoke: SmokeResult | None) -> ReleasedService | None:
        known = self._known(service)
        folder = next((one.app for one in self.settings.services if one.name == name), known.app if known else None)
        try:
            model = self._models({name: service})[name]
        except DeliveryError:
            return None
        if folder is None:
            return None
        locked = self.lock.services.get(name)
        image = locked.image if locked else None
        # A failed update may have left another image than the lock's.
        pinned = image == service.digest
        built = (
            known.app_commit
            if known and (pinned or known.digest == service.digest)
            else None
            if image
            else last_commit(self.checkout, folder, self.origin.commit)
        )
        return ReleasedService(
            model=model,
            image=service.image,
            pinned=pinned,
            pin=locked.pin if locked and pinned else None,
            namespace=service.namespace,
            app=folder,
            app_commit=built,
            smoke=smoke,
        )

    def _known(self, service: Deployed) -> ReleasedService | None:
        """What a release of this or another stack says of the same pair: an image is built once and shipped unchanged."""
        wanted = (service.model.sha256, service.digest)
        return next((one for record in self.everywhere for one in record.services.values() if pair_of(one) == wanted), None)

    def _models(self, services: Mapping[str, Deployed]) -> dict[str, LockedModel]:
        locked = [locked.model for locked in self.lock.services.values()]
        return models_of(services, locked, lambda: [service.model for record in self.everywhere for service in record.services.values()])


def pair_of(service: ReleasedService) -> Pair:
    """What stands for what a service runs."""
    return service.model.sha256, service.digest


def _identity(services: Mapping[str, ReleasedService]) -> dict[str, tuple[Pair, bool]]:
    return {name: (pair_of(service), service.pin is not None) for name, service in services.items()}


def _lock(checkout: Path, stack: str) -> Lock:
    try:
        return read_lock(lock_file(checkout / "locks", stack))
    except ModelStoreError as error:
        raise DeliveryError(str(error)) from error
