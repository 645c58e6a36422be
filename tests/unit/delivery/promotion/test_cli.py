"""What `converge model promote` refuses before it asks a store, what it says, and what it commits."""

import json
from pathlib import Path
from typing import Self

import pytest
from typer.testing import CliRunner, Result

from cli import app
from delivery.errors import DeliveryError
from model_store import LockedModel, ModelStoreError
from model_store.gates import Gate
from tests.unit.delivery.release.moving import lock, locked, pinned_to, project
from tests.unit.delivery.release.releases import git, model, release, service

_STORE = "https://acct.blob.core.windows.net/models"


class Shelf:
    """A store that has versions 1 to 3 of digits."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def resolve(self, _name: str, version: int | None) -> int:
        return version or 3

    def locked(self, _name: str, version: int) -> LockedModel:
        return model(version).model_copy(update={"metrics": {"accuracy": {1: 0.98, 2: 0.985, 3: 0.91}[version]}})


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose stack dev has a gate; the store is a shelf, and every model answers its golden requests."""
    made = project(tmp_path, dev={"delivery": {"gates": [{"name": "accuracy", "mayWorsenBy": 0.005}]}})
    git(made, "init", "--quiet", "--template=", "--initial-branch", "main")
    git(made, "config", "user.name", "Ada")
    git(made, "config", "user.email", "ada@example.com")
    git(made, "add", "--all")
    git(made, "commit", "--quiet", "--message", "first")
    monkeypatch.chdir(made)
    monkeypatch.setattr("model_store.store.ModelStore.open", lambda _url: Shelf())
    proof = Gate("golden requests", passed=True, compared="golden requests: 4 of 4 answered within tolerance")
    monkeypatch.setattr("delivery.promotion.model.prove", lambda *_: (proof, ["a note"]))
    return made


def run(*arguments: str, code: int = 0, store: str | None = _STORE) -> Result:
    result = CliRunner().invoke(app, ["model", "promote", *arguments], env={"CONVERGE_MODEL_STORE": store})
    assert result.exception is None or isinstance(result.exception, (SystemExit, DeliveryError, ModelStoreError)), result.exception
    assert result.exit_code == code, (result.output, result.exception)
    return result


def refusal(*arguments: str, store: str | None = _STORE) -> str:
    return str(run(*arguments, code=1, store=store).exception)


def test_names_and_versions_are_checked_before_the_store_is_asked(tmp_path: Path):
    assert refusal("digits", "one", "--stack", "dev") == "version 'one' is not allowed: an integer from 1 to 999999999, or latest"
    assert refusal("digits", "1", "--stack", "a/b").startswith("stack name 'a/b' is not allowed")
    assert refusal("digits", "1", "--stack", "dev", "--service", "X", "--locks", str(tmp_path)).startswith("service name 'X' is not allowed")
    assert refusal("digits", "1", "--stack", "dev", store=None).startswith("no model store is named; ")


def test_a_broken_lock_is_found_before_the_store_is_asked(tmp_path: Path):
    (tmp_path / "dev.json").write_text("[]")
    assert refusal("digits", "1", "--stack", "dev", "--locks", str(tmp_path)) == f"{tmp_path}/dev.json: input should be an object, got []"


@pytest.mark.usefixtures("checkout")
def test_a_service_that_the_stack_does_not_have():
    assert refusal("digits", "1", "--stack", "dev", "--service", "reader").startswith("stack dev has no service 'reader', only digits; ")


def test_what_changes_and_what_the_gates_compared(checkout: Path):
    run("digits", "1", "--stack", "dev")
    assert run("digits", "2", "--stack", "dev").stdout.splitlines() == [
        "locks/dev.json: service digits: digits v1 -> v2",
        "  metric accuracy: 0.98 -> 0.985 (+0.005)",
        f"  model.onnx: 10 bytes -> 10 bytes, sha256 {model(1).sha256[:12]} -> {model(2).sha256[:12]}",
        f"  golden.json: 10 bytes -> 10 bytes, sha256 {_golden(1)} -> {_golden(2)}",
        "  gate accuracy 0.98 -> 0.985, may worsen by 0.005: passes",
        "  gate contract: digits v2 has what app_template needs: passes",
        "  gate golden requests: 4 of 4 answered within tolerance: passes",
        "  note: a note",
        "next: commit locks/dev.json, then pulumi preview --stack dev",
    ]
    assert locked(checkout, "dev")["digits"].model.version == 2


