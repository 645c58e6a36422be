"""SBOM and provenance beside images in the registry itself, which has no list of its own of what is about an image."""

from pathlib import Path

import httpx
import pytest

from delivery.image.attest import PROVENANCE, SBOM
from delivery.image.documents import provenance, sbom
from delivery.image.inventory import inventory
from delivery.image.referrers import attach, find, tag_of
from delivery.registry import open_artifacts
from local_azure.assembly import LocalAzure
from local_azure.services import registry
from tests.unit.delivery.image.layers import packed_image
from tests.unit.delivery.image.test_documents import ORIGIN
from tests.unit.delivery.registry.oci_images import push

_REPOSITORY = "attested/digits"


@pytest.fixture(scope="module")
def host(azure: LocalAzure) -> str:
    azure.debian.ensure()
    azure.supervisor.start(registry.service(azure.sandbox, azure.debian))
    return azure.sandbox.registry


def test_documents_are_attached_once_and_the_image_stays_as_it_is(host: str, tmp_path: Path):
    pushed = packed_image()
    push(f"http://{host}", _REPOSITORY, pushed, ["latest"])
    opened = open_artifacts(host)
    bom = sbom(_REPOSITORY, pushed.digest, inventory(opened, _REPOSITORY, pushed.digest, tmp_path))
    said = provenance(_REPOSITORY, pushed.digest, ORIGIN)
    tags: dict[str, str] = {}
    for _ in range(2):
        attach(opened, _REPOSITORY, pushed.digest, SBOM, bom)
        attach(opened, _REPOSITORY, pushed.digest, PROVENANCE, said)
        tags = opened.tags(_REPOSITORY)
        assert tags["latest"] == pushed.digest
        assert set(tags) == {"latest", tag_of(pushed.digest), tag_of(pushed.digest, "sbom"), tag_of(pushed.digest, "provenance")}
    assert b"numpy" in (find(opened, _REPOSITORY, pushed.digest, SBOM) or b"")
    assert b"slsa.dev" in (find(opened, _REPOSITORY, pushed.digest, PROVENANCE) or b"")
    index = httpx.get(
        f"http://{host}/v2/{_REPOSITORY}/manifests/{tag_of(pushed.digest)}", headers={"Accept": "application/vnd.oci.image.index.v1+json"}, trust_env=False
    ).json()
    assert {part["artifactType"]: part["digest"] for part in index["manifests"]} == {
        kind.media_type: tags[tag_of(pushed.digest, kind.suffix)] for kind in (SBOM, PROVENANCE)
    }


def test_another_image_has_none(host: str):
    other = packed_image("another app")
    push(f"http://{host}", _REPOSITORY, other, ["other"])
    assert find(open_artifacts(host), _REPOSITORY, other.digest, SBOM) is None
