"""`converge model`: publish, look at, fetch, verify and promote models."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from model_store import layout
from model_store.errors import ModelStoreError
from model_store.transfer import TransferProgress

if TYPE_CHECKING:
    from model_store.manifest import Manifest
    from model_store.store import Entry, ModelStore

app = typer.Typer(no_args_is_help=True, help="Models: publish, list, compare, verify, and promote into a stack's lock.")

_WIDTH_OF_A_LOG = 200
_NONE = "-"

Store = Annotated[str | None, typer.Option("--store", envvar="CONVERGE_MODEL_STORE", help="URL of the model store's blob container.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
ModelName = Annotated[str, typer.Argument(metavar="NAME", help="The model's name.")]
VersionText = Annotated[str, typer.Argument(metavar="VERSION", help="An integer, or latest.")]
LatestVersion = Annotated[str, typer.Argument(metavar="[VERSION]", help="An integer; the latest by default.")]


@app.command()
def publish(
    name: ModelName,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that training wrote: model.onnx, golden.json, model.json.")],
    store: Store = None,
) -> None:
    """Publish a model folder as the next version. Publishing the same content again changes nothing."""
    with _open(store) as opened, TransferProgress(_errors(), "uploading") as progress:
        publication = opened.publish_or_find(name, folder, progress)
    manifest = publication.manifest
    if publication.new:
        _say(f"published {name} version {manifest.version}, {decimal(manifest.content_size)}, sha256 {manifest.files[layout.MODEL].sha256}")
    else:
        _say(f"{name} version {manifest.version} has exactly this content already, published {_when(manifest)} by {manifest.created_by}; nothing was written")
    _say(f"next: converge model promote {name} {manifest.version} --stack STACK")


@app.command("list")
def list_(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="All models by default.")] = None, store: Store = None, as_json: Json = False
) -> None:
    """List the versions of a model, or all models with their latest version."""
    with _open(store) as opened:
        if name is None:
            models = opened.models()
            latest = opened.entries([(model, versions[-1]) for model, versions in models.items()])
        else:
            models = {}
            latest = opened.entries([(name, version) for version in opened.versions(name)])
    if as_json:
        _print_json(
            [{"model": model, "versions": versions} for model, versions in models.items()] if name is None else [_entry_json(entry) for entry in latest]
        )
    elif not latest:
        _say(f"no version of {name} has been published" if name else f"no model has been published in {opened.address}")
    else:
        _print_entries(latest, title="latest" if name is None else "version")


@app.command()
def show(name: ModelName, version: LatestVersion = layout.LATEST, store: Store = None, as_json: Json = False) -> None:
    """Show everything that is known about a version."""
    with _open(store) as opened:
        manifest, _ = opened.manifest(name, opened.resolve(name, layout.parse_version(version)))
    if as_json:
        _print_json(manifest.model_dump(mode="json"))
        return
    _say(f"{manifest.model} version {manifest.version}")
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
    _console().print(table)


@app.command()
def fetch(
    name: ModelName, version: VersionText, to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder for the files.")], store: Store = None
) -> None:
    """Download a version's files, checked against the sha256 they were published with."""
    with _open(store) as opened, TransferProgress(_errors(), "downloading") as progress:
        manifest = opened.fetch(name, opened.resolve(name, layout.parse_version(version)), to, progress)
    _say(f"fetched {name} version {manifest.version} into {to}: {', '.join(layout.FILES)}; sha256 checked")


@app.command()
def verify(
    name: ModelName, version: Annotated[str | None, typer.Argument(metavar="[VERSION]", help="All versions by default.")] = None, store: Store = None
) -> None:
    """Hash the bytes in the store again. Exit code 1 when a file is not what was published."""
    bad = 0
    with _open(store) as opened:
        wanted = layout.parse_version(version) if version else None
        for number in [opened.resolve(name, wanted)] if version else opened.versions(name) or [opened.resolve(name, None)]:
            problems = _verify(opened, name, number)
            bad += bool(problems)
            _say(f"{name} version {number}: {'; '.join(problems) if problems else 'ok'}")
    if bad:
        raise ModelStoreError(f"{bad} version{'s' if bad > 1 else ''} of {name} must not be used")


@app.command()
def promote(
    name: ModelName,
    version: VersionText,
    stack: Annotated[str, typer.Option("--stack", help="The stack whose lock is written.")],
    service: Annotated[str | None, typer.Option("--service", help="The service that shall run it; named like the model by default.")] = None,
    locks: Annotated[Path, typer.Option("--locks", metavar="DIR", help="Folder of the locks.")] = Path("locks"),
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Write a version into a stack's lock. Commit the lock: that is what makes the stack run it."""
    from model_store.lock import lock_file  # noqa: PLC0415 - see _open
    from model_store.promotion import promote as promote_  # noqa: PLC0415

    path, number = lock_file(locks, stack), layout.parse_version(version)
    with _open(store) as opened:
        change = promote_(opened, name, number, path, service or name)
    if as_json:
        _print_json(change.as_json())
        return
    _say_indented(change.lines())
    if change.changed:
        _say(f"next: commit {change.path}, then pulumi preview --stack {stack}")


@app.command()
def diff(
    name: ModelName,
    before: Annotated[str, typer.Argument(metavar="A", help="An integer, or latest.")],
    after: Annotated[str, typer.Argument(metavar="B", help="An integer, or latest.")],
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Show what differs between two versions of a model."""
    from model_store.comparison import Comparison  # noqa: PLC0415 - see _open

    with _open(store) as opened:
        left, right = (opened.locked(name, opened.resolve(name, layout.parse_version(text))) for text in (before, after))
    comparison = Comparison(left, right)
    if as_json:
        _print_json(comparison.as_json())
    else:
        _say_indented([comparison.title, *comparison.lines()])


def _open(url: str | None) -> "ModelStore":
    if not url:
        raise ModelStoreError(
            "no model store is named; set CONVERGE_MODEL_STORE or give --store, for instance https://<account>.blob.core.windows.net/models "
            '(the stack\'s output modelStore); for the local stack run eval "$(converge local env)"'
        )
    # Azure's libraries take half a second to import: not for `converge --help`.
    from model_store.store import ModelStore  # noqa: PLC0415

    return ModelStore.open(url)


def _verify(opened: "ModelStore", name: str, version: int) -> list[str]:
    from model_store.errors import DocumentError  # noqa: PLC0415

    try:
        with TransferProgress(_errors(), f"hashing version {version}") as progress:
            return [check.problem for check in opened.verify(name, version, progress) if check.problem]
    except DocumentError as error:
        return [str(error)]


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
    _console().print(table)


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


def _console() -> Console:
    # A log has no width; rich would break lines at 80.
    return Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_A_LOG)


def _errors() -> Console:
    return Console(stderr=True)


def _say(text: str) -> None:
    _console().print(text, highlight=False, markup=False, soft_wrap=True)


def _say_indented(lines: list[str]) -> None:
    for number, line in enumerate(lines):
        _say(f"  {line}" if number else line)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
