"""What the two documents say, and that they say it in the form that others read."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from delivery.image.documents import Origin, provenance, sbom
from delivery.image.inventory import inventory
from delivery.registry import RegistryError, open_artifacts
from tests.unit.delivery.image.layers import packed_image
from tests.unit.delivery.registry.fake_registry import FakeRegistry, serving
from tests.unit.delivery.registry.oci_images import image

ORIGIN = Origin(
    commit="c" * 40,
    dirty=False,
    app="app_template",
    base_image=f"docker.io/library/python:3.11@sha256:{'b' * 64}",
    files={"app_template/requirements.txt": "1" * 64},
    model="digits",
    model_version=3,
    model_files={"model.onnx": "a" * 64},
)


def test_the_sbom_names_what_is_in_the_layers_and_fits_the_schema(tmp_path: Path):
    with serving(FakeRegistry()) as fake:
        digest = fake.publish("digits", packed_image(), "latest")
        items = inventory(open_artifacts(fake.host), "digits", digest, tmp_path)
        asked = len(fake.asked)
        # Layers are read once.
        assert inventory(open_artifacts(fake.host), "digits", digest, tmp_path) == items
        assert len(fake.asked) == asked + 1
    assert [(item.kind, item.name, item.version) for item in items] == [
        ("debian", "libc6", "2.36-9+deb12u13"),
        ("model", "digits", "3"),
        ("python", "numpy", "2.4.6"),
    ]
    document = sbom("registry/digits", digest, items)
    assert document == sbom("registry/digits", digest, items)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None
    assert [component.get("purl") for component in document["components"]] == [
        "pkg:deb/debian/libc6@2.36-9+deb12u13?arch=amd64",
        None,
        "pkg:pypi/numpy@2.4.6",
    ]


def test_a_layer_that_is_no_archive_is_named(tmp_path: Path):

    with serving(FakeRegistry()) as fake:
        digest = fake.publish("digits", image(b"no archive" * 100))
        with pytest.raises(RegistryError, match="cannot be read"):
            inventory(open_artifacts(fake.host), "digits", digest, tmp_path)


def test_the_provenance_names_image_base_commit_files_and_model():
    statement = provenance("digits", f"sha256:{'d' * 64}", ORIGIN)
    assert statement["subject"] == [{"name": "digits", "digest": {"sha256": "d" * 64}}]
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    definition = statement["predicate"]["buildDefinition"]
    assert [next(iter(found["digest"].values()))[0] for found in definition["resolvedDependencies"]] == ["b", "c", "1", "a"]
    assert statement["predicate"]["runDetails"] == {"builder": {"id": "urn:converge:by-hand"}}
