"""An origin, for people and for programs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from delivery.why.asking import Said
from delivery.why.origin import Commit, Origin

_WIDTH = 14
_SHORT = 7


def lines(said: Said, origin: Origin | None) -> Iterator[str]:
    """What is known, one line for each thing."""
    yield from _says(said)
    if origin is None:
        yield _none(said)
        return
    if origin.by_model:
        yield "The answer does not name its image, as those of older apps; this is the newest release with its model."
    for name, value in _rows(origin):
        yield f"{name:<{_WIDTH}}{value}"
    for doubt in origin.doubts:
        yield f"careful: {doubt}"
    yield from origin.missing


def as_json(said: Said, origin: Origin | None, notes: Sequence[str]) -> str:
    """Everything, by name; `release` is null when no release has deployed it."""
    document: dict[str, Any] = {"said": asdict(said), "release": None, "notes": list(notes)}
    if origin is not None:
        document |= {
            "release": origin.record.model_dump(mode="json"),
            "service": origin.service_name,
            "found_by": "model" if origin.by_model else "image",
            "until": origin.until.isoformat() if origin.until else None,
            "commits": {kind: asdict(commit) for kind, commit in origin.commits.items()},
            "also": [{"stack": other.stack, "release": other.id} for other in origin.also],
            "training": origin.training.model_dump(mode="json") if origin.training else None,
            "missing": list(origin.missing),
            "doubts": list(origin.doubts),
        }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _says(said: Said) -> Iterator[str]:
    yield said.where
    model = f"model {said.model or '(not named)'} version {said.version or '(not said)'}, sha256 {said.sha256 or '(not said)'}"
    yield f"  says: {f'image {said.digest}' if said.digest else 'nothing of its image'}{f'; {model}' if said.model or said.version or said.sha256 else ''}"
    yield ""


def _none(said: Said) -> str:
    what = f"image {said.digest}" if said.digest else f"a model with sha256 {said.sha256}"
    return f"no recorded release has deployed {what}. A deployment by hand is recorded with `converge release record <stack>`."


def _rows(origin: Origin) -> Iterator[tuple[str, str]]:
    record, service, model = origin.record, origin.service, origin.service.model
    yield "release", f"{record.id} of {record.stack}, {_ran(origin)}"
    yield "service", origin.service_name
    yield "image", service.image
    if service.pin:
        yield "pinned", f"to release {service.pin.release} by {service.pin.by}: {service.pin.reason}"
    yield "deployed by", record.by
    yield "approved by", record.approved_by or "nobody had to"
    if record.reason and record.succeeded:
        yield "reason", record.reason
    yield "pull request", record.pull_request or "not recorded"
    yield "run", record.run or "by hand"
    yield "commit", _commit(origin.commits["commit"])
    yield "app commit", _commit(origin.commits["app"]) if "app" in origin.commits else "not recorded"
    yield "lock commit", _commit(origin.commits["lock"]) if "lock" in origin.commits else "not recorded"
    yield "model", f"{model.name} version {model.version}, sha256 {model.sha256}"
    yield "metrics", ", ".join(f"{name} {value:g}" for name, value in model.metrics.items()) or "none"
    yield "published", f"{_when(model.published_at)} by {model.published_by}"
    if training := origin.training:
        yield "trained on", f"{training.data.name}, {training.data.rows:,} rows, sha256 {training.data.sha256}"
        yield "trained by", training.command
        yield "trained at", training.commit or "no commit: the training code was not committed"
    for other in origin.also:
        yield "also", f"release {other.id} of {other.stack}"


def _ran(origin: Origin) -> str:
    record = origin.record
    if not record.succeeded:
        return f"{_when(record.finished_at)}, {record.outcome}"
    return f"since {_when(record.finished_at)}" + (f" until {_when(origin.until)}" if origin.until else "; it runs now")


def _commit(commit: Commit) -> str:
    if commit.subject is None:
        return f"{commit.id}, which this clone does not have: git fetch"
    return f"{commit.id[:_SHORT]} {commit.subject} ({commit.author})"


def _when(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
