"""/openapi.json says what the service does, no more and no less; /docs asks for nothing from elsewhere. A browser reads it in tests/integration."""

import html
import json
import re
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from app import hooks, openapi
from app.developer import App, Request
from app.engine import Engine
from app.metrics import Metrics
from app.model import Model
from app.pages import docs_page
from app.settings import Settings
from app.signature import NUMPY_TYPES, Signature, Tensor

jsonschema = pytest.importorskip("jsonschema", reason="only on the laptop: the image's test stage does without it")


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    return client.get("/openapi.json").raise_for_status().json()


def _validator(document: dict[str, Any], path: str, method: str = "post") -> Any:
    schema = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator({**schema, "components": document["components"]})


def test_every_path_that_it_names_answers_as_it_says(client: httpx.Client, document: dict[str, Any]) -> None:
    asked = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method != "get":
                continue
            response = client.get(path).raise_for_status()
            content = operation["responses"]["200"]["content"]
            kind = response.headers["content-type"].partition(";")[0]
            assert kind in content, path
            if kind == "application/json":
                schema = {**content[kind]["schema"], "components": document["components"]}
                jsonschema.Draft202012Validator(schema).validate(response.json())
            asked += 1
    assert asked >= 10


def test_its_parts_are_named_once_and_all_references_lead_somewhere(document: dict[str, Any]) -> None:
    identifiers = openapi.operation_ids(document)
    assert len(identifiers) == len(set(identifiers)) > 10
    for reference in set(re.findall(r'"\$ref":\s*"#/([^"]+)"', json.dumps(document))):
        found: Any = document
        for part in reference.split("/"):
            found = found[part]
        assert found
    assert (document["info"]["title"], document["info"]["version"]) == (hooks.APP_NAME, hooks.APP_RELEASE)


PICTURE = [0.0] * 64
ENTRY = {"name": "image", "datatype": "FP32", "shape": [1, 64], "data": PICTURE}


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": [ENTRY]},
        {"inputs": [{**ENTRY, "data": [PICTURE]}], "id": "a", "parameters": {"x": 1}},
        {"inputs": [{**ENTRY, "shape": [16, 64], "data": PICTURE * 16}], "outputs": [{"name": "label"}, {"name": "probabilities"}]},
        {"inputs": [{**ENTRY, "shape": [17, 64], "data": PICTURE * 17}], "outputs": []},
        {"inputs": [{**ENTRY, "shape": [300, 64], "data": [PICTURE] * 300}], "id": None},
        {"inputs": [ENTRY], "model_name": "digits", "outputs": [{"name": "label", "parameters": {"binary_data": False}}]},
    ],
)
def test_what_the_schema_allows_is_answered(client: httpx.Client, infer_path: str, document: dict[str, Any], body: dict[str, Any]) -> None:
    assert _validator(document, infer_path).is_valid(body)
    size = len(body["inputs"][0]["data"])
    if size < 1100:  # the shared service takes 100 kB
        assert client.post(infer_path, json=body).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"inputs": []},
        {"inputs": [ENTRY, ENTRY]},
        {"inputs": [ENTRY], "more": 1},
        {"inputs": [{**ENTRY, "name": "picture"}]},
        {"inputs": [{**ENTRY, "datatype": "FP64"}]},
        {"inputs": [{**ENTRY, "shape": [64]}]},
        {"inputs": [{**ENTRY, "shape": [0, 64], "data": []}]},
        {"inputs": [{**ENTRY, "shape": [2, 64]}]},
        {"inputs": [{**ENTRY, "shape": [30, 64]}]},
        {"inputs": [{**ENTRY, "data": PICTURE[1:]}]},
        {"inputs": [{**ENTRY, "data": [*PICTURE[1:], "a"]}]},
        {"inputs": [{**ENTRY, "data": [*PICTURE[1:], 17]}]},
        {"inputs": [{**ENTRY, "data": [PICTURE, PICTURE]}]},
        {"inputs": [ENTRY], "id": 1},
        {"inputs": [ENTRY], "outputs": [{"name": "nothing"}]},
        {"inputs": [ENTRY], "outputs": [{"name": "label"}, {"name": "label"}]},
    ],
)
def test_what_it_does_not_allow_is_refused(client: httpx.Client, infer_path: str, document: dict[str, Any], body: Any) -> None:
    assert not _validator(document, infer_path).is_valid(body)
    assert client.post(infer_path, json=body).status_code == 400


