"""The branch's page."""

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from delivery.release import words
from delivery.release.files import newest_first
from delivery.release.readme import render, since
from delivery.release.record import Outcome, Record
from tests.unit.delivery.release.releases import PIN, release, service

HEADS = {
    "runs": ["| stack | service | model | version | image | since | commit |", "|---|---|---|---|---|---|---|"],
    "newest": ["| release | when | by | commit | outcome | runs | why |", "|---|---|---|---|---|---|---|"],
}


def page(*records: Record) -> list[str]:
    return [line for line in render(newest_first(records)).splitlines() if line]


def test_the_page():
    old, new, other = (f"`{words.digest(one)}`" for one in (service(12), service(13), service(3, name="words")))
    lines = page(
        release(services=[service(12), service(3, name="words")], by="Grace"),
        release(5, services=[service(13), service(3, name="words")], outcome=Outcome.FAILED, reason="crash", dirty=True, by="Ada"),
        release(7, stack="prod", services=[service(13)]),
    )
    assert lines[0] == "# Releases"
    runs = lines.index("## What runs")
    assert lines[runs + 1 :] == [
        *HEADS["runs"],
        f"| dev | digits | digits | 12 | {old} | 2026-11-24 23:19 | `1a2b3c4` |",
        f"| dev | words | words | 3 | {other} | 2026-11-24 23:19 | `1a2b3c4` |",
        f"| prod | digits | digits | 13 | {new} | 2026-11-24 23:26 | `1a2b3c4` |",
        "## dev",
        *HEADS["newest"],
        f"| [20261124T232347Z](dev/20261124T232347Z.json) | 2026-11-24 23:23 | Ada | `1a2b3c4+` | **failed** | digits v13 {new}<br>words v3 {other} | crash |",
        f"| [20261124T231847Z](dev/20261124T231847Z.json) | 2026-11-24 23:18 | Grace | `1a2b3c4` | succeeded | digits v12 {old}<br>words v3 {other} |  |",
        "## prod",
        *HEADS["newest"],
        f"| [20261124T232547Z](prod/20261124T232547Z.json) | 2026-11-24 23:25 | Ada Lovelace | `1a2b3c4` | succeeded | digits v13 {new} |  |",
    ]


def test_a_pin_is_told():
    assert f"| dev | digits (pinned: {PIN.reason}) | digits | 12 |" in "\n".join(page(release(services=[service(12, pin=PIN)])))


def test_what_people_write_is_no_markup():
    text = "\n".join(page(release(by="<b>@ada</b> | *x*", outcome=Outcome.FAILED, reason="a | b\n# c `d` [e](f) @all")))
    assert not set("<@") & set(text.replace("<stack>", "").replace("<id>", ""))
    assert " \\| \\*x\\* |" in text
    assert "| a \\| b \\# c \\`d\\` \\[e\\](f) &#64;" in text


def test_a_long_reason_is_shortened():
    row = page(release(outcome=Outcome.FAILED, reason="x" * 3000))[-1]
    assert "x" * 197 + "..." in row
    assert "x" * 198 not in row


def test_only_the_newest_are_listed():
    lines = page(*(release(minute) for minute in range(23)))
    assert len([line for line in lines if line.startswith("| [")]) == 20
    assert lines[-1] == "and 3 older, in the folder [dev](dev)"
    assert "and" not in page(*(release(minute) for minute in range(20)))[-1]


def test_a_stack_that_never_succeeded_runs_nothing():
    lines = page(release(outcome=Outcome.FAILED))
    assert lines[lines.index("## What runs") + 3] == "## dev"


@given(st.lists(st.integers(0, 60), unique=True, max_size=12), st.randoms())
def test_the_order_in_which_records_come_does_not_matter(minutes: list[int], shuffle: random.Random):
    records = [release(minute, stack=("dev", "prod")[minute % 2]) for minute in minutes]
    shuffled = list(records)
    shuffle.shuffle(shuffled)
    assert render(newest_first(records)) == render(newest_first(shuffled))


@given(st.lists(st.integers(1, 3), min_size=1, max_size=8))
def test_since_when_it_runs_is_the_first_of_the_last_run(versions: list[int]):
    records = [release(minute, services=[service(version)]) for minute, version in enumerate(versions)]
    found = since(newest_first(records), "digits")
    expected = len(versions) - 1
    while expected and versions[expected - 1] == versions[-1]:
        expected -= 1
    assert found == records[expected]


def test_since_looks_past_what_failed_and_at_what_was_away():
    first = release(0)
    assert since([release(2), release(1, outcome=Outcome.FAILED, services=[service(14)]), first], "digits") == first
    assert since([release(2), release(1, services=[]), first], "digits") == release(2)
    assert since([release(2, services=[service(image="built anew")]), first], "digits") == release(2, services=[service(image="built anew")])
    assert since([release(2, services=[])], "digits") is None


def test_links_lead_to_records():
    links = re.findall(r"\]\((\S+)\)", render([release(1), release(stack="prod")]))
    assert links == ["dev/20261124T231947Z.json", "prod/20261124T231847Z.json"]
