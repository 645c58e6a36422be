"""The page's HTML: complete, self-contained, and nothing that a record says is ever markup."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from delivery.errors import DeliveryError
from delivery.page import cli
from delivery.page.data import embedded
from delivery.page.example import NOW, example_present, example_records, many_records
from delivery.page.rendering import render
from delivery.release.ledger import Ledger
from delivery.release.record import Record

RECORDS = example_records()
HOSTILE = "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>\"'&"
_MOST_BYTES = 3_000_000


class _Elements(HTMLParser):
    """Which elements the page has, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = (dict(attrs).get("id") or dict(attrs).get("type") or tag) if tag in ("script", "style") else ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw[self._inside] = self.raw.get(self._inside, "") + data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = ""

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def parsed(records: list[Record] = RECORDS, **more: Any) -> _Elements:
    return _Elements(render(records, NOW, **more))


def test_the_policy_lets_only_our_own_style_and_script_run():
    page = parsed()
    (policy,) = [meta["content"] for meta in page.named("meta") if meta.get("http-equiv")]
    hashes = {name: base64.b64encode(hashlib.sha256(page.raw[name].encode()).digest()).decode() for name in ("style", "script")}
    assert policy == f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; base-uri 'none'; form-action 'none'"


def test_nothing_is_loaded_and_nothing_is_inline_that_the_policy_would_refuse():
    page = parsed()
    for name, attributes in page.elements:
        assert name not in ("img", "iframe", "object", "embed", "base", "link"), name
        assert not {"src", "style", "srcset"} & attributes.keys(), (name, attributes)
        assert not [one for one in attributes if one.startswith("on")], (name, attributes)
    assert {link["href"][0] for link in page.named("a") if link["href"]} == {"#"}
    assert "url(" not in page.raw["style"]
    assert "@import" not in page.raw["style"]


def test_every_release_has_a_row_and_its_details():
    html = render(RECORDS, NOW)
    data = json.loads(parsed().raw["data"])
    assert [(one["stack"], one["id"]) for one in data["releases"]] == [(record.stack, record.id) for record in RECORDS]
    table = html[html.index('id="table"') : html.index('id="more"')]
    assert re.findall(r'<th scope="row"[^>]*><a href="#release/([^"]+)">', table) == [f"{record.stack}/{record.id}" for record in RECORDS]
    first = data["releases"][0]
    assert data["models"][first["services"]["digits"]["model"]]["metrics"] == {"accuracy": 0.9733, "log_loss": 0.1267}
    assert first["services"]["digits"]["present"] is None


def test_what_runs_and_whether_its_image_is_there():
    html = render(RECORDS, NOW, example_present(RECORDS))
    running = html[html.index('id="what-runs"') : html.index('id="timeline"')]
    rows = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in running.split("<tr>")[2:]]
    assert [row.split()[:4] for row in rows] == [
        ["dev", "digits", "digits", "v13"],
        ["dev", "sentiment", "sentiment", "v4"],
        ["prod", "digits", "digits", "v12"],
        ["prod", "sentiment", "sentiment", "v4"],
    ]
    assert all(" there " in row for row in rows)
    assert html.count(">gone<") == 9
    assert ">there<" not in render(RECORDS, NOW)


def test_a_pin_and_a_failed_newest_release_are_told():
    prod = [record for record in RECORDS if record.stack == "prod" and record.id <= "20261027T222400Z"]
    html = render(prod, NOW)
    assert '<span class="tag">pinned</span><small class="reason">v11 reads 1 as 7 in customers&#39; scans (sofia.reyes@example.com)</small>' in html
    failed = [record for record in RECORDS if record.stack == "dev" and record.id <= "20261018T173600Z"]
    assert '<span class="tag bad">newest release failed</span>' in render(failed, NOW)


