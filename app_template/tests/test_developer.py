"""What hooks.py is written with: who is called around which model, routes, mounted applications, and mistakes found at start."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from app.developer import App, AppError, InvalidRequestError, Request, Tensors, numbers
from app.engine import Engine
from app.errors import UnavailableError
from app.http_app import HttpApp
from app.metrics import Metrics
from app.model import Model
from app.settings import Settings
from app.signature import Signature, Tensor
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route


class _Session:
    """Adds a row's numbers."""

    def run(self, names: list[str], inputs: Tensors) -> list[Any]:
        del names
        return [inputs["x"].sum(axis=1)]


SIGNATURE = Signature((Tensor("x", "FP32", (-1, 2)),), (Tensor("y", "FP32", (-1,)),))


def _engine(app: App, *names: str) -> Engine:
    models = {name: Model(name, "1", "0" * 64, SIGNATURE, _Session()) for name in names or ("sums",)}  # pyright: ignore[reportArgumentType] - as much as is asked for
    app.check({name: model.signature for name, model in models.items()})
    app.engine = Engine(models, app, Settings.from_environment({"BATCHING": "off"}), Metrics())
    return app.engine


def _ask(app: App, method: str, path: str, **more: Any) -> httpx.Response:
    engine = _engine(app)
    http = HttpApp(engine, app, Settings.from_environment({"MAX_BODY_BYTES": "1000"}), Metrics())

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(http), base_url="http://service") as client:  # pyright: ignore[reportArgumentType] - ASGI's messages
            return await client.request(method, path, **more)

    return asyncio.run(ask())


def test_functions_for_one_model_go_before_those_for_all() -> None:
    app = App("a", release="1")

    @app.preprocess
    def everything(inputs: Tensors) -> Tensors:
        return inputs

    @app.preprocess("text", ranges={"x": (0, 1)})
    def text(inputs: Tensors) -> Tensors:
        return {"x": inputs["x"] + 1}

    assert app.hooks_of("text")[0]({"x": np.zeros(1)}) == {"x": 1}
    assert app.hooks_of("other")[0] is everything
    tensors = {"x": np.zeros(1)}
    assert app.hooks_of("other")[1](tensors) is tensors
    assert app.ranges_of("text") == {"x": (0, 1)}
    assert app.ranges_of("other") == {}


@pytest.mark.parametrize(
    ("values", "told"),
    [([0, 5], ""), ([0.5, 2.25], ""), ([-1, 3], "got -1 to 3"), ([1, 5.5], "got 1 to 5.5"), ([np.nan, 1], "got nan to nan"), ([1, np.inf], "got 1 to inf")],
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_outside_their_range_are_refused_before_the_function_sees_them(values: list[float], told: str, dtype: type) -> None:
    app, seen = App("a", release="1"), list[Tensors]()

    @app.preprocess(ranges={"x": (0, 5)})
    def preprocess(inputs: Tensors) -> Tensors:
        seen.append(inputs)
        return inputs

    preprocess_within, _ = app.hooks_of("sums")
    inputs = {"x": np.array([[1, 1], values], dtype)}
    if not told:
        assert preprocess_within(inputs) is inputs
    else:
        with pytest.raises(InvalidRequestError, match=rf"^input 'x': values must lie between 0 and 5, {re.escape(told)}$"):
            preprocess_within(inputs)
    assert len(seen) == (not told)
    assert preprocess is not preprocess_within  # the function itself stays as it was written, for its own tests


def test_ranges_of_integers_are_exact() -> None:
    app = App("a", release="1")
    app.preprocess(ranges={"x": (0, 2**63 - 1)})(_function)
    within = app.hooks_of("sums")[0]
    within({"x": np.array([2**63 - 1], np.uint64)})
    with pytest.raises(InvalidRequestError, match="values must lie between 0 and "):
        within({"x": np.array([2**63], np.uint64)})


def test_ranges_hold_for_the_apps_own_routes_too() -> None:
    app = App("a", release="1")
    app.preprocess(ranges={"x": (0, 1)})(_function)

    @app.post("/sum")
    async def add(request: Request) -> list[float]:
        outputs, _ = await app.predict({"x": numbers(await request.json(), 1, 2)})
        return outputs["y"].tolist()

    assert _ask(app, "POST", "/sum", json=[[0.5, 0.25]]).json() == [0.75]
    refused = _ask(app, "POST", "/sum", json=[[0.5, 2]])
    assert (refused.status_code, refused.json()) == (400, {"error": "input 'x': values must lie between 0 and 1, got 0.5 to 2"})


def _function(tensors: Tensors) -> Tensors:
    return tensors


async def _handler(request: Request) -> dict[str, str]:
    return {"path": request.url.path}


@pytest.mark.parametrize(
    ("register", "message"),
    [
        (lambda app: app.preprocess("text")(_function), r"hooks.py has @app.preprocess\('text'\), but there is no such model; there is: sums$"),
        (
            lambda app: app.preprocess(ranges={"y": (0, 1)})(_function),
            "^hooks.py has ranges for 'y', which is no input of numbers of model 'sums'; these are: x$",
        ),
        (lambda app: (app.postprocess(_function), app.postprocess(_function)), "two functions @app.postprocess for all models; keep one"),
        (lambda app: app.get("/v2/mine")(_handler), "hooks.py: route GET /v2/mine: /v2 belongs to the service itself; choose another path"),
        (lambda app: app.post("/metrics")(_handler), "route POST /metrics: /metrics belongs to the service itself"),
        (lambda app: app.mount("/docs", PlainTextResponse("")), "the application mounted at /docs: /docs belongs to the service itself"),
        (lambda app: (app.get("/a")(_handler), app.get("/a")(_handler)), "two routes GET /a; keep one"),
        (lambda app: app.get("a")(_handler), "route GET a: a path begins with /"),
        (lambda app: app.get("/{a:nonsense}")(_handler), "hooks.py: route GET /{a:nonsense}: .*nonsense"),
    ],
)
def test_mistakes_are_found_at_start(register: Callable[[App], object], message: str) -> None:
    app = App("a", release="1")
    register(app)
    with pytest.raises(AppError, match=message) as error:
        app.check({"sums": SIGNATURE})
    assert "\n" not in str(error.value)


def test_routes_answer_with_what_they_return() -> None:
    app = App("a", release="1")

    @app.get("/shout/{word}")
    def shout(request: Request) -> list[str]:  # without async: in a thread
        return [request.path_params["word"].upper()]

    @app.post("/text")
    async def text(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(await request.json()), 201)

    assert _ask(app, "GET", "/shout/word").json() == ["WORD"]
    answer = _ask(app, "POST", "/text", json=[1])
    assert (answer.status_code, answer.text) == (201, "[1]")
    answer = _ask(app, "POST", "/text", content=b"{")
    assert (answer.status_code, answer.json()) == (400, {"error": "the body is not valid JSON"})


def test_predict_answers_as_a_caller_is_answered() -> None:
    app = App("a", release="1")

    @app.postprocess
    def with_release(outputs: Tensors) -> tuple[Tensors, dict[str, str | int | float | bool]]:
        return outputs, {"release": app.release}

    _engine(app)
    outputs, parameters = asyncio.run(app.predict({"x": np.array([[1, 2], [3, 4]])}))
    assert outputs["y"].tolist() == [3, 7]
    assert outputs["y"].dtype == np.float32
    assert parameters == {"release": "1"}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"z": np.zeros((1, 2))}, "the model takes: x FP32"),
        ({"x": np.zeros((1, 3))}, "input 'x': shape must be"),
        ({"x": np.full((1, 2), np.nan)}, "input 'x' holds a number that is not finite"),
        ({"x": np.full((1, 2), 1e300)}, "does not fit FP32"),
        ({"x": np.array([["a", "b"]])}, "input 'x': could not convert"),
    ],
)
def test_predict_checks_its_inputs(inputs: Tensors, message: str) -> None:
    app = App("a", release="1")
    _engine(app)
    with pytest.raises(InvalidRequestError, match=message):
        asyncio.run(app.predict(inputs))


