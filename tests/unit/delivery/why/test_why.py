import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest
import typer
from typer.testing import CliRunner, Result

from delivery.errors import DeliveryError
from delivery.release.record import Outcome, Record, ReleasedService
from delivery.why.asking import Said
from delivery.why.cli import why
from delivery.why.origin import Origin, trace
from model_store import Manifest, ModelStoreError
from model_store.documents import to_json
from model_store.layout import MANIFEST
from model_store.manifest import LockedFile, Training, TrainingData
from tests.unit.components.local_server import LocalServer
from tests.unit.delivery.release.releases import BEGAN, PIN, clone, git, ledger, model, origin, release, service, sha256
from tests.unit.delivery.why.test_asking import app

TRAINING = Training(command="python -m training.train", commit="abcdef1", data=TrainingData(name="optdigits", rows=1797, sha256="e" * 64))


def image(text: object) -> str:
    return f"sha256:{sha256(text)}"


def one(number: int, text: object, *, stack: str = "dev", version: int = 13, outcome: Outcome = Outcome.SUCCEEDED, **more: Any) -> Record:
    return release(number, stack=stack, outcome=outcome, services=[service(version, image=text)], **more)


def asked(text: object, **more: str) -> Said:
    return Said(where="http://x", digest=image(text), **more)


