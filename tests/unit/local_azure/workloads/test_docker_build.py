"""The simulated docker-build plugin: a digest that stands for what would be built."""

import re
from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2

from local_azure.arm.wire import UNKNOWN
from local_azure.workloads.docker_build import DockerBuildProvider
from tests.unit.local_azure.workloads.calls import Calls, RefusedError

IMAGE = {
    "tags": ["registry.example.com/digits:abc"],
    "buildArgs": {"MODEL_VERSION": "1"},
    "context": {"location": ".converge/context/1"},
    "secrets": {"url": "https://x", "other": "y"},
    "ignoreSecretsInDiffCalculation": ["url"],
    "push": True,
}


@pytest.fixture
def image() -> Calls:
    return Calls(DockerBuildProvider("0.0.22"), "docker-build:index:Image")


def changed(**values: Any) -> dict[str, Any]:
    return {**IMAGE, **values}


def test_a_built_image_is_known_by_its_content(image: Calls):
    identifier, outputs = image.create(IMAGE)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", identifier)
    assert outputs == {**IMAGE, "digest": identifier, "ref": f"{IMAGE['tags'][0]}@{identifier}", "contextHash": outputs["contextHash"]}
    assert image.create(IMAGE) == (identifier, outputs)


@pytest.mark.parametrize("values", [{"tags": ["other:1"]}, {"buildArgs": {"MODEL_VERSION": "2"}}, {"context": {"location": "other"}}, {"labels": {"a": "b"}}])
def test_other_content_is_another_image(image: Calls, values: dict[str, Any]):
    assert image.create(changed(**values))[0] != image.create(IMAGE)[0]


def test_a_signature_is_no_content(image: Calls):
    assert image.create(changed(secrets={"url": "https://y", "other": "y"}))[0] == image.create(IMAGE)[0]


def test_a_preview_builds_nothing(image: Calls):
    for outputs in (image.create(IMAGE, preview=True)[1], image.update(IMAGE, preview=True)):
        assert (outputs["digest"], outputs["ref"]) == (UNKNOWN, UNKNOWN)
    assert image.create(IMAGE, preview=True)[0] == ""
    assert image.update(IMAGE, preview=False)["digest"] == image.create(IMAGE)[0]


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({"secrets": {"url": "https://new", "other": "y"}}, set()),
        ({"secrets": {"url": "https://x", "other": "new"}}, {"secrets.other"}),
        ({"buildArgs": {"MODEL_VERSION": "2"}}, {"buildArgs.MODEL_VERSION"}),
        ({"registries": [{"address": "a", "password": "p"}]}, {"registries[0].address"}),
    ],
)
def test_what_is_a_reason_to_build(image: Calls, values: dict[str, Any], paths: set[str]):
    answer = image.diff(IMAGE, changed(**values))
    assert set(answer.detailedDiff) == paths
    assert (answer.changes == provider_pb2.DiffResponse.DIFF_SOME) is bool(paths)
    assert list(answer.replaces) == []


def test_an_index_is_not_simulated():
    with pytest.raises(RefusedError, match="a plan does not simulate docker-build:index:Index"):
        Calls(DockerBuildProvider("0.0.22"), "docker-build:index:Index").check({})
