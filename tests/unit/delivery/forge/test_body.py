"""A comment's marker, and what is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.errors import DeliveryError
from delivery.forge.body import body, fitted, run_of


def test_the_marker_and_the_run():
    made = body("text", "plan-dev", 12, 1000)
    assert (made.marker, made.text) == ("<!-- converge:plan:dev -->", "<!-- converge:plan:dev -->\n<!-- run 12 -->\ntext")
    assert run_of(made.text) == 12
    assert run_of("text") == 0
    assert run_of("x" * 500 + "<!-- run 12 -->") == 0


@pytest.mark.parametrize("key", ["", "Plan", "-x", "a b", "x-->", "a" * 64])
def test_keys_that_are_none(key: str):
    with pytest.raises(DeliveryError, match="is not allowed: lower-case letters, digits and '-', at most 63 characters, such as plan-dev"):
        body("x", key, 0, 1000)


LINES = st.lists(st.sampled_from(["text", "<details>", "</details>", "```diff", "```", "````", "+ x", "<details open>"]), max_size=60)


@given(LINES, st.integers(0, 200))
def test_what_is_cut_closes_what_it_opened(lines: list[str], longest: int):
    text = "\n".join(lines)
    cut = fitted(text, longest)
    if len(text) <= longest:
        assert cut == text
        return
    assert len(cut) <= longest + 400 + 12 * 60
    assert cut.endswith("Too long for a comment; the rest is in the pipeline's run.\n")
    fence, depth = "", 0
    for line in cut.splitlines():
        if fence:
            fence = "" if line == fence else fence
        elif line.startswith("```"):
            fence = line.rstrip("dif")
        else:
            depth += line.startswith("<details") - line.startswith("</details>")
    assert fence == ""
    assert depth <= 0 or lines.count("</details>") > 0


def test_a_comment_never_exceeds_what_the_forge_takes():
    text = "\n".join(["<details>", "<summary>x</summary>", "", "```diff", *["+ line"] * 20_000, "```", "", "</details>"])
    made = body(text, "plan-dev", 1, 65_536)
    assert len(made.text) <= 65_536
    assert made.text.endswith("+ line\n```\n\n</details>\n\nToo long for a comment; the rest is in the pipeline's run.\n")
