"""What the service does with twice as many requests as it can answer: python -m benchmarks.overload.run

For each of two models - a heavy one, answered in worker threads, and the digits model, answered in the event loop - it
measures the capacity, sends twice of it for ten minutes, then half of it, and says what became of all that: accepted and
refused per second, how long each took, the memory of the process. At last it kills one of two workers under load.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table

from benchmarks.serving import environments, oha
from benchmarks.serving.errors import BenchmarkError

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "app_template"
PIXELS, LABELS = 64, 10
_WIDTH, _LAYERS = 1024, 60  # of the heavy model
SEGMENT_SECONDS = 30
SHORT_SECONDS = 4
GROWTH_BYTES = 16 << 20
"""Memory that the second half of the time may be above the first: what a few hundred connections and threads keep."""
_START_SECONDS = 60
_FORGIVEN = 0.01  # of the requests after the overload: a hiccup of the machine


class OverloadError(Exception):
    """The benchmark cannot run; the text says why."""


@dataclass(frozen=True)
class Case:
    """One model, how it is served, and who asks."""

    name: str
    heavy: bool  # or the digits model as it is trained
    settings: dict[str, str]
    allowed_seconds: float  # that the slowest hundredth of what was accepted may have taken
    connections: int  # of the overload
    capacity_connections: int  # that keep it busy without waiting longer than they may


CASES = (
    # Requests wait in our own queue for at most 200 ms; then come their run, and one that was under way.
    Case("heavy", True, {"QUEUE_MILLISECONDS": "200", "BATCHING": "off"}, 0.3, 200, 8),
    # Requests wait in the sockets while the event loop answers those that it read before: as many as there are connections.
    Case("digits", False, {"QUEUE_MILLISECONDS": "10"}, 0.06, 512, 32),
)


@dataclass(frozen=True)
class Segment:
    """What became of the requests of some seconds. Times are in seconds, None when there was no such answer."""

    seconds: float
    accepted: int
    refused: int
    other: int  # another status, or no answer at all
    accepted_p50: float | None
    accepted_p99: float | None
    refused_p50: float | None
    refused_p99: float | None
    memory: int  # bytes, at the end


@dataclass(frozen=True)
class Outcome:
    """One case, measured."""

    case: Case
    capacity: float  # requests/s
    alone_p99: float  # seconds, while the capacity was measured
    overload: list[Segment]
    recovery: Segment
    problems: list[str] = field(default_factory=list)

    def judged(self) -> list[str]:
        """What is not as it should be: counts, then times."""
        half = max(1, len(self.overload) // 2)
        early, late = max(part.memory for part in self.overload[:half]), max(part.memory for part in self.overload[half:] or self.overload)
        slow = [part.accepted_p99 for part in self.overload if part.accepted_p99 is not None and part.accepted_p99 > self.case.allowed_seconds]
        return [
            *self.counted(),
            *([f"{self.recovery.refused} requests were refused after the overload"] if self.recovery.refused > _FORGIVEN * self.recovery.accepted else []),
            *([f"memory grew by {(late - early) / 1e6:.0f} MB from the first half to the second"] if late - early > GROWTH_BYTES else []),
            *([f"p99 of what was accepted went up to {max(slow) * 1000:.0f} ms, above {self.case.allowed_seconds * 1000:.0f} ms"] if slow else []),
        ]

    def counted(self) -> list[str]:
        """What is wrong whatever the machine's speed."""
        parts = [*self.overload, self.recovery]
        other = sum(part.other for part in parts)
        return [
            *self.problems,
            *([f"{other} requests had neither an answer nor a refusal"] if other else []),
            *(["nothing was accepted under load"] if not sum(part.accepted for part in self.overload) else []),
            *(["nothing was accepted after the overload"] if not self.recovery.accepted else []),
        ]


# --- models -----------------------------------------------------------------------------------------------------------