def test_the_developer_s_route_is_described(document: dict[str, Any]) -> None:
    operation = document["paths"]["/digits"]["post"]
    assert operation["summary"] == "Which digit a picture shows: 8 rows of 8 numbers, from 0 (white) to 16 (black)."
    assert _validator(document, "/digits").is_valid([[0] * 8] * 8)
    assert not _validator(document, "/digits").is_valid([[0] * 8] * 7)


PLAIN = Signature((Tensor("x", "FP32", (-1,)),), (Tensor("y", "FP32", (-1,)),))


def _engine(app: App, *signatures: Signature) -> Engine:
    # Nothing is run: the pages need no session.
    models = {f"model{index}": Model(f"model{index}", "1", "0" * 64, signature, None) for index, signature in enumerate(signatures)}  # pyright: ignore[reportArgumentType]
    return Engine(models, app, Settings.from_environment({"BATCHING": "off"}), Metrics())


@pytest.mark.parametrize("datatype", NUMPY_TYPES)
@pytest.mark.parametrize("shape", [(), (3,), (-1,), (-1, 2, 2), (2, -1), (-1, -1)])
def test_every_datatype_and_shape_has_a_schema_that_takes_its_values(datatype: str, shape: tuple[int, ...]) -> None:
    app = App("a", release="1")
    other = Tensor("other", "BYTES", (-1,))
    tensor = Tensor("x", datatype, shape)
    document = json.loads(json.dumps(openapi.openapi(_engine(app, Signature((tensor, other), (tensor,))), app), allow_nan=False))
    value: Any = {"BOOL": True, "BYTES": "text"}.get(datatype, 1)
    sizes = [2 if size < 0 else size for size in shape]
    count = 1
    for size in sizes:
        count *= size
    entries = [
        {"name": "x", "datatype": datatype, "shape": sizes, "data": [value] * count},
        {"name": "other", "datatype": "BYTES", "shape": [1], "data": ["a"]},
    ]
    validator = _validator(document, "/v2/models/model0/infer")
    assert validator.is_valid({"inputs": entries})
    assert validator.is_valid({"inputs": entries[::-1]})
    assert not validator.is_valid({"inputs": entries[:1] * 2})


def test_paths_with_parameters() -> None:
    app = App("a", release="1")

    @app.get("/things/{id:int}/{rest:path}")
    async def thing(request: Request) -> dict[str, int]:
        """One thing.

        And more about it.
        """
        return dict(request.path_params)

    operation = openapi.openapi(_engine(app, PLAIN), app)["paths"]["/things/{id}/{rest}"]["get"]
    assert (operation["summary"], operation["description"]) == ("One thing.", "And more about it.")
    assert [(parameter["name"], parameter["schema"]["type"]) for parameter in operation["parameters"]] == [("id", "integer"), ("rest", "string")]


class _Links(HTMLParser):
    """What a page would fetch, or leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")]


def test_the_page_shows_the_golden_request_and_fetches_nothing(client: httpx.Client, golden: dict[str, Any], manifest: dict[str, Any]) -> None:
    response = client.get("/docs").raise_for_status()
    links = _Links()
    links.feed(response.text)
    assert sorted(links.found) == ["data:,", "metrics", "openapi.json", "v2"]
    shown = html.unescape(response.text)
    assert json.dumps({"inputs": golden["cases"][0]["inputs"]}) in shown
    assert manifest["files"]["model.onnx"]["sha256"] in shown
    assert "POST /digits" in shown


def test_names_are_text_in_the_page() -> None:
    hostile = '</textarea><script>alert("1")</script>'
    app = App(hostile, release=hostile)
    page = docs_page(_engine(app, Signature((Tensor(hostile, "FP32", (1,)),), (Tensor("y", "FP32", (1,)),))), app)
    assert page.count("<script>") == 1
    assert "alert(" not in page.replace("alert(&quot;", "").replace("alert(\\&quot;", "")


def test_a_long_example_is_not_put_into_a_command() -> None:
    app = App("a", release="1")
    page = docs_page(_engine(app, Signature((Tensor("x", "FP32", (-1, 3, 64, 64)),), (Tensor("y", "FP32", (-1,)),))), app)
    assert "--data-binary @request.json" in page
