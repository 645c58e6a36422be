"""The way of a request through a model: what is shared, what waits, what is refused, and whose fault what is."""

import asyncio
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from app.engine import INLINE_SECONDS, CallJob, Engine, InternalError, Served
from app.errors import InvalidRequestError, NotFoundError, RequestError, UnavailableError
from app.metrics import Metrics
from app.settings import Settings
from app.signature import Signature, Tensor
from app.tensors import InferRequest, Tensors

ROWS = Signature((Tensor("x", "FP32", (-1, 2)),), (Tensor("y", "FP32", (-1,)),))


class Summing:
    """A model that sums each row, remembers what it was run with, and does as it is told."""

    name, version, sha256, signature, cost = "sums", "1", "0" * 64, ROWS, SimpleNamespace(fixed_seconds=1.0, row_seconds=0.1)

    def __init__(self, do: Callable[[Tensors], object] = len) -> None:
        self.runs: list[int] = []
        self._do = do

    def run(self, inputs: Tensors) -> Tensors:
        self._do(inputs)
        self.runs.append(len(inputs["x"]))
        return {"y": inputs["x"].sum(axis=1)}


def _settings(**environment: str) -> Settings:
    return Settings.from_environment({"WORKER_THREADS": "1", **environment})


def _served(model: Any, preprocess: Callable[[Tensors], Tensors] = lambda inputs: inputs, **environment: str) -> Served:
    served = Served(model, preprocess, lambda outputs: outputs, _settings(**environment), Metrics())
    model.runs.clear()
    return served


def _job(rows: int = 1, value: float = 1.0, size: int = 100) -> CallJob[list[float]]:
    return CallJob(size, lambda: InferRequest({"x": np.full((rows, 2), value, np.float32)}), lambda _, outputs, __: outputs["y"].tolist())


class _App:
    def hooks_of(self, model: str) -> tuple[Callable[[Tensors], Tensors], Callable[[Tensors], Tensors]]:
        del model
        return (lambda inputs: inputs), (lambda outputs: outputs)


def _engine(model: Any, **environment: str) -> Engine:
    engine = Engine({"sums": model}, _App(), _settings(**environment), Metrics())  # pyright: ignore[reportArgumentType] - as much of an app as is asked for
    model.runs.clear()
    return engine


def test_requests_that_are_there_together_share_a_run() -> None:
    model = Summing()
    served = _served(model)
    jobs = [_job(rows, rows) for rows in (1, 2, 3)]
    served.answer(jobs)
    assert [job.answer for job in jobs] == [[2.0], [4.0, 4.0], [6.0, 6.0, 6.0]]
    assert model.runs == [6]


def test_a_shared_run_has_its_limit() -> None:
    model = Summing()
    jobs = [_job(2) for _ in range(5)]
    _served(model, MAX_BATCH_ROWS="5").answer(jobs)
    assert model.runs == [4, 4, 2]
    assert all(job.answer == [2.0, 2.0] for job in jobs)


@pytest.mark.parametrize("cost", [None, SimpleNamespace(fixed_seconds=0.1, row_seconds=1.0)])
def test_nothing_is_shared_where_that_is_not_faster(cost: Any) -> None:
    model = Summing()
    model.cost = cost
    _served(model).answer([_job(), _job()])
    assert model.runs == [1, 1]


def test_nothing_is_shared_where_rows_change_each_other() -> None:
    class Normalizing(Summing):
        def run(self, inputs: Tensors) -> Tensors:
            return {"y": super().run(inputs)["y"] / inputs["x"].max()}

    assert not _served(Normalizing()).batches
    assert _served(Normalizing(), BATCHING="on").batches  # whoever says so knows better
    assert not _served(Summing(), BATCHING="off").batches


def test_one_bad_request_spoils_no_other() -> None:
    def refuse(inputs: Tensors) -> None:
        if (inputs["x"] == 13).any():
            raise ValueError("thirteen")

    good, bad = _job(value=1), _job(value=13)
    served = _served(Summing(refuse))
    served.answer([good, bad])
    assert good.answer == [2.0]
    assert isinstance(bad.error, InternalError)
    assert str(bad.error) == "internal error; the server's log has the details"


def test_the_developers_refusal_is_the_callers_fault_and_a_bug_is_ours(caplog: pytest.LogCaptureFixture) -> None:
    def preprocess(inputs: Tensors) -> Tensors:
        if inputs["x"][0, 0] == 1:
            raise InvalidRequestError("no ones")
        raise KeyError("a bug")

    refused, broken = _job(value=1), _job(value=2)
    _served(Summing(), preprocess).answer([refused, broken])
    assert (str(refused.error), refused.error and refused.error.status) == ("no ones", 400)
    assert (broken.error and broken.error.status) == 500
    assert "a bug" in caplog.text


def test_too_many_rows() -> None:
    job = _job(rows=5)
    _served(Summing(), MAX_ROWS="4").answer([job])
    assert str(job.error) == "5 rows are more than the 4 that one request may have; send several requests"


