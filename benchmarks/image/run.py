"""How large the image is, how long a changed line and a changed model take, and what each pushes: python -m benchmarks.image.run

It needs the local stack (`converge local up`), whose BuildKit, registry and base image it uses.
"""

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.image.build import ROOT, Builder, Built, copy_of_app, train
from local_azure.assembly import LocalAzure
from local_azure.choices import Choices
from local_azure.progress import Progress
from local_azure.sandbox import Sandbox
from local_azure.toolchain.go_tools import BUILDKIT

_TIMES = 5
_NAMES = ("runtime", "dependencies", "model", "working directory", "service", "application", "tests passed")


def main() -> int:
    """Returns the exit code."""
    console = Console()
    sandbox = Sandbox.of(ROOT, dict(os.environ))
    recorded = sandbox.folder / "images.json"
    if not recorded.exists():
        console.print("the local stack has made no base image yet; `converge local up` does")
        return 1
    with Progress(Console(stderr=True)) as progress:
        tool = LocalAzure(sandbox, Choices(), progress).builder.folder(BUILDKIT) / "buildctl"
    builder = Builder(sandbox=sandbox, buildctl=tool, base=json.loads(recorded.read_text())["base/python"]["image"])
    with tempfile.TemporaryDirectory() as folder:
        _measure(builder, Path(folder), console)
    return 0


def _measure(builder: Builder, folder: Path, console: Console) -> None:
    app = copy_of_app(folder / "app")
    model, other = (train(folder / f"model-{seed}", seed, seed + 1) for seed in (0, 1))
    first = builder.build(app, model, name="benchmark/digits")
    _show_layers(first, console)
    hooks, changed = app / "app" / "hooks.py", list[Built]()
    before = first
    pushed: list[int] = []
    for number in range(_TIMES):
        hooks.write_text(f"{hooks.read_text()}# {os.urandom(8).hex()} {number}\n")
        changed.append(builder.build(app, model, name="benchmark/digits"))
        pushed.append(_new(before, changed[-1]))
        before = changed[-1]
    seconds = sorted(built.seconds for built in changed)
    console.print(
        f"one line of hooks.py: {statistics.median(seconds):.1f} s (of {_TIMES}: {seconds[0]:.1f} to {seconds[-1]:.1f}), {max(pushed):,} bytes of layers pushed"
    )
    swapped = builder.build(app, other, name="benchmark/digits")
    console.print(f"another model: {swapped.seconds:.1f} s, {_new(before, swapped):,} bytes of layers pushed")


def _new(before: Built, after: Built) -> int:
    known = {layer.digest for layer in before.layers}
    return sum(layer.size for layer in after.layers if layer.digest not in known)


def _show_layers(built: Built, console: Console) -> None:
    table = Table("layer", "compressed bytes")
    for name, layer in zip(_NAMES, built.layers, strict=True):
        table.add_row(name, f"{layer.size:,}")
    table.add_row("all", f"{built.size:,}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
