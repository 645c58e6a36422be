"""One peer measured: its answers compared, its loads, its memory, how long it takes to start."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx
import numpy as np
import onnxruntime

from . import environments, oha
from .errors import BenchmarkError
from .oha import Load
from .payloads import BINARY, AnswerError, Floats, Form, Prediction, protocol_answer, read
from .peers import CONSTANT, HERE, OURS, Peer
from .server import Server, running

ROWS = (1, 32)
CONCURRENCIES = (1, 16, 64)
BINARY_CONCURRENCY = 16
_QUESTIONS = 8
"""Different requests whose answers are compared, for each number of rows."""
SERVER_CORE, GENERATOR_CORE = 0, 1


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is asked, and how."""

    rows: int
    concurrency: int
    form: str = "json"
    workers: int = 1


@dataclass(kw_only=True)
class Measured:
    """What became of a peer; `problems` is empty when all went well."""

    title: str
    loads: dict[Case, Load] = field(default_factory=dict)
    start_seconds: float | None = None
    rss: int | None = None
    pss: int | None = None
    environment_bytes: int | None = None
    packed_bytes: int | None = None
    problems: list[str] = field(default_factory=list)

    def merge(self, other: "Measured") -> None:
        """Adds another round: of each load and of the starts the best counts, of memory the most, and nothing that went wrong is forgotten.

        What else happens on a machine only ever makes a server slower, so the best is nearest to what it can do.
        """
        for case, load in other.loads.items():
            known = self.loads.get(case)
            if known is None or load.requests_per_second > known.requests_per_second:
                self.loads[case] = load
        self.start_seconds = _of(min, self.start_seconds, other.start_seconds)
        self.rss, self.pss = _of(max, self.rss, other.rss), _of(max, self.pss, other.pss)
        self.problems += other.problems


Number = TypeVar("Number", int, float)


def _of(choose: Callable[[Number, Number], Number], one: Number | None, other: Number | None) -> Number | None:
    """Of both, where there are both."""
    return other if one is None else one if other is None else choose(one, other)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all measurements share."""

    oha: Path
    python: Path
    model: Path
    work: Path
    seconds: float
    questions: Mapping[int, Sequence[tuple[Floats, Prediction]]]

    def environment_of(self, peer: Peer) -> Path:
        """The peer's environment. Raises BenchmarkError."""
        return environments.make("ours" if peer.requirements == OURS.requirements else peer.requirements.parent.name, peer.requirements, self.python)

    def variables(self, workers: int) -> dict[str, str]:
        """Environment variables of a server."""
        return {"MODEL_DIR": str(self.model), "WORK_DIR": str(self.work), "WORKERS": str(workers)}


def pin(core: int) -> list[str]:
    """The start of a command that stays on one core."""
    return ["taskset", "--cpu-list", str(core)]


def ask_the_model(model: Path, images: Floats) -> dict[int, list[tuple[Floats, Prediction]]]:
    """Requests of real digits, by number of rows, each with what ONNX Runtime says."""
    session = onnxruntime.InferenceSession(model / "model.onnx", providers=["CPUExecutionProvider"])
    questions: dict[int, list[tuple[Floats, Prediction]]] = {}
    for rows in ROWS:
        parts = [images[start * rows : (start + 1) * rows] for start in range(_QUESTIONS)]
        answers = [session.run(["label", "probabilities"], {"image": part}) for part in parts]
        questions[rows] = [(part, Prediction(np.asarray(label), np.asarray(sure))) for part, (label, sure) in zip(parts, answers, strict=True)]
    return questions


def save_for_limits(bench: Bench) -> None:
    """What the limits' own processes read: rows, and the answer that is always the same."""
    for name in ("rows", "answers"):
        (bench.work / name).mkdir(exist_ok=True)
    for rows, questions in bench.questions.items():
        np.save(bench.work / "rows" / f"{rows}.npy", questions[0][0])
        (bench.work / "answers" / f"{rows}.json").write_bytes(protocol_answer(questions[0][1]))


def measure(peer: Peer, bench: Bench) -> Measured:
    """On one core, with one worker."""
    measured = Measured(title=peer.title)
    try:
        environment = bench.environment_of(peer)
        measured.environment_bytes, measured.packed_bytes = environments.size_of(environment), environments.packed_size_of(environment)
        python, first = environment / "bin" / "python", peer.form.ask(bench.questions[1][0][0])
        variables, log = bench.variables(1), bench.work / f"{peer.name}.log"
        with running(peer, python, variables, first, pin=pin(SERVER_CORE), log=log) as server:
            _compare(peer, bench, server, measured)
        # The second start counts: by then all that it reads is in memory, whoever is measured first.
        with running(peer, python, variables, first, pin=pin(SERVER_CORE), log=log) as server:
            measured.start_seconds = server.start_seconds
            _load(peer, bench, server, measured)
            memory = server.memory()
            measured.rss, measured.pss = memory.rss, memory.pss
            _compare(peer, bench, server, measured)
    except BenchmarkError as error:
        measured.problems.append(str(error))
    return measured


