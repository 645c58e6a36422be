import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from delivery.errors import DeliveryError
from delivery.registry import Registry, RegistryError
from delivery.release.images import deployed, keep_releases, kept, locked, present
from delivery.release.record import Outcome, Record, ReleasedService
from model_store import Lock, LockedService, write_lock
from tests.unit.delivery.registry.fake_registry import FakeRegistry, serving
from tests.unit.delivery.registry.memory import MemoryRegistry
from tests.unit.delivery.registry.oci_images import image
from tests.unit.delivery.release.releases import git, model, release, service, sha256

REPOSITORY = "localhost:18002/digits"
NO_NAMES: dict[str, str] = {}


def digest(text: object) -> str:
    return f"sha256:{sha256(text)}"


def running(text: object, repository: str = REPOSITORY) -> ReleasedService:
    return service().model_copy(update={"image": f"{repository}@{digest(text)}"})


def history(count: int, stack: str = "dev", outcome: Outcome = Outcome.SUCCEEDED, first: int = 0) -> list[Record]:
    """Releases one minute apart, newest first, each with an image of its own."""
    return [release(first + number, stack=stack, outcome=outcome, services=[running((stack, first + number))]) for number in reversed(range(count))]


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with serving(FakeRegistry()) as found:
        yield found


def test_what_is_there_what_is_gone_and_what_nobody_can_say(fake: FakeRegistry):
    there = fake.publish("digits", image(b"one"), "a")
    gone = "sha256:" + "0" * 64
    records = [
        release(0, services=[service().model_copy(update={"image": f"{fake.host}/digits@{there}"})]),
        release(1, services=[service().model_copy(update={"image": f"{fake.host}/digits@{gone}"})]),
        release(2, services=[service().model_copy(update={"image": f"converge.azurecr.io.invalid/digits@{digest('simulated')}"})]),
        release(3, services=[service().model_copy(update={"image": f"localhost:1/digits@{digest('nobody')}"})]),
        release(4, services=[service().model_copy(update={"image": f"{fake.host}/digits@{there}"})]),
    ]
    assert present(records) == {there: True, gone: False, digest("simulated"): None, digest("nobody"): None}
    assert sum(there in asked for asked in fake.asked) == 1, "the same image of two releases is asked for once"


def test_no_release_asks_nobody():
    assert present([]) == {}


class Saying(MemoryRegistry):
    """A registry whose answers a test chooses."""

    def __init__(self, host: str, says: Callable[[str, str], bool]) -> None:
        super().__init__(host)
        self._says = says

    def has(self, repository: str, digest: str) -> bool:
        return self._says(repository, digest)


def test_an_image_in_two_registries_is_there_if_one_has_it():
    def opener(host: str) -> Registry:
        return Saying(host, lambda *_: host == "new.example")

    records = [release(0, services=[running("x", "old.example/digits")]), release(1, services=[running("x", "new.example/digits")])]
    assert present(records, opener=opener) == {digest("x"): True}
    assert present(records[:1], opener=opener) == {digest("x"): False}


def test_a_registry_that_does_not_answer_holds_nobody_up():
    done = threading.Event()
    began = time.monotonic()
    found = present(history(20), seconds=0.2, opener=lambda host: Saying(host, lambda *_: done.wait(20)))
    done.set()
    assert found == {digest(("dev", number)): None for number in range(20)}
    assert time.monotonic() - began < 2


def test_an_error_of_one_image_hides_no_other():
    def says(_: str, asked: str) -> bool:
        if asked == digest(("dev", 1)):
            raise RegistryError("throttled")
        return True

    expected = {digest(("dev", 0)): True, digest(("dev", 1)): None, digest(("dev", 2)): True}
    assert present(history(3), opener=lambda host: Saying(host, says)) == expected


def test_a_registry_is_opened_once():
    opened: list[str] = []

    def opener(host: str) -> Registry:
        opened.append(host)
        return MemoryRegistry(host)

    assert set(present(history(5), opener=opener).values()) == {False}
    assert opened == ["localhost:18002"]


def test_the_newest_releases_that_succeeded_keep_their_images():
    found = kept(history(8), {"dev": 5}, NO_NAMES)
    assert found == {(REPOSITORY, digest(("dev", number))): f"release {release(number).id} of dev" for number in range(3, 8)}


