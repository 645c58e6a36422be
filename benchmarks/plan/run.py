"""How long a preview takes, and how much memory, with 1, 10 and 50 services; beside it a program of equally many bare resources, in the same run.

Both are previewed from nothing by the same engine, with the same simulated plugins. A bare program has, for every resource of ours, one of the same
provider with next to no inputs: no components, no settings, no policies. So the ratio is what the program itself costs.
"""

import argparse
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from rich.console import Console
from rich.table import Table

from delivery.plan.engine import Stack
from delivery.plan.golden import copy_of_program, sample_lock
from delivery.plan.sandbox import Engine, find_engine, lend_python, plan_sandbox
from local_azure.progress import Progress

ROOT = Path(__file__).parents[2]
_STACK = "benchmark"
_MOST_LIKE = "prod"
"""Its settings, with other services."""
_SAMPLE_SECONDS = 0.05
_BARE = '''"""As many resources as the real program has, and nothing else."""

import pulumi_azure_native as azure
import pulumi_docker_build as docker_build
import pulumi_kubernetes as kubernetes

for number in range({azure}):
    azure.resources.ResourceGroup(f"group-{{number}}")
for number in range({kubernetes}):
    kubernetes.core.v1.ConfigMap(f"map-{{number}}", metadata={{"name": f"map-{{number}}"}})
for number in range({docker_build}):
    docker_build.Image(f"image-{{number}}", tags=[f"registry.example.com/image-{{number}}"], context={{"location": "."}}, push=True)
'''


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One preview: seconds, the most memory that engine, program and plugins had at once, and its resources by provider."""

    seconds: float
    memory: int
    resources: Counter[str]


@contextmanager
def _watching_memory() -> Iterator[list[int]]:
    """Adds up what all processes below this one have (shared pages count in each), and keeps the most."""
    most, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            total = 0
            for process in psutil.Process().children(recursive=True):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            most[0] = max(most[0], total)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def preview(project: Path, engine: Engine) -> Measured:
    """Previews a project from nothing, in a sandbox of its own."""
    with plan_sandbox(project, engine) as sandbox:
        stack = Stack(sandbox, _STACK)
        stack.create(project)
        with _watching_memory() as memory:
            started = time.monotonic()
            outcome = stack.preview(project, lambda _text: None)
            seconds = time.monotonic() - started
    if outcome.errors:
        raise SystemExit("\n".join(outcome.errors))
    types = [step["urn"].split("::")[2].rpartition("$")[2] for step in json.loads(outcome.answer)["steps"] if step["newState"].get("custom")]
    return Measured(seconds=seconds, memory=memory[0], resources=Counter(kind.partition(":")[0] for kind in types if not kind.startswith("pulumi:")))


def write_program(folder: Path, services: int) -> None:
    """Our program, with so many services."""
    copy_of_program(ROOT, folder)
    settings = yaml.safe_load((folder / f"Pulumi.{_MOST_LIKE}.yaml").read_text())
    settings["config"]["converge:services"] = [{"name": f"service-{number}"} for number in range(services)]
    (folder / f"Pulumi.{_STACK}.yaml").write_text(yaml.safe_dump(settings))
    (folder / "locks").mkdir(exist_ok=True)
    (folder / "locks" / f"{_STACK}.json").write_text(json.dumps(sample_lock(folder, _STACK)))


def write_bare_program(folder: Path, resources: Mapping[str, int]) -> None:
    """A program of equally many resources of the same providers."""
    folder.mkdir()
    lend_python(folder)
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "bare", "runtime": {"name": "python", "options": {"virtualenv": ".venv"}}}))
    config: dict[str, Any] = {"azure-native:location": "westeurope", "azure-native:subscriptionId": "00000000-0000-0000-0000-000000000001"}
    (folder / f"Pulumi.{_STACK}.yaml").write_text(yaml.safe_dump({"config": config}))
    counts = {
        name: resources.get(provider, 0) for name, provider in (("azure", "azure-native"), ("kubernetes", "kubernetes"), ("docker_build", "docker-build"))
    }
    (folder / "__main__.py").write_text(_BARE.format(**counts))


def measure(services: int, repeat: int, engine: Engine) -> tuple[Measured, Measured]:
    """The best of several previews of ours and of the bare program, by turns."""
    with tempfile.TemporaryDirectory(prefix="converge-benchmark-") as made:
        ours, bare = Path(made) / "ours", Path(made) / "bare"
        write_program(ours, services)
        # Not measured: it compiles what is new, and tells how many resources there are.
        write_bare_program(bare, preview(ours, engine).resources)
        preview(bare, engine)
        pairs = [(preview(ours, engine), preview(bare, engine)) for _ in range(repeat)]
    return _best([pair[0] for pair in pairs]), _best([pair[1] for pair in pairs])


def _best(runs: Sequence[Measured]) -> Measured:
    return Measured(seconds=min(run.seconds for run in runs), memory=min(run.memory for run in runs), resources=runs[0].resources)


def main() -> None:
    """Prints a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--services", type=int, nargs="+", default=[1, 10, 50])
    options.add_argument("--repeat", type=int, default=3, help="the best of so many counts")
    chosen = options.parse_args()
    table = Table(box=None)
    for column in ("services", "resources", "seconds", "bare", "ratio", "MB", "bare", "ratio"):
        table.add_column(column, justify="right")
    with Progress(Console(stderr=True)) as progress:
        engine = find_engine(ROOT, progress)
        for services in chosen.services:
            with progress.phase(f"{services} services"):
                ours, bare = measure(services, chosen.repeat, engine)
            times = (f"{ours.seconds:.1f}", f"{bare.seconds:.1f}", f"{ours.seconds / bare.seconds:.2f}")
            memory = (f"{ours.memory / 1e6:.0f}", f"{bare.memory / 1e6:.0f}", f"{ours.memory / bare.memory:.2f}")
            table.add_row(str(services), str(ours.resources.total()), *times, *memory)
    Console().print(table)


if __name__ == "__main__":
    main()
