"""A real browser for tests and pictures: Chromium from Debian's packages, driven by Playwright."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from local_azure.sandbox import Sandbox
from local_azure.toolchain.chromium import FLAGS, Chromium
from local_azure.toolchain.runtimes import Runtimes


@contextmanager
def browser() -> Iterator[Browser]:
    """Starts it, and ends it however the block ends. It is fetched when it is used for the first time."""
    cache = Sandbox.of(Path(__file__).parents[1], os.environ).cache
    chromium = Chromium(cache)
    if not chromium.program.exists():
        print("fetching Chromium from Debian's packages (about 125 MB, once)", file=sys.stderr)
    chromium.ensure()
    # The Node that Playwright brings needs a library that a small Debian lacks.
    os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(Runtimes(cache).node()))
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium.program, args=list(FLAGS), env=dict[str, str | float | bool](chromium.environment()))
        try:
            yield started
        finally:
            started.close()
