"""Plain requests of fast models are answered below ASGI, all others above: nobody may be able to tell from the answer."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from raw_http import Asker

CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "id and outputs": {"id": "a\0b", "outputs": [{"name": "label"}]},
    "raw outputs": {"parameters": {"binary_data_output": True}},
    "one raw output": {"outputs": [{"name": "label"}, {"name": "probabilities", "parameters": {"binary_data": True}}]},
    "as KServe's client does": {"id": "1", "model_name": "digits"},
    "a zero in a name": {"parameters": {"x\0y": 1, "x": 2}},
    "a zero in the name of a field": {"inputs\0": []},
    "an unknown field": {"input": 1},
    "no inputs": {"inputs": []},
    "an unknown output": {"outputs": [{"name": "other"}]},
}
WRONG = {"a zero in the name of a field", "an unknown field", "no inputs", "an unknown output"}


@pytest.fixture(scope="module")
def ask(client: httpx.Client) -> Iterator[Asker]:
    asker = Asker(str(client.base_url).rstrip("/"))
    yield asker
    asker.close()


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_answer_both_ways(ask: Asker, infer_path: str, golden_input: dict[str, Any], change: str) -> None:
    answer = ask.both_ways(infer_path, json.dumps({"inputs": [golden_input], **CHANGES[change]}).encode())
    assert answer.status == (400 if change in WRONG else 200)
    assert ("inference-header-content-length" in answer.headers) == ("raw" in change)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"inputs": [NaN]}', b"\xff", b"[" * 2000])
def test_what_is_no_request_both_ways(ask: Asker, infer_path: str, body: bytes) -> None:
    answer = ask.both_ways(infer_path, body)
    assert answer.status == 400
    assert set(answer.json()) == {"error"}
