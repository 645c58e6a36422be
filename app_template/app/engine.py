"""The way of a request through a model: decoded, preprocessed, run, postprocessed, encoded. No transport in here.

A fast model answers at once, in the thread that reads from the network: handing over to another thread would cost more than
the answer. A slow one answers in a thread of its own (line.py), so that it never keeps a health check waiting; ONNX
Runtime lets go of Python's lock while it computes. Which of the two it is, is measured all the time, per size of request.

Requests that are there at the same moment share one run of the model where the warm-up showed that this is faster.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from .errors import InvalidRequestError, NotFoundError, RequestError
from .line import Line
from .metrics import Metrics
from .model import Model
from .settings import Settings
from .signature import FREE, NUMPY_TYPES, Signature, Tensor
from .tensors import InferRequest, Parameters, Tensors

if TYPE_CHECKING:
    from .developer import App
    from .sampling import Sampler

T = TypeVar("T")
Preprocess = Callable[[Tensors], Tensors]
Postprocess = Callable[[Tensors], Tensors | tuple[Tensors, Parameters]]

# Longest that the network's thread may be kept by one request: health checks, and everybody else, wait as long.
INLINE_SECONDS = 0.002
INLINE_BYTES = 1 << 18
_WEIGHT = 0.05  # of the newest measurement
_HICCUP = 8.0  # times as long as usual counts as no longer: one pause of the machine must not make a fast model slow
_SIZES = 64  # powers of two that a request's bytes are sorted by
# A shared run must save this much of a lone request's time, or it only makes everybody wait for the longest.
_LEAST_SAVED = 0.15
_TOLERANCE = 1e-3

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)

log = logging.getLogger("app")


class Job:
    """One request on its way; a transport says how it is read and how its answer is written."""

    __slots__ = ("answer", "arrived", "error", "inputs", "raw", "request", "rows", "size", "trace_id")

    def __init__(self, size: int, arrived: float, trace_id: str = "") -> None:
        self.size = size  # bytes that came
        self.arrived = arrived  # time.perf_counter()
        self.trace_id = trace_id
        self.request: InferRequest
        self.inputs: Tensors
        self.raw: Tensors
        self.rows = 1
        self.answer: Any = None
        self.error: RequestError | None = None

    def decode(self, signature: Signature) -> InferRequest:
        """The checked request. Raises RequestError."""
        raise NotImplementedError

    def encode(self, model: Model, outputs: Tensors, parameters: Parameters) -> Any:
        """The answer as the transport sends it. Raises RequestError."""
        raise NotImplementedError


class CallJob(Job, Generic[T]):
    """A job whose two ends are functions."""

    __slots__ = ("_decode", "_encode")

    def __init__(self, size: int, decode: Callable[[], InferRequest], encode: Callable[[InferRequest, Tensors, Parameters], T], trace_id: str = "") -> None:
        super().__init__(size, time.perf_counter(), trace_id)
        self._decode = decode
        self._encode = encode

    def decode(self, signature: Signature) -> InferRequest:
        del signature
        return self._decode()

    def encode(self, model: Model, outputs: Tensors, parameters: Parameters) -> T:
        del model
        return self._encode(self.request, outputs, parameters)


class InternalError(RequestError):
    """Our own fault: the details are in the log and nowhere else."""

    def __init__(self) -> None:
        super().__init__("internal error; the server's log has the details")


class Served:
    """A model with the developer's code around it."""

    def __init__(
        self, model: Model, preprocess: Preprocess, postprocess: Postprocess, settings: Settings, metrics: Metrics, sampler: "Sampler | None" = None
    ) -> None:
        self.model = model
        self.example: list[dict[str, Any]] = []  # inputs of a request as they stand in its JSON, for /docs
        self._preprocess = preprocess
        self._postprocess = postprocess
        self._sampler = sampler
        self._max_rows = settings.max_rows
        self._max_batch_rows = settings.max_batch_rows
        self._first = model.signature.inputs[0].name
        self._seconds: list[float | None] = [None] * _SIZES  # per request, by its size
        labels = {"model": model.name, "version": model.version}
        self._outcomes = {
            outcome: metrics.counter("inference_requests_total", "Requests by what became of them.", {**labels, "outcome": outcome})
            for outcome in ("ok", "invalid", "failed", "refused")
        }
        self._ok = self._outcomes["ok"]
        self._queued = metrics.histogram("inference_queue_seconds", "From a request's arrival until its turn.", SECONDS, labels)
        self._ran = metrics.histogram("inference_duration_seconds", "One run of the model, which requests may share.", SECONDS, labels)
        self._batch = metrics.histogram("inference_batch_rows", "Rows of one run of the model.", _ROWS, labels)
        self.batches = settings.batching != "off" and _has_rows(model.signature) and (settings.batching == "on" or _sharing_wins(model))

    def expected(self, size: int) -> float:
        """Seconds that a request of so many bytes will take, as far as that is known."""
        bucket = min(size.bit_length(), _SIZES - 1)
        known = self._seconds[bucket]
        if known is not None:
            return known
        # Never seen: from the nearest smaller one, as if time grew with size.
        for smaller in range(bucket - 1, -1, -1):
            known = self._seconds[smaller]
            if known is not None:
                return known * 2.0 ** (bucket - smaller)
        return INLINE_SECONDS * 2

    def is_fast(self, size: int) -> bool:
        """May a request of so many bytes be answered in the network's thread?"""
        return size <= INLINE_BYTES and self.expected(size) <= INLINE_SECONDS

    def answer(self, jobs: Sequence[Job]) -> None:
        """Answers all jobs: each has an answer or an error afterwards. May be called from several threads at once."""
        started = time.perf_counter()
        ready = [job for job in jobs if self._prepare(job, started)]
        if len(ready) > 1 and self.batches:
            for group in self._groups(ready):
                self._run(group)
        else:
            for job in ready:
                self._run([job])
        for job in ready:
            if job.error is None:
                self._finish(job)
        if ready:  # what was refused says nothing about the model
            self._learn(ready[0].size, (time.perf_counter() - started) / len(ready))

    def rehearse(self, job: Job) -> None:
        """Answers without counting it, and learns how long that takes. Raises RequestError."""
        started = time.perf_counter()
        job.request = job.decode(self.model.signature)
        result = self._postprocess(self.model.run(self._preprocess(job.request.inputs)))
        outputs, parameters = result if isinstance(result, tuple) else (result, {})
        job.encode(self.model, outputs, parameters)
        self._learn(job.size, time.perf_counter() - started)

    def _learn(self, size: int, seconds: float) -> None:
        bucket = min(size.bit_length(), _SIZES - 1)
        known = self._seconds[bucket]
        self._seconds[bucket] = seconds if known is None else known + _WEIGHT * (min(seconds, _HICCUP * known) - known)

    def _prepare(self, job: Job, now: float) -> bool:
        self._queued.observe(now - job.arrived)
        try:
            request = job.request = job.decode(self.model.signature)
            shape = request.inputs[self._first].shape
            job.rows = shape[0] if shape else 1
            if job.rows > self._max_rows:
                self.fail(job, InvalidRequestError(f"{job.rows} rows are more than the {self._max_rows} that one request may have; send several requests"))
                return False
            job.inputs = self._preprocess(request.inputs)
        except Exception as error:  # noqa: BLE001 - the developer's code may raise anything, and others share this loop
            self.fail(job, error)
            return False
        return True

    def _finish(self, job: Job) -> None:
        try:
            result = self._postprocess(job.raw)
            outputs, parameters = result if isinstance(result, tuple) else (result, {})
            job.answer = job.encode(self.model, outputs, parameters)
        except Exception as error:  # noqa: BLE001 - as above
            self.fail(job, error)
            return
        self._ok.add()
        if self._sampler is not None and self._sampler.wants():
            self._sampler.write(self.model.name, self.model.version, job.request, outputs, parameters, job.trace_id)

    def fail(self, job: Job, error: Exception) -> None:
        """What the caller is told, what is counted, and what is logged when the fault is ours."""
        if not isinstance(error, RequestError):
            fields = {"model": self.model.name, "version": self.model.version, **({"trace_id": job.trace_id} if job.trace_id else {})}
            log.error("the request failed: %s", error, exc_info=error, extra={"fields": fields})
            error = InternalError()
        job.error = error
        outcome = "refused" if error.status == 503 else "failed" if error.status >= 500 else "invalid"
        self._outcomes[outcome].add()

    def _groups(self, jobs: Sequence[Job]) -> list[list[Job]]:
        """Jobs that can share a run: equal but for their rows, and not too many of these."""
        groups: list[list[Job]] = []
        open_groups: dict[Any, tuple[list[Job], int]] = {}
        for job in jobs:
            count, key = _form(job.inputs)
            if count is None:
                groups.append([job])
                continue
            group, taken = open_groups.get(key, ([], self._max_batch_rows))
            if taken + count > self._max_batch_rows:
                group, taken = [], 0
                groups.append(group)
            group.append(job)
            open_groups[key] = (group, taken + count)
        return groups

    def _run(self, group: Sequence[Job]) -> None:
        started = time.perf_counter()
        try:
            if len(group) == 1:
                group[0].raw = self.model.run(group[0].inputs)
            else:
                self._run_shared(group)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions have no base of their own
            if len(group) > 1:  # what one of them did wrong is not the others' fault
                for job in group:
                    self._run([job])
                return
            if isinstance(error, InvalidArgument):  # each input fits the signature, but they do not fit together
                error = InvalidRequestError(f"the model refuses these inputs: {' '.join(str(error).split())}")
            self.fail(group[0], error)
            return
        self._ran.observe(time.perf_counter() - started)
        self._batch.observe(sum([job.rows for job in group]))

    def _run_shared(self, group: Sequence[Job]) -> None:
        first = group[0].inputs
        outputs = self.model.run({name: np.concatenate([job.inputs[name] for job in group]) for name in first})
        start = 0
        for job in group:
            end = start + len(next(iter(job.inputs.values())))
            job.raw = {name: array[start:end] for name, array in outputs.items()}
            start = end


