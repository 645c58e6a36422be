"""The pictures of the docs: all there, none too many, and what is on them can be made."""

import re
from pathlib import Path

import pytest

from tests import screenshots

DOCS = screenshots.IMAGES.parent
NAMES = {f"{name}.png" for name in (*screenshots.PAGES, *screenshots.TERMINALS)}


def test_every_picture_is_there_and_small():
    """`make screenshots` makes them."""
    assert {path.name for path in screenshots.IMAGES.iterdir()} == NAMES
    for path in screenshots.IMAGES.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size < screenshots.MOST_BYTES


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_what_a_page_shows_exists(path: Path):
    assert set(re.findall(r"\]\(images/([^)]+)\)", path.read_text())) <= NAMES


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plan", "digits v12"),
        ("release-list", "rolled back"),
        ("drift", "prod: people changed 3 resources since the last deployment"),
        ("promotion-refused", "accuracy 0.9733 -&gt; 0.9588, may worsen by 0.002: fails. digits v14 is not promoted"),
    ],
)
def test_the_commands_still_print_it(name: str, text: str):
    width, show = screenshots.TERMINALS[name]
    assert text in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", screenshots.html(width, show)))
