"""A record as a file: its name, its content, and the order of many."""

import re
from collections.abc import Iterable

from pydantic import ValidationError

from delivery.errors import DeliveryError
from delivery.release.record import ID_PATTERN, STACK_PATTERN, Record
from model_store import ModelStoreError
from model_store.documents import parse

SCHEMA_VERSION: int = Record.model_fields["schema_version"].default
_NAME = re.compile(rf"{STACK_PATTERN.strip('^$')}/{ID_PATTERN.strip('^$')}\.json")
_NEWER = re.compile(rb'"schema_version"\s*:\s*([0-9]+)')


def path_of(record: Record) -> str:
    """<stack>/<id>.json."""
    return f"{record.stack}/{record.id}.json"


def is_record(path: str) -> bool:
    """Whether a file of this path should hold a record. Other files of the branch are nobody's business here."""
    return _NAME.fullmatch(path) is not None


def read(content: bytes, path: str) -> Record:
    """The record of a file.

    Raises:
        DeliveryError: it holds none that this version reads, or another one than its name says.
    """
    try:
        # A field that is new since, and has changed no other's meaning, does not hide the record from those who do not know it.
        record = Record.model_validate_json(content, extra="ignore")
    except ValidationError as error:
        raise DeliveryError(_newer(content) or _what_is_wrong(content)) from error
    if record.schema_version > SCHEMA_VERSION:
        raise DeliveryError(_newer(content))
    if path_of(record) != path:
        raise DeliveryError(f"it holds the record {record.id} of {record.stack}, and a record lies at {path_of(record)}")
    return record


def _newer(content: bytes) -> str:
    found = _NEWER.search(content)
    if found is None or int(found[1]) <= SCHEMA_VERSION:
        return ""
    return f"a newer Converge has written it (schema_version {int(found[1])}; this one knows {SCHEMA_VERSION}); update this checkout to read it"


def _what_is_wrong(content: bytes) -> str:
    try:
        parse(Record, content, "no record")
    except ModelStoreError as error:
        return str(error)
    return "no record"


def order(record: Record) -> tuple[str, int, str]:
    """What sorts records by the time when they began; -10 comes after -2."""
    stamp, _, number = record.id.partition("-")
    return stamp, int(number or 1), record.stack


def newest_first(records: Iterable[Record]) -> list[Record]:
    """Records in the order in which people look for them."""
    return sorted(records, key=order, reverse=True)


def after(record: Record) -> Record:
    """The same with the next suffix: two deployments of a stack that began in the same second."""
    stamp, number, _ = order(record)
    return record.model_copy(update={"id": f"{stamp}-{number + 1}"})
