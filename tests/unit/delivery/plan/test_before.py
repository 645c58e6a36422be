"""What a stack was before a change: from a commit, and from releases that a clone has already."""

from pathlib import Path

import pytest

from delivery.plan.before import NOTHING, as_deployed, at_commit, deployed
from delivery.plan.releases import known_releases, newest
from delivery.plan.report import Infrastructure, Operation
from delivery.plan.revisions import Base
from delivery.release.record import Outcome, Record
from model_store import Lock
from model_store.documents import to_json
from tests.unit.delivery.plan.reports import change, locked, report
from tests.unit.delivery.plan.test_revisions import Repository
from tests.unit.delivery.release.releases import release

BASE_IMAGE = f"python@sha256:{'1' * 64}"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "checkout")
    made.commit("Pulumi.dev.yaml", f"config:\n  converge:baseImage: {BASE_IMAGE}\n")
    made.commit("locks/dev.json", to_json(Lock(services={"digits": locked(3)})).decode())
    return made


def record_releases(repository: Repository, *records: Record, branch: str = "releases") -> None:
    head = repository.git("rev-parse", "HEAD")
    repository.git("checkout", "--quiet", "--orphan", branch)
    for record in records:
        repository.commit(f"{record.stack}/{record.id}.json", to_json(record).decode())
    repository.git("checkout", "--quiet", "--force", "main")
    assert repository.git("rev-parse", "HEAD") == head


def base_of(repository: Repository) -> Base:
    commit = repository.git("rev-parse", "HEAD")
    return Base(commit, f"{commit[:7]} (main)")


def test_a_commit_without_releases(repository: Repository):
    base = base_of(repository)
    (repository.folder / "locks" / "dev.json").write_text("{")
    before = at_commit(repository.folder, "dev", base)
    assert before.locked == {"digits": locked(3)}
    assert (before.label, before.commit, before.base_image, before.released) == (base.label, base.commit, BASE_IMAGE, None)


def test_a_stack_that_the_commit_does_not_have(repository: Repository):
    before = at_commit(repository.folder, "prod", base_of(repository))
    assert (before.locked, before.base_image) == ({}, None)


def test_a_lock_of_another_schema_is_no_reason_to_fail(repository: Repository):
    repository.commit("locks/dev.json", '{"services": {}, "new": 1}')
    assert at_commit(repository.folder, "dev", base_of(repository)).locked == {}


def test_the_newest_release_that_succeeded_is_read_without_a_remote(repository: Repository):
    commit = repository.git("rev-parse", "HEAD")
    record_releases(
        repository,
        release(0, commit=commit),
        release(5, commit=commit),
        release(9, commit=commit, outcome=Outcome.FAILED),
        release(20, stack="prod", commit=commit),
    )
    records = known_releases(repository.folder)
    assert [(record.stack, record.id) for record in records] == [("prod", release(20).id), *(("dev", release(minutes).id) for minutes in (9, 5, 0))]
    assert newest(records, "dev") == release(5, commit=commit)
    before = at_commit(repository.folder, "dev", base_of(repository))
    assert before.released
    assert (before.released.id, before.released.commit) == (release(5).id, commit)


def test_a_release_of_a_commit_that_the_clone_does_not_have(repository: Repository):
    record_releases(repository, release(commit="f" * 40))
    assert at_commit(repository.folder, "dev", base_of(repository)).released is None
    assert as_deployed(repository.folder, "dev", release(commit="f" * 40)).commit is None


def test_a_record_that_cannot_be_read_hides_no_other(repository: Repository):
    record_releases(repository, release(5))
    repository.git("checkout", "--quiet", "releases")
    repository.commit(f"dev/{release(9).id}.json", '{"schema_version": 99}')
    repository.git("checkout", "--quiet", "main")
    assert known_releases(repository.folder) == [release(5)]


def test_no_repository_and_a_clone_that_would_ask_for_each_file_have_no_releases(repository: Repository, tmp_path: Path):
    record_releases(repository, release(5))
    repository.git("remote", "add", "origin", "https://nowhere.invalid/x")
    repository.git("config", "remote.origin.promisor", "true")
    assert known_releases(repository.folder) == []
    assert known_releases(tmp_path) == []


def test_what_a_release_left_running(repository: Repository):
    record = release(commit=repository.git("rev-parse", "HEAD"))
    before = as_deployed(repository.folder, "dev", record)
    assert before.locked["digits"].image == record.services["digits"].digest
    assert before.locked["digits"].model == record.services["digits"].model
    assert (before.label, before.commit, before.base_image) == (f"release {record.id}", record.commit, BASE_IMAGE)
    assert before.image("digits") == record.services["digits"].digest


def test_the_image_that_ran_is_the_locks_or_the_releases(repository: Repository):
    record_releases(repository, release(stack="dev"))
    before = at_commit(repository.folder, "dev", base_of(repository))
    assert before.image("digits") == release().services["digits"].digest
    digest = f"sha256:{'e' * 64}"
    repository.commit("locks/dev.json", to_json(Lock(services={"digits": locked(3, image=digest)})).decode())
    assert at_commit(repository.folder, "dev", base_of(repository)).image("digits") == digest
    assert before.image("letters") is None


def test_a_real_stack_is_as_its_release_says_or_new_or_unknown(repository: Repository):
    new = report(change(Operation.CREATE)).model_copy(update={"infrastructure": Infrastructure(changes=(change(Operation.CREATE),))})
    assert deployed(repository.folder, "dev", new) is NOTHING
    assert deployed(repository.folder, "dev", report(change(Operation.CREATE))) is None
    record_releases(repository, release(commit=repository.git("rev-parse", "HEAD")))
    before = deployed(repository.folder, "dev", report())
    assert before
    assert before.label == f"release {release().id}"