def write_heavy_model(folder: Path) -> None:
    """A model with the signature of the digits model that computes a hundred times as long."""
    random = np.random.default_rng(0)
    sizes = {"first": (PIXELS, _WIDTH), "again": (_WIDTH, _WIDTH), "last": (_WIDTH, LABELS)}
    weights = [numpy_helper.from_array((random.standard_normal(size) / size[0] ** 0.5).astype(np.float32), name) for name, size in sizes.items()]
    nodes, tensor = [], "image"
    for layer, weight in enumerate(["first", *["again"] * _LAYERS, "last"]):
        nodes.append(helper.make_node("MatMul", [tensor, weight], [f"sum{layer}"]))
        nodes.append(helper.make_node("Tanh", [f"sum{layer}"], [f"layer{layer}"]))
        tensor = f"layer{layer}"
    nodes.append(helper.make_node("Softmax", [tensor], ["probabilities"], axis=1))
    nodes.append(helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0))
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, PIXELS])]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, LABELS]),
    ]
    graph = helper.make_graph(nodes, "heavy", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    contract = json.loads((TEMPLATE / "app" / "contract.json").read_bytes())
    (folder / "model.json").write_text(json.dumps({"inputs": contract["inputs"], "outputs": contract["outputs"]}))


def train_digits(folder: Path) -> None:
    """The model of the example, as its command makes it."""
    done = subprocess.run([sys.executable, "-m", "training.train", "--out", str(folder)], cwd=TEMPLATE, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OverloadError(f"training failed: {done.stderr.strip()[-500:]}")


def request_body() -> bytes:
    """One row."""
    pixels = np.random.default_rng(1).integers(0, 17, PIXELS).tolist()
    return json.dumps({"inputs": [{"name": "image", "shape": [1, PIXELS], "datatype": "FP32", "data": pixels}]}).encode()


# --- server and load --------------------------------------------------------------------------------------------------


def find_oha() -> str:
    """The load generator; built when it is missing. Raises OverloadError."""
    try:
        return str(oha.find(environments.cache_folder()))
    except BenchmarkError as error:
        raise OverloadError(str(error)) from None


def has_oha() -> bool:
    """Is it there, so that nothing has to be built?"""
    return shutil.which("oha") is not None or (environments.cache_folder() / f"oha-{oha.VERSION}" / "bin" / "oha").exists()


def pinned(command: Sequence[str], core: int) -> list[str]:
    """The command on one core, where there is one for each of server and generator."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or not shutil.which("taskset"):
        return list(command)
    return ["taskset", "--cpu-list", str(cores[core]), *command]


class Server:
    """The service as a process; `python -m app` of the template."""

    def __init__(self, model_dir: Path, **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        environment = {"HOST": "127.0.0.1", "PORT": str(port), "MODEL_DIR": str(model_dir), "DRAIN_SECONDS": "0", "WORKERS": "1", **settings}
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115 - closed in `stop`
        command = pinned([sys.executable, "-m", "app"], 0)
        self.process = psutil.Popen(command, cwd=TEMPLATE, env={**os.environ, **environment}, stderr=self.log)
        self.url = f"http://127.0.0.1:{port}"
        self.infer_url = f"{self.url}/v2/models/digits/infer"

    def wait_until_ready(self) -> None:
        """Raises OverloadError."""
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/v2/health/ready", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise OverloadError(f"the service did not start: {self.log_text()[-1000:]}")

    def log_text(self) -> str:
        return Path(self.log.name).read_text()

    def memory(self) -> int:
        return sum(process.memory_info().rss for process in [self.process, *self.process.children(recursive=True)])

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.log.close()


@contextmanager
def serving(model_dir: Path, **settings: str) -> Iterator[Server]:
    """A service that is ready, and ends with the block."""
    server = Server(model_dir, **settings)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


@dataclass(frozen=True)
class Load:
    """Calls oha."""

    oha: str
    body: Path

    def send(self, server: Server, seconds: float, connections: int, rate: float | None = None) -> Segment:
        """Asks for so many seconds: as fast as answers come, or at a rate whatever comes."""
        command = [self.oha, "--no-tui", "--output-format", "json", "--stats-success-breakdown", "-z", f"{seconds:g}s", "-c", str(connections), "-m", "POST"]
        if rate is not None:
            command += ["-q", str(max(1, round(rate)))]
        done = subprocess.run(pinned([*command, "-D", str(self.body), server.infer_url], 1), capture_output=True, text=True, check=False)
        if done.returncode:
            raise OverloadError(f"oha failed: {done.stderr.strip()[-500:]}")
        return _segment(json.loads(done.stdout), server.memory())


def _segment(result: dict[str, Any], memory: int) -> Segment:
    statuses = {int(status): int(count) for status, count in result["statusCodeDistribution"].items()}
    # What was still under way when the time was over says nothing about the service.
    failed = sum(count for reason, count in result["errorDistribution"].items() if reason != "aborted due to deadline")
    good, bad = result["latencyPercentilesSuccessful"], result["latencyPercentilesNotSuccessful"]
    other = sum(count for status, count in statuses.items() if status not in (200, 503)) + failed
    return Segment(result["summary"]["total"], statuses.get(200, 0), statuses.get(503, 0), other, good["p50"], good["p99"], bad["p50"], bad["p99"], memory)


# --- what is measured -------------------------------------------------------------------------------------------------


def measure(case: Case, load: Load, model_dir: Path, seconds: float, show: Any = lambda _: None) -> Outcome:
    """Capacity, overload, recovery. `show` is called with each segment."""
    settle = min(5.0, seconds)
    with serving(model_dir, **case.settings) as server:
        load.send(server, settle / 2, case.capacity_connections)
        alone = load.send(server, settle, case.capacity_connections)
        capacity = alone.accepted / alone.seconds
        segments: list[Segment] = []
        left = seconds
        while left > 0:
            segments.append(load.send(server, min(left, SEGMENT_SECONDS), case.connections, 2 * capacity))
            show(segments[-1])
            left -= SEGMENT_SECONDS
        problems = _refusals_say_when(load, case, server, capacity)
        recovery = load.send(server, settle, case.capacity_connections // 2, capacity / 2)
        show(recovery)
        if server.process.poll() is not None:
            problems.append("the service ended")
        if '"error"' in server.log_text():
            problems.append(f"the log has errors: {server.log_text()[-500:]}")
        return Outcome(case, capacity, alone.accepted_p99 or 0.0, segments, recovery, problems)


def _refusals_say_when(load: Load, case: Case, server: Server, capacity: float) -> list[str]:
    """Under load, asked by another client: a refusal must be the protocol's, with Retry-After; health must be answered."""
    command = [
        load.oha,
        "--no-tui",
        "-z",
        "2s",
        "-c",
        str(case.connections),
        "-q",
        str(round(2 * capacity)),
        "-m",
        "POST",
        "-D",
        str(load.body),
        server.infer_url,
    ]
    problems: list[str] = []
    with subprocess.Popen(pinned(command, 1), stdout=subprocess.DEVNULL) as busy, httpx.Client(trust_env=False, timeout=10) as client:
        while busy.poll() is None:
            answer = client.post(server.infer_url, content=load.body.read_bytes())
            if answer.status_code == 503 and not (answer.headers.get("retry-after", "").isdigit() and set(answer.json()) == {"error"}):
                problems.append(f"a refusal without Retry-After or error: {answer.headers} {answer.text}")
            if client.get(f"{server.url}/v2/health/live").status_code != 200:
                problems.append("not live under load")
    return problems[:3]


@dataclass(frozen=True)
class Killed:
    """What a worker that was killed under load took with it."""

    connections: int
    answered: int
    lost: int
    other: int
    replaced_after: float  # seconds until both workers served again


def kill_a_worker(load: Load, model_dir: Path, connections: int = 32, seconds: float = 6) -> Killed:
    """Kills one of two workers while both are busy."""
    with serving(model_dir, WORKERS="2") as server:
        command = [load.oha, "--no-tui", "--output-format", "json", "-z", f"{seconds:g}s", "-c", str(connections), "-q", "2000", "-m", "POST"]
        with subprocess.Popen(pinned([*command, "-D", str(load.body), server.infer_url], 1), stdout=subprocess.PIPE, text=True) as busy:
            time.sleep(seconds / 3)
            victim = server.process.children()[0]
            killed = time.monotonic()
            victim.send_signal(signal.SIGKILL)
            while server.log_text().count('"serving"') < 3 and busy.poll() is None:
                time.sleep(0.02)
            replaced = time.monotonic() - killed
            result = json.loads(busy.communicate()[0])
    statuses = {int(status): count for status, count in result["statusCodeDistribution"].items()}
    lost = sum(count for reason, count in result["errorDistribution"].items() if reason != "aborted due to deadline")
    answered = statuses.pop(200, 0)
    return Killed(connections, answered, lost, sum(statuses.values()), replaced)


# --- what is shown ----------------------------------------------------------------------------------------------------


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value * 1000:.1f}"


def _table(outcome: Outcome) -> Table:
    alone, allowed = _milliseconds(outcome.alone_p99), _milliseconds(outcome.case.allowed_seconds)
    title = f"{outcome.case.name}: capacity {outcome.capacity:.0f} requests/s with p99 {alone} ms; allowed under load: {allowed} ms"
    table = Table(title=title, title_justify="left")
    for name in ("from s", "accepted/s", "p50 ms", "p99 ms", "refused/s", "p50 ms", "p99 ms", "other", "MB"):
        table.add_column(name, justify="right")
    passed = 0.0
    for part, name in [*((part, None) for part in outcome.overload), (outcome.recovery, "after")]:
        accepted = f"{part.accepted / part.seconds:.0f}", _milliseconds(part.accepted_p50), _milliseconds(part.accepted_p99)
        refused = f"{part.refused / part.seconds:.0f}", _milliseconds(part.refused_p50), _milliseconds(part.refused_p99)
        table.add_row(name or f"{passed:.0f}", *accepted, *refused, str(part.other), f"{part.memory / 1e6:.0f}")
        passed += part.seconds
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 1 when something is not as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600, help="of overload, per model (default: 600)")
    parser.add_argument("--case", choices=[case.name for case in CASES], help="only this one")
    given = parser.parse_args(arguments)
    console = Console(width=max(100, Console().width))
    try:
        with tempfile.TemporaryDirectory(prefix="overload-") as folder:
            problems = _run(console, Path(folder), [case for case in CASES if given.case in (None, case.name)], given.seconds)
    except OverloadError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for problem in problems:
        console.print(f"NOT AS IT SHOULD BE: {problem}")
    return 1 if problems else 0


def _run(console: Console, folder: Path, cases: list[Case], seconds: float) -> list[str]:
    load = prepare(folder)
    problems: list[str] = []
    for case in cases:
        outcome = measure(
            case, load, folder / case.name, seconds, lambda part: console.print(f"{part.accepted} accepted, {part.refused} refused, {part.other} other")
        )
        console.print(_table(outcome))
        problems += [f"{case.name}: {problem}" for problem in outcome.judged()]
    killed = kill_a_worker(load, folder / "digits")
    console.print(
        f"one of two workers killed under load, {killed.connections} connections: {killed.answered} requests answered, {killed.lost} lost, "
        f"{killed.other} other; replaced after {killed.replaced_after:.1f} s"
    )
    if killed.lost > killed.connections or killed.other:
        problems.append("more requests were lost with a worker than were under way")
    return problems


def prepare(folder: Path) -> Load:
    """Both models below the folder, and the load generator."""
    load = Load(find_oha(), folder / "body.json")
    load.body.write_bytes(request_body())
    for case in CASES:
        if case.heavy:
            write_heavy_model(folder / case.name)
        else:
            train_digits(folder / case.name)
    return load


if __name__ == "__main__":
    sys.exit(main())
