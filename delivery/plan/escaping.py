"""Text that somebody else chose, in Markdown: it is shown as it is and does nothing, on GitHub and on Azure DevOps."""

import re
from collections.abc import Iterator

_NOTHING = "&#8203;"
"""A character of no width. Markdown is rendered first and searched for names, numbers and addresses afterwards, so escaping alone does not keep these from
becoming mentions and links; something between their characters does."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&@$^])")
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
"""Control characters, and those that turn the direction of what follows."""
_LINKS = ((re.compile(r"://"), f":{_NOTHING}//"), (re.compile(r"(?i)\b(www|gh(?=-\d))"), rf"\1{_NOTHING}"))
_BEGINNING = re.compile(r"^([-+=]|\d+(?=[.)]))")
"""What a list or the underline of a heading begins with."""
_REFERENCE = re.compile(r"(\\[#!])(?=\d)")


def escape(text: str) -> str:
    """Text in which nothing is markup, HTML, a link or the mention of a person, issue or pull request. It stays on one line."""
    plain = " ".join(_INVISIBLE.sub(" ", text).split())
    escaped = _SPECIAL.sub(lambda found: f"&#{ord(found[1])};" if found[1] in "<>&@" else f"\\{found[1]}", plain)
    escaped = _REFERENCE.sub(rf"\1{_NOTHING}", escaped.replace("&#64;", f"&#64;{_NOTHING}"))
    for pattern, replacement in _LINKS:
        escaped = pattern.sub(replacement, escaped)
    return _BEGINNING.sub(lambda found: f"{found[1]}{_NOTHING}" if found[1].isdigit() else f"\\{found[1]}", escaped)


def code(text: str) -> str:
    """Text as code within a line, which no backtick in it can end."""
    plain = " ".join(_INVISIBLE.sub(" ", text).split())
    if not plain:
        return ""
    fence = "`" * (max((len(run) for run in re.findall(r"`+", plain)), default=0) + 1)
    space = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{space}{plain}{space}{fence}"


def fenced(lines: list[str], language: str) -> Iterator[str]:
    """A block of code that no line in it can end."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}{language}", *lines, fence)
