"""Releases on a terminal of any width, and plain in a log."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from delivery.release import words
from delivery.release.ledger import running
from delivery.release.readme import since
from delivery.release.record import Outcome, Record, ReleasedService, SmokeResult

Present = Mapping[str, bool | None]
"""By digest, whether the registry has an image; None when that is not known."""

_WIDTH_OF_A_LOG = 320
_WIDE = 160
_MOST_NOTE = 110
_LONGEST_NAME = 20
_LONGEST_NAME_WHEN_NARROW = 16
_STYLES = {Outcome.SUCCEEDED: "green", Outcome.FAILED: "red", Outcome.ROLLED_BACK: "yellow"}
_THERE = {True: ("there", "green"), False: ("gone", "red"), None: ("not known", "dim")}


def console() -> Console:
    """For standard output. A log has no width; rich would break lines at 80."""
    return Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_A_LOG)


@dataclass(frozen=True)
class Listing:
    """Releases as a table.

    Attributes:
        waiting: those that are not pushed yet.
    """

    records: Sequence[Record]
    waiting: Sequence[Record] = ()
    present: Present = field(default_factory=dict)
    with_stack: bool = True

    def print(self, to: Console) -> None:
        """Prints the table: one line per release and service where there is room for it, otherwise what belongs together below each other."""
        _put(self._wide() if to.width >= _WIDE else self._narrow(), to)

    def _wide(self) -> Table:
        table = _table(*(("stack",) if self.with_stack else ()), "release", "when (UTC)", "by", "commit", "runs", "image", "image there?", "outcome", "note")
        table.columns[-1].overflow = "fold"
        for record in self.records:
            runs = sorted(record.services.items())
            table.add_row(
                *((record.stack,) if self.with_stack else ()),
                Text(record.id, no_wrap=True),
                Text(words.when(record.started_at), no_wrap=True),
                _by(record),
                words.commit(record),
                _lines(Text(words.model(name, service), no_wrap=True) for name, service in runs),
                _lines(Text(words.digest(service), no_wrap=True) for _, service in runs),
                _lines(self._there(service) for _, service in runs),
                _outcome(record),
                Text(self._note(record)),
            )
        return table

    def _narrow(self) -> Table:
        table = _table("release", "by, commit", "runs, image there?", "outcome")
        table.padding = (0, 1, 0, 0)
        table.columns[-1].overflow = "fold"
        for column in table.columns[:-1]:
            column.no_wrap = True
        for record in self.records:
            place = f" {record.stack}" if self.with_stack else ""
            note = self._note(record)
            table.add_row(
                _lines((Text(record.id), Text(words.when(record.started_at) + place))),
                _lines((_by(record, _LONGEST_NAME_WHEN_NARROW), Text(words.commit(record)))),
                _lines(line for name, service in sorted(record.services.items()) for line in self._two_lines(name, service)),
                _lines((_outcome(record), *((Text(note),) if note else ()))),
            )
        return table

    def _two_lines(self, name: str, service: ReleasedService) -> Iterator[Text]:
        yield Text(words.model(name, service))
        yield Text.assemble(words.digest(service), " ", self._there(service))

    def _there(self, service: ReleasedService) -> Text:
        return Text(*_THERE[self.present.get(service.digest)], no_wrap=True)

    def _note(self, record: Record) -> str:
        waits = "not pushed yet" if record in self.waiting else ""
        # A pin's reason is often that of the release, too.
        told = [waits, words.shortened(record.reason, _MOST_NOTE), *(f"{name} pinned" for name, service in record.services.items() if service.pin)]
        return "; ".join(text for text in told if text)


def print_what_ran(records: Sequence[Record], moment: datetime, to: Console) -> None:
    """What each service of each stack ran at a time, and since when.

    Args:
        records: of all stacks that are asked about, newest first.
    """
    table = _table("stack", "ran", "image", "since (UTC)", "commit", "release")
    for stack in sorted({record.stack for record in records}):
        until = [record for record in records if record.stack == stack and record.finished_at <= moment]
        ran = running(until)
        if ran is None:
            table.add_row(stack, Text("nothing yet", style="dim"))
            continue
        for name, service in sorted(ran.services.items()):
            brought = since(until, name) or ran
            since_when = Text(words.when(brought.finished_at), no_wrap=True)
            table.add_row(stack, words.model(name, service), words.digest(service), since_when, words.commit(brought), Text(brought.id, no_wrap=True))
    _put(table, to)


def print_release(record: Record, present: Present, to: Console, *, waits: bool) -> None:
    """Everything that a record holds."""
    head = Text.assemble(f"{record.stack} {record.id} ", _outcome(record), style="bold")
    to.print(head)
    _put(_pairs(_about(record, waits=waits)), to)
    for name, service in sorted(record.services.items()):
        to.print(Text(f"\n{name}", style="bold"))
        _put(_pairs(_about_service(service, present)), to)


def _about(record: Record, *, waits: bool) -> Iterator[tuple[str, str]]:
    yield "began", f"{record.started_at:%Y-%m-%d %H:%M:%S} UTC, took {record.duration_seconds:.0f} s"
    yield "why", record.reason
    yield "by", record.by
    yield "approved by", record.approved_by or ""
    yield "commit", record.commit + (", with changes that no commit holds" if record.dirty else "")
    yield "lock's commit", record.lock_commit or ""
    yield "pull request", record.pull_request or ""
    yield "run", record.run or ""
    yield "plan", f"sha256 {record.plan_sha256}" if record.plan_sha256 else ""
    yield "resources", ", ".join(f"{count} {operation}" for operation, count in record.resource_changes.items())
    yield "release before", record.previous or ""
    yield "pushed", "not yet: `converge release push`" if waits else ""


def _about_service(service: ReleasedService, present: Present) -> Iterator[tuple[str, str]]:
    model = service.model
    yield "model", f"{model.name} v{model.version}, published {words.when(model.published_at)} UTC by {model.published_by}"
    yield "model's sha256", model.sha256
    yield "metrics", ", ".join(f"{name} {value:.6g}" for name, value in sorted(model.metrics.items()))
    yield "image", service.image
    yield "image there?", _THERE[present.get(service.digest)][0]
    yield "came from", "the lock, which names the image" if service.pinned else "a build of the commit"
    yield "pinned", f"to {service.pin.release} by {service.pin.by}, {words.when(service.pin.at)} UTC: {service.pin.reason}" if service.pin else ""
    yield "namespace", service.namespace
    yield "app", service.app + (f", last changed by {service.app_commit}" if service.app_commit else "")
    yield "smoke test", _smoke(service.smoke)


def _smoke(smoke: SmokeResult | None) -> str:
    if smoke is None:
        return "none was made"
    verdicts = {True: "passed", False: "FAILED", None: "not looked at"}
    slowest = f", slowest answer {smoke.slowest_milliseconds:.0f} ms" if smoke.slowest_milliseconds is not None else ""
    return "\n".join([f"{verdicts[smoke.passed]}{slowest}", *(f"{check.name}: {verdicts[check.passed]}: {check.text}" for check in smoke.checks)])


def _pairs(pairs: Iterable[tuple[str, str]]) -> Table:
    table = _table("", "")
    for key, value in pairs:
        if value:
            table.add_row(Text(f"  {key}", no_wrap=True), Text(value, overflow="fold"))
    return table


def _by(record: Record, longest: int = _LONGEST_NAME) -> Text:
    return Text(words.shortened(record.by, longest), no_wrap=True)


def _outcome(record: Record) -> Text:
    return Text(record.outcome, style=_STYLES[record.outcome], no_wrap=True)


def _lines(lines: Iterable[Text]) -> RenderableType:
    return Group(*lines)


def _table(*titles: str) -> Table:
    return Table(*titles, box=None, show_header=any(titles), pad_edge=False, padding=(0, 2, 0, 0))


def _put(table: Table, to: Console) -> None:
    if to.is_terminal:
        to.print(table)
        return
    # Without the spaces with which rich fills the last column.
    with to.capture() as captured:
        to.print(table)
    to.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
