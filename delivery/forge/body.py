"""A comment's text: its marker, and what fits."""

import re
from dataclasses import dataclass

from delivery.errors import DeliveryError

_KEY = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}$")
_RUN = re.compile(r"<!-- run (\d+) -->")
_ROOM = 400
_FENCE = re.compile(r"^(`{3,})")


@dataclass(frozen=True)
class Body:
    """What a comment says.

    Attributes:
        marker: by which the next run finds it.
        run: the pipeline's; a comment of a newer one is left alone.
    """

    marker: str
    run: int
    text: str


def body(text: str, key: str, run: int, longest: int) -> Body:
    """The text behind its marker, cut where the forge would refuse it.

    Raises:
        DeliveryError: the key cannot be part of a marker.
    """
    if not _KEY.fullmatch(key):
        raise DeliveryError(f"the key {key!r} is not allowed: lower-case letters, digits and '-', at most 63 characters, such as plan-dev")
    marker = f"<!-- converge:{key.replace('-', ':', 1)} -->"
    return Body(marker, run, f"{marker}\n<!-- run {run} -->\n{fitted(text, longest - _ROOM)}")


def run_of(text: str) -> int:
    """The run that wrote a comment."""
    found = _RUN.search(text[:_ROOM])
    return int(found[1]) if found else 0


def fitted(text: str, longest: int) -> str:
    """The text, or so many of its lines as fit, with what they had opened closed."""
    if len(text) <= longest:
        return text
    kept: list[str] = []
    room, fence, folded = longest, "", 0
    for line in text.splitlines():
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
        found = _FENCE.match(line)
        if fence:
            fence = "" if found and line.strip() == fence else fence
        elif found:
            fence = found[1]
        else:
            folded += line.startswith("<details") - line.startswith("</details>")
    return "\n".join([*kept, *([fence] if fence else []), *["", "</details>"] * folded, "", "Too long for a comment; the rest is in the pipeline's run.", ""])
