"""`converge release`: reading and pushing, from the command line."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from delivery.errors import DeliveryError
from delivery.release import cli
from delivery.release.ledger import Ledger
from delivery.release.record import Outcome, Record
from tests.unit.delivery.release.releases import PIN, clone, ledger, origin, release, service

RECORDS = [
    release(0, services=[service(12)]),
    release(5, stack="prod", services=[service(12)]),
    release(9, outcome=Outcome.FAILED, services=[service(12)], reason="pods of digits are not ready"),
    release(15, services=[service(13)]),
]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = clone(origin(tmp_path), "clone")
    monkeypatch.chdir(folder)
    # Whose remote does not answer is not asked for long.
    monkeypatch.setattr(cli, "Ledger", SimpleNamespace(of=ledger))
    monkeypatch.setattr(cli, "_present", lambda records: {one.digest: True for record in records for one in record.services.values()})
    return folder


@pytest.fixture
def opened(checkout: Path) -> Ledger:
    """Four records: three in one commit, as they had to wait, and one more."""
    made = ledger(checkout)
    for record in RECORDS[:3]:
        made.kept.keep(record)
    made.write(RECORDS[3])
    return made


def converge(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments)


def lines(*arguments: str) -> list[str]:
    answer = converge(*arguments)
    assert (answer.exit_code, answer.stderr) == (0, ""), answer.exception
    return answer.stdout.splitlines()


def message(*arguments: str) -> str:
    answer = converge(*arguments)
    assert isinstance(answer.exception, DeliveryError), answer.output
    return str(answer.exception)


@pytest.mark.usefixtures("opened")
class TestList:
    def test_all_stacks(self):
        found = lines("list")
        assert [line.split()[:2] for line in found[1:]] == [[record.stack, record.id] for record in (RECORDS[3], RECORDS[2], RECORDS[1], RECORDS[0])]
        assert found[2].endswith("  there         failed     pods of digits are not ready")

    def test_one_stack(self):
        found = lines("list", "prod")
        assert len(found) == 2
        assert found[1].startswith("20261124T232347Z  2026-11-24 23:23  Ada Lovelace  1a2b3c4  digits v12  ")

    def test_a_part(self):
        found = lines("list", "--limit", "2")
        assert len(found) == 4
        assert found[-1] == "2 of 4 releases; --all lists every one"
        assert len(lines("list", "--all")) == 5

    def test_twenty_by_default(self, checkout: Path):
        for minute in range(30, 50):
            ledger(checkout).kept.keep(release(minute, stack="many"))
        ledger(checkout).push_kept()
        assert lines("list")[-1] == "20 of 24 releases; --all lists every one"
        assert len(lines("list", "--all")) == 25

    def test_for_programs(self):
        answer = converge("list", "--json", "--limit", "3")
        assert [Record.model_validate(record) for record in json.loads(answer.stdout)] == [RECORDS[3], RECORDS[2], RECORDS[1]]
        assert converge("list", "nope", "--json").stdout == "[]\n"

    def test_nothing_yet(self):
        assert lines("list", "nope") == ["no release of stack nope is recorded"]

    def test_both_of_two(self):
        assert message("list", "--all", "--limit", "3") == "--all and --limit say two things; give one of them"
        assert converge("list", "--limit", "0").exit_code == 2


@pytest.mark.usefixtures("opened")
class TestShow:
    def test_by_a_beginning(self):
        assert lines("show", "dev", "20261124T2333")[:2] == ["dev 20261124T233347Z succeeded", "  began   2026-11-24 23:33:47 UTC, took 60 s"]

    def test_the_whole_reason(self, checkout: Path):
        reason = "x" * 3000
        ledger(checkout).write(release(20, outcome=Outcome.FAILED, reason=reason))
        assert "x" * 200 in "".join(lines("show", "dev", "20261124T233847Z"))
        assert "".join(lines("show", "dev", "20261124T233847Z")).count("x") >= 3000

    def test_for_programs(self):
        assert Record.model_validate_json(converge("show", "dev", RECORDS[2].id, "--json").stdout) == RECORDS[2]

    def test_none(self):
        assert message("show", "nope", "x") == "no release of stack nope is recorded; there are releases of dev, prod"


@pytest.mark.usefixtures("opened")
class TestAt:
    @pytest.mark.parametrize(
        ("time", "model"),
        [
            ("2026-11-24T23:20Z", "digits v12"),
            ("2026-11-25 00:20+01:00", "digits v12"),
            ("2026-11-24 23:20 UTC", "digits v12"),
            ("2026-11-24 23:33:00Z", "digits v12"),
            ("2026-11-24T23:34:47Z", "digits v13"),
            ("20261124T233447Z", "digits v13"),
            ("2026-11-24T23:00Z", "nothing yet"),
        ],
    )
    def test_a_time(self, monkeypatch: pytest.MonkeyPatch, time: str, model: str):
        later(monkeypatch)
        found = lines("at", time, "dev")
        assert found[1].split()[:2] == ["stack", "ran"]
        assert found[2].startswith(f"dev    {model}")
        assert len(found) == 3

    def test_all_stacks(self, monkeypatch: pytest.MonkeyPatch):
        later(monkeypatch)
        assert [line.split()[0] for line in lines("at", "2026-11-24T23:40Z")[2:]] == ["dev", "prod"]

    def test_without_a_zone_it_is_utc_and_says_so(self, monkeypatch: pytest.MonkeyPatch):
        later(monkeypatch)
        answer = converge("at", "2026-11-24 23:40", "dev")
        assert answer.stderr == "2026-11-24 23:40 has no zone and is taken as UTC\n"
        assert answer.stdout.splitlines()[0] == "at 2026-11-24 23:40 UTC"
        assert converge("at", "2026-11-25", "dev").stdout.splitlines()[0] == "at 2026-11-25 00:00 UTC"

    def test_the_future(self):
        answer = converge("at", (datetime.now(UTC) + timedelta(days=400)).isoformat(), "dev")
        assert answer.stderr == "that time is yet to come; this is what runs now\n"
        assert "digits v13" in answer.stdout

    def test_for_programs(self, monkeypatch: pytest.MonkeyPatch):
        later(monkeypatch)
        found = json.loads(converge("at", "2026-11-24T23:20Z", "--json").stdout)
        assert {stack: record and Record.model_validate(record) for stack, record in found.items()} == {"dev": RECORDS[0], "prod": None}

    @pytest.mark.parametrize("time", ["yesterday", "23:00", "", "2026-13-01", "2026-11-24 25:00"])
    def test_no_time(self, time: str):
        assert message("at", time) == f'TIME must be like "2026-11-24 23:00", 2026-11-24T23:00+01:00 or 2026-11-24, got {time!r}'

    def test_an_unknown_stack(self):
        assert message("at", "2026-11-24T23:00Z", "nope") == "no release of stack nope is recorded, so it is not known what ran"


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no test depends on today."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # noqa: ARG003 - datetime's own
            return datetime(2030, 1, 1, tzinfo=UTC)

    monkeypatch.setattr(cli, "datetime", Later)


class TestTrouble:
    def test_no_network(self, opened: Ledger, checkout: Path):
        bare = checkout.parent / "origin.git"
        bare.rename(checkout.parent / "away")
        opened.write(release(40))
        answer = converge("list", "dev")
        assert answer.exit_code == 0
        assert answer.stderr.splitlines() == [
            f"the newest releases may be missing: '{bare}' does not appear to be a git repository",
            "1 record is not pushed yet; `converge release push` does it, and the next deployment",
        ]
        assert answer.stdout.splitlines()[1].endswith("succeeded  not pushed yet")
        place = checkout / ".git" / "converge" / "releases"
        assert message("push") == f"not pushed, and kept in {place}: dev 20261124T235847Z: '{bare}' does not appear to be a git repository"
        (checkout.parent / "away").rename(bare)
        assert lines("push") == ["pushed dev 20261124T235847Z"]
        assert lines("push") == ["no record waits to be pushed"]

    def test_what_cannot_be_read(self, opened: Ledger):
        broken = opened.kept.folder / "dev" / "x.json"
        opened.kept.keep(release(40))
        broken.write_text("{}")
        answer = converge("push")
        assert answer.stdout == "pushed dev 20261124T235847Z\n"
        assert answer.stderr.startswith(f"{broken} is left where it is: no record: id: is missing; ")
        assert converge("list").stderr.startswith(f"{broken} cannot be read: no record: id: is missing; ")

    def test_no_repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        monkeypatch.chdir(tmp_path)
        for command in (["list"], ["show", "dev", "x"], ["at", "2026-11-24T23:00Z"], ["push"]):
            assert message(*command) == f"{tmp_path} is in no git repository, and releases are recorded in one; run it in a clone of the project"

    @pytest.mark.usefixtures("checkout")
    def test_nothing_yet(self):
        assert lines("list") == ["no release is recorded"]
        assert message("at", "2026-11-24T23:00Z") == "no release is recorded, so it is not known what ran"


def test_the_schema_fits_a_record():
    schema = json.loads(converge("schema").stdout)
    assert set(schema["properties"]) == set(release(services=[service(pin=PIN)]).model_dump())
