"""How releases are told."""

import pytest

from delivery.release import words
from tests.unit.delivery.release.releases import BEGAN, release, service


def test_the_words():
    assert words.when(BEGAN) == "2026-11-24 23:18"
    assert words.commit(release()) == "1a2b3c4"
    assert words.commit(release(dirty=True)) == "1a2b3c4+"
    assert words.model("digits", service(12)) == "digits v12"
    assert words.model("words", service(12)) == "words: digits v12"
    assert words.digest(service(image="x")) == service(image="x").image.partition("@sha256:")[2][:12]


@pytest.mark.parametrize(("text", "expected"), [("", ""), ("1234567890", "1234567890"), ("12345678901", "1234567..."), ("123456 8901", "123456...")])
def test_shortened(text: str, expected: str):
    assert words.shortened(text, 10) == expected
