"""`converge model`: publish, look at, fetch and verify models. `delivery` adds how one is promoted."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from model_store import layout
from model_store.console import Json, ModelName, Store, VersionText, errors, open_store, output, print_json, say, say_indented
from model_store.errors import ModelStoreError
from model_store.transfer import TransferProgress

if TYPE_CHECKING:
    from model_store.lock import LockedModel
    from model_store.manifest import Manifest
    from model_store.store import Entry, ModelStore

app = typer.Typer(no_args_is_help=True, help="Models: publish, list, compare, verify, and promote into a stack's lock.")

_NONE = "-"

LatestVersion = Annotated[str, typer.Argument(metavar="[VERSION]", help="An integer; the latest by default.")]


@app.command()
def publish(
    name: ModelName,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that training wrote: model.onnx, golden.json, model.json.")],
    store: Store = None,
) -> None:
    """Publish a model folder as the next version. Publishing the same content again changes nothing."""
    with open_store(store) as opened, TransferProgress(errors(), "uploading") as progress:
        publication = opened.publish_or_find(name, folder, progress)
    manifest = publication.manifest
    if publication.new:
        say(f"published {name} version {manifest.version}, {decimal(manifest.content_size)}, sha256 {manifest.files[layout.MODEL].sha256}")
    else:
        say(f"{name} version {manifest.version} has exactly this content already, published {_when(manifest)} by {manifest.created_by}; nothing was written")
    say(f"next: converge model promote {name} {manifest.version} --stack STACK")


@app.command("list")
def list_(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="All models by default.")] = None, store: Store = None, as_json: Json = False
) -> None:
    """List the versions of a model, or all models with their latest version."""
    with open_store(store) as opened:
        if name is None:
            models = opened.models()
            latest = opened.entries([(model, versions[-1]) for model, versions in models.items()])
        else:
            models = {}
            latest = opened.entries([(name, version) for version in opened.versions(name)])
    if as_json:
        print_json([{"model": model, "versions": versions} for model, versions in models.items()] if name is None else [_entry_json(entry) for entry in latest])
    elif not latest:
        say(f"no version of {name} has been published" if name else f"no model has been published in {opened.address}")
    else:
        _print_entries(latest, title="latest" if name is None else "version")


@app.command()
def show(name: ModelName, version: LatestVersion = layout.LATEST, store: Store = None, as_json: Json = False) -> None:
    """Show everything that is known about a version."""
    with open_store(store) as opened:
        manifest, _ = opened.manifest(name, opened.resolve(name, layout.parse_version(version)))
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    say(f"{manifest.model} version {manifest.version}")
    table = _table("", "")
    data = manifest.training.data
    for key, value in (
        ("published", f"{_when(manifest)} by {manifest.created_by}"),
        *((file, f"{decimal(entry.size)}, sha256 {entry.sha256}") for file, entry in manifest.files.items()),
        ("format", f"{manifest.format}, opset {manifest.opset}"),
        ("inputs", ", ".join(map(str, manifest.inputs))),
        ("outputs", ", ".join(map(str, manifest.outputs))),
        ("metrics", _metrics(manifest)),
        ("trained by", manifest.training.command),
        ("at commit", manifest.training.commit or "none: the training code was not committed"),
        ("on data", f"{data.name}, {data.rows:,} rows, sha256 {data.sha256}"),
    ):
        table.add_row(key, Text(value))
    output().print(table)


@app.command()
def fetch(
    name: ModelName, version: VersionText, to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder for the files.")], store: Store = None
) -> None:
    """Download a version's files, checked against the sha256 they were published with."""
    with open_store(store) as opened, TransferProgress(errors(), "downloading") as progress:
        manifest = opened.fetch(name, opened.resolve(name, layout.parse_version(version)), to, progress)
    say(f"fetched {name} version {manifest.version} into {to}: {', '.join(layout.FILES)}; sha256 checked")


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The model's name; or give --stack.")] = None,
    version: Annotated[str | None, typer.Argument(metavar="[VERSION]", help="All versions by default.")] = None,
    stack: Annotated[str | None, typer.Option("--stack", help="Verify what the lock of this stack names, against the lock.")] = None,
    locks: Annotated[Path, typer.Option("--locks", metavar="DIR", help="Folder of the locks.")] = Path("locks"),
    store: Store = None,
) -> None:
    """Hash the bytes in the store again. Exit code 1 when a file is not what was published."""
    if (name is None) == (stack is None):
        raise typer.BadParameter("give a model's NAME, or --stack; one of them, not both")
    wanted = layout.parse_version(version) if version else None
    locked = _locked(locks, stack) if stack else []
    bad = 0
    with open_store(store) as opened:
        for what, problems in _verify_versions(opened, name, wanted) if name else _verify_locked(opened, locked):
            bad += bool(problems)
            say(f"{what}: {'; '.join(problems) if problems else 'ok'}")
    if bad:
        raise ModelStoreError(f"{bad} version{'s' if bad > 1 else ''} of {name or f'what {stack} runs'} must not be used")


