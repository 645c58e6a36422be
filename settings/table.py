"""The table of all keys, made from the code: python -m settings.table writes it into docs/infrastructure-engineer.md."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from settings.messages import DOCS
from settings.schema import StackSettings, nested_models

_START, _END = "<!-- keys: made by `python -m settings.table` -->", "<!-- end of keys -->"


def rows(model: type[BaseModel] = StackSettings, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Key, default and meaning of every key; a key with keys of its own stands only for these."""
    nested = dict(nested_models(model))
    for name, field in model.model_fields.items():
        key = f"{path}{to_camel(name)}"
        inner = nested.get(to_camel(name))
        many = isinstance(field.default, tuple) or not isinstance(field.default, BaseModel)
        if inner is None or many or key.endswith("replicas"):
            yield key, _default(field.default, required=field.is_required()), field.description or ""
        if inner is not None and not key.endswith("replicas"):
            yield from rows(inner, f"{key}[]." if many else f"{key}.")


def _default(value: Any, *, required: bool) -> str:
    if required:
        return "required"
    if isinstance(value, BaseModel):
        return f"`{json.dumps(value.model_dump(by_alias=True))}`"
    if isinstance(value, tuple):
        return f"`{json.dumps([entry.model_dump(by_alias=True, include={'name'}) if isinstance(entry, BaseModel) else entry for entry in value])}`"
    return f"`{json.dumps(value)}`" if value not in ("", None) else ""


def table() -> str:
    """As Markdown."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| `{key}` | {default} | {meaning.replace('|', chr(92) + '|')} |" for key, default, meaning in rows())])


def with_table(document: str) -> str:
    """The document with the table as it is now between its two marks."""
    before, _, rest = document.partition(_START)
    _, _, after = rest.partition(_END)
    return f"{before}{_START}\n{table()}\n{_END}{after}"


if __name__ == "__main__":
    page = Path(DOCS)
    page.write_text(with_table(page.read_text()))
