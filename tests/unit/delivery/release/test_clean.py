import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from delivery.errors import DeliveryError
from delivery.release import retention
from delivery.release.cli import app
from delivery.release.record import Outcome
from tests.unit.delivery.registry.fake_registry import FakeRegistry, serving
from tests.unit.delivery.registry.oci_images import OLD, image
from tests.unit.delivery.release.releases import clone, git, ledger, origin, release, service


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with serving(FakeRegistry()) as found:
        yield found


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with one stack that keeps two releases, without a Pulumi to ask."""
    found = clone(origin(tmp_path), "clone")
    base = f"localhost:5000/python@sha256:{'b' * 64}"
    (found / "Pulumi.yaml").write_text("name: converge\n")
    (found / "Pulumi.dev.yaml").write_text(f"config:\n  converge:baseImage: {base}\n  converge:delivery: {{keepReleases: 2}}\n")
    git_only = tmp_path / "bin"
    git_only.mkdir()
    (git_only / "git").symlink_to(shutil.which("git") or "git")
    monkeypatch.setenv("PATH", str(git_only))
    monkeypatch.chdir(found)
    return found


def deploy(checkout: Path, fake: FakeRegistry, count: int) -> list[str]:
    """So many releases, each with an image; returns the digests."""
    digests = [fake.publish("digits", image(b"app", b"%d" % number), f"tag{number}") for number in range(count)]
    opened = ledger(checkout)
    for number, digest in enumerate(digests):
        opened.kept.keep(release(number, services=[service().model_copy(update={"image": f"{fake.host}/digits@{digest}"})]))
    # All in one commit, which takes as long as one of them would.
    assert all(written.pushed for written in opened.push_kept())
    return digests


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["clean", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_a_dry_run_says_what_would_go_and_changes_nothing(checkout: Path, fake: FakeRegistry):
    digests = deploy(checkout, fake, 4)
    said = run()
    assert f"{fake.host}\n  2 images stay, 2 of them because of a release or a lock\n" in said
    for number in (0, 1):
        size = image(b"app", b"%d" % number).size
        assert (
            f"  would delete {fake.host}/digits@{digests[number]}, {size} bytes (release {release(number).id} of dev, older than those that are kept)" in said
        )
    assert "would delete 2 images," in said
    assert said.rstrip().endswith("with layers that others share; --yes does it")
    assert "what it runs is told by the ledger only: dev: there is no `pulumi` on PATH" in said
    assert len(fake.repositories["digits"].manifests) == 4
    assert not [asked for asked in fake.asked if asked.split()[0] not in ("GET", "HEAD")]


def test_done_it_is_gone_and_a_second_run_has_nothing_to_do(checkout: Path, fake: FakeRegistry):
    digests = deploy(checkout, fake, 4)
    said = run("--yes", "--registry", fake.host)
    assert f"  deleted: {fake.host}/digits@{digests[0]} (release" in said
    assert "the bytes go when the registry collects its garbage (docs/retention.md)" in said
    assert list(fake.repositories["digits"].manifests) == digests[2:]
    assert run().rstrip().endswith("nothing to delete")
    assert run("--yes").rstrip().endswith("nothing to delete")


def test_a_release_whose_image_is_gone_is_told(checkout: Path, fake: FakeRegistry):
    digests = deploy(checkout, fake, 1)
    del fake.repositories["digits"].manifests[digests[0]]
    assert f"  gone already, so it cannot be brought back: {fake.host}/digits@{digests[0]} (release {release(0).id} of dev)" in run()


def test_an_image_of_no_release_is_marked_and_goes_a_week_later(checkout: Path, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch):
    deploy(checkout, fake, 1)
    stray = fake.publish("digits", image(b"stray"), "stray")
    monkeypatch.setattr(retention, "now", lambda: OLD)
    said = run()
    assert f"  would mark {fake.host}/digits@{stray} (of no release; goes if it is none's in 7 days either)\n  nothing to delete; --yes does the rest" in said
    assert f"marked: {fake.host}/digits@{stray}" in run("--yes")
    assert run().rstrip().endswith("nothing to delete")
    monkeypatch.setattr(retention, "now", lambda: OLD + timedelta(days=8))
    assert f"deleted: {fake.host}/digits@{stray} (of no release, 8 days old)" in run("--yes")


def failure(*arguments: str) -> str:
    with pytest.raises(DeliveryError) as raised:
        CliRunner().invoke(app, ["clean", *arguments], catch_exceptions=False)
    return str(raised.value)


def test_with_a_remote_that_cannot_be_reached_nothing_is_deleted(checkout: Path, fake: FakeRegistry):
    deploy(checkout, fake, 4)
    git(checkout, "remote", "set-url", "origin", (checkout.parent / "moved.git").as_uri())
    said = failure("--yes")
    assert said.startswith("the ledger could not be read as a whole, so nothing is deleted: the newest releases may be missing: ")
    assert len(fake.repositories["digits"].manifests) == 4


def test_with_a_record_that_cannot_be_read_nothing_is_deleted(checkout: Path, fake: FakeRegistry):
    deploy(checkout, fake, 4)
    broken = ledger(checkout).kept.folder / "dev" / "20261201T000000Z.json"
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_text("{")
    said = failure("--yes")
    assert said.startswith(f"the ledger could not be read as a whole, so nothing is deleted: {broken}: ")
    assert len(fake.repositories["digits"].manifests) == 4


def test_settings_that_cannot_be_read_stop_it(checkout: Path, fake: FakeRegistry):
    deploy(checkout, fake, 4)
    (checkout / "Pulumi.dev.yaml").write_text("config: [")
    assert failure("--yes").startswith("what must stay is not known while a stack's settings are wrong: ")
    assert len(fake.repositories["digits"].manifests) == 4


def test_a_registry_that_no_release_names_is_told(checkout: Path, fake: FakeRegistry):
    deploy(checkout, fake, 1)
    assert failure("--registry", "ghcr.io") == f"no release has an image in ghcr.io; releases name {fake.host}"


def test_a_registry_that_deletes_nothing_is_told_with_how_far_it_came(checkout: Path, fake: FakeRegistry):
    digests = deploy(checkout, fake, 4)
    fake.repositories["digits"].tags.pop("tag3")
    fake.deletes = False
    said = failure("--yes")
    assert "storage.delete.enabled: true; 1 of 3 steps in" in said
    assert said.endswith("are done, run it again to go on")
    fake.deletes = True
    run("--yes")
    assert list(fake.repositories["digits"].manifests) == digests[2:]


def test_without_releases_nothing_is_known(checkout: Path):
    assert checkout
    assert run("--yes").rstrip().endswith("no release is recorded, so nothing is known to be one's; nothing is deleted")


def test_a_failed_release_alone_takes_nothing(checkout: Path, fake: FakeRegistry):
    digest = fake.publish("digits", image(b"app"), "a")
    ledger(checkout).write(release(0, outcome=Outcome.FAILED, services=[service().model_copy(update={"image": f"{fake.host}/digits@{digest}"})]))
    assert "would delete" not in run()


def test_a_registry_of_the_simulation_is_skipped(checkout: Path):
    ledger(checkout).write(release(0, services=[service().model_copy(update={"image": f"a.azurecr.io.invalid/digits@sha256:{'a' * 64}"})]))
    assert "a.azurecr.io.invalid\n  skipped: a.azurecr.io.invalid is a registry of the simulated Azure" in run("--yes")
