"""No text that somebody else chose is markup, a link or a mention, wherever a report shows it."""

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from delivery.plan.escaping import code, escape

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NO_WIDTH = "\u200b"
DANGEROUS = st.text(alphabet="<>&@`*_[]()|#!~\\$^:/.-=+ax1\n\t \u202e\x1b", max_size=30)
FOREIGN = st.one_of(st.text(max_size=60), DANGEROUS)
MENTION = re.compile(r"@[\w<]|[#!]\d|(?i:\bgh-\d)|://|(?i:www\.)")
"""What GitHub and Azure DevOps make links and mentions of, once Markdown is rendered."""


class Seen(HTMLParser):
    """What a reader sees of HTML: text outside code, all text, and tags."""

    def __init__(self, rendered: str) -> None:
        super().__init__()
        self.plain, self.text, self.tags, self._in_code = "", "", list[str](), 0
        self.feed(rendered)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - as HTMLParser has it
        self.tags.append(tag)
        self._in_code += tag == "code"

    def handle_endtag(self, tag: str) -> None:
        self._in_code -= tag == "code"

    def handle_data(self, data: str) -> None:
        self.text += data
        self.plain += "" if self._in_code else data


def as_shown(text: str) -> str:
    """What of a text a reader is to see."""
    visible = re.sub("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+", " ", text)
    return " ".join(visible.split())


@given(FOREIGN)
def test_escaped_text_is_shown_as_it_is_and_does_nothing(text: str):
    seen = Seen(MARKDOWN.render(f"- x {escape(text)} y"))
    assert seen.tags == ["ul", "li"]
    assert " ".join(seen.text.replace(NO_WIDTH, "").split()) == " ".join(f"x {as_shown(text)} y".split())
    assert not MENTION.search(seen.plain)


@given(FOREIGN)
def test_at_the_beginning_of_a_line_it_begins_nothing(text: str):
    assert Seen(MARKDOWN.render(f"- {escape(text)} y")).tags == ["ul", "li"]
    assert Seen(MARKDOWN.render(f"x\n{escape(text)} y")).tags == ["p"]


@given(st.lists(FOREIGN, min_size=2, max_size=2))
def test_a_table_keeps_its_columns(texts: list[str]):
    seen = Seen(MARKDOWN.render(f"| a | b |\n|---|---|\n| x{escape(texts[0])} | x{escape(texts[1])} |\n"))
    assert seen.tags.count("td") == 2
    assert set(seen.tags) == {"table", "thead", "tbody", "tr", "th", "td"}


@given(FOREIGN)
def test_code_ends_where_it_should(text: str):
    seen = Seen(MARKDOWN.render(f"- x {code(text)} y"))
    shown = as_shown(text)
    assert seen.tags == ["ul", "li", *(["code"] if shown else [])]
    assert " ".join(seen.plain.split()) == "x y"
    assert " ".join(seen.text.split()) == " ".join(f"x {shown} y".split())


@given(FOREIGN)
def test_a_heading_and_strong_text_stay_what_they_are(text: str):
    assert set(Seen(MARKDOWN.render(f"## x {escape(text)}")).tags) == {"h2"}
    assert set(Seen(MARKDOWN.render(f"**x{escape(text)}x** y")).tags) == {"p", "strong"}


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("ask @alice | <b>now</b>", "ask &#64;&#8203;alice \\| &#60;b&#62;now&#60;/b&#62;"),
        ("Fixes #12 and GH-3", "Fixes \\#&#8203;12 and GH&#8203;-3"),
        ("see https://evil.example or www.evil.example", "see https:&#8203;//evil.example or www&#8203;.evil.example"),
        ("work item AB#7, pull request !9", "work item AB\\#&#8203;7, pull request \\!&#8203;9"),
        ("two\nlines\x1b[31m", "two lines \\[31m"),
        ("turned \u202e around", "turned around"),
        ("- 0", "\\- 0"),
        ("1. x", "1&#8203;. x"),
    ],
)
def test_examples(text: str, escaped: str):
    assert escape(text) == escaped
    assert html.unescape(escape("a & b")) == "a & b"
