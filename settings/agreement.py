"""Do services, lock and apps fit each other? Found out before anything is declared."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from model_store import Lock, LockedModel, LockedService, Tensor
from settings.messages import NAMESPACE
from settings.parts import Service


class Contract(BaseModel):
    """app/contract.json: what an app sends to its model and needs back."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def problems(services: Sequence[Service], lock: Lock, lock_name: str, root: Path) -> Iterator[str]:
    """What does not fit: an app folder that is none, a lock for other services or models, a model that the app cannot use."""
    for index, service in enumerate(services):
        key = f"{NAMESPACE}:services[{index}]"
        folder = root / service.app
        needed = [name for name in ("Dockerfile", "app/contract.json") if not (folder / name).is_file()]
        if needed:
            yield f"{key}.app: was {service.app!r}, which has no {' and no '.join(needed)}; name a folder made from app_template"
        elif service.name in lock.services:
            yield from _model_problems(service, lock.services[service.name], key, lock_name, folder / "app" / "contract.json")
    for name in sorted(lock.services.keys() - {service.name for service in services}):
        yield f"{lock_name}: has a model for the service {name!r}, which {NAMESPACE}:services does not have; add the service there, or remove it from the lock"


def _model_problems(service: Service, locked: LockedService, key: str, lock_name: str, contract_file: Path) -> Iterator[str]:
    if locked.model.name != service.model_name:
        promote = f"converge model promote {service.model_name} latest --stack {Path(lock_name).stem} --service {service.name}"
        yield f"{key}.model: is {service.model_name!r}, but {lock_name} has the model {locked.model.name!r}; run `{promote}`"
    if locked.image:
        # It has an app of its own, whose contract this model met when it was built. Going back must not depend on what the app has become since.
        return
    try:
        contract = Contract.model_validate_json(contract_file.read_bytes())
    except (OSError, ValidationError) as error:
        yield f"{contract_file}: cannot be read as inputs and outputs: {str(error).splitlines()[0]}"
        return
    model = f"{locked.model.name} version {locked.model.version}"
    for difference in _differences(contract, locked.model):
        yield f"{service.name}: model {model} does not fit the app: {difference} (app: {contract_file.as_posix()}; model: {lock_name})"


def _differences(contract: Contract, model: LockedModel) -> Iterator[str]:
    """The model takes exactly the app's inputs, in any size or in the app's; it gives at least the outputs that the app needs."""
    yield from _mismatches("input", needed=contract.inputs, offered=model.inputs)
    sent = {tensor.name for tensor in contract.inputs}
    for tensor in model.inputs:
        if tensor.name not in sent:
            yield f"the model needs input {tensor}, the app does not send it"
    yield from _mismatches("output", needed=contract.outputs, offered=model.outputs)


def _mismatches(kind: str, *, needed: Sequence[Tensor], offered: Sequence[Tensor]) -> Iterator[str]:
    by_name = {tensor.name: tensor for tensor in offered}
    for need in needed:
        offer = by_name.get(need.name)
        if offer is None or offer.datatype != need.datatype or not _shapes_fit(kind, need.shape, offer.shape):
            yield f"the app needs {kind} {need}, the model has {offer or ', '.join(map(str, offered))}"


def _shapes_fit(kind: str, needed: Sequence[int], offered: Sequence[int]) -> bool:
    wide, narrow = (offered, needed) if kind == "input" else (needed, offered)
    return len(wide) == len(narrow) and all(w in (n, -1) for w, n in zip(wide, narrow, strict=True))