def newest_first(records: Sequence[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.id, reverse=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CONVERGE_MODEL_STORE", raising=False)
    found = clone(origin(tmp_path), "clone")
    monkeypatch.chdir(found)
    return found


def traced(said: Said, records: Sequence[Record], checkout: Path, store: str | None = None) -> Origin:
    found = trace(said, newest_first(records), checkout, store)
    assert found
    return found


def test_the_newest_release_with_the_image_is_the_origin(checkout: Path):
    records = [one(0, "a"), one(1, "b"), one(2, "a"), one(3, "c")]
    found = traced(asked("a"), records, checkout)
    assert (found.record, found.service_name, found.by_model) == (records[2], "digits", False)
    assert found.until == records[3].finished_at
    assert traced(asked("c"), records, checkout).until is None
    assert trace(asked("d"), newest_first(records), checkout, None) is None


def test_a_later_release_of_the_same_image_has_not_ended_it(checkout: Path):
    records = [one(0, "a"), one(1, "b", outcome=Outcome.FAILED), one(2, "x", stack="prod")]
    assert traced(asked("a"), records, checkout).until is None


def test_a_release_that_failed_is_the_origin_only_of_what_no_other_deployed(checkout: Path):
    failed = one(1, "a", outcome=Outcome.FAILED, reason="pods never got ready")
    assert traced(asked("a"), [one(0, "a"), failed], checkout).record.id == release(0).id
    found = traced(asked("a"), [failed, one(0, "b")], checkout)
    assert found.record == failed
    assert found.doubts == ("the deployment failed: pods never got ready",)


def test_other_stacks_with_the_same_image_are_named(checkout: Path):
    records = [one(0, "a", stack="dev"), one(1, "a", stack="dev"), one(2, "a", stack="prod"), one(3, "a", stack="test", outcome=Outcome.FAILED)]
    found = traced(asked("a"), records, checkout)
    assert (found.record.stack, [(other.stack, other.id) for other in found.also]) == ("prod", [("dev", release(1).id)])


def test_an_answer_without_its_image_is_found_by_the_models_bytes(checkout: Path):
    records = [one(0, "a", version=13), one(1, "b", version=14), one(2, "c", version=14)]
    found = traced(Said(where="http://x", sha256=model(14).sha256), records, checkout)
    assert (found.record, found.by_model) == (records[2], True)
    assert trace(Said(where="http://x", sha256="f" * 64), records, checkout, None) is None


def test_another_model_than_the_release_deployed_is_a_doubt(checkout: Path):
    assert not traced(asked("a", sha256=model().sha256), [one(0, "a")], checkout).doubts
    found = traced(asked("a", sha256="f" * 64), [one(0, "a", dirty=True)], checkout)
    assert found.doubts == (
        f"the answer's model has sha256 {'f' * 64}, the release deployed {model().sha256}: one of the two is not what it says",
        "the working tree had changes that no commit holds",
    )


def test_commits_are_told_as_far_as_the_clone_has_them(checkout: Path):
    head = git(checkout, "rev-parse", "HEAD")
    found = traced(asked("a"), [one(0, "a", commit=head, lock_commit="b" * 40)], checkout)
    assert (found.commits["commit"].subject, found.commits["commit"].author) == ("first", "A")
    assert (found.commits["lock"].subject, found.commits["app"].subject) == (None, None)


class Store:
    """A model store with one manifest, or an error."""

    def __init__(self, manifest: Manifest | None) -> None:
        self.manifest_ = manifest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def manifest(self, name: str, version: int) -> tuple[Manifest, bytes]:
        if self.manifest_ is None:
            raise ModelStoreError(f"{name} version {version} cannot be read: no network")
        return self.manifest_, to_json(self.manifest_)


def manifest() -> Manifest:
    locked = model()
    files = {name: file for name, file in locked.files.items() if name != MANIFEST}
    return Manifest(
        model="digits", version=13, files=files, created_at=BEGAN, created_by="Grace", format="onnx", opset=17, inputs=locked.inputs, outputs=locked.outputs,
        metrics=locked.metrics, training=TRAINING,
    )  # fmt: skip


def deployed_with_manifest() -> Record:
    content = to_json(manifest())
    itself = LockedFile(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    locked = model().model_copy(update={"files": {**model().files, MANIFEST: itself}})
    return release(0, services=[service(image="a").model_copy(update={"model": locked})])


def use_store(monkeypatch: pytest.MonkeyPatch, found: Manifest | None) -> None:
    monkeypatch.setattr("model_store.ModelStore", type("Opened", (), {"open": staticmethod(lambda _: Store(found))}), raising=False)


def test_training_comes_from_the_manifest_that_was_locked(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    use_store(monkeypatch, manifest())
    found = traced(asked("a"), [deployed_with_manifest()], checkout, "https://store")
    assert (found.training, found.missing) == (TRAINING, ())
    another = traced(asked("a"), [one(0, "a")], checkout, "https://store")
    assert another.training is None
    assert another.missing == ("training data, its commit and command are not known: manifest.json of digits version 13 in https://store is another one",)


def test_training_that_the_lock_kept_needs_no_store(checkout: Path):
    record = one(0, "a")
    of_it = record.services["digits"]
    kept = of_it.model_copy(update={"model": of_it.model.model_copy(update={"training": TRAINING})})
    found = traced(asked("a"), [record.model_copy(update={"services": {"digits": kept}})], checkout)
    assert (found.training, found.missing) == (TRAINING, ())


def test_what_is_missing_of_the_training_is_told(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    assert traced(asked("a"), [one(0, "a")], checkout).missing == (
        "training data, its commit and command are in the model store: name it with --store or CONVERGE_MODEL_STORE",
    )
    use_store(monkeypatch, None)
    found = traced(asked("a"), [one(0, "a")], checkout, "https://store")
    assert found.missing == ("training data, its commit and command are not known: digits version 13 cannot be read: no network",)


def run(*arguments: str, **environment: str) -> Result:
    commands = typer.Typer()
    commands.command()(why)
    return CliRunner().invoke(commands, list(arguments), env=environment, catch_exceptions=True)


def released_service(**more: Any) -> ReleasedService:
    return service(image="a").model_copy(update=more)


def test_a_service_is_traced_to_its_people_and_commits(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    use_store(monkeypatch, manifest())
    head = git(checkout, "rev-parse", "HEAD")
    record = deployed_with_manifest().model_copy(
        update={"commit": head, "approved_by": "Grace", "pull_request": "https://forge/pull/7", "run": "https://forge/run/8", "reason": "promoted"}
    )
    ledger(checkout).write(record)
    ledger(checkout).write(one(1, "b", stack="prod"))
    with LocalServer(app(sha256=model().sha256, image_digest=image("a"))).running() as server:
        result = run(server.url, "--store", "https://store")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"{server.url}/v2/models/digits",
        f"  says: image {image('a')}; model digits version 13, sha256 {model().sha256}",
        "",
        f"release       {record.id} of dev, since 2026-11-24 23:19 UTC; it runs now",
        "service       digits",
        f"image         localhost:18002/digits@{image('a')}",
        "deployed by   Ada Lovelace",
        "approved by   Grace",
        "reason        promoted",
        "pull request  https://forge/pull/7",
        "run           https://forge/run/8",
        f"commit        {head[:7]} first (A)",
        f"app commit    {'c' * 40}, which this clone does not have: git fetch",
        "lock commit   not recorded",
        f"model         digits version 13, sha256 {model().sha256}",
        "metrics       accuracy 0.97",
        "published     2026-11-24 23:18 UTC by Grace",
        f"trained on    optdigits, 1,797 rows, sha256 {'e' * 64}",
        "trained by    python -m training.train",
        "trained at    abcdef1",
    ]


def test_programs_get_everything(checkout: Path):
    record = release(0, services=[released_service(pinned=True, pin=PIN)])
    ledger(checkout).write(record)
    ledger(checkout).write(one(5, "b"))
    result = run("--digest", image("a"), "--json")
    found = json.loads(result.stdout)
    assert Record.model_validate(found["release"]) == record
    assert found["said"] == {"where": image("a"), "model": None, "version": None, "sha256": None, "digest": image("a")}
    assert (found["service"], found["found_by"], found["training"], found["also"], found["doubts"]) == ("digits", "image", None, [], [])
    assert found["until"] == (BEGAN + timedelta(minutes=6)).isoformat()
    assert found["commits"]["app"] == {"id": "c" * 40, "subject": None, "author": None}
    assert "pinned        to release 20261101T000000Z by Ada: digits 13 confuses 4 and 9\n" in run("--digest", image("a")).stdout


def test_an_image_of_no_release_is_told_with_what_the_service_says(checkout: Path):
    ledger(checkout).write(one(0, "a"))
    with LocalServer(app(sha256="f" * 64, image_digest=image("by hand"))).running() as server:
        result = run(server.url)
        as_json = run(server.url, "--json")
    assert result.exit_code == as_json.exit_code == 1
    assert f"  says: image {image('by hand')}; model digits version 13, sha256 {'f' * 64}\n" in result.stdout
    assert f"no recorded release has deployed image {image('by hand')}. A deployment by hand is recorded with `converge release record" in result.stdout
    assert json.loads(as_json.stdout)["release"] is None


def test_headers_of_an_older_app_are_traced_by_the_model_and_say_so(checkout: Path):
    ledger(checkout).write(one(0, "a"))
    (checkout / "headers").write_text(f"HTTP/1.1 200 OK\nx-model-version: 13\nx-model-sha256: {model().sha256}\n\n")
    result = run("--header-file", "headers")
    assert result.exit_code == 0
    assert "  says: nothing of its image; model (not named) version 13, sha256 " in result.stdout
    assert "The answer does not name its image, as those of older apps; this is the newest release with its model." in result.stdout


def test_a_record_that_waits_to_be_pushed_counts_and_a_stale_ledger_is_told(checkout: Path):
    git(checkout, "remote", "set-url", "origin", (checkout.parent / "moved.git").as_uri())
    waiting = ledger(checkout)
    waiting.patience = type(waiting.patience)(at_most=0.5, pause=0.01, longest_pause=0.02)
    assert not waiting.write(one(0, "a")).pushed
    result = run("--digest", image("a"))
    assert result.exit_code == 0
    assert "the newest releases may be missing: " in result.stderr
    assert json.loads(run("--digest", image("a"), "--json").stdout)["notes"]


@pytest.mark.parametrize("arguments", [(), ("http://x", "--digest", "sha256:a"), ("--digest", "x", "--header-file", "y")])
def test_exactly_one_thing_is_asked_about(checkout: Path, arguments: tuple[str, ...]):
    assert checkout
    result = run(*arguments)
    assert result.exit_code == 2
    assert "give one of: a URL, --digest, --header-file" in result.stderr


def test_a_token_comes_from_the_environment_and_is_never_shown(checkout: Path):
    assert checkout
    for value, wrong in (("", "has no token"), ("two words", "that is no token")):
        result = run("http://localhost:1", "--model", "digits", "--token-env", "TOKEN", TOKEN=value)
        assert isinstance(result.exception, DeliveryError)
        assert wrong in str(result.exception)
        assert "two words" not in str(result.exception)


def test_outside_of_a_repository_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    result = run("http://localhost:1")
    assert isinstance(result.exception, DeliveryError)
    assert "is in no git repository" in str(result.exception)