def test_failed_releases_do_not_count_but_what_is_left_of_the_newest_stays():
    failed = history(4, outcome=Outcome.FAILED, first=10)
    found = kept([*failed, *history(3)], {"dev": 2}, NO_NAMES)
    assert set(found) == {(REPOSITORY, digest(("dev", number))) for number in (13, 2, 1)}


def test_every_stack_keeps_its_own_and_a_stack_without_settings_the_usual_number():
    found = kept([*history(3), *history(30, stack="prod")], {"dev": 1}, NO_NAMES)
    assert set(found) == {(REPOSITORY, digest(("dev", 2))), *((REPOSITORY, digest(("prod", number))) for number in range(20, 30))}


def test_what_a_lock_names_stays_in_every_repository():
    records = [*history(2), release(9, stack="prod", services=[running("x", "other.example/digits")])]
    found = kept(records, {"dev": 1, "prod": 1}, {digest(("dev", 0)): "locks/prod.json"})
    assert found[REPOSITORY, digest(("dev", 0))] == "locks/prod.json"
    assert found["other.example/digits", digest(("dev", 0))] == "locks/prod.json"


def test_how_many_is_what_the_stack_files_say(tmp_path: Path):
    base = f"localhost:5000/python@{digest('base')}"
    (tmp_path / "Pulumi.yaml").write_text("name: converge\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(f"config:\n  converge:baseImage: {base}\n  converge:delivery: {{keepReleases: 3}}\n")
    (tmp_path / "Pulumi.prod.yaml").write_text(f"config:\n  converge:baseImage: {base}\n")
    assert keep_releases(tmp_path) == {"dev": 3, "prod": 10}
    (tmp_path / "Pulumi.prod.yaml").write_text(f"config:\n  converge:baseImage: {base}\n  converge:delivery: {{keepReleases: 0}}\n")
    with pytest.raises(DeliveryError, match=r"(?s)^what must stay is not known while a stack's settings are wrong: .*keepReleases"):
        keep_releases(tmp_path)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    return tmp_path


def lock(folder: Path, stack: str, text: str | None) -> None:
    (folder / "locks").mkdir(exist_ok=True)
    write_lock(folder / "locks" / f"{stack}.json", Lock(services={"digits": LockedService(model=model(), image=digest(text) if text else None)}))


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "a lock")


def test_locks_are_read_here_and_on_every_branch(repository: Path):
    lock(repository, "prod", "on main")
    commit(repository)
    git(repository, "checkout", "--quiet", "-b", "promotion")
    lock(repository, "prod", "on the promotion's branch")
    commit(repository)
    git(repository, "checkout", "--quiet", "main")
    lock(repository, "prod", "here")
    lock(repository, "dev", None)
    (repository / "other.json").write_text(f'"image": "{digest("no lock")}"')
    assert locked(repository) == {
        digest("on main"): "a lock on another branch",
        digest("on the promotion's branch"): "a lock on another branch",
        digest("here"): "locks/prod.json",
    }


def test_a_repository_without_commits_or_locks_names_nothing(repository: Path):
    assert locked(repository) == {}
    (repository / "file").write_text("x")
    commit(repository)
    assert locked(repository) == {}


def test_a_lock_that_cannot_be_read_stops_it(repository: Path):
    lock(repository, "prod", "here")
    (repository / "locks" / "prod.json").write_text("{")
    with pytest.raises(DeliveryError, match=r"^what must stay is not known while a lock cannot be read: .*prod\.json"):
        locked(repository)


def test_what_the_engine_says_is_deployed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for stack in ("dev", "local", "prod"):
        (tmp_path / f"Pulumi.{stack}.yaml").write_text("config: {}\n")

    class Engine:
        def __init__(self, checkout: Path, stack: str) -> None:
            assert checkout == tmp_path
            self.stack = stack

        def outputs(self) -> dict[str, object]:
            if self.stack == "prod":
                raise DeliveryError("no stack named 'prod' found\nlog in")
            return {"services": {"digits": {"image": f"{REPOSITORY}@{digest(self.stack)}"}, "letters": {}}} if self.stack == "dev" else {}

    monkeypatch.setattr("delivery.deploy.engine.Engine", Engine)
    assert deployed(tmp_path) == ({digest("dev"): "dev runs it"}, ["prod: no stack named 'prod' found log in"])
