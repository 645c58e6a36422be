"""Is an answer the one that a golden request demands?"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from model_store.golden import GoldenCase, GoldenTensor, Tolerance

_FLOATS = frozenset({"FP16", "FP32", "FP64"})
_SHOWN = 60


def wrong_in(answer: Any, case: GoldenCase, tolerance: Tolerance) -> str:
    """The first thing that is not as it must be: an output, its type or shape, or a value of it; empty when nothing is."""
    given = answer.get("outputs") if isinstance(answer, Mapping) else None
    if not isinstance(given, list):
        return "the answer has no outputs"
    outputs = {output["name"]: output for output in given if isinstance(output, Mapping) and "name" in output}
    found = (_wrong_output(outputs.get(wanted.name), wanted, tolerance) for wanted in case.outputs)
    return next((text for text in found if text), "")


def _wrong_output(output: Mapping[str, Any] | None, wanted: GoldenTensor, tolerance: Tolerance) -> str:
    if output is None:
        return f"output {wanted.name} is missing"
    found = (output.get("datatype"), output.get("shape"))
    if found != (wanted.datatype, list(wanted.shape)):
        return f"output {wanted.name} is {_told(found[0])} {_told(found[1])}, expected {wanted.datatype} {list(wanted.shape)}"
    values, expected = _flat(output.get("data")), _flat(wanted.data)
    if len(values) != len(expected):
        return f"output {wanted.name} has {len(values)} values, expected {len(expected)}"
    for place, (value, other) in enumerate(zip(values, expected, strict=True)):
        if not _same(value, other, tolerance, is_float=wanted.datatype in _FLOATS):
            return f"output {wanted.name}[{place}] is {_told(value)}, expected {_told(other)}"
    return ""


def _same(value: Any, expected: Any, tolerance: Tolerance, *, is_float: bool) -> bool:
    # Python's bool is an int, and true is not the number 1.
    if not is_float or type(value) not in (int, float):
        return type(value) is type(expected) and value == expected
    return abs(value - expected) <= tolerance.atol + tolerance.rtol * abs(expected)


def _flat(data: Any) -> Sequence[Any]:
    """Row by row, however deep it is nested."""
    if not isinstance(data, list):
        return [data]
    while data and all(isinstance(part, list) for part in data):
        data = list(chain.from_iterable(data))
    return data


def _told(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
