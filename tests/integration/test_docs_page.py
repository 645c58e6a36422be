"""The service's page for people, /docs, in a real browser: read, tried out, and without a request to anywhere else."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import browser
from tests.integration.test_page import CONTRAST, READABLE

_APP = Path(__file__).parents[2] / "app_template"
_START = re.compile(r'"message": "serving".*"addresses": \["([^"]+)"')


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the service with a model that is trained on the spot."""
    model = tmp_path_factory.mktemp("trained")
    subprocess.run([sys.executable, "-m", "training.train", "--out", model], cwd=_APP, check=True, capture_output=True)
    environment = {**os.environ, "MODEL_DIR": str(model), "HOST": "127.0.0.1", "PORT": "0", "DRAIN_SECONDS": "0"}
    with subprocess.Popen([sys.executable, "-m", "app"], cwd=_APP, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = next(found for line in process.stderr if (found := _START.search(line)))
            yield f"http://{found[1]}"
        finally:
            process.terminate()


@dataclass
class Opened:
    """The page, what it complained about, and what it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(params=["light", "dark"])
def opened(chromium: Browser, service: str, request: pytest.FixtureRequest) -> Iterator[Opened]:
    page = chromium.new_page(color_scheme=request.param)
    one = Opened(page)
    page.on("console", lambda message: one.complaints.append(message.text))
    page.on("pageerror", lambda error: one.complaints.append(str(error)))
    page.on("request", lambda asked: one.requests.append(asked.url))
    page.goto(f"{service}/docs")
    yield one
    page.close()
    assert [url for url in one.requests if not url.startswith((f"{service}/", "data:"))] == []


def test_a_ready_example_gets_a_live_answer(opened: Opened) -> None:
    page = opened.page
    expect(page.get_by_role("heading", name="digits", exact=True)).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("image FP32 any . 64 0 to 16"))).to_be_visible()
    form = page.locator("form").first
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_role("status")).to_have_text(re.compile(r"^200 after [\d.]+ ms$"))
    expect(form.get_by_label("Answer")).to_contain_text('"label"')
    expect(form.get_by_label("Answer")).to_contain_text('"app_release": "1"')
    assert opened.complaints == []


def test_a_wrong_request_shows_the_service_s_own_words(opened: Opened) -> None:
    form = opened.page.locator("form").first
    form.get_by_label("Body, JSON").fill('{"inputs": []}')
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_role("status")).to_have_text(re.compile("^400 "))
    expect(form.get_by_label("Answer")).to_contain_text("input 'image' is missing")


def test_the_app_s_own_route_is_tried_there_too(opened: Opened) -> None:
    form = opened.page.locator("form").nth(1)
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_label("Answer")).to_contain_text('"confidence"')


def test_the_curl_command_works_as_it_stands(opened: Opened, service: str) -> None:
    command = opened.page.locator("pre[data-curl]").inner_text()
    assert service in command
    answer = subprocess.run(["bash", "-c", f"{command} --silent"], capture_output=True, text=True, check=True).stdout
    assert '"model_name":"digits"' in answer


def test_it_is_readable_and_usable_by_keyboard(opened: Opened) -> None:
    page = opened.page
    form = page.locator("form").first
    form.get_by_role("button", name="Send").focus()
    page.keyboard.press("Enter")
    expect(form.get_by_label("Answer")).to_be_visible()
    assert {name: ratio for name, ratio in page.evaluate(CONTRAST).items() if ratio < READABLE} == {}
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