@app.command()
def diff(
    name: ModelName,
    before: Annotated[str, typer.Argument(metavar="A", help="An integer, or latest.")],
    after: Annotated[str, typer.Argument(metavar="B", help="An integer, or latest.")],
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Show what differs between two versions of a model."""
    from model_store.comparison import Comparison  # noqa: PLC0415 - see open_store

    with open_store(store) as opened:
        left, right = (opened.locked(name, opened.resolve(name, layout.parse_version(text))) for text in (before, after))
    comparison = Comparison(left, right)
    if as_json:
        print_json(comparison.as_json())
    else:
        say_indented([comparison.title, *comparison.lines()])


def _verify_versions(opened: "ModelStore", name: str, version: int | None) -> Iterator[tuple[str, list[str]]]:
    for number in [opened.resolve(name, version)] if version else opened.versions(name) or [opened.resolve(name, None)]:
        yield f"{name} version {number}", _verify(opened, name, number)


def _verify_locked(opened: "ModelStore", locked: list["LockedModel"]) -> Iterator[tuple[str, list[str]]]:
    for model in locked:
        what = f"{model.name} version {model.version}"
        there = model.version in opened.versions(model.name)
        yield what, (_differs(opened, model) or _verify(opened, model.name, model.version)) if there else ["it is not in the store any more"]


def _differs(opened: "ModelStore", model: "LockedModel") -> list[str]:
    """What the lock says otherwise. Whoever alters a model in the store may alter its manifest with it."""
    from model_store.errors import DocumentError  # noqa: PLC0415 - see open_store
    from model_store.lock import LockedModel  # noqa: PLC0415

    try:
        same = LockedModel.of(*opened.manifest(model.name, model.version)) == model
    except DocumentError as error:
        return [str(error)]
    return [] if same else [f"{layout.MANIFEST} has been altered: it is not the one that was promoted, sha256 {model.files[layout.MANIFEST].sha256}"]


def _verify(opened: "ModelStore", name: str, version: int) -> list[str]:
    from model_store.errors import DocumentError  # noqa: PLC0415 - see open_store

    try:
        with TransferProgress(errors(), f"hashing version {version}") as progress:
            return [check.problem for check in opened.verify(name, version, progress) if check.problem]
    except DocumentError as error:
        return [str(error)]


def _locked(locks: Path, stack: str) -> list["LockedModel"]:
    """The models that a stack's lock names, each once."""
    from model_store.lock import lock_file, read_lock  # noqa: PLC0415 - see open_store

    path = lock_file(locks, stack)
    if not path.exists():
        raise ModelStoreError(f"there is no {path}; name a stack that has a lock, or the folder of the locks with --locks")
    services = read_lock(path).services
    if not services:
        say(f"{path} names no model")
    return list({(service.model.name, service.model.version): service.model for _, service in sorted(services.items())}.values())


def _print_entries(entries: list["Entry"], title: str) -> None:
    table = _table("model", title, "published", "by", "size", "metrics", "sha256")
    for entry in entries:
        manifest = entry.manifest
        if manifest is None:
            table.add_row(entry.model, str(entry.version), _NONE, _NONE, _NONE, Text(entry.problem or _NONE), _NONE)
            continue
        sha256 = manifest.files[layout.MODEL].sha256[:12]
        row = (_when(manifest), manifest.created_by, decimal(manifest.content_size), _metrics(manifest), sha256)
        table.add_row(entry.model, str(entry.version), *map(Text, row))
    output().print(table)


def _entry_json(entry: "Entry") -> dict[str, Any]:
    if entry.manifest is None:
        return {"model": entry.model, "version": entry.version, "problem": entry.problem}
    return entry.manifest.model_dump(mode="json")


def _metrics(manifest: "Manifest") -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in sorted(manifest.metrics.items())) or _NONE


def _when(manifest: "Manifest") -> str:
    return manifest.created_at.strftime("%Y-%m-%d %H:%M UTC")


def _table(*titles: str) -> Table:
    return Table(*titles, box=None, show_header=any(titles), pad_edge=False, padding=(0, 2, 0, 0))