def test_predict_needs_a_name_among_several_models_and_a_started_service() -> None:
    app = App("a", release="1")
    with pytest.raises(UnavailableError, match="has not started"):
        asyncio.run(app.predict({}))
    _engine(app, "one", "two")
    with pytest.raises(AppError, match="there are several: one, two"):
        asyncio.run(app.predict({"x": np.zeros((1, 2))}))
    outputs, _ = asyncio.run(app.predict({"x": np.ones((1, 2))}, "two"))
    assert outputs["y"].tolist() == [2]


def test_a_mounted_application_answers_below_its_path_and_knows_our_errors() -> None:
    app = App("a", release="1")

    async def hello(request: StarletteRequest) -> PlainTextResponse:
        return PlainTextResponse(f"hello from {request.scope['root_path']}")

    async def refuse(request: StarletteRequest) -> PlainTextResponse:
        del request
        raise UnavailableError("come again", retry_after=3)

    app.mount("/ours", Starlette(routes=[Route("/hello", hello), Route("/refuse", refuse)]))
    assert _ask(app, "GET", "/ours/hello").text == "hello from /ours"
    answer = _ask(app, "GET", "/ours/refuse")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()) == (503, "3", {"error": "come again"})
    assert _ask(app, "GET", "/elsewhere").status_code == 404


def test_numbers_of_a_shape() -> None:
    assert numbers([[1, 2.5]], 1, 2).tolist() == [[1, 2.5]]
    for value in ([[1, True]], [[1, None]], [1, 2], [[1, 2, 3]], [[1, 2], [3, 4]], "12"):
        with pytest.raises(InvalidRequestError, match="1 x 2 numbers are needed"):
            numbers(value, 1, 2)


def test_a_body_of_a_developer_s_route_is_limited_too() -> None:
    app = App("a", release="1")

    @app.post("/size")
    async def size(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    assert _ask(app, "POST", "/size", content=b" " * 1000).json() == {"bytes": 1000}
    answer = _ask(app, "POST", "/size", content=b" " * 1001)
    assert answer.status_code == 413
    assert "error" in answer.json()


def test_another_method_is_refused_in_json() -> None:
    app = App("a", release="1")
    app.post("/mine")(_handler)
    answer = _ask(app, "PUT", "/mine")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert "error" in answer.json()


def test_an_error_of_the_developer_s_code_is_told_without_details_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = App("a", release="1")

    @app.get("/broken")
    async def broken(request: Request) -> None:
        raise KeyError(f"a secret of {request.url.path}")

    answer = _ask(app, "GET", "/broken")
    assert (answer.status_code, answer.json()) == (500, {"error": "internal error; the server's log has the details"})
    assert "a secret of /broken" in caplog.text
