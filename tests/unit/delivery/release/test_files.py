"""A record as a file."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.errors import DeliveryError
from delivery.release.files import after, is_record, newest_first, order, path_of, read
from delivery.release.record import Check, Outcome, Record, ReleasedService, SmokeResult, id_of
from model_store.documents import to_json
from tests.unit.delivery.release.releases import BEGAN, PIN, model, release, sha256

texts = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
hexadecimal = st.text("0123456789abcdef", min_size=40, max_size=40)
checks = st.builds(Check, name=texts, passed=st.sampled_from([True, False, None]), text=texts)
smokes = st.builds(SmokeResult, checks=st.lists(checks, max_size=3).map(tuple), slowest_milliseconds=st.none() | st.floats(0, 1e6))
services = st.builds(
    ReleasedService,
    model=st.integers(1, 99).map(model),
    image=texts.map(lambda text: f"localhost:18002/digits@sha256:{sha256(text)}"),
    pinned=st.booleans(),
    pin=st.none() | st.just(PIN),
    namespace=st.just("digits"),
    app=texts,
    app_commit=st.none() | hexadecimal,
    smoke=st.none() | smokes,
)
records = st.builds(
    Record,
    id=st.builds(lambda moment, number: id_of(moment) + (f"-{number}" if number else ""), moments, st.integers(0, 30)),
    stack=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    outcome=st.sampled_from(Outcome),
    reason=st.text(max_size=200),
    started_at=moments,
    finished_at=moments,
    duration_seconds=st.floats(0, 1e5),
    by=texts,
    approved_by=st.none() | texts,
    commit=hexadecimal,
    dirty=st.booleans(),
    pull_request=st.none() | texts,
    run=st.none() | texts,
    plan_sha256=st.none() | texts.map(sha256),
    resource_changes=st.dictionaries(texts, st.integers(0, 500), max_size=3),
    services=st.dictionaries(st.sampled_from(["digits", "words", "faces"]), services, max_size=2),
)


@given(records)
def test_what_is_read_is_what_was_written(record: Record):
    content = to_json(record)
    assert is_record(path_of(record))
    assert read(content, path_of(record)) == record
    assert to_json(read(content, path_of(record))) == content


@given(st.lists(st.tuples(moments, st.integers(1, 30)), min_size=1, max_size=20, unique=True))
def test_the_order_of_ids_is_that_of_time(begun: list[tuple[datetime, int]]):
    whole_seconds = {(moment.replace(microsecond=0), number) for moment, number in begun}
    ids = {f"{id_of(moment)}-{number}": (moment, number) for moment, number in whole_seconds}
    found = newest_first([release().model_copy(update={"id": name}) for name in ids])
    assert [ids[record.id] for record in found] == sorted(whole_seconds, reverse=True)


@given(records)
def test_the_next_suffix_comes_after_and_is_an_id(record: Record):
    later = after(record)
    assert order(later) > order(record)
    assert read(to_json(later), path_of(later)) == later
    assert order(later)[0] == order(record)[0]


def test_suffixes_are_counted():
    assert [(record := release()).id, after(record).id, after(after(record)).id] == ["20261124T231847Z", "20261124T231847Z-2", "20261124T231847Z-3"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("dev/20261124T231847Z.json", True),
        ("dev/20261124T231847Z-2.json", True),
        ("dev/notes.json", False),
        (".git/20261124T231847Z.json", False),
        ("../20261124T231847Z.json", False),
        ("dev/notes.md", False),
        ("README.md", False),
        ("x.json", False),
        ("a/b/20261124T231847Z.json", False),
        ("a b/20261124T231847Z.json", False),
    ],
)
def test_which_files_should_hold_records(path: str, expected: bool):
    assert is_record(path) is expected


def changed(**values: object) -> bytes:
    return json.dumps({**json.loads(to_json(release())), **values}).encode()


PATH = "dev/20261124T231847Z.json"


@pytest.mark.parametrize(
    ("content", "path", "message"),
    [
        (b"", PATH, "no record: not valid JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"{", PATH, "no record: not valid JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"\xff", PATH, "no record: not UTF-8 text (byte 0)"),
        (changed(commit="abc"), PATH, "no record: commit: string should match pattern '^[0-9a-f]{40,64}$', got \"abc\""),
        (changed(), "prod/20261124T231847Z.json", "it holds the record 20261124T231847Z of dev, and a record lies at dev/20261124T231847Z.json"),
        (changed(), "dev/20261124T231848Z.json", "it holds the record 20261124T231847Z of dev, and a record lies at dev/20261124T231847Z.json"),
        (changed(schema_version=2), PATH, "a newer Converge has written it (schema_version 2; this one knows 1); update this checkout to read it"),
        (
            changed(schema_version=12, commit=["x"]),
            PATH,
            "a newer Converge has written it (schema_version 12; this one knows 1); update this checkout to read it",
        ),
    ],
)
def test_what_cannot_be_read_is_told(content: bytes, path: str, message: str):
    with pytest.raises(DeliveryError) as raised:
        read(content, path)
    assert str(raised.value) == message


def test_a_field_that_is_new_since_hides_no_record():
    service = {**json.loads(to_json(release()))["services"]["digits"], "weather": "rain"}
    assert read(changed(mood="good", services={"digits": service}), PATH) == release()


def test_moments_are_whole_seconds_in_utc():
    record = release().model_copy(update={"started_at": BEGAN + timedelta(microseconds=5)})
    assert read(to_json(record), path_of(record)).started_at == BEGAN
