"""Releases on terminals and in a log."""

import io
from datetime import timedelta

import pytest
from rich.console import Console

from delivery.release import words
from delivery.release.record import Check, Outcome, Record, SmokeResult
from delivery.release.show import Listing, print_release, print_what_ran
from tests.unit.delivery.release.releases import BEGAN, PIN, release, service, sha256

REASON = "update of digits stopped: 3 of 3 pods did not get ready within 210 s: CrashLoopBackOff: model.onnx cannot be opened by the runtime"
SHORT = words.shortened(REASON, 110)
NOTE = "back to 20261124T231847Z; digits pinned"
WORDS = service(3, name="words")
RECORDS = [
    release(90, services=[service(12, pin=PIN), WORDS], reason="back to 20261124T231847Z", dirty=True),
    release(60, stack="prod", outcome=Outcome.FAILED, services=[service(13), WORDS], reason=REASON, by="deploy-pipeline"),
    release(0, services=[service(12), WORDS], by="Grace Brewster Murray Hopper"),
]
OLD, NEW, OTHER = (words.digest(one) for one in (service(12), service(13), WORDS))
PRESENT = {service(12).digest: True, service(13).digest: False, WORDS.digest: None}


def lines(width: int, *, terminal: bool = False, **more: object) -> list[str]:
    output = io.StringIO()
    console = Console(file=output, width=width, force_terminal=terminal, color_system=None)
    Listing(RECORDS, present=PRESENT, **more).print(console)  # pyright: ignore[reportArgumentType] - passed on as they are
    return output.getvalue().splitlines()


def test_a_log_has_one_line_per_service_and_no_space_at_its_end():
    blank = 75 * " "
    assert lines(320) == [
        "stack  release           when (UTC)        by                    commit    runs        image         image there?  outcome    note",
        f"dev    20261125T004847Z  2026-11-25 00:48  Ada Lovelace          1a2b3c4+  digits v12  {OLD}  there         succeeded  {NOTE}",
        f"{blank}words v3    {OTHER}  not known",
        f"prod   20261125T001847Z  2026-11-25 00:18  deploy-pipeline       1a2b3c4   digits v13  {NEW}  gone          failed     {SHORT}",
        f"{blank}words v3    {OTHER}  not known",
        f"dev    20261124T231847Z  2026-11-24 23:18  Grace Brewster Mu...  1a2b3c4   digits v12  {OLD}  there         succeeded",
        f"{blank}words v3    {OTHER}  not known",
    ]


def test_a_log_of_one_stack():
    assert lines(320, with_stack=False)[1].startswith("20261125T004847Z  2026-11-25 00:48  Ada Lovelace ")


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal(width: int):
    found = lines(width, terminal=True)
    assert all(len(line.rstrip()) <= width for line in found)
    first = [line.rstrip() for line in found[:5]]
    assert (
        first
        == {
            80: [
                "release               by, commit       runs, image there?     outcome",
                "20261125T004847Z      Ada Lovelace     digits v12             succeeded",
                f"2026-11-25 00:48 dev  1a2b3c4+         {OLD} there     back to",
                "                                       words v3               20261124T231847Z;",
                f"                                       {OTHER} not known digits pinned",
            ],
            120: [
                "release               by, commit       runs, image there?     outcome",
                "20261125T004847Z      Ada Lovelace     digits v12             succeeded",
                f"2026-11-25 00:48 dev  1a2b3c4+         {OLD} there     {NOTE}",
                "                                       words v3",
                f"                                       {OTHER} not known",
            ],
        }[width]
    )
    assert "…" not in "".join(found)


def test_the_stack_stands_beside_the_time():
    assert lines(120)[2].startswith("2026-11-25 00:48 dev  1a2b3c4+ ")
    assert lines(120, with_stack=False)[2].startswith("2026-11-25 00:48 1a2b3c4+ ")


def test_what_is_not_pushed_says_so():
    assert lines(320, waiting=[RECORDS[2]])[5].endswith("  succeeded  not pushed yet")


def test_what_people_write_is_no_markup():
    output = io.StringIO()
    Listing([release(by="[red]x[/red]", reason="[bold]y")]).print(Console(file=output, width=320))
    assert "[red]x[/red]" in output.getvalue()
    assert "[bold]y" in output.getvalue()


def what_ran(minutes: int, width: int = 80) -> list[str]:
    output = io.StringIO()
    print_what_ran(RECORDS, BEGAN + timedelta(minutes=minutes), Console(file=output, width=width))
    return output.getvalue().splitlines()


def test_what_ran():
    assert what_ran(30) == [
        "stack  ran          image         since (UTC)       commit   release",
        f"dev    digits v12   {OLD}  2026-11-24 23:19  1a2b3c4  20261124T231847Z",
        f"dev    words v3     {OTHER}  2026-11-24 23:19  1a2b3c4  20261124T231847Z",
        "prod   nothing yet",
    ]


def shown(record: Record, *, waits: bool = False) -> str:
    output = io.StringIO()
    print_release(record, PRESENT, Console(file=output, width=320), waits=waits)
    return output.getvalue()


def test_everything_of_a_release():
    smoke = SmokeResult(
        checks=(
            Check(name="ready", passed=True, text="200 after 0.1 s"),
            Check(name="golden requests", passed=False, text="3 of 50 differ"),
            Check(name="latency", passed=None, text="no request was answered"),
        )
    )
    record = release(
        outcome=Outcome.FAILED,
        reason=REASON,
        services=[service(12, pin=PIN, smoke=smoke), service(13, name="words", smoke=None)],
        dirty=True,
        approved_by="Grace",
        lock_commit="d" * 40,
        pull_request="https://example.com/pull/12",
        run="https://example.com/run/1",
        plan_sha256=sha256("plan"),
        resource_changes={"update": 3, "same": 40},
        previous="20261101T000000Z",
    )
    assert shown(record, waits=True) == (
        f"""dev 20261124T231847Z failed
  began           2026-11-24 23:18:47 UTC, took 60 s
  why             {REASON}
  by              Ada Lovelace
  approved by     Grace
  commit          {record.commit}, with changes that no commit holds
  lock's commit   {"d" * 40}
  pull request    https://example.com/pull/12
  run             https://example.com/run/1
  plan            sha256 {sha256("plan")}
  resources       3 update, 40 same
  release before  20261101T000000Z
  pushed          not yet: `converge release push`

digits
  model           digits v12, published 2026-11-24 23:18 UTC by Grace
  model's sha256  {service(12).model.sha256}
  metrics         accuracy 0.97
  image           {service(12).image}
  image there?    there
  came from       the lock, which names the image
  pinned          to 20261101T000000Z by Ada, 2026-11-24 23:18 UTC: digits 13 confuses 4 and 9
  namespace       digits
  app             apps/digits, last changed by {"c" * 40}
  smoke test      FAILED
                  ready: passed: 200 after 0.1 s
                  golden requests: FAILED: 3 of 50 differ
                  latency: not looked at: no request was answered

words
  model           words v13, published 2026-11-24 23:18 UTC by Grace
  model's sha256  {service(13, name="words").model.sha256}
  metrics         accuracy 0.97
  image           {service(13, name="words").image}
  image there?    not known
  came from       a build of the commit
  namespace       words
  app             apps/words, last changed by {"c" * 40}
  smoke test      none was made
"""
    )


def test_what_is_not_known_is_left_out():
    text = shown(release())
    for title in ("why", "approved by", "lock's commit", "pull request", "  run ", "  plan ", "resources", "release before", "pushed", "pinned"):
        assert title not in text
    assert "  smoke test      passed, slowest answer 12 ms\n" in text
