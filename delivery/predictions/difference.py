"""Compares the answers of an old and a new model to the same requests."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from delivery.predictions.requests import Request, flat
from delivery.predictions.result import MOST_EXAMPLES, Example, OutputChange, Predictions, shortened
from model_store.golden import GoldenTensor, Tolerance

EXACT = Tolerance(rtol=1e-4, atol=1e-5)
"""Where no golden requests say how far an answer may be off."""


@dataclass(frozen=True)
class Output:
    """One output of an answer; its values row by row."""

    datatype: str
    data: list[Any]


_LONGEST_INPUT = 60
Answer = dict[str, Output]


@dataclass(frozen=True)
class Asked:
    """One request and what both sides said: outputs by name, or why there are none."""

    request: Request
    before: Answer | str
    after: Answer | str


def wider(*tolerances: Tolerance) -> Tolerance:
    """A tolerance that covers all of them."""
    return Tolerance(rtol=max(one.rtol for one in tolerances), atol=max(one.atol for one in tolerances)) if tolerances else EXACT


def compared(asked: Sequence[Asked], tolerance: Tolerance, *, batched: bool) -> Predictions:
    """How many predictions change.

    Args:
        batched: each row of a request is a prediction; otherwise each request is one.
    """
    total = changed = flipped = 0
    flips: list[Example] = []
    others: list[Example] = []
    seen: set[str] = set()
    for one in asked:
        if isinstance(one.before, str) and isinstance(one.after, str):
            continue
        rows = _rows(one) if batched else 1
        inputs = [(tensor.name, _values(tensor)) for tensor in one.request]
        for row in range(rows):
            # Golden requests often ask the same rows together and one by one.
            key = repr([(name, _part(values, row, rows)) for name, values in inputs])
            outputs = tuple(_changes(one, row, rows, tolerance)) if key not in seen else ()
            total += key not in seen
            seen.add(key)
            if not outputs:
                continue
            changed += 1
            flip = any(output.flips for output in outputs)
            flipped += flip
            (flips if flip else others).append(Example(input=_input(inputs, row, rows), outputs=outputs))
            del flips[MOST_EXAMPLES:], others[MOST_EXAMPLES:]
    return Predictions(
        total=total,
        changed=changed,
        flipped=flipped,
        rtol=tolerance.rtol,
        atol=tolerance.atol,
        examples=tuple([*flips, *others][:MOST_EXAMPLES]),
        notes=tuple(_notes(asked)),
    )


def _values(tensor: GoldenTensor) -> list[Any]:
    """Row by row; a whole number among floating-point ones is one of them."""
    values = flat(tensor.data)
    return [float(value) if isinstance(value, int) else value for value in values] if tensor.datatype.startswith("FP") else values


def _rows(one: Asked) -> int:
    """The rows of a request; one where some output does not have a part for each of them."""
    rows = one.request[0].shape[0]
    answers = [answer for answer in (one.before, one.after) if not isinstance(answer, str)]
    lengths = [len(output.data) for answer in answers for output in answer.values()] + [math.prod(tensor.shape) for tensor in one.request]
    return rows if all(length and length % rows == 0 for length in lengths) else 1


def _changes(one: Asked, row: int, rows: int, tolerance: Tolerance) -> Iterator[OutputChange]:
    if isinstance(one.before, str) or isinstance(one.after, str):
        texts = (f"error: {side}" if isinstance(side, str) else "an answer" for side in (one.before, one.after))
        before, after = map(shortened, texts)
        yield OutputChange(name="answer", before=before, after=after)
        return
    for name in sorted(one.before.keys() & one.after.keys()):
        old, new = one.before[name], one.after[name]
        before, after = _part(old.data, row, rows), _part(new.data, row, rows)
        floating = old.datatype.startswith("FP") and new.datatype.startswith("FP")
        same = _close(before, after, tolerance) if floating else before == after
        if not same:
            yield _change(name, before, after, floating=floating)


def _change(name: str, before: list[Any], after: list[Any], *, floating: bool) -> OutputChange:
    """Of an output with several values the one that tells most: the number that moves furthest, or the first label that flips."""
    if len(before) == len(after) > 1:
        distances = [_distance(old, new) if floating else float(old != new) for old, new in zip(before, after, strict=True)]
        place = distances.index(max(distances))
        name, before, after = f"{name}[{place}]", [before[place]], [after[place]]
    return OutputChange(name=name, before=_text(before), after=_text(after), flips=not floating)


def _distance(old: float, new: float) -> float:
    distance = abs(new - old)
    return 0.0 if old == new else distance if math.isfinite(distance) else math.inf


def _part(values: list[Any], row: int, rows: int) -> list[Any]:
    width = len(values) // rows
    return values[row * width : (row + 1) * width]


def _close(before: list[Any], after: list[Any], tolerance: Tolerance) -> bool:
    return len(before) == len(after) and all(_one_close(old, new, tolerance) for old, new in zip(before, after, strict=True))


def _one_close(old: float, new: float, tolerance: Tolerance) -> bool:
    if old == new or (math.isnan(old) and math.isnan(new)):
        return True
    # An infinite answer is near to nothing; the tolerance of one would let everything pass.
    return math.isfinite(old) and math.isfinite(new) and abs(new - old) <= tolerance.atol + tolerance.rtol * abs(old)


def _text(values: list[Any]) -> str:
    shown = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in values]
    return shortened(shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]")


def _input(inputs: Sequence[tuple[str, list[Any]]], row: int, rows: int) -> str:
    return shortened("; ".join(f"{name} {_text(_part(values, row, rows))}" for name, values in inputs), _LONGEST_INPUT)


def _notes(asked: Sequence[Asked]) -> Iterator[str]:
    refused = [one.after for one in asked if isinstance(one.before, str) and isinstance(one.after, str)]
    if refused:
        yield f"{len(refused)} requests have no answer on either side, such as: {shortened(str(refused[0]))}"
    failed = [(one.before, one.after) for one in asked if isinstance(one.before, str) is not isinstance(one.after, str)]
    if failed:
        side = "old" if isinstance(failed[0][0], str) else "new"
        yield f"{len(failed)} requests have an answer on one side only; counted as changed, the first has none on the {side} side"
    answers = [(one.before, one.after) for one in asked if not isinstance(one.before, str) and not isinstance(one.after, str)]
    if answers:
        before, after = answers[0]
        for side, names in (("old", before.keys() - after.keys()), ("new", after.keys() - before.keys())):
            if names:
                yield f"only the {side} side has the output {', '.join(sorted(names))}"
