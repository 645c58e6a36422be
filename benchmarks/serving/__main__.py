"""Measures this service and its peers, one after the other, in one run; ends with 1 after an error or a wrong answer.

The server runs on core 0, the load generator on core 1. README.md beside says what is measured and how each peer is set up.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from sklearn.datasets import load_digits

from local_azure.progress import Progress

from . import environments, oha, report
from .errors import BenchmarkError
from .measure import GENERATOR_CORE, Bench, Measured, ask_the_model, measure, measure_all_cores, save_for_limits, session_alone
from .peers import CONSTANT, FASTAPI, FRAMEWORKS, HERE, OURS, PEERS


def main() -> int:
    """Prints the tables and writes them."""
    chosen = _arguments()
    progress = Progress(Console(stderr=True))
    try:
        with progress, tempfile.TemporaryDirectory(prefix="converge-serving-") as work:
            run, workers = _run(chosen, Path(work), progress)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    text = report.markdown(run, workers)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "results.json").write_text(json.dumps(report.as_json(run), indent=1) + "\n")
    (chosen.out / "results.md").write_text(text)
    print(text)
    print(f"written to {chosen.out}/results.json and results.md", file=sys.stderr)
    return 1 if run.problems else 0


def _arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--peers", type=_peers, default=list(PEERS), help=f"separated by commas, of: {', '.join(PEERS)}; all by default")
    options.add_argument("--seconds", type=_seconds, default=5.0, help="of each load")
    options.add_argument("--rounds", type=int, choices=range(1, 11), default=3, metavar="1-10", help="how often each is measured; the best counts")
    options.add_argument("--python", type=Path, help="the base Python of every environment; Debian's if there is one")
    options.add_argument("--out", type=Path, default=HERE / "results", help="the folder for results.json and results.md")
    return options.parse_args()


def _peers(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(names) - set(PEERS))
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nobody'} is not one of {', '.join(PEERS)}")
    return [name for name in PEERS if name in names]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.5 <= seconds <= 600:
        raise argparse.ArgumentTypeError(f"must be a number from 0.5 to 600, got '{text}'")
    return seconds


def _run(chosen: argparse.Namespace, work: Path, progress: Progress) -> tuple[report.Run, int]:
    cores = len(os.sched_getaffinity(0))
    if not {0, 1} <= os.sched_getaffinity(0):
        raise BenchmarkError("this needs cores 0 and 1: one for the server, one for the load generator")
    with progress.phase("oha, model, environments"):
        bench = _prepare(chosen, work)
        for name in chosen.peers:
            bench.environment_of(PEERS[name])
    measured: dict[str, Measured] = {}
    session: dict[int, float] = {}
    # We ourselves wait on the generator's core, and leave the server's alone.
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {GENERATOR_CORE})
    for number in range(1, chosen.rounds + 1):
        for name in chosen.peers:
            with progress.phase(f"round {number}: {PEERS[name].title}"):
                found = measure(PEERS[name], bench)
            if name in measured:
                measured[name].merge(found)
            else:
                measured[name] = found
        if OURS.name in chosen.peers:
            with progress.phase(f"round {number}: session.run alone"):
                session = {rows: max(rate, session.get(rows, 0.0)) for rows, rate in session_alone(bench).items()}
    os.sched_setaffinity(0, everywhere)
    run = report.Run(machine=_machine(bench, cores), seconds=chosen.seconds, rounds=chosen.rounds, measured=measured, session=session)
    for number in range(1, chosen.rounds + 1):
        for name in _of_interest(run):
            with progress.phase(f"round {number}: {PEERS[name].title}, {cores} workers"):
                measured[name].merge(measure_all_cores(PEERS[name], bench, cores))
    return run, cores


def _prepare(chosen: argparse.Namespace, work: Path) -> Bench:
    python = chosen.python.absolute() if chosen.python else environments.base_python()
    cache = environments.cache_folder()
    model = cache / "model"
    _train(model)
    images = np.asarray(load_digits(return_X_y=True)[0], dtype=np.float32)
    bench = Bench(oha=oha.find(cache), python=python, model=model, work=work, seconds=chosen.seconds, questions=ask_the_model(model, images))
    save_for_limits(bench)
    return bench


def _train(folder: Path) -> None:
    """The digits model, once. Raises BenchmarkError."""
    if (folder / "model.json").exists():
        return
    command = [sys.executable, "-m", "training.train", "--out", str(folder)]
    done = subprocess.run(command, cwd=environments.ROOT / "app_template", capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"the model cannot be trained: {done.stderr.strip()[-1000:]}")


def _machine(bench: Bench, cores: int) -> dict[str, str]:
    cpu = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())
    version = ".".join(map(str, environments.version_of(bench.python)))
    return {"cores": str(cores), "CPU": cpu, "Python": version, "ONNX Runtime": importlib.metadata.version("onnxruntime")}


def _of_interest(run: report.Run) -> Sequence[str]:
    """Who is measured with more workers, too: ours, plain FastAPI, and the two model servers that answered most."""
    case = report.Case(rows=1, concurrency=16)
    rates = {peer.name: rate for peer in FRAMEWORKS if (rate := run.rate(peer.name, case)) is not None}
    best = sorted(rates, key=lambda name: rates[name], reverse=True)[:2]
    return [name for name in run.measured if name in {OURS.name, FASTAPI.name, *best} and name != CONSTANT.name]


if __name__ == "__main__":
    sys.exit(main())
