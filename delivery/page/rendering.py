"""Makes the page of releases: one file, without a server and without a single request."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delivery.page.data import Present, embedded
from delivery.page.lineage import lineage
from delivery.page.periods import goes_back, periods
from delivery.page.timeline import timeline
from delivery.release import words
from delivery.release.ledger import running
from delivery.release.readme import since
from delivery.release.record import Outcome, Record

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST_REASON = 140
_CLASSES = {Outcome.SUCCEEDED: "good", Outcome.FAILED: "bad", Outcome.ROLLED_BACK: "warn"}


def render(records: Sequence[Record], now: datetime, present: Present | None = None, notes: Sequence[str] = ()) -> str:
    """The page's HTML.

    Args:
        records: of all stacks, newest first.
        now: when the page is made, which it tells.
        present: whether the registries have the images; without it that is told nowhere.
        notes: what a reader must know, such as that the newest releases may be missing.
    """
    from markupsafe import Markup  # noqa: PLC0415 - comes with Jinja, which takes long to import

    found = periods(records)
    style, script = (_read(name) for name in ("page.css", "page.js"))
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            policy=_policy(style, script),
            style=Markup(style),  # noqa: S704 - ours
            script=Markup(script),  # noqa: S704 - ours
            data=Markup(embedded(records, present or {})),  # noqa: S704 - escaped for where it stands
            now=now,
            notes=notes,
            records=records,
            stacks=sorted({record.stack for record in records}),
            services=sorted({name for record in records for name in record.services}),
            outcomes=list(Outcome),
            running=_running(records),
            timeline=timeline(records, found, now) if found else None,
            lineage=lineage(found),
            back={record.id + record.stack for record, before in _with_before(records) if goes_back(record, before)},
            present=present,
        )
    )


def _read(name: str) -> str:
    """With an empty line on both sides, as it stands in the page: the policy's hash is over all of it."""
    return f"\n{(_TEMPLATES / name).read_text().strip()}\n"


def _policy(style: str, script: str) -> str:
    """Nothing is fetched and nothing runs but our own style and script, whatever a record says."""
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (style, script)]
    return f"default-src 'none'; style-src {hashes[0]}; script-src {hashes[1]}; base-uri 'none'; form-action 'none'"


def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - takes long to import

    made = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {
        "when": lambda moment: words.when(moment.astimezone(UTC)),
        "iso": lambda moment: moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": words.commit,
        "digest": words.digest,
        "duration": _duration,
        "size": _size,
        "metric": lambda value: f"{value:.4g}",
        "change": lambda value: f"{value:+.3g}",
        "kind": lambda record: _CLASSES[record.outcome],
        "reason": lambda record: words.shortened(record.reason, _LONGEST_REASON),
    }
    return made


def _running(records: Sequence[Record]) -> list[dict[str, Any]]:
    """A row per stack and service: what it runs, and the release that brought it."""
    rows: list[dict[str, Any]] = []
    for stack in sorted({record.stack for record in records}):
        releases = [record for record in records if record.stack == stack]
        now = running(releases)
        for name, service in sorted(now.services.items()) if now else ():
            rows.append({"stack": stack, "name": name, "service": service, "since": since(releases, name) or now, "newest": releases[0]})
    return rows


def _with_before(records: Sequence[Record]) -> list[tuple[Record, Record | None]]:
    """Each release with the last one before it that succeeded."""
    last: dict[str, Record] = {}
    pairs: list[tuple[Record, Record | None]] = []
    for record in reversed(records):
        pairs.append((record, last.get(record.stack)))
        if record.succeeded:
            last[record.stack] = record
    return pairs


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02} s"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
