"""Whatever arrives at the infer path: an answer or a sentence that refuses it, the same both ways, and the process stays as it was."""

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from raw_http import Answer, Asker, ClosedError, Connection, get, post, post_in_chunks
from serving_process import ServingProcess

hypothesis = pytest.importorskip("hypothesis", reason="only on the laptop: the image's test stage does without it")
st = pytest.importorskip("hypothesis.strategies")

MAX_BODY_BYTES = 20_000
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
"""Per test; more of them find more: FUZZ_EXAMPLES=20000 python -m pytest tests/test_http_fuzz.py"""
SEED = os.environ.get("FUZZ_SEED")
REFUSED = {400, 413}
settled = hypothesis.settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=SEED is None, suppress_health_check=list(hypothesis.HealthCheck))


@pytest.fixture(scope="module")
def server(model_dir: Path) -> Iterator[ServingProcess]:
    server = ServingProcess({"MODEL_DIR": str(model_dir), "MAX_BODY_BYTES": str(MAX_BODY_BYTES), "WORKERS": "1", "REQUEST_SECONDS": "2"})
    yield server
    server.terminate()
    code, log = server.finish()
    assert code == 0
    assert [line["message"] for line in log] == ["stopped"]  # not one error, not one traceback


@pytest.fixture(scope="module")
def url(server: ServingProcess) -> str:
    return server.wait_until_serving()


@pytest.fixture(scope="module")
def ask(url: str) -> Iterator[Asker]:
    asker = Asker(url)
    yield asker
    asker.close()


def golden_body(golden_input: dict[str, Any]) -> bytes:
    return json.dumps({"id": "1", "inputs": [golden_input], "outputs": [{"name": "label"}]}).encode()


@pytest.fixture(scope="module")
def body(golden: dict[str, Any]) -> bytes:
    return golden_body(golden["cases"][0]["inputs"][0])


# --- what is sent -----------------------------------------------------------------------------------------------------

