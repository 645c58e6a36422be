"""What holds for all tests."""

import os

import pytest

# What a terminal gets must not depend on the one that the tests are started from, or on there being none.
os.environ["TERM"] = "xterm-256color"
for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
    os.environ.pop(name, None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what tests marked `figures` printed, though they passed: counts and times are what somebody reads them for."""
    shown = [report for report in terminalreporter.stats.get("passed", []) if report.when == "call" and "figures" in report.keywords and report.capstdout]
    if shown:
        terminalreporter.section("figures")
        for report in shown:
            terminalreporter.write(report.capstdout)