class Engine:
    """All models, by name."""

    def __init__(self, models: Mapping[str, Model], app: "App", settings: Settings, metrics: Metrics, sampler: "Sampler | None" = None) -> None:
        self.served = {name: _serve(model, app, settings, metrics, sampler) for name, model in models.items()}
        self.draining = False  # set once the process has been asked to stop
        self.line = Line(settings, metrics)
        for model in models.values():
            metrics.info(
                "inference_model_info",
                "What is served.",
                {"model": model.name, "version": model.version, "sha256": model.sha256, "image_digest": settings.image_digest},
            )

    def find(self, name: str, version: str | None = None) -> Served:
        """Raises NotFoundError."""
        served = self.served.get(name)
        if served is None:
            names = ", ".join(f"'{known}'" for known in self.served)
            raise NotFoundError(f"there is no model '{name}' here, only {names}")
        if version is not None and version != served.model.version:
            raise NotFoundError(f"there is no version '{version}' of model '{name}' here, only '{served.model.version}'")
        return served

    async def answer(self, served: Served, job: Job) -> Any:
        """The job's answer. Raises RequestError."""
        if served.is_fast(job.size):
            served.answer([job])
        else:
            await self.line.answer(served, job)
        if job.error is not None:
            raise job.error
        return job.answer

    async def infer(
        self, served: Served, size_bytes: int, decode: Callable[[], InferRequest], encode: Callable[[InferRequest, Tensors, Parameters], T], trace_id: str = ""
    ) -> T:
        """The same for a caller that has functions. Raises RequestError."""
        return await self.answer(served, CallJob(size_bytes, decode, encode, trace_id))

    def close(self) -> None:
        """Ends the threads; what is under way is finished."""
        self.line.close()