def test_what_is_fast_is_learned_per_size() -> None:
    served = _served(Summing(lambda inputs: time.sleep(3 * INLINE_SECONDS) if len(inputs["x"]) > 1 else None))
    assert not served.is_fast(100)  # nothing is known yet
    served.answer([_job(1, size=100)])
    assert served.is_fast(100)
    assert served.is_fast(64)
    for _ in range(2):
        served.answer([_job(2, size=5000)])
    assert not served.is_fast(5000)
    assert not served.is_fast(500_000_000)
    assert served.is_fast(100)


def test_what_is_refused_teaches_nothing_and_one_hiccup_little(monkeypatch: pytest.MonkeyPatch) -> None:
    now, takes = 0.0, 0.05

    def compute(_: Tensors) -> None:
        nonlocal now
        now += takes

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    served = _served(Summing(compute))
    served.answer([_job()])
    for _ in range(200):  # refused before the model ran, in no time
        served.answer([_job(rows=5000)])
    assert served.expected(100) == pytest.approx(takes)

    takes = 0.0001
    fast = _served(Summing(compute))
    fast.answer([_job()])
    takes = 1.0
    fast.answer([_job()])
    assert fast.expected(100) == pytest.approx(0.0001 * 1.35)


def test_models_are_found_by_name_and_version() -> None:
    engine = _engine(Summing())
    assert engine.find("sums", "1") is engine.find("sums")
    for name, version, message in (
        ("x", None, "there is no model 'x' here, only 'sums'"),
        ("sums", "2", "there is no version '2' of model 'sums' here, only '1'"),
    ):
        with pytest.raises(NotFoundError) as caught:
            engine.find(name, version)
        assert str(caught.value) == message
    engine.close()


class _Held(Summing):
    """Computes only when it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        super().__init__(lambda _: self.go.wait(10))


async def _outcomes(engine: Engine, jobs: int, release: Callable[[], None]) -> list[Any]:
    """What becomes of jobs that arrive one after the other while the model is held."""
    served = engine.find("sums")
    tasks = []
    for _ in range(jobs):
        tasks.append(asyncio.ensure_future(engine.answer(served, _job())))
        await asyncio.sleep(0.01)
    release()
    return await asyncio.gather(*tasks, return_exceptions=True)


def _slow(engine: Engine, seconds: float) -> None:
    """Makes the engine believe that requests take so long."""
    served = engine.find("sums")
    served._seconds = [seconds] * len(served._seconds)  # pyright: ignore[reportPrivateUsage] - learning it would take as long


def test_what_waits_together_is_taken_together() -> None:
    model = _Held()
    engine = _engine(model)
    _slow(engine, 0.01)
    model.go.clear()
    outcomes = asyncio.run(_outcomes(engine, 5, model.go.set))
    assert outcomes == [[2.0]] * 5
    assert model.runs == [1, 4]
    engine.close()


def test_who_would_wait_too_long_is_told_at_once_and_when_to_come_again() -> None:
    model = _Held()
    engine = _engine(model, QUEUE_MILLISECONDS="2500", BATCHING="off")
    _slow(engine, 1.0)
    model.go.clear()
    outcomes = asyncio.run(_outcomes(engine, 5, model.go.set))
    refused = [outcome for outcome in outcomes if isinstance(outcome, UnavailableError)]
    assert [str(error) for error in refused] == ["too much is waiting already: about 3.0 s; try again later"] * 2
    assert [error.retry_after for error in refused] == [3, 3]
    assert outcomes[:3] == [[2.0]] * 3
    # Then it recovers by itself.
    assert asyncio.run(_outcomes(engine, 1, model.go.set)) == [[2.0]]
    engine.close()


def test_what_was_not_its_turn_in_time_is_not_computed_any_more() -> None:
    model = _Held()
    engine = _engine(model, QUEUE_MILLISECONDS="50", BATCHING="off")
    _slow(engine, 0.02)
    model.go.clear()

    outcomes = asyncio.run(_outcomes(engine, 3, lambda: threading.Timer(0.2, model.go.set).start() or None))
    assert outcomes[0] == [2.0]
    assert [str(error) for error in outcomes[1:]] == ["it was not its turn within 0.05 s; try again later"] * 2
    assert model.runs == [1]
    engine.close()


def test_an_answer_that_takes_too_long_is_not_waited_for() -> None:
    model = _Held()
    engine = _engine(model, REQUEST_SECONDS="1")
    _slow(engine, 0.02)
    model.go.clear()

    async def ask() -> None:
        try:
            await engine.answer(engine.find("sums"), _job())
        finally:
            model.go.set()

    with pytest.raises(RequestError, match="no answer within 1 s; try again later"):
        asyncio.run(ask())
    engine.close()


def test_waiting_for_others_to_join_ends_with_the_budget() -> None:
    model = _Held()
    engine = _engine(model, BATCH_MILLISECONDS="200")
    _slow(engine, 0.01)
    assert asyncio.run(_outcomes(engine, 4, lambda: None)) == [[2.0]] * 4
    assert model.runs == [4]
    engine.close()