def measure_all_cores(peer: Peer, bench: Bench, workers: int) -> Measured:
    """With as many workers as cores, nobody bound to any."""
    measured = Measured(title=peer.title)
    try:
        python, log = bench.environment_of(peer) / "bin" / "python", bench.work / f"{peer.name}-{workers}.log"
        with running(peer, python, bench.variables(workers), peer.form.ask(bench.questions[1][0][0]), pin=[], log=log) as server:
            _compare(peer, bench, server, measured)
            _warm(peer, bench, server, [])
            for rows in ROWS:
                _one(peer, bench, server, measured, Case(rows=rows, concurrency=64, workers=workers), peer.form, [])
    except BenchmarkError as error:
        measured.problems.append(f"with {workers} workers: {error}")
    return measured


def _load(peer: Peer, bench: Bench, server: Server, measured: Measured) -> None:
    generator = pin(GENERATOR_CORE)
    _warm(peer, bench, server, generator)
    for rows in ROWS:
        for concurrency in CONCURRENCIES:
            _one(peer, bench, server, measured, Case(rows=rows, concurrency=concurrency), peer.form, generator)
        if peer.binary:
            _one(peer, bench, server, measured, Case(rows=rows, concurrency=BINARY_CONCURRENCY, form="binary"), BINARY, generator)


def _warm(peer: Peer, bench: Bench, server: Server, generator: Sequence[str]) -> None:
    for rows in ROWS:
        requests = [peer.form.ask(image) for image, _ in bench.questions[rows]]
        oha.run(bench.oha, server.url(peer, rows), requests, concurrency=16, seconds=bench.seconds / 4, pin=generator)


def _one(peer: Peer, bench: Bench, server: Server, measured: Measured, case: Case, form: Form, generator: Sequence[str]) -> None:
    # Several bodies go to oha line by line, and raw bytes have newlines among them.
    requests = [form.ask(image) for image, _ in bench.questions[case.rows]][: 1 if form is BINARY else None]
    load = oha.run(bench.oha, server.url(peer, case.rows), requests, concurrency=case.concurrency, seconds=bench.seconds, pin=generator)
    measured.loads[case] = load
    if load.errors:
        measured.problems.append(f"rows: {case.rows}, at once: {case.concurrency}, {case.form}: {load.errors}")
    if not load.answered:
        raise BenchmarkError(f"nothing answered (rows: {case.rows}, at once: {case.concurrency}, {case.form}); its log ends with {server.tail()}")


def _compare(peer: Peer, bench: Bench, server: Server, measured: Measured) -> None:
    """Every question, one by one; what is wrong is a problem, not the end. Raises BenchmarkError."""
    if peer is CONSTANT:
        return
    forms = [peer.form, *([BINARY] if peer.binary else [])]
    for rows, questions in bench.questions.items():
        for image, expected in questions:
            for form in forms:
                try:
                    _check(server.ask(server.url(peer, rows), form.ask(image)), form, expected)
                except AnswerError as error:
                    measured.problems.append(f"wrong answer, rows: {rows}, {'binary' if form is BINARY else 'json'}: {error}")


def _check(answer: httpx.Response, form: Form, expected: Prediction) -> None:
    """Raises AnswerError."""
    if not answer.is_success:
        raise AnswerError(f"status {answer.status_code}: {answer.text[:200]}")
    expected.check(read(form, answer.content, answer.headers))


def session_alone(bench: Bench) -> dict[int, float]:
    """Calls of `session.run` per second on one core, by rows. Raises BenchmarkError."""
    python = bench.environment_of(OURS) / "bin" / "python"
    variables = {**os.environ, **bench.variables(1), "SECONDS_EACH": str(bench.seconds), "ORT_DISABLE_TELEMETRY": "1"}
    command = [*pin(SERVER_CORE), str(python), "session.py"]
    done = subprocess.run(command, cwd=HERE / "limits", env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"session.run alone cannot be measured: {done.stderr.strip()[-500:]}")
    return {int(rows): rate for rows, rate in json.loads(done.stdout).items()}
