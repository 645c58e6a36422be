"""What hooks.py is written with: functions around a model, routes of one's own, and the model's answers in these."""

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from starlette import requests
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from .errors import InvalidRequestError, RequestError, UnavailableError
from .signature import NUMPY_TYPES, Signature, Tensor
from .tensors import FLOATS, NUMBERS, InferRequest, Parameters, Ranges, Tensors, check_ranges, check_shape, listed

if TYPE_CHECKING:
    from .engine import Engine

Preprocess = Callable[[Tensors], Tensors]
Postprocess = Callable[[Tensors], Tensors | tuple[Tensors, Parameters]]
Handler = Callable[["Request"], Any]
HandlerT = TypeVar("HandlerT", bound=Handler)
FunctionT = TypeVar("FunctionT", bound=Callable[[Tensors], Any])
JsonSchema = Mapping[str, Any]

_OURS = frozenset({"v2", "docs", "openapi.json", "metrics"})
"""First parts of the paths that every service answers itself."""


class AppError(Exception):
    """hooks.py does not fit the models or itself; the text says what to change."""


class Request(requests.Request):
    """Starlette's request; a body that is no JSON is the caller's fault and not ours."""

    async def json(self) -> Any:
        """The body. Raises InvalidRequestError."""
        try:
            return json.loads(await self.body(), parse_constant=_no_json)
        except (ValueError, RecursionError):
            raise InvalidRequestError("the body is not valid JSON") from None


