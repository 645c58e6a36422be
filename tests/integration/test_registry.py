"""Releases' images in the registry itself: what our clean-up and the registry's own garbage collection leave, and what they take."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from delivery.registry import open_registry
from delivery.release.cli import app
from delivery.release.images import present
from delivery.release.record import Record
from local_azure.assembly import LocalAzure
from local_azure.services import registry
from tests.unit.delivery.registry.oci_images import OciImage, digest_of, image, index, push
from tests.unit.delivery.release.releases import clone, ledger, origin, release, service

_KEPT, _RELEASES = 6, 8
"""The newest six keep their images: the running one and five to go back to."""
_MODELS_EVERY = 3
"""So many releases share a model, as releases of the app do."""


@pytest.fixture(scope="module")
def url(azure: LocalAzure) -> str:
    azure.debian.ensure()
    azure.supervisor.start(registry.service(azure.sandbox, azure.debian))
    return f"http://{azure.sandbox.registry}"


@dataclass(frozen=True)
class Storage:
    """The registry's own tools."""

    azure: LocalAzure

    def collect_garbage(self) -> None:
        """As upstream documents: while nobody writes, so the registry is down meanwhile. Then it comes back, with an empty cache."""
        self.azure.supervisor.stop(["registry"])
        program, configuration = self.azure.debian.program("docker-registry"), self.azure.sandbox.folder / "registry.json"
        command = [program, "garbage-collect", str(configuration), "--delete-untagged"]
        done = subprocess.run(command, env=self.azure.debian.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.azure.supervisor.start(registry.service(self.azure.sandbox, self.azure.debian))

    def blobs(self) -> set[str]:
        """What is on the disk, manifests included."""
        folder = self.azure.sandbox.folder / "registry" / "docker" / "registry" / "v2" / "blobs" / "sha256"
        return {f"sha256:{path.parent.name}" for path in folder.glob("*/*/data")}


@pytest.fixture
def storage(azure: LocalAzure, url: str) -> Storage:
    assert url
    return Storage(azure)


def images() -> list[OciImage]:
    """Oldest first: layers that all share, models that some share, and an app of its own in each."""
    return [image(b"base" * 500, f"model {number // _MODELS_EVERY}".encode() * 200, f"app {number}".encode() * 100) for number in range(_RELEASES)]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = clone(origin(tmp_path), "clone")
    base = f"localhost:5000/python@sha256:{'b' * 64}"
    (found / "Pulumi.yaml").write_text("name: converge\n")
    (found / "Pulumi.dev.yaml").write_text(f"config:\n  converge:baseImage: {base}\n  converge:delivery: {{keepReleases: {_KEPT}}}\n")
    monkeypatch.chdir(found)
    # No Pulumi of this machine is asked for this stack.
    monkeypatch.setattr("delivery.release.images.deployed", lambda _: ({}, []))
    return found


def record(checkout: Path, url: str, repository: str, pushed: Sequence[OciImage]) -> list[Record]:
    """A release for each image; newest first."""
    host, opened = url.removeprefix("http://"), ledger(checkout)
    for number, one in enumerate(pushed):
        opened.kept.keep(release(number, services=[service().model_copy(update={"image": f"{host}/{repository}@{one.digest}"})]))
    assert all(written.pushed for written in opened.push_kept())
    return opened.records()


def clean() -> str:
    result = CliRunner().invoke(app, ["clean", "--yes"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def pull(url: str, repository: str, expected: OciImage) -> None:
    """Manifest and every blob, byte for byte."""
    with httpx.Client(base_url=f"{url}/v2/{repository}", trust_env=False, headers={"Accept": expected.media_type}) as client:
        for part in expected.parts:
            pull(url, repository, part)
        answer = client.get(f"/manifests/{expected.digest}").raise_for_status()
        assert (answer.content, answer.headers["content-type"]) == (expected.manifest, expected.media_type)
        for digest, content in expected.blobs.items():
            assert client.get(f"/blobs/{digest}").raise_for_status().content == content


def test_the_last_releases_images_outlive_clean_up_and_garbage_collection(checkout: Path, url: str, storage: Storage):
    """The release that is five before the running one can be brought back; one before that is shown as gone, and its bytes are."""
    pushed = images()
    for number, one in enumerate(pushed):
        push(url, "retention/digits", one, [f"content-{number}"])
    records = record(checkout, url, "retention/digits", pushed)

    said = clean()
    storage.collect_garbage()

    kept, gone = pushed[-_KEPT:], pushed[:-_KEPT]
    for one in kept:
        pull(url, "retention/digits", one)
    assert records[5].services["digits"].digest == kept[0].digest
    assert present(records) == {**{one.digest: True for one in kept}, **{one.digest: False for one in gone}}
    for one in gone:
        assert f"deleted: {url.removeprefix('http://')}/retention/digits@{one.digest}" in said

    left = storage.blobs()
    shared = set(kept[0].blobs) & set(gone[0].blobs)
    assert len(shared) == 2, "the base and the model"
    assert shared <= left
    only_theirs = {digest for one in gone for digest in (one.digest, *one.blobs)} - {digest for one in kept for digest in one.blobs}
    assert len(only_theirs) > len(gone)
    assert not only_theirs & left
    assert clean().count("deleted: ") == 0


def test_a_kept_image_whose_tag_went_to_another_one_outlives_garbage_collection(checkout: Path, url: str, storage: Storage):
    """A tag says what an image is built from, and a build from the same may have another digest: then the tag moves."""
    first, second = image(b"app", b"built first"), image(b"app", b"built again")
    for one in (first, second):
        push(url, "retention/moved", one, ["content"])
    record(checkout, url, "retention/moved", [first, second])
    clean()
    storage.collect_garbage()
    pull(url, "retention/moved", first)
    pull(url, "retention/moved", second)


def test_the_parts_of_a_kept_index_outlive_garbage_collection(checkout: Path, url: str, storage: Storage):
    """Before version 3 garbage collection takes parts without a tag for images that nobody needs."""
    kept, old = index(image(b"app"), image(b"provenance", created=None)), index(image(b"older app"), image(b"older provenance", created=None))
    for tag, one in (("old", old), ("kept", kept)):
        push(url, "retention/index", one, [tag])
    record(checkout, url, "retention/index", [old, *[kept] * _KEPT])
    clean()
    storage.collect_garbage()
    pull(url, "retention/index", kept)
    assert not storage.blobs() & {old.digest, *(part.digest for part in old.parts)}


def test_what_docker_pushes_is_known_by_its_own_digest(url: str):
    """Asked without Docker's type, the registry makes an older manifest up, with a digest that no release has."""
    docker = image(b"app", media_type="application/vnd.docker.distribution.manifest.v2+json")
    push(url, "retention/docker", docker, ["content"])
    found = open_registry(url.removeprefix("http://"))
    assert found.tags("retention/docker") == {"content": docker.digest}
    (stored,) = found.images("retention/docker")
    assert (stored.digest, stored.size) == (docker.digest, docker.size)
    assert digest_of(docker.manifest) == docker.digest
