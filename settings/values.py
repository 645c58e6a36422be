"""From what stands in a stack file to what the schema reads, misspelt keys included."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic.alias_generators import to_camel

from settings.messages import NAMESPACE
from settings.schema import StackSettings


def typed(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of our namespace, by key without it.

    Pulumi hands a program texts only, and writes some into the file, too (`protectData: "true"`); what is not a text by the schema is JSON in it.
    """
    texts = {to_camel(name) for name, field in StackSettings.model_fields.items() if isinstance(field.default, str) or field.is_required()}
    values: dict[str, Any] = {}
    for key, value in given.items():
        namespace, _, name = str(key).partition(":")
        if namespace == NAMESPACE:
            values[name] = _parsed(value) if isinstance(value, str) and name not in texts else value
    return values


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