def _no_json(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


@dataclass(frozen=True)
class OwnRoute:
    """A route of the developer's, as /openapi.json and /docs tell of it."""

    method: str
    path: str
    handler: Handler
    body: JsonSchema | None
    answer: JsonSchema | None


@dataclass
class _Around:
    """The functions before, or after, the models: by a model's name; None: of every model without one of its own."""

    kind: str
    functions: dict[str | None, Callable[[Tensors], Any]] = field(default_factory=dict[str | None, Callable[[Tensors], Any]])

    def of(self, model: str) -> Callable[[Tensors], Any]:
        return self.functions.get(model) or self.functions.get(None) or _unchanged


def _unchanged(tensors: Tensors) -> Tensors:
    return tensors


class App:
    """The service as its developer sees it."""

    def __init__(self, name: str, *, release: str) -> None:
        self.name = name
        self.release = release
        self.engine: Engine | None = None  # set when the service starts
        self.routes: list[BaseRoute] = []
        self.own_routes: list[OwnRoute] = []
        self._before = _Around("preprocess")
        self._after = _Around("postprocess")
        self._ranges: dict[str | None, Ranges] = {}
        self._problems: list[str] = []

    @overload
    def preprocess(self, model: FunctionT) -> FunctionT: ...
    @overload
    def preprocess(self, model: str | None = None, *, ranges: Ranges | None = None) -> Callable[[FunctionT], FunctionT]: ...
    def preprocess(self, model: Any = None, *, ranges: Ranges | None = None) -> Any:
        """Decorator: from what the caller sent to what the model takes. `@app.preprocess`, or `@app.preprocess("model")` for one of several.

        `ranges` says which values callers may send: the lowest and highest, by input. Others, and NaN, are refused before the
        function is called; /docs and /openapi.json tell it.
        """
        if ranges is not None:
            self._ranges[model] = ranges
        return self._registered(self._before, model)

    @overload
    def postprocess(self, model: FunctionT) -> FunctionT: ...
    @overload
    def postprocess(self, model: str | None = None) -> Callable[[FunctionT], FunctionT]: ...
    def postprocess(self, model: Any = None) -> Any:
        """Decorator: from what the model gave to what the caller gets: tensors, or tensors and parameters of the answer."""
        return self._registered(self._after, model)

    def _registered(self, around: _Around, model: Any) -> Any:
        if callable(model):
            return self._registered(around, None)(model)

        def register(function: FunctionT) -> FunctionT:
            if model in around.functions:
                self._problems.append(f"hooks.py has two functions @app.{around.kind} for {f'model {model!r}' if model else 'all models'}; keep one")
            around.functions[model] = function
            return function

        return register

    def get(self, path: str, *, answer: JsonSchema | None = None) -> Callable[[HandlerT], HandlerT]:
        """Decorator for a route; `answer` is what it returns, as JSON Schema, for /openapi.json."""
        return self._route("GET", path, None, answer)

    def post(self, path: str, *, body: JsonSchema | None = None, answer: JsonSchema | None = None) -> Callable[[HandlerT], HandlerT]:
        """Decorator for a route; `body` and `answer` are what it takes and returns, as JSON Schema, for /openapi.json."""
        return self._route("POST", path, body, answer)

    def _route(self, method: str, path: str, body: JsonSchema | None, answer: JsonSchema | None) -> Callable[[HandlerT], HandlerT]:
        def register(handler: HandlerT) -> HandlerT:
            if self._accepts(f"route {method} {path}", path):
                if any((known.method, known.path) == (method, path) for known in self.own_routes):
                    self._problems.append(f"hooks.py has two routes {method} {path}; keep one")
                self.own_routes.append(OwnRoute(method, path, handler, body, answer))
                self.routes.append(Route(path, _endpoint(handler), methods=[method]))
            return handler

        return register

    def mount(self, path: str, asgi_app: ASGIApp) -> None:
        """Everything below a path goes to an application of its own, for example FastAPI's."""
        if not self._accepts(f"the application mounted at {path}", path):
            return
        handle = getattr(asgi_app, "add_exception_handler", None)
        if handle is not None:  # so that errors of predict() get their status there, too
            handle(RequestError, _refusal)
        self.routes.append(Mount(path, asgi_app))

    def _accepts(self, what: str, path: str) -> bool:
        if not path.startswith("/"):
            self._problems.append(f"hooks.py: {what}: a path begins with /")
            return False
        first = path.split("/")[1]
        if first in _OURS:
            self._problems.append(f"hooks.py: {what}: /{first} belongs to the service itself; choose another path")
            return False
        try:
            Route(path, _unchanged)
        except (ValueError, AssertionError) as error:
            self._problems.append(f"hooks.py: {what}: {error}")
            return False
        return True

    def ranges_of(self, model: str) -> Ranges:
        """Which values a model's inputs may have, as far as hooks.py says so."""
        return self._ranges.get(model if model in self._before.functions else None, {})

    def hooks_of(self, model: str) -> tuple[Preprocess, Postprocess]:
        """What runs before and after a model."""
        before, ranges = self._before.of(model), self.ranges_of(model)

        def within_ranges(inputs: Tensors) -> Tensors:
            check_ranges(inputs, ranges)
            return before(inputs)

        return within_ranges if ranges else before, self._after.of(model)

    def check(self, models: Mapping[str, Signature]) -> None:
        """Does hooks.py fit itself and the models that are there? Raises AppError."""
        problems = list(self._problems)
        for around in (self._before, self._after):
            problems += [
                f"hooks.py has @app.{around.kind}({name!r}), but there is no such model; there is: {listed(models)}"
                for name in around.functions
                if name is not None and name not in models
            ]
        for model, signature in models.items():
            numeric = [tensor.name for tensor in signature.inputs if tensor.datatype in NUMBERS]
            problems += [
                f"hooks.py has ranges for {name!r}, which is no input of numbers of model {model!r}; these are: {listed(numeric) or 'none'}"
                for name in self.ranges_of(model)
                if name not in numeric
            ]
        if problems:
            raise AppError("; ".join(problems))

    async def predict(self, inputs: Tensors, model: str | None = None) -> tuple[Tensors, Parameters]:
        """A model's answer, as a caller would get it: with the functions around it, limits and metrics. Raises RequestError.

        `model` may be left out when there is one only.
        """
        engine = self.engine
        if engine is None:
            raise UnavailableError("the service has not started yet")
        if model is None and len(engine.served) > 1:
            raise AppError(f"predict() needs the name of a model, there are several: {listed(engine.served)}")
        served = engine.find(model if model is not None else next(iter(engine.served)), None)

        def decode() -> InferRequest:
            return InferRequest(_checked(inputs, served.model.signature))

        def encode(_: InferRequest, outputs: Tensors, parameters: Parameters) -> tuple[Tensors, Parameters]:
            return outputs, parameters

        return await engine.infer(served, sum(np.asarray(value).nbytes for value in inputs.values()), decode, encode)


def _checked(inputs: Tensors, signature: Signature) -> Tensors:
    if inputs.keys() != signature.inputs_by_name.keys():
        raise InvalidRequestError(f"the model takes: {listed(signature.inputs)}; got: {listed(inputs) or 'nothing'}")
    return {tensor.name: _fitting(tensor, inputs[tensor.name]) for tensor in signature.inputs}


def _fitting(tensor: Tensor, value: NDArray[Any]) -> NDArray[Any]:
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            array = np.asarray(value, dtype=NUMPY_TYPES[tensor.datatype])
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidRequestError(f"input '{tensor.name}': {error}") from None
    check_shape(tensor, list(array.shape))
    if tensor.datatype in FLOATS and not np.isfinite(array).all():
        raise InvalidRequestError(f"input '{tensor.name}' holds a number that is not finite or does not fit {tensor.datatype}")
    return array


def numbers(value: object, *shape: int) -> NDArray[np.float64]:
    """An array of the numbers that came as JSON, in lists nested like the shape. Raises InvalidRequestError."""

    def check(part: object, sizes: tuple[int, ...]) -> None:
        if not sizes:
            if type(part) not in (int, float):
                raise InvalidRequestError(f"{' x '.join(map(str, shape))} numbers are needed; something in there is no number")
        elif not isinstance(part, list) or len(part) != sizes[0]:
            raise InvalidRequestError(f"{' x '.join(map(str, shape))} numbers are needed, in lists within a list")
        else:
            for inner in part:
                check(inner, sizes[1:])

    check(value, shape)
    try:
        return np.array(value, dtype=np.float64)
    except OverflowError:
        raise InvalidRequestError("a number is too large") from None


def _endpoint(handler: Handler) -> Callable[[requests.Request], Awaitable[Response]]:
    """The developer's handler, as Starlette calls it. One without `async` runs in a thread: it may take its time."""

    @wraps(handler)
    async def answer(request: requests.Request) -> Response:
        own = Request(request.scope, request.receive)
        result = await handler(own) if inspect.iscoroutinefunction(handler) else await run_in_threadpool(handler, own)
        return result if isinstance(result, Response) else JSONResponse(result)

    return answer


async def _refusal(_: requests.Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RequestError) else 500
    retry = error.retry_after if isinstance(error, RequestError) else None
    return JSONResponse({"error": str(error)}, status, {"retry-after": str(retry)} if retry is not None else None)


__all__ = ["App", "AppError", "InvalidRequestError", "OwnRoute", "Parameters", "Request", "Tensors", "numbers"]
