"""What changes in an app: commits, files that are in none, its contract, and which layers of the image follow from that."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from delivery.git import Git
from delivery.plan.before import Before
from delivery.plan.releases import built_from
from delivery.plan.sections import AppChange, Commit, Image, Layer
from model_store import LockedService

MOST_COMMITS = 10
_SHORT_COMMIT = 7
RUNTIME, DEPENDENCIES, MODEL, SERVICE, APPLICATION = "runtime", "dependencies", "model", "service", "application"
LAYERS = (RUNTIME, DEPENDENCIES, MODEL, SERVICE, APPLICATION)
"""Of an image made by app_template's Dockerfile, from the bottom."""
_FIELD, _RECORD = "%x1f", "%x1e"
_FILES = {
    "Dockerfile": LAYERS,
    ".dockerignore": (SERVICE, APPLICATION),
    "requirements.txt": (DEPENDENCIES,),
    "app": (SERVICE,),
    "app/hooks.py": (APPLICATION,),
    "app/contract.json": (APPLICATION,),
    # Each script makes a layer in a stage of its own; what checks the image makes none.
    "build/collect_runtime.py": (RUNTIME,),
    "build/fetch_model.py": (MODEL,),
}
"""Layers that a file of an app, or a folder of it, goes into. Tests and their requirements run in the build, and none of them ships."""


def app_change(checkout: Path, service: str, folder: str, before: Before, now: LockedService, base_image: str | None, *, image: Image) -> AppChange | None:
    """What changes of a service's app and image; None when nothing does.

    Args:
        folder: of the app.
        now: what the lock says of the service.
        image: what the update does about it.
    """
    if image is Image.BROUGHT:
        return _brought(checkout, service, before, now)
    files = _changed_files(checkout, folder, before.commit) if before.commit else ()
    if not files and image is not Image.BUILT:
        return None
    counted_from = before.released.commit if before.released else before.commit
    commits = tuple(_commits(checkout, folder, counted_from, "HEAD")) if counted_from and files else ()
    return AppChange(
        service=service,
        folder=folder,
        since=f"release {before.released.id} ({before.released.commit[:_SHORT_COMMIT]})" if before.released else before.label,
        commits=commits[:MOST_COMMITS],
        more_commits=max(0, len(commits) - MOST_COMMITS),
        uncommitted=tuple(_uncommitted(checkout, folder)),
        contract=tuple(_contract_lines(checkout, folder, before.commit)) if before.commit else (),
        image=image,
        layers=tuple(layers(files, before.locked.get(service), now, before.base_image, base_image)) if image is Image.BUILT else (),
    )


def _brought(checkout: Path, service: str, before: Before, now: LockedService) -> AppChange | None:
    """What lies between the image that ran and another one, if releases tell what both were built from."""
    git = Git(checkout)
    old, new = (built_from(before.records, digest, git) for digest in (before.image(service), now.image))
    if old is None or new is None or old.commit == new.commit:
        return None
    forth, back = tuple(_commits(checkout, new.folder, old.commit, new.commit)), tuple(_commits(checkout, new.folder, new.commit, old.commit))
    commits = forth or back
    return AppChange(
        service=service,
        folder=new.folder,
        since=old.commit[:_SHORT_COMMIT],
        commits=commits[:MOST_COMMITS],
        more_commits=max(0, len(commits) - MOST_COMMITS),
        back=not forth,
        image=Image.BROUGHT,
    )


def layers(files: Sequence[str], before: LockedService | None, now: LockedService, base_before: str | None, base_now: str | None) -> Iterator[Layer]:
    """The layers that are expected to be others than before, from the bottom.

    Args:
        files: of the app's folder that differ, relative to it.
        base_before: the image that the app was built on; None when that is not known.
    """
    why: dict[str, list[str]] = {layer: [] for layer in LAYERS}
    if before is None:
        for layer in LAYERS:
            why[layer].append("the first image")
    elif before.model.files != now.model.files or before.model.name != now.model.name:
        why[MODEL].append(f"{now.model.name} v{now.model.version}")
    if before and base_before and base_now and base_before != base_now:
        for layer in (RUNTIME, DEPENDENCIES, SERVICE, APPLICATION):
            why[layer].append("another base image")
    for file in files:
        for layer in _FILES.get(file, _FILES.get(PurePosixPath(file).parts[0], ())):
            why[layer].append(file)
    yield from (Layer(name=layer, why=tuple(reasons)) for layer, reasons in why.items() if reasons)


def _changed_files(checkout: Path, folder: str, commit: str) -> tuple[str, ...]:
    """Files that differ between a commit and the working tree, relative to the folder."""
    git = Git(checkout)
    tracked = git.run("diff", "--relative", "--name-only", "--no-renames", "--no-ext-diff", "-z", commit, "--", folder)
    new = git.run("ls-files", "-z", "--others", "--exclude-standard", "--", folder)
    names = {name for answer in (tracked, new) for name in answer.output.decode(errors="replace").split("\0") if name}
    return tuple(sorted(PurePosixPath(name).relative_to(PurePosixPath(folder)).as_posix() for name in names))


def _uncommitted(checkout: Path, folder: str) -> list[str]:
    git = Git(checkout)
    tracked = git.run("diff", "--relative", "--name-only", "--no-renames", "--no-ext-diff", "-z", "HEAD", "--", folder)
    new = git.run("ls-files", "-z", "--others", "--exclude-standard", "--", folder)
    return sorted({name for answer in (tracked, new) for name in answer.output.decode(errors="replace").split("\0") if name})


def _commits(checkout: Path, folder: str, since: str, until: str) -> Iterator[Commit]:
    pretty = f"--format=%H{_FIELD}%s{_FIELD}%an{_RECORD}"
    answer = Git(checkout).run("log", "--no-merges", pretty, f"{since}..{until}", "--", folder)
    for record in answer.output.decode(errors="replace").split("\x1e"):
        sha, *rest = record.strip("\n").split("\x1f")
        if len(rest) == 2:
            yield Commit(sha=sha, subject=rest[0], author=rest[1])


def _contract_lines(checkout: Path, folder: str, commit: str) -> Iterator[str]:
    """What the app needs from its model, where that differs; nothing when a side cannot be read, which the program itself tells."""
    answer = Git(checkout).run("cat-file", "blob", f"{commit}:./{folder}/app/contract.json")
    try:
        old, new = _contract(answer.output), _contract((checkout / folder / "app" / "contract.json").read_bytes())
    except (OSError, ValueError, LookupError, TypeError):
        return
    yield from (f"{side}: {old[side]} -> {new[side]}" for side in ("inputs", "outputs") if old[side] != new[side])


def _contract(content: bytes) -> dict[str, str]:
    document: Any = json.loads(content)
    return {side: ", ".join(f"{tensor['name']} {tensor['datatype']} {tensor['shape']}" for tensor in document[side]) for side in ("inputs", "outputs")}
