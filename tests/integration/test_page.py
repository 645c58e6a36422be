"""The release page in a real browser, opened from a file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from delivery.page.example import NOW, example_present, example_records, many_records
from delivery.page.rendering import render
from tests.browser import browser
from tests.unit.delivery.page.test_rendering import HOSTILE, hostile

RECORDS = example_records()
BACK = "prod/20261027T222400Z"
READABLE = 4.5
"""Contrast that WCAG 2 asks for (1.4.3)."""
CONTRAST = """
() => {
  const channel = (value) => { value /= 255; return value <= .03928 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4; };
  const colour = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const luminance = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const found = colour(getComputedStyle(one).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const worst = {};
  for (const element of document.querySelectorAll("body *")) {
    const style = getComputedStyle(element);
    const told = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!told || !element.getClientRects().length || element.closest("svg, script, style, option")) continue;
    const [one, other] = [luminance(colour(style.color)), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (one + .05) / (other + .05);
    const name = element.tagName.toLowerCase() + "." + element.className;
    worst[name] = Math.min(worst[name] ?? 99, ratio);
  }
  return worst;
}
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@dataclass
class Opened:
    """A page, and what it complained about or asked for."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def rows(self) -> list[str]:
        """Releases that the table shows, as `<stack>/<id>`."""
        links: list[str] = self.page.evaluate(
            "[...document.querySelectorAll('#table tbody tr')].filter(row => row.checkVisibility()).map(row => row.querySelector('th a').getAttribute('href'))"
        )
        return [link.removeprefix("#release/") for link in links]

    @property
    def hash(self) -> str:
        return self.page.evaluate("location.hash")


@pytest.fixture
def opened(chromium: Browser, tmp_path: Path) -> Iterator[Opened]:
    path = tmp_path / "releases.html"
    path.write_text(render(RECORDS, NOW, example_present(RECORDS)))
    one = open_page(chromium, path.as_uri())
    yield one
    one.page.close()
    assert one.complaints == []
    assert [request for request in one.requests if request.partition("#")[0] != one.url] == []


def open_page(chromium: Browser, url: str, fragment: str = "", **options: object) -> Opened:
    page = chromium.new_page(**options)  # pyright: ignore[reportArgumentType] - options of many types
    one = Opened(page, url)
    page.on("console", lambda message: one.complaints.append(message.text))
    page.on("pageerror", lambda error: one.complaints.append(str(error)))
    page.on("request", lambda request: one.requests.append(request.url))
    page.goto(url + fragment)
    return one


def test_it_filters_while_one_types_and_the_address_tells_what(opened: Opened):
    everything = [f"{record.stack}/{record.id}" for record in RECORDS]
    assert opened.rows() == everything
    assert opened.page.locator("#count").inner_text() == "28 releases"
    search = opened.page.get_by_label("Text")
    search.press_sequentially("scans sofia")
    assert opened.rows() == [BACK]
    assert opened.page.locator("#count").inner_text() == "1 of 1 releases, 28 in all"
    assert opened.hash == "#q=scans+sofia"
    search.fill("")
    opened.page.get_by_label("Stack").select_option("dev")
    opened.page.get_by_label("Outcome").select_option("failed")
    assert opened.rows() == ["dev/20261018T173600Z"]
    assert opened.hash == "#stack=dev&outcome=failed"
    opened.page.get_by_role("button", name="Clear").click()
    expect(opened.page.locator("#count")).to_have_text("28 releases")
    assert opened.rows() == everything
    assert opened.hash == ""
    search.fill("no such thing")
    assert opened.rows() == []


def test_an_address_brings_back_what_it_tells(chromium: Browser, opened: Opened):
    again = open_page(chromium, opened.url, "#stack=prod&service=digits&q=v12")
    assert again.page.get_by_label("Stack").input_value() == "prod"
    assert again.page.get_by_label("Service").input_value() == "digits"
    assert again.rows() == ["prod/20261119T151200Z", "prod/20261107T151200Z"]
    again.page.goto(f"{opened.url}#release/{BACK}?stack=prod")
    expect(again.page.get_by_role("dialog")).to_be_visible()
    assert {row.split("/")[0] for row in again.rows()} == {"prod"}
    again.page.keyboard.press("Escape")
    expect(again.page.get_by_role("dialog")).to_be_hidden()
    expect(again.page).to_have_url(f"{opened.url}#stack=prod")  # a moment after the dialog is gone
    again.page.goto(f"{opened.url}#release/prod/nothing")
    expect(again.page.get_by_role("dialog")).to_be_hidden()
    again.page.close()
    assert again.complaints == []


def test_details_open_by_click_and_by_keyboard_and_give_the_focus_back(opened: Opened):
    dialog = opened.page.get_by_role("dialog")
    row = opened.page.locator("#table tbody tr").filter(has_text="went back")
    row.locator("td").nth(1).click(position={"x": 4, "y": 4})
    expect(dialog).to_be_visible()
    assert opened.hash == f"#release/{BACK}"
    text = dialog.inner_text()
    for part in ("prod 20261027T222400Z", "v11 reads 1 as 7 in customers' scans", "digits v10", "accuracy 0.9644", "golden requests: 8 of 8 answers are right"):
        assert part in text
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    link = opened.page.locator("#table tbody tr th a").first
    link.focus()
    opened.page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    assert dialog.get_by_role("heading").first.inner_text() == f"{RECORDS[0].stack} {RECORDS[0].id}"
    # The focus stays in the dialog, and goes back to where it came from.
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.getElementById('details').contains(document.activeElement)")
    opened.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(link).to_be_focused()
    opened.page.locator(".timeline a").first.click()
    expect(dialog).to_be_visible()


def test_hostile_texts_are_text_there_too(chromium: Browser, tmp_path: Path):
    record = hostile(HOSTILE).model_copy(update={"run": "javascript:alert(1)"})
    path = tmp_path / "hostile.html"
    path.write_text(render([record], NOW))
    one = open_page(chromium, path.as_uri())
    one.page.on("dialog", lambda dialog: one.complaints.append(f"alert: {dialog.message}"))
    assert HOSTILE in one.page.locator("#table tbody").inner_text()
    one.page.locator("#table tbody tr th a").click()
    told = one.page.get_by_role("dialog")
    assert told.inner_text().count(HOSTILE) >= 5
    # Only what is a web address is a link.
    assert told.locator("a").count() == 0
    assert one.page.locator("img, iframe").count() == 0
    assert one.page.locator("script").count() == 2
    one.page.close()
    assert one.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_readable(chromium: Browser, opened: Opened, scheme: str, width: int):
    one = open_page(chromium, opened.url, f"#release/{BACK}", viewport={"width": width, "height": 800}, color_scheme=scheme)
    found: dict[str, float] = one.page.evaluate(CONTRAST)
    assert len(found) > 20
    assert {name: round(ratio, 2) for name, ratio in found.items() if ratio < READABLE} == {}
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    assert (one.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(246, 247, 249)") is (scheme == "light")
    one.page.close()


def test_what_assistive_technology_needs(opened: Opened):
    page = opened.page
    assert page.locator("html").get_attribute("lang") == "en"
    levels = [int(tag[1]) for tag in page.evaluate("[...document.querySelectorAll('h1,h2,h3')].filter(one => !one.closest('dialog')).map(one => one.tagName)")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    for control in page.locator("input, select").all():
        assert control.evaluate("one => one.labels.length") == 1
    for button in page.locator("button").all():
        assert button.evaluate("one => one.textContent.trim().length > 0 || one.hidden")
    assert page.locator("table").count() == page.locator("table:has(thead th[scope=col]):has(tbody th[scope=row])").count() > 3
    assert page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id).filter((id, place, all) => all.indexOf(id) !== place)") == []
    assert page.locator("#count").get_attribute("role") == "status"
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the table of releases")).to_be_focused()


def test_it_prints_without_controls(opened: Opened):
    # An A4 page less its margins.
    opened.page.set_viewport_size({"width": 703, "height": 990})
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 703
    assert opened.page.locator("#table thead").is_visible()
    expect(opened.page.locator(".filters")).to_be_hidden()
    assert len(opened.page.pdf()) > 10_000


@pytest.mark.figures
def test_a_thousand_releases_are_shown_fifty_at_first(chromium: Browser, tmp_path: Path):
    records = many_records(1000)
    path = tmp_path / "many.html"
    path.write_text(render(records, records[0].finished_at))
    one = open_page(chromium, path.as_uri())
    loaded = one.page.evaluate("performance.getEntriesByType('navigation')[0].domComplete")
    assert len(one.rows()) == 50
    started = one.page.evaluate("performance.now()")
    one.page.get_by_label("Text").fill("v11")
    took = one.page.evaluate("performance.now()") - started
    matched = re.match(r"50 of (\d+) releases, 1000 in all", one.page.locator("#count").inner_text())
    assert matched
    one.page.get_by_role("button", name=f"Show all {matched[1]}").click()
    assert len(one.rows()) == int(matched[1])
    print(f"release page in Chromium: 1000 releases complete after {loaded:.0f} ms, filtered in {took:.0f} ms")
    assert loaded < 5000
    assert took < 2000
    assert one.complaints == []
    one.page.close()
