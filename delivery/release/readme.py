"""The branch's page: what runs, and the newest releases with links to their records. Made of the records alone, so that everybody makes the same one."""

from collections.abc import Iterator, Sequence

from delivery.plan.markdown import escape
from delivery.release import words
from delivery.release.files import path_of
from delivery.release.record import Record

PATH = "README.md"
_NEWEST = 20
_MOST_REASON = 200
_INTRODUCTION = """# Releases

Every deployment leaves one record here, `<stack>/<id>.json`, written once and never changed.
`converge` writes this page anew with each of them; nothing on this branch is edited by hand.

In a clone of the project, `converge release list`, `show` and `at` read the records; `converge release schema` describes them to programs. All times are UTC.
"""


def render(records: Sequence[Record]) -> str:
    """The page.

    Args:
        records: newest first.
    """
    by_stack = {stack: [record for record in records if record.stack == stack] for stack in sorted({record.stack for record in records})}
    lines = [_INTRODUCTION, *_what_runs(by_stack)]
    for stack, releases in by_stack.items():
        lines += [f"\n## {escape(stack)}", *_newest(releases)]
    return "\n".join(lines) + "\n"


def since(releases: Sequence[Record], service: str) -> Record | None:
    """The release that brought what a service runs: image and model are the same in every one that succeeded since.

    Args:
        releases: of one stack, newest first.
    """
    brought, pair = None, None
    for record in releases:
        if not record.succeeded:
            continue
        runs = record.services.get(service)
        now = runs and (runs.digest, runs.model.sha256)
        if now is None or pair not in (None, now):
            break
        brought, pair = record, now
    return brought


def _what_runs(by_stack: dict[str, list[Record]]) -> Iterator[str]:
    yield "## What runs\n"
    yield from _row("stack", "service", "model", "version", "image", "since", "commit")
    for stack, releases in by_stack.items():
        latest = next((record for record in releases if record.succeeded), None)
        for name, service in sorted(latest.services.items()) if latest else ():
            brought = since(releases, name)
            pinned = f" (pinned: {escape(service.pin.reason)})" if service.pin else ""
            yield (
                "| "
                + " | ".join(
                    (
                        escape(stack),
                        escape(name) + pinned,
                        escape(service.model.name),
                        str(service.model.version),
                        f"`{words.digest(service)}`",
                        words.when(brought.finished_at) if brought else "",
                        f"`{words.commit(brought)}`" if brought else "",
                    )
                )
                + " |"
            )


def _newest(releases: list[Record]) -> Iterator[str]:
    yield ""
    yield from _row("release", "when", "by", "commit", "outcome", "runs", "why")
    for record in releases[:_NEWEST]:
        runs = "<br>".join(f"{escape(words.model(name, service))} `{words.digest(service)}`" for name, service in sorted(record.services.items()))
        outcome = record.outcome if record.succeeded else f"**{record.outcome}**"
        link = f"[{record.id}]({path_of(record)})"
        yield f"| {link} | {words.when(record.started_at)} | {escape(record.by)} | `{words.commit(record)}` | {outcome} | {runs} | {_why(record)} |"
    if (more := len(releases) - _NEWEST) > 0:
        yield f"\nand {more} older, in the folder [{escape(releases[0].stack)}]({releases[0].stack})"


def _why(record: Record) -> str:
    return escape(words.shortened(record.reason, _MOST_REASON))


def _row(*titles: str) -> tuple[str, str]:
    return f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"