def _golden(version: int) -> str:
    return model(version).files["golden.json"].sha256[:12]


def test_what_runs_already_changes_nothing(checkout: Path):
    run("digits", "1", "--stack", "dev")
    before = (checkout / "locks" / "dev.json").stat()
    assert run("digits", "1", "--stack", "dev").stdout == "locks/dev.json: service digits runs digits v1 already, nothing changed\n"
    assert (checkout / "locks" / "dev.json").stat() == before


def test_a_worse_model_is_refused_with_the_comparison(checkout: Path):
    run("digits", "2", "--stack", "dev")
    before = (checkout / "locks" / "dev.json").read_bytes()
    message = "accuracy 0.985 -> 0.91, may worsen by 0.005: fails. digits v3 is not promoted, locks/dev.json stays as it is (passed: contract, golden requests)"
    assert refusal("digits", "latest", "--stack", "dev") == message
    answer = run("digits", "latest", "--stack", "dev", "--json", code=1)
    assert str(answer.exception) == message
    document = json.loads(answer.stdout)
    assert (document["changed"], document["gates"]["passed"]) == (False, False)
    assert document["gates"]["gates"][0] == {"name": "accuracy", "passed": False, "compared": "accuracy 0.985 -> 0.91, may worsen by 0.005"}
    assert (checkout / "locks" / "dev.json").read_bytes() == before


def test_a_pinned_service_is_left_alone_until_it_is_unpinned(checkout: Path):
    pinned = pinned_to(release(services=[service(1)]))
    lock(checkout, "dev", digits=pinned)
    assert refusal("digits", "2", "--stack", "dev").startswith(
        "service digits of locks/dev.json is pinned to release 20261124T231847Z since 2026-11-24 23:18 UTC by ada: v2 answers oddly; nothing was changed. "
    )
    assert locked(checkout, "dev")["digits"] == pinned
    lines = run("digits", "2", "--stack", "dev", "--unpin").stdout.splitlines()
    assert "  pin: taken away; it was set 2026-11-24 23:18 UTC by ada: v2 answers oddly" in lines


def test_a_commit_with_the_reason(checkout: Path):
    printed = run("digits", "1", "--stack", "dev", "--reason", "the\nfirst", "--commit").stdout
    head = git(checkout, "rev-parse", "HEAD")
    assert printed.splitlines()[-1] == f"committed as {head[:7]} on main"
    assert git(checkout, "show", "--format=%s", "--name-only", "HEAD").splitlines() == ["dev: nothing -> digits v1", "", "locks/dev.json"]
    body = git(checkout, "log", "-1", "--format=%b")
    assert "- reason: the first" in body
    assert "- digits: gate accuracy none -> 0.98, nothing runs yet: passes" in body
    document = json.loads(run("digits", "2", "--stack", "dev", "--branch", "better", "--json").stdout)
    assert (document["branch"], document["commit"]) == ("better", git(checkout, "rev-parse", "better"))
    assert git(checkout, "status", "--porcelain") == ""


def test_a_refused_promotion_commits_nothing(checkout: Path):
    run("digits", "2", "--stack", "dev", "--commit")
    head = git(checkout, "rev-parse", "HEAD")
    run("digits", "3", "--stack", "dev", "--commit", code=1)
    run("digits", "2", "--stack", "dev", "--commit")
    assert git(checkout, "rev-parse", "HEAD") == head


def test_a_folder_of_locks_without_settings_beside_it(checkout: Path):
    lines = run("digits", "3", "--stack", "dev", "--locks", "else/where").stdout.splitlines()
    assert "  note: there is no Pulumi.dev.yaml beside else/where, so nobody asked for metrics, contract or a reason" in lines
    assert (checkout / "else" / "where" / "dev.json").exists()
