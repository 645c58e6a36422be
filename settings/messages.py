"""From what pydantic finds to what a user reads: the key as typed, what it was, what is allowed."""

import json
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from settings.fields import ALLOWED
from settings.schema import StackSettings, nested_models

NAMESPACE = "converge"
DOCS = "docs/infrastructure-engineer.md"


class SettingsError(Exception):
    """Settings that cannot be used. The text names every key that is wrong, what it was, and what is allowed."""


def messages(error: ValidationError) -> Iterator[str]:
    """One text per problem."""
    for problem in error.errors():
        # pydantic marks a problem of a key itself by one more part; the key is shown already.
        parts = [part for part in problem["loc"] if part != "[key]"]
        key = NAMESPACE + ":" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
        if problem["type"] == "missing":
            yield f"{key}: is missing; {_hint(problem['loc'])}"
        elif problem["type"] == "extra_forbidden":
            yield f"{key}: is not a key; {_known(problem['loc'])}"
        else:
            yield f"{key.removesuffix(':')}: was {_short(problem['input'])}; allowed is {_allowed(problem)}"


def _hint(location: tuple[int | str, ...]) -> str:
    return f"{_model_at(location)[1].get(str(location[-1]), '')} See {DOCS}"


def _known(location: tuple[int | str, ...]) -> str:
    keys = list(_model_at(location)[1])
    near = get_close_matches(str(location[-1]), keys, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(keys)}"


def _model_at(location: tuple[int | str, ...]) -> tuple[type[BaseModel], dict[str, str]]:
    """The model that the last part of a location belongs to, and its keys with their descriptions."""
    model: type[BaseModel] = StackSettings
    for part in location[:-1]:
        if isinstance(part, str):
            model = next(found for name, found in nested_models(model) if name == part)
    return model, {to_camel(name): field.description or "" for name, field in model.model_fields.items()}


def _allowed(problem: Any) -> str:
    context = problem.get("ctx", {})
    match problem["type"]:
        case "value_error":
            return str(context["error"])
        case "string_pattern_mismatch":
            return ALLOWED[context["pattern"]]
        case "literal_error":
            return str(context["expected"])
        case "greater_than_equal":
            return f"a whole number, at least {context['ge']}"
        case "less_than_equal":
            return f"a whole number, at most {context['le']}"
        case kind:
            return _KINDS.get(str(kind), str(problem["msg"]))


_KINDS = {
    "string_type": "text (in quotes where it looks like a number)",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
}


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def report(problems: Sequence[str], stack: str) -> str:
    """All problems of a stack as one text."""
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [line for problem in problems for line in problem.splitlines()]
    return "\n".join(
        [f"the settings of stack {stack!r} (Pulumi.{stack}.yaml) have {count}:", *(f"  {line}" for line in lines), f"Keys are explained in {DOCS}."]
    )
