"""JSON on disk and in the store: read strictly with clear messages, written sorted and whole."""

import json
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_store.errors import DocumentError, ModelStoreError

_LONGEST_ECHO = 60
_MOST_PROBLEMS = 8


class Document(BaseModel):
    """Base of everything that is stored: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# A control character in a name or a person's text would reach terminals and reports.
Text = Annotated[str, Field(min_length=1, max_length=4000, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Number = Annotated[float, Field(strict=True)]

_Kind = TypeVar("_Kind", bound=Document)
_Items = TypeVar("_Items", bound=tuple[Any, ...])


def not_empty(items: _Items) -> _Items:
    """For AfterValidator. pydantic's own min_length complains again, wrongly, about a list whose one entry is wrong."""
    if not items:
        raise ValueError("must have at least one entry")
    return items


def parse(kind: type[_Kind], content: bytes, where: str) -> _Kind:
    """Reads a document; raises DocumentError with the file, the key, what was there and what is allowed."""
    _check_json(content, where)
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        problems = [_describe(problem) for problem in error.errors(include_url=False)]
    more = len(problems) - _MOST_PROBLEMS
    shown = [*problems[:_MOST_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]
    raise DocumentError(f"{where}: {'; '.join(shown)}")


def to_json(document: Document) -> bytes:
    """Sorted, indented by 2, with a final newline: the same document is always the same bytes."""
    return (json.dumps(document.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_file(path: Path) -> bytes:
    """The bytes of a file; raises ModelStoreError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelStoreError(f"cannot read {path}: {error.strerror}") from error


def write_file(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, and its folder if need be; raises ModelStoreError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ModelStoreError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _check_json(content: bytes, where: str) -> None:
    """What pydantic lets pass or describes badly. Two equal keys are what a merge leaves behind; the last would win silently."""
    try:
        json.loads(content.decode(), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise DocumentError(f"{where}: not UTF-8 text (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise DocumentError(f"{where}: not valid JSON: {error}") from error
    except RecursionError as error:
        raise DocumentError(f"{where}: nested too deeply") from error
    except ValueError as error:
        raise DocumentError(f"{where}: {error}") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if twice:
        raise ValueError(f"the key {twice[0]!r} stands twice in one object")
    return dict(pairs)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _describe(problem: Any) -> str:
    key = ""
    for part in problem["loc"]:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
    match problem["type"]:
        case "missing":
            text = "is missing"
        case "extra_forbidden":
            text = "is not a known key"
        case "value_error":
            text = str(problem["ctx"]["error"])
        case _:
            text = f"{problem['msg'][0].lower()}{problem['msg'][1:]}, got {_echo(problem['input'])}"
    return f"{key}: {text}" if key else text


def _echo(value: object) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= _LONGEST_ECHO else f"{text[: _LONGEST_ECHO - 3]}..."