def _serve(model: Model, app: "App", settings: Settings, metrics: Metrics, sampler: "Sampler | None") -> Served:
    preprocess, postprocess = app.hooks_of(model.name)
    return Served(model, preprocess, postprocess, settings, metrics, sampler)


def _form(inputs: Tensors) -> tuple[int | None, Any]:
    """How many rows there are - None when the inputs do not agree on that -, and what is equal in requests that can share a run."""
    if len(inputs) == 1:  # as most models have it, and three times as fast
        for name, array in inputs.items():
            shape = array.shape
            return (shape[0] if shape else None), (name, shape[1:], array.dtype)
    rows = {array.shape[0] if array.ndim else None for array in inputs.values()}
    return (rows.pop() if len(rows) == 1 else None), tuple((name, array.shape[1:], array.dtype) for name, array in inputs.items())


def _has_rows(signature: Signature) -> bool:
    """Is the first size of everything free, so that several requests can be put on top of each other?"""
    return all(tensor.shape[:1] == (FREE,) for tensor in (*signature.inputs, *signature.outputs))


def _sharing_wins(model: Model) -> bool:
    """Does a run that is shared save enough, and does each row come out as it does alone?"""
    cost = model.cost
    if cost is None or cost.fixed_seconds < _LEAST_SAVED * (cost.fixed_seconds + cost.row_seconds):
        return False
    alone = [{tensor.name: _any_row(tensor, seed) for tensor in model.signature.inputs} for seed in (1, 2, 3)]
    try:
        single = [model.run(inputs) for inputs in alone]
        together = model.run({name: np.concatenate([inputs[name] for inputs in alone]) for name in alone[0]})
    except Exception:  # noqa: BLE001 - such a model takes only what its author knows; it is served without sharing
        log.info("model %s is not run for several requests at once: it refuses made-up rows", model.name)
        return False
    return all(_same(array[row : row + 1], single[row][name]) for name, array in together.items() for row in range(3))


def _any_row(tensor: Tensor, seed: int) -> Any:
    shape = [1, *(1 if size == FREE else size for size in tensor.shape[1:])]
    if tensor.datatype == "BYTES":
        return np.full(shape, f"text {seed}", np.object_)
    random = np.random.default_rng(seed)
    return (random.random(shape) * 2).astype(NUMPY_TYPES[tensor.datatype])


def _same(one: Any, other: Any) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind == "f":
        return bool(np.allclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True))
    return bool(np.array_equal(one, other))
