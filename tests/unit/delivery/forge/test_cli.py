"""`converge comment`."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from delivery.errors import DeliveryError
from delivery.forge import cli, commenting

app = typer.Typer()
app.command()(cli.comment)


def test_what_is_passed_on_and_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    asked: list[object] = []
    monkeypatch.setattr(commenting, "comment", lambda *given: asked.append(given) or "done")
    answer = CliRunner().invoke(app, ["plan.md", "--key", "plan-dev", "--pull-request", "7"])
    assert (answer.exit_code, answer.stdout) == (0, "done\n")
    assert asked == [(tmp_path, Path("plan.md"), "plan-dev", 7)]


def test_a_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, ["plan.md", "--key", "plan-dev"])
    assert isinstance(answer.exception, DeliveryError)
    assert str(answer.exception).startswith("the comment's text plan.md cannot be read: ")