def test_the_lineage_says_what_a_version_was_trained_on():
    html = render(RECORDS, NOW)
    training = RECORDS[0].services["digits"].model.training
    assert training
    assert training.commit
    told = f"trained on digits scans, {training.data.rows:,} rows, <code>{training.data.sha256[:12]}</code>, at <code>{training.commit[:7]}</code>"
    assert f'<span class="reason">{told}</span>' in html


def hostile(text: str) -> Record:
    record = RECORDS[0]
    service = record.services["digits"]
    training = service.model.training
    assert training
    trained = training.model_copy(update={"data": training.data.model_copy(update={"name": text})})
    model = service.model.model_copy(update={"published_by": text, "metrics": {text: 0.5}, "training": trained})
    pin = next(one.services["digits"].pin for one in RECORDS if one.id == "20261027T222400Z")
    assert pin
    changed = service.model_copy(update={"model": model, "app": text, "pin": pin.model_copy(update={"reason": text, "by": text})})
    return record.model_copy(update={"reason": text, "by": text, "pull_request": text, "run": text, "services": {"digits": changed}})


def test_hostile_texts_are_text():
    page, clean = parsed([hostile(HOSTILE)], notes=[HOSTILE]), parsed([hostile("harmless")], notes=["harmless"])
    assert [name for name, _ in page.elements] == [name for name, _ in clean.elements]
    assert json.loads(page.raw["data"])["releases"][0]["reason"] == HOSTILE
    assert page.raw["script"] == clean.raw["script"]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_no_text_leaves_the_data(text: str):
    found = embedded([hostile(text)], {})
    assert json.loads(found)["releases"][0]["reason"] == text
    assert not set("<>&\u2028\u2029") & set(found)


def test_without_releases_there_is_a_page_that_says_so():
    assert "No release is recorded yet." in render([], NOW)
    failed = [record.model_copy(update={"services": {}}) for record in RECORDS if record.outcome == "failed"]
    assert 'id="timeline"' not in render(failed, NOW)


@pytest.mark.figures
def test_a_thousand_releases():
    records = many_records(1000)
    began = datetime.now(UTC)
    size = len(render(records, records[0].finished_at).encode())
    print(f"release page: 1000 releases, {size / 1e6:.1f} MB, made in {(datetime.now(UTC) - began).total_seconds():.1f} s")
    assert size < _MOST_BYTES


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    class Fake:
        stale = "the remote cannot be reached"
        unreadable = {"dev/x.json": "no JSON"}  # noqa: RUF012 - of a test

        def records(self) -> list[Record]:
            return RECORDS

    def of(_class: type[Ledger], _checkout: Path) -> Fake:
        return Fake()

    monkeypatch.setattr(Ledger, "of", classmethod(of))
    return tmp_path / "releases.html"


def run(*options: str) -> Any:
    app = typer.Typer()
    app.command()(cli.page)
    return CliRunner().invoke(app, list(options))


def test_the_command_writes_the_file_and_what_a_reader_must_know(ledger: Path):
    done = run("--out", str(ledger), "--no-images")
    assert done.exit_code == 0, done.output
    text = ledger.read_text()
    assert done.stdout == f"{ledger}: 28 releases, {len(text.encode()):,} bytes\n"
    assert "the newest releases may be missing: the remote cannot be reached" in text
    assert "records of the ledger that cannot be read: 1; `converge release list` names them" in text
    assert ">there<" not in text
    assert [path.name for path in ledger.parent.iterdir()] == ["releases.html"]


def test_a_file_that_cannot_be_written_is_one_message(ledger: Path):
    missing = run("--out", str(ledger.parent / "no" / "x.html"), "--no-images").exception
    assert isinstance(missing, DeliveryError)
    assert str(missing) == f"--out {ledger.parent}/no/x.html: there is no folder {ledger.parent}/no; make it first"
    ledger.mkdir()
    folder = run("--out", str(ledger), "--no-images").exception
    assert isinstance(folder, DeliveryError)
    assert str(folder) == f"--out {ledger} cannot be written: Is a directory"