_numbers = st.integers(0, 16) | st.floats(0, 16) | st.sampled_from([-1, 17, 1e39, -1e39, 1e308, 2**63, 2**64, -(2**63) - 1, 10**30, 5e-324, -0.0, 16.0])
_odd_values = (
    st.none() | st.booleans() | st.text(max_size=5) | st.lists(st.integers(0, 3), max_size=3) | st.dictionaries(st.text(max_size=3), st.none(), max_size=2)
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
_parameters = st.dictionaries(
    st.sampled_from(["binary_data", "binary_data_size", "binary_data_output", "x", "x\0"]), st.booleans() | st.booleans() | _json, max_size=2
)


@st.composite
def _data(draw: Any, rows: int) -> Any:
    """Mostly what fits; else a value of another kind, one too many or too few, or another nesting."""
    values: list[Any] = draw(st.lists(_numbers, min_size=rows * 64, max_size=rows * 64))
    if draw(st.booleans()):
        values[draw(st.integers(0, len(values) - 1))] = draw(_odd_values)
    match draw(st.sampled_from(["flat", "nested", "short", "long", "uneven", "odd", "empty"])):
        case "nested":
            return [values[row * 64 : row * 64 + 64] for row in range(rows)]
        case "short":
            return values[:-1]
        case "long":
            return [*values, 0]
        case "uneven":
            return [values[:1], values[1:]]
        case "odd":
            return draw(_odd_values)
        case "empty":
            return [values[:64], *([[]] * rows)]
    return values


@st.composite
def _requests(draw: Any) -> Any:
    rows = draw(st.integers(1, 3))
    shape = draw(
        st.just([rows, 64]) | st.sampled_from([[rows], [64, rows], [-1, 64], [0, 64], [rows, 64, 1], [2**31, 2**33], [1.0, 64], [True, 64], "1", None])
    )
    tensor = {
        "name": draw(st.just("image") | st.just("image") | _json),
        "datatype": draw(st.just("FP32") | st.just("FP32") | st.sampled_from(["FP64", "INT64", "BYTES", "fp32", ""]) | _json),
        "shape": shape,
        "data": draw(_data(rows)),
    }
    if draw(st.integers(0, 4)) == 0:
        del tensor[draw(st.sampled_from(sorted(tensor)))]
    if draw(st.integers(0, 4)) == 0:
        tensor["parameters"] = draw(_parameters)
    request: dict[str, Any] = {"inputs": draw(st.just([tensor]) | st.just([tensor]) | st.sampled_from([[tensor, tensor], [], tensor]))}
    outputs = st.fixed_dictionaries({"name": st.sampled_from(["label", "probabilities", "other", "", None])}, optional={"parameters": _parameters})
    optional = {"id": st.text(max_size=9) | _json, "outputs": st.lists(outputs, max_size=3) | _json, "parameters": _parameters | _json, "more": _json}
    for key, values in optional.items():
        if draw(st.integers(0, 4)) == 0:
            request[key] = draw(values)
    return request


_numbers_in_json = [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-", b"1.", b".5", b"01", b"0x1", b"9" * 400, b"1" + b"0" * 5000, b"null", b"true"]
_marks_of_json = [b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"\\ud800", b"\x00", b"\xff", b"\xef\xbb\xbf", b"/*x*/", b" " * 100, b"\n"]
_longer_pieces = [b"[" * 2000, b'{"a":' * 1500, b'"inputs":[],', b'"data":[1],']
_pieces = st.binary(max_size=6) | st.sampled_from([*_numbers_in_json, *_marks_of_json, *_longer_pieces])


@st.composite
def _mutated(draw: Any, body: bytes) -> bytes:
    """The right request with some of its bytes replaced, left out or doubled."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.sampled_from([0, 0, 1, 1, 2, 8, 100])))
        middle = draw(st.sampled_from([b"", body[start:end] * 2]) | _pieces)
        body = body[:start] + middle + body[end:]
    return body[: draw(st.just(len(body)) | st.integers(0, len(body)))] if draw(st.integers(0, 3)) == 0 else body


# --- what must hold ---------------------------------------------------------------------------------------------------


def assert_answered_or_refused(answer: Answer) -> None:
    if "inference-header-content-length" in answer.headers:
        assert (answer.status, answer.headers["content-type"]) == (200, "application/octet-stream")
        assert json.loads(answer.body[: int(answer.headers["inference-header-content-length"])])["outputs"]
        return
    assert answer.headers["content-type"] == "application/json", answer
    if answer.status == 200:
        assert {output["name"] for output in answer.json()["outputs"]} <= {"label", "probabilities"}
        return
    assert answer.status in REFUSED, answer
    content = answer.json()
    assert set(content) == {"error"}
    assert content["error"].isprintable()
    assert len(content["error"]) < 500


@settled
@hypothesis.given(st.data())
def test_structured_requests(ask: Asker, infer_path: str, data: Any) -> None:
    request = data.draw(_json | _requests() | _requests() | _requests())
    text = json.dumps(request, ensure_ascii=data.draw(st.booleans()))
    assert_answered_or_refused(ask.both_ways(infer_path, text.encode("utf-8", "surrogatepass")))


@settled
@hypothesis.given(st.data())
def test_mutated_requests(ask: Asker, infer_path: str, body: bytes, data: Any) -> None:
    assert_answered_or_refused(ask.both_ways(infer_path, data.draw(_mutated(body) | _mutated(body) | st.binary(max_size=200))))


@settled
@hypothesis.given(st.data())
def test_sizes_around_the_limit(ask: Asker, infer_path: str, body: bytes, data: Any) -> None:
    size = data.draw(st.integers(MAX_BODY_BYTES - 3, MAX_BODY_BYTES + 3))
    answer = ask(post(infer_path, body.ljust(size)))
    assert answer.status == (200 if size <= MAX_BODY_BYTES else 413)
    assert_answered_or_refused(answer)


@settled
@hypothesis.given(st.data())
def test_raw_tensors(ask: Asker, infer_path: str, data: Any) -> None:
    """The binary tensor extension: sizes that are wrong in the header, in the JSON or in what follows."""
    rows = data.draw(st.integers(1, 3))
    size = rows * 64 * 4
    off = st.sampled_from([0, 0, 0, 0, 1, -1, 4, -4, -size, size, 10**18])
    odd = st.sampled_from(["1", True, None, -1, 1.0, 2**70])
    tensor = {"name": "image", "datatype": "FP32", "shape": [rows, 64], "parameters": {"binary_data_size": data.draw(off.map(lambda by: size + by) | odd)}}
    request: dict[str, Any] = {"inputs": [tensor]}
    if data.draw(st.booleans()):
        request["parameters"] = {"binary_data_output": data.draw(st.booleans() | _json)}
    head = json.dumps(request).encode()
    numbers = data.draw(st.sampled_from([b"\0\0\0\0", b"\0\0\x80?", b"\xff\xff\xff\xff", b"\0\0\x80\x7f"])) * (rows * 64)
    content = head + numbers[: max(0, size + data.draw(off.filter(lambda by: by <= size)))]
    length = data.draw(off.map(lambda by: str(len(head) + by)) | st.sampled_from(["", "x", "-1", "1e3", "0", "9" * 30, " 12 ", "+5", "\xb2", "0x10"]))
    assert_answered_or_refused(ask(post(infer_path, content, f"Inference-Header-Content-Length: {length}")))


@settled
@hypothesis.given(st.data())
def test_requests_in_pieces(url: str, infer_path: str, body: bytes, data: Any) -> None:
    """However a request is cut on its way, it is the same request."""
    request = data.draw(st.sampled_from([post, post_in_chunks]))(infer_path, body)
    connection = Connection(url)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(request) - 1), min_size=1, max_size=4)))
    for start, end in zip([0, *cuts], [*cuts, len(request)], strict=True):
        connection.send(request[start:end])
        time.sleep(0.0005)
    assert connection.answer().json()["outputs"][0]["name"] == "label"
    connection.close()


@settled
@hypothesis.given(st.data())
def test_many_requests_before_the_first_answer(url: str, ask: Asker, infer_path: str, body: bytes, data: Any) -> None:
    """Pipelining: each gets the answer that it gets alone, in order, whichever way it goes."""
    wrong = body.replace(b"FP32", b"FP64")
    kinds = [post(infer_path, body), post_in_chunks(infer_path, body), post(infer_path, wrong), get("/v2/health/live"), get("/nothing"), post(infer_path, b"")]
    requests = [kinds[kind] for kind in data.draw(st.lists(st.integers(0, len(kinds) - 1), min_size=2, max_size=12))]
    expected = [ask(request) for request in requests]
    everything = b"".join(requests)
    cut = data.draw(st.just(len(everything)) | st.integers(1, len(everything)))
    connection = Connection(url)
    connection.send(everything[:cut])
    time.sleep(0.001)
    connection.send(everything[cut:])
    answers = [connection.answer() for _ in requests]
    connection.close()
    assert [(answer.status, answer.body) for answer in answers] == [(answer.status, answer.body) for answer in expected]


@settled
@hypothesis.given(st.data())
def test_heads_that_lie(url: str, infer_path: str, body: bytes, data: Any) -> None:
    """About the length, twice, or against each other: refused, or the rest of the body is taken for what it then is."""
    length = st.sampled_from([0, 1, len(body) - 1, len(body), len(body) + 1, -1, 10**6, 10**19, 10**40]).map(str) | st.sampled_from(
        ["", "x", "1 2", "+1", "0x1"]
    )
    headers = [f"Content-Length: {data.draw(length)}" for _ in range(data.draw(st.sampled_from([0, 1, 1, 2])))]
    if data.draw(st.integers(0, 3)) == 0:
        headers.append(f"Transfer-Encoding: {data.draw(st.sampled_from(['chunked', 'gzip', 'chunked, chunked', 'identity', '']))}")
    if data.draw(st.integers(0, 3)) == 0:
        headers.append(
            data.draw(st.sampled_from(["Expect: 100-continue", "Expect: x", "Content-Encoding: gzip", "Upgrade: h2c", "Connection: close", "X" * 9000 + ": 1"]))
        )
    version = data.draw(st.sampled_from(["1.1", "1.1", "1.1", "1.0", "2.0", "9"]))
    method = data.draw(st.sampled_from(["POST", "POST", "POST", "GET", "PUT", "post", "\0"]))
    head = "\r\n".join([f"{method} {infer_path} HTTP/{version}", "Host: x", *headers, "", ""]).encode()
    connection = Connection(url, timeout=0.05)
    connection.send(head + data.draw(st.sampled_from([body, b"", body[:10], b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n"])))
    try:
        while True:
            assert connection.answer().status in {200, 400, 404, 405, 408, 411, 413, 417, 431, 501, 505}
    except (ClosedError, TimeoutError):
        pass
    finally:
        connection.close()


def _memory(server: ServingProcess) -> int:
    """Bytes of memory that the process has."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_the_process_does_not_grow(server: ServingProcess, url: str, ask: Asker, infer_path: str, body: bytes) -> None:
    """The same thousand wrong and right requests again and again; connections that end in the middle, too."""

    def once() -> None:
        chance = random.Random(1)
        for number in range(1000):
            start = chance.randrange(len(body))
            sent = body if number % 3 == 0 else body[:start] + chance.randbytes(chance.randrange(4)) + body[start + chance.randrange(9) :]
            assert_answered_or_refused(ask(post(infer_path, sent) if number % 2 else post_in_chunks(infer_path, sent)))
            if number % 10 == 0:
                connection = Connection(url)
                connection.send(post(infer_path, body)[: chance.randrange(1, 700)])
                connection.close()

    once()
    once()
    before = _memory(server)
    for _ in range(4):
        once()
    assert _memory(server) - before < 2_000_000
