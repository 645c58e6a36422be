"""What is refused before anything is asked of a store."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from model_store import ModelStoreError
from model_store.cli import app

_STORE = "https://acct.blob.core.windows.net/models"


def refusal(*arguments: str, store: str | None = _STORE) -> str:
    """The message with which a command ends."""
    result = CliRunner().invoke(app, arguments, env={"CONVERGE_MODEL_STORE": store})
    assert isinstance(result.exception, ModelStoreError), result.output
    assert result.exit_code == 1
    return str(result.exception)


def test_every_command_has_help():
    for command in ("publish", "list", "show", "fetch", "verify", "promote", "diff"):
        result = CliRunner().invoke(app, [command, "--help"])
        assert result.exit_code == 0
        assert "--store" in result.output


@pytest.mark.parametrize("arguments", [["list"], ["show", "digits"], ["publish", "digits", "."], ["verify", "digits"], ["diff", "digits", "1", "2"]])
def test_no_store_is_named(arguments: list[str]):
    assert refusal(*arguments, store=None).startswith("no model store is named; set CONVERGE_MODEL_STORE or give --store, for instance https://")


def test_the_url_is_wrong():
    assert refusal("list", store="http://x/models").startswith("the model store's URL is wrong: 'http://x/models' does not begin with https://; allowed: ")


def test_the_option_wins_over_the_environment():
    assert "'http://y/models'" in refusal("list", "--store", "http://y/models")


def test_names_and_versions_are_checked_before_the_store_is_asked(tmp_path: Path):
    assert refusal("publish", "Digits", str(tmp_path)).startswith("model name 'Digits' is not allowed")
    assert (
        refusal("publish", "digits", str(tmp_path))
        == f"{tmp_path} has no model.onnx, golden.json, model.json; a model folder has model.onnx, golden.json, model.json"
    )
    assert refusal("show", "digits", "one") == "version 'one' is not allowed: an integer from 1 to 999999999, or latest"
    assert refusal("promote", "digits", "1", "--stack", "a/b").startswith("stack name 'a/b' is not allowed")
    assert refusal("promote", "digits", "1", "--stack", "dev", "--service", "X", "--locks", str(tmp_path)).startswith("service name 'X' is not allowed")


def test_a_broken_lock_is_found_before_the_store_is_asked(tmp_path: Path):
    (tmp_path / "dev.json").write_text("[]")
    assert refusal("promote", "digits", "1", "--stack", "dev", "--locks", str(tmp_path)) == f"{tmp_path}/dev.json: input should be an object, got []"
