"""The words for models, apps, pods and pins, which terminal and Markdown share.

A text is made of parts: plain words of ours, and `Foreign` ones that somebody else chose, which Markdown must not take for markup.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.filesize import decimal

from delivery.plan.apps import LAYERS
from delivery.plan.report import PlanReport
from delivery.plan.sections import AppChange, Image, MetricChange, ModelChange, ModelVersion, PinnedService, Pods, Roll
from delivery.predictions.result import shortened

_SHORT_HASH = 12
_SHORT_COMMIT = 7
_MOST_FILES = 10
_LONGEST = 160
"""Of a subject or a reason: some are whole error messages."""
_DAY, _MINUTE = "%Y-%m-%d", "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True)
class Foreign:
    """What somebody else chose: a name, a subject, a reason."""

    text: str


@dataclass(frozen=True)
class Code:
    """A hash, file or command."""

    text: str


@dataclass(frozen=True)
class Strong:
    """What a line is about."""

    text: str


Part = str | Foreign | Code | Strong


@dataclass(frozen=True)
class Line:
    """One line, and those below it."""

    parts: tuple[Part, ...]
    below: tuple["Line", ...] = ()


def line(*parts: Part, below: Sequence[Line] = ()) -> Line:
    """A line of parts."""
    return Line(parts, tuple(below))


def headline(report: PlanReport) -> list[Part]:
    """What a reader must not miss of models and pods; empty when they stay as they are."""
    parts: list[Part] = []
    for change in report.models:
        name = [Foreign(change.service), ": "] if change.service not in {side.name for side in (change.before, change.after) if side} else []
        parts += [*([", "] if parts else []), *name, *_versions(change)]
    rolled = [roll.service for roll in report.rolls if roll.pods in (Pods.REPLACED, Pods.MAY_BE_REPLACED, Pods.GONE)]
    if rolled:
        parts += [*([", "] if parts else []), "pods of ", Foreign(", ".join(rolled)), " replaced"]
    return parts


def lines(report: PlanReport) -> Iterator[Line]:
    """A line per thing to know, those below it included."""
    yield from (_model(change) for change in report.models)
    yield from (_app(change, report.pins) for change in report.apps)
    yield from _pods(report)
    yield from (_pin(pin, report.stack) for pin in report.pins if pin.release or pin.new or report.infrastructure.changes)


def _versions(change: ModelChange) -> list[Part]:
    old, new = change.before, change.after
    if new is None:
        return ["model ", Foreign(_name(old)), " is taken away"] if old else []
    if old is None:
        return ["first model ", Foreign(_name(new))]
    right = f"v{new.version}" if old.name == new.name else _name(new)
    return ["model ", Foreign(f"{_name(old)} -> {right}")]


def _name(model: ModelVersion | None) -> str:
    return f"{model.name} v{model.version}" if model else ""


def _model(change: ModelChange) -> Line:
    new = change.after
    if new is None:
        return line(Strong(change.service), " ", *_versions(change))
    size = decimal(new.size)
    was = f" (was {decimal(change.before.size)})" if change.before and change.before.size != new.size else ""
    published = new.published_at.strftime(_MINUTE)
    about: list[Part] = [", sha256 ", Code(new.sha256[:_SHORT_HASH]), f", {size}{was}, published by ", Foreign(new.published_by), f" on {published}"]
    below = [_metric(metric) for metric in change.metrics]
    below += [line("signature: ", Foreign(text)) for text in change.signature]
    below += [] if change.before is None or "model.onnx" in change.files else [line("model.onnx is the same")]
    return line(Strong(change.service), " ", *_versions(change), *about, below=[*below, *_predictions(change)])


def _metric(metric: MetricChange) -> Line:
    if metric.before is None or metric.after is None:
        text = f"{metric.after:.6g}" if metric.after is not None else "not measured any more"
        return line(Foreign(metric.name), f": {text}")
    if metric.before == metric.after:
        return line(Foreign(metric.name), f": {metric.after:.6g}, unchanged")
    verdict: list[Part] = [", ", Strong("worse")] if metric.verdict == "worse" else [f", {metric.verdict}"] if metric.verdict else []
    return line(Foreign(metric.name), f": {metric.before:.6g} -> {metric.after:.6g} ({metric.after - metric.before:+.3g})", *verdict)


def _predictions(change: ModelChange) -> Iterator[Line]:
    if found := change.predictions:
        below = [*(line(Code(text)) for text in found.example_lines()), *(line(Foreign(note)) for note in found.notes)]
        below += [line(found.definition)] if found.changed else []
        yield line(Strong(found.title) if found.flipped else found.title, below=below)
    elif change.predictions_unknown:
        yield line("predictions could not be compared: ", Foreign(shortened(change.predictions_unknown, 2 * _LONGEST)))


def _app(change: AppChange, pins: Sequence[PinnedService]) -> Line:
    count = len(change.commits) + change.more_commits
    word = " taken back, down from " if change.back else " since "
    since: list[Part] = [f"{count} commits" if count != 1 else "1 commit", word, Foreign(change.since)] if count else []
    changed: list[Part] = [*since, ", " if since and change.uncommitted else "", _files(change)]
    commits = [
        line(Code(commit.sha[:_SHORT_COMMIT]), " ", Foreign(shortened(commit.subject, _LONGEST)), ", by ", Foreign(commit.author)) for commit in change.commits
    ]
    commits += [line(f"and {change.more_commits} more commits")] if change.more_commits else []
    shown = change.uncommitted[:_MOST_FILES]
    more = [f" and {len(change.uncommitted) - len(shown)} more"] if len(change.uncommitted) > len(shown) else []
    files: list[Line] = [line("not committed: ", *_listed(shown), *more)] if shown else []
    contract = [line("contract, ", Foreign(text)) for text in change.contract]
    image = [*(["; "] if count or change.uncommitted else []), *_image(change, pins)]
    return line(Strong(change.service), " app ", Code(change.folder), ": ", *changed, *image, below=[*commits, *files, *contract])


def _files(change: AppChange) -> str:
    count = len(change.uncommitted)
    return "" if not count else "1 file not committed" if count == 1 else f"{count} files not committed"


def _listed(files: Sequence[str]) -> Iterator[Part]:
    for index, file in enumerate(files):
        yield from ((", ", Code(file)) if index else (Code(file),))


def _image(change: AppChange, pins: Sequence[PinnedService]) -> Iterator[Part]:
    image = next((pin.image for pin in pins if pin.service == change.service), "")
    if change.image is Image.BROUGHT:
        yield from ("the image ", Code(_digest(image)), f", built before, {'is without' if change.back else 'brings'} them")
        return
    if change.image is Image.PINNED:
        yield from ("nothing is built, since the lock names the image ", Code(_digest(image)), ": ", Strong("the change has no effect on this stack"))
        return
    if change.image is Image.UNCHANGED:
        yield "nothing of it is in the image, so nothing is built"
        return
    yield "the image is built"
    if not change.layers:
        yield ", and its layers are expected to be the same"
        return
    for index, layer in enumerate(change.layers):
        why = layer.why[:2] if len(layer.why) <= 2 else (*layer.why[:1], f"and {len(layer.why) - 1} more")
        yield from (", " if index else "; layers that change: ", layer.name, " (", Foreign(", ".join(why)), ")")
    same = [layer for layer in LAYERS if layer not in {found.name for found in change.layers}]
    if same:
        yield f"; as they were: {', '.join(same)}"


def _pods(report: PlanReport) -> Iterator[Line]:
    moved = [roll for roll in report.rolls if roll.pods is not Pods.STAY]
    if not moved:
        if report.rolls and report.infrastructure.changes:
            yield line("pods: none is replaced")
        return
    parts: list[Part] = ["pods: "]
    for index, roll in enumerate(moved):
        parts += [*(["; "] if index else []), Strong(roll.service), f" {_PODS[roll.pods]}", *_why(roll)]
    stay = [roll.service for roll in report.rolls if roll.pods is Pods.STAY]
    yield line(*parts, *(["; not replaced: ", Foreign(", ".join(stay))] if stay else []))


_PODS = {
    Pods.NEW: "new",
    Pods.REPLACED: "replaced",
    Pods.MAY_BE_REPLACED: "replaced only if a value turns out to be another",
    Pods.GONE: "gone",
}


def _why(roll: Roll) -> list[Part]:
    return [" (", Foreign(", ".join(roll.why)), ")"] if roll.why else []


def _pin(pin: PinnedService, stack: str) -> Line:
    if not pin.release:
        return line(Strong(pin.service), " runs the image ", Code(_digest(pin.image)), ", built before")
    when = f" on {pin.at.strftime(_DAY)}" if pin.at else ""
    who: list[Part] = [
        " (went back to release ",
        Foreign(pin.release),
        ", by ",
        Foreign(pin.by),
        when,
        ", because ",
        Foreign(shortened(pin.reason, _LONGEST)),
        ")",
    ]
    return line(Strong(pin.service), " ", Strong("stays"), " at ", Code(_digest(pin.image)), *who, "; ", Code(f"converge release unpin {stack}"))


def _digest(image: str) -> str:
    return f"{image[: len('sha256:') + _SHORT_HASH]}..."
