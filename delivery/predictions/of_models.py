"""What another model does to predictions: both versions from the store, on ONNX Runtime."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.filesize import decimal

from delivery.errors import DeliveryError
from delivery.predictions.difference import Asked, compared, wider
from delivery.predictions.requests import Samples, fits, is_batched, requests_of
from delivery.predictions.result import Predictions
from local_azure.progress import Phase, Progress
from model_store import LockedModel, LockedService, ModelStoreError, layout
from model_store.documents import parse, read_file
from model_store.folder import hash_file
from model_store.golden import Golden

if TYPE_CHECKING:
    from delivery.plan.sections import ModelChange
    from model_store import ModelStore

STORE = "CONVERGE_MODEL_STORE"
"""The variable that names the store, as for `converge model`."""
CACHE = Path(".converge") / "models"
_KEPT = 8
_LARGEST = 2 * 2**30


def with_predictions(
    models: tuple["ModelChange", ...],
    before: Mapping[str, LockedService],
    now: Mapping[str, LockedService],
    checkout: Path,
    progress: Progress,
    samples: Samples | None = None,
) -> tuple["ModelChange", ...]:
    """The changes, each with what it does to predictions or why that is not known. Without a store nobody is asked.

    Args:
        checkout: where the files of versions are kept for the next time.
    """
    url = os.environ.get(STORE)
    if not url:
        return models
    return tuple(
        change.model_copy(update=_found(url, before[change.service].model, now[change.service].model, checkout, progress, samples))
        if change.before and change.after
        else change
        for change in models
    )


def _found(url: str, before: LockedModel, after: LockedModel, checkout: Path, progress: Progress, samples: Samples | None) -> dict[str, Predictions | str]:
    try:
        with progress.phase(f"predictions of {before.name} v{before.version} and {after.name} v{after.version}") as phase:
            folders = _fetched(url, (before, after), checkout / CACHE, phase)
            return {"predictions": compare_models((before, after), folders, samples)}
    except (DeliveryError, ModelStoreError, OSError) as error:
        # A plan is worth having without it, and says why it is not there.
        return {"predictions_unknown": str(error)}


def compare_models(models: tuple[LockedModel, LockedModel], folders: tuple[Path, Path], samples: Samples | None = None) -> Predictions:
    """The golden requests of both versions, and samples, through both.

    Args:
        folders: with the files of each version.

    Raises:
        DeliveryError: ONNX Runtime refuses one of them, or no request fits both.
        ModelStoreError: golden requests cannot be read.
    """
    from delivery.predictions import onnx  # noqa: PLC0415 - numpy and ONNX Runtime

    before, after = models
    golden = [
        parse(Golden, read_file(folder / layout.GOLDEN), f"{layout.GOLDEN} of {model.name} v{model.version}")
        for model, folder in zip(models, folders, strict=True)
    ]
    requests = requests_of(golden, samples, after.inputs)
    usable = [request for request in requests if fits(request, before.inputs) and fits(request, after.inputs)]
    if not usable:
        raise DeliveryError(f"no request fits both: {_inputs(before)} and {_inputs(after)}")
    old, new = (onnx.answers(folder / layout.MODEL, model.outputs, usable) for model, folder in zip(models, folders, strict=True))
    asked = [Asked(request, *pair) for request, *pair in zip(usable, old, new, strict=True)]
    found = compared(asked, wider(*(one.tolerance for one in golden)), batched=is_batched(after.inputs))
    left_out = len(requests) - len(usable)
    notes = (f"{left_out} requests fit one of the two versions only, and were left out",) if left_out else ()
    return found.model_copy(update={"notes": (*found.notes, *notes)})


def _inputs(model: LockedModel) -> str:
    return f"{model.name} v{model.version} takes {', '.join(map(str, model.inputs))}"


def _fetched(url: str, models: tuple[LockedModel, LockedModel], cache: Path, phase: Phase) -> tuple[Path, Path]:
    missing = [model for model in models if not _is_there(model, _folder(cache, model))]
    for model in missing:
        size = model.files[layout.MODEL].size
        if size > _LARGEST:
            raise DeliveryError(f"{model.name} v{model.version} has {decimal(size)}; more than {decimal(_LARGEST)} are not fetched for a plan")
    if missing:
        from model_store import ModelStore  # noqa: PLC0415 - Azure's libraries

        with ModelStore.open(url) as store:
            for model in missing:
                phase.detail(f"fetching {model.name} v{model.version}")
                _fetch(store, model, _folder(cache, model))
    before, after = (_folder(cache, model) for model in models)
    for folder in (before, after):
        folder.touch()
    _prune(cache)
    return before, after


def _fetch(store: "ModelStore", model: LockedModel, folder: Path) -> None:
    store.fetch(model.name, model.version, folder)
    if not _is_there(model, folder):
        shutil.rmtree(folder, ignore_errors=True)
        raise DeliveryError(f"{model.name} v{model.version} in {store.address} is not the version that the lock names: its files have other hashes")


def _folder(cache: Path, model: LockedModel) -> Path:
    """By the hash of the manifest, which has the hashes of the others."""
    return cache / model.files[layout.MANIFEST].sha256


def _is_there(model: LockedModel, folder: Path) -> bool:
    return all((folder / name).is_file() and hash_file(folder / name) == expected for name, expected in model.files.items())


def _prune(cache: Path) -> None:
    used = sorted((folder for folder in cache.iterdir() if folder.is_dir()), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in used[_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
