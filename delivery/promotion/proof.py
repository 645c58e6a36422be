"""The golden requests of a promotion: the very bytes that are to be served, tried on ONNX Runtime."""

import tempfile
from pathlib import Path

from rich.console import Console

from local_azure.progress import Progress
from model_store import LockedModel, ModelStore, ModelStoreError, gates, golden, layout
from model_store.documents import read_file
from model_store.gates import Gate
from model_store.golden import Golden
from model_store.replay import replay
from model_store.transfer import TransferProgress


def prove(store: ModelStore, running: LockedModel | None, candidate: LockedModel, console: Console) -> tuple[Gate, list[str]]:
    """Downloads a model and asks it its golden requests.

    Returns:
        The gate, and what the running model's own requests tell about the new one.

    Raises:
        ModelStoreError: its files cannot be had, or are not those that were published.
    """
    with tempfile.TemporaryDirectory(prefix="converge-promote-") as made:
        folder = Path(made)
        with TransferProgress(console, "downloading") as transfer:
            store.fetch(candidate.name, candidate.version, folder, transfer)
        content = read_file(folder / layout.GOLDEN)
        own = golden.check(content, candidate.inputs, candidate.outputs, f"{layout.GOLDEN} of {_named(candidate)}")
        others, why_not = _requests_of(store, running, candidate)
        with Progress(console) as progress, progress.phase(f"golden requests of {_named(candidate)} on ONNX Runtime", quiet_under=1.0):
            answer = replay(folder / layout.MODEL, candidate.inputs, candidate.outputs, [own, *([others] if others else [])])
    notes = [why_not] if why_not else []
    if running and others and len(answer.wrong) > 1:
        wrong = answer.wrong[1]
        kept = f"golden requests of {_named(running)}: {_named(candidate)} answers {len(others.cases) - len(wrong)} of {len(others.cases)} like it"
        notes.append(kept + (f", {wrong[0]}" if wrong else ""))
    return gates.golden(answer, len(own.cases)), notes


def _requests_of(store: ModelStore, running: LockedModel | None, candidate: LockedModel) -> tuple[Golden | None, str]:
    """The running model's requests, where they are others; or why they cannot be sent to the candidate."""
    if running is None or running.files[layout.GOLDEN] == candidate.files[layout.GOLDEN]:
        return None, ""
    try:
        return golden.check(store.golden(running), candidate.inputs, candidate.outputs, f"{layout.GOLDEN} of {_named(running)}"), ""
    except ModelStoreError as error:
        return None, f"golden requests of {_named(running)} were not sent to {_named(candidate)}: {error}"


def _named(model: LockedModel) -> str:
    return f"{model.name} v{model.version}"
