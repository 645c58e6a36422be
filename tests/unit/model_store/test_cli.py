"""What is refused before anything is asked of a store."""

from pathlib import Path
from typing import Self

import pytest
from typer.testing import CliRunner

from model_store import Lock, LockedService, Manifest, ModelStoreError, write_lock
from model_store.cli import app
from model_store.retrieval import FileCheck
from tests.unit.model_store.samples import file, locked, manifest

_STORE = "https://acct.blob.core.windows.net/models"


def refusal(*arguments: str, store: str | None = _STORE) -> str:
    """The message with which a command ends."""
    result = CliRunner().invoke(app, arguments, env={"CONVERGE_MODEL_STORE": store})
    assert isinstance(result.exception, ModelStoreError), result.output
    assert result.exit_code == 1
    return str(result.exception)


def test_every_command_has_help():
    for command in ("publish", "list", "show", "fetch", "verify", "diff"):
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


@pytest.mark.parametrize("arguments", [[], ["digits", "--stack", "dev"], ["digits", "1", "--stack", "dev"]])
def test_versions_are_verified_by_name_or_by_stack(arguments: list[str]):
    result = CliRunner().invoke(app, ["verify", *arguments], env={"CONVERGE_MODEL_STORE": _STORE})
    assert result.exit_code == 2
    assert "give a model's NAME, or --stack; one of them, not both" in " ".join(result.output.replace("│", "").split())


def test_a_stack_without_a_lock_is_not_taken_for_one_that_is_in_order(tmp_path: Path):
    assert refusal("verify", "--stack", "a/b").startswith("stack name 'a/b' is not allowed")
    assert refusal("verify", "--stack", "dve", "--locks", str(tmp_path)) == (
        f"there is no {tmp_path}/dve.json; name a stack that has a lock, or the folder of the locks with --locks"
    )
    (tmp_path / "dev.json").write_text("[]")
    assert refusal("verify", "--stack", "dev", "--locks", str(tmp_path)) == f"{tmp_path}/dev.json: input should be an object, got []"


class Shelf:
    """A store that has some versions; their bytes are those of the manifest unless told otherwise."""

    def __init__(self, *manifests: Manifest, altered: tuple[int, ...] = ()) -> None:
        self._manifests = {manifest.version: manifest for manifest in manifests}
        self._altered = altered

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def versions(self, _name: str) -> list[int]:
        return sorted(self._manifests)

    def manifest(self, _name: str, version: int) -> tuple[Manifest, bytes]:
        return self._manifests[version], b"manifest bytes"

    def verify(self, _name: str, version: int, _progress: object) -> list[FileCheck]:
        expected = self._manifests[version].files["model.onnx"]
        return [FileCheck("model.onnx", expected, file("c", 10) if version in self._altered else expected)]


def verified(monkeypatch: pytest.MonkeyPatch, shelf: Shelf, locks: Path) -> tuple[int, list[str], str]:
    """Exit code, lines and message of `verify --stack dev`."""
    monkeypatch.setattr("model_store.store.ModelStore.open", lambda _url: shelf)
    result = CliRunner().invoke(app, ["verify", "--stack", "dev", "--locks", str(locks)], env={"CONVERGE_MODEL_STORE": _STORE})
    assert result.exception is None or isinstance(result.exception, ModelStoreError), result.output
    return result.exit_code, result.stdout.splitlines(), str(result.exception or "")


def test_what_a_stack_runs_is_verified_once_per_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    services = {name: LockedService(model=locked()) for name in ("digits", "reader")}
    write_lock(tmp_path / "dev.json", Lock(services=services))
    assert verified(monkeypatch, Shelf(manifest(1), manifest(2)), tmp_path) == (0, ["digits version 1: ok"], "")


def test_what_a_stack_runs_and_was_altered_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    services = {f"service-{version}": LockedService(model=locked(version)) for version in (1, 2, 3)}
    write_lock(tmp_path / "dev.json", Lock(services=services))
    replaced = manifest(2, metrics={"accuracy": 0.99})
    code, lines, message = verified(monkeypatch, Shelf(manifest(1), replaced, altered=(1,)), tmp_path)
    promoted = locked(2).files["manifest.json"].sha256
    assert (code, message) == (1, "3 versions of what dev runs must not be used")
    assert lines[0].startswith("digits version 1: model.onnx has been altered: sha256 ccc")
    assert lines[1:] == [
        f"digits version 2: manifest.json has been altered: it is not the one that was promoted, sha256 {promoted}",
        "digits version 3: it is not in the store any more",
    ]


def test_a_lock_that_names_no_model_has_nothing_to_verify(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    write_lock(tmp_path / "dev.json", Lock())
    assert verified(monkeypatch, Shelf(), tmp_path) == (0, [f"{tmp_path}/dev.json names no model"], "")
