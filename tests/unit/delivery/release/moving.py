"""A project with two stacks, a ledger of given releases, and registries that have given images."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from delivery.registry import Registry, RegistryError
from delivery.release.branch import Branch
from delivery.release.files import newest_first
from delivery.release.ledger import Ledger
from delivery.release.record import Record, ReleasedService
from model_store import Lock, LockedService, Pin, read_lock, write_lock
from tests.unit.delivery.release.releases import BEGAN, model

_CONTRACT = {
    "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}],
    "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1]}],
}


class Recorded(Ledger):
    """A ledger without a repository."""

    def __init__(self, *records: Record, stale: str = "") -> None:
        super().__init__(cast("Branch", None), stale=stale)
        self._all = newest_first(records)

    def records(self, stack: str | None = None) -> list[Record]:
        return [record for record in self._all if stack in (None, record.stack)]


def registries(gone: Collection[str] = (), silent: bool = False) -> Callable[[str], Registry]:
    """Registries that have every image but those; or none that answers."""

    class Fake:
        def has(self, _repository: str, digest: str) -> bool:
            if silent:
                raise RegistryError("no answer")
            return digest not in gone

    return lambda _host: cast("Registry", Fake())


def project(folder: Path, **stacks: Mapping[str, Any]) -> Path:
    """A checkout; per stack its settings, besides those that are needed."""
    (folder / "Pulumi.yaml").write_text("name: converge\n")
    app = folder / "app_template"
    (app / "app").mkdir(parents=True)
    (app / "Dockerfile").write_text("FROM scratch\n")
    (app / "app" / "contract.json").write_text(json.dumps(_CONTRACT))
    for stack, settings in stacks.items():
        values = {"baseImage": f"python@sha256:{'a' * 64}", **settings}
        (folder / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": {f"converge:{name}": value for name, value in values.items()}}))
    return folder


def lock(checkout: Path, stack: str, **services: LockedService) -> None:
    write_lock(checkout / "locks" / f"{stack}.json", Lock(services=services))


def locked(checkout: Path, stack: str) -> Mapping[str, LockedService]:
    return read_lock(checkout / "locks" / f"{stack}.json").services


def built(version: int, name: str = "digits") -> LockedService:
    """Built from the commit."""
    return LockedService(model=model(version, name))


def as_released(service: ReleasedService, pin: Pin | None = None) -> LockedService:
    """The very image of a release."""
    return LockedService(model=service.model, image=service.digest, pin=pin)


def pinned_to(record: Record, name: str = "digits", reason: str = "v2 answers oddly") -> LockedService:
    return as_released(record.services[name], Pin(release=record.id, reason=reason, by="ada", at=BEGAN))


def services(*names: str) -> Sequence[Mapping[str, str]]:
    return [{"name": name} for name in names]
