from collections.abc import Mapping
from typing import Any, Self

import pulumi
import pytest

from components import application_image
from components.application_image import ApplicationImage, ApplicationImageArgs
from components.build_context import BuildContext
from model_store import LockedModel, ModelStoreError
from tests.unit.components.recording import DIGEST, TOKEN, UNKNOWN, Recording, Secret, consume, record
from tests.unit.model_store.samples import locked

_TYPE = "docker-build:index:Image"
_STORE_URL = "https://convergedev.blob.core.windows.net/models"
_REGISTRY = "convergedev.azurecr.io"
_BASE_IMAGE = f"docker.io/library/python:3.11@sha256:{'f' * 64}"
_CONTEXT = BuildContext(location=".converge/context/0123", sha256="5" * 64)


class _Store:
    """Signs URLs, or fails; keeps what it was asked."""

    asked: list[tuple[str, int]]
    problem: str | None

    def __init__(self) -> None:
        self.asked, self.problem, self.closed = [], None, False

    def open(self, url: str) -> Self:
        assert url == _STORE_URL
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def read_urls(self, model: LockedModel) -> Mapping[str, str]:
        self.asked.append((model.name, model.version))
        if self.problem:
            raise ModelStoreError(self.problem)
        return {file: f"{_STORE_URL}/{file}?sig=x" for file in model.files}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> _Store:
    made = _Store()
    monkeypatch.setattr(application_image, "ModelStore", made)
    monkeypatch.setattr(application_image.authorities, "additional", lambda: "# authorities\n")
    return made


def _recorded(*, preview: bool = False, **changes: Any) -> Recording:
    def program() -> None:
        places = {"registry": _REGISTRY, "repository": "digits", "model_store": _STORE_URL}
        args = ApplicationImageArgs(**{**places, "context": _CONTEXT, "base_image": _BASE_IMAGE, "model": locked(3), **changes})
        consume(image=ApplicationImage("digits-image", args).image)

    return record(program, preview=preview)


def _tag(**changes: Any) -> str:
    (tag,) = _recorded(preview=True, **changes).only(_TYPE).inputs["tags"]
    return tag


def test_the_image_is_named_by_the_digest_that_was_pushed(store: _Store):
    recording = _recorded()
    image = f"{_REGISTRY}/digits@{DIGEST}"
    # Not secret, although the provider derives it from inputs of which one is: pods could not be compared by it.
    assert recording.outputs_of("digits-image") == {"image": image}
    consumer = recording.named("consumer")
    assert consumer.inputs == {"image": image}
    assert consumer.dependencies_of("image") == {"digits-image-image"}
    assert store.closed


def test_the_image_is_built_from_the_staged_folder(store: _Store):
    inputs = _recorded().only(_TYPE).inputs
    assert inputs["context"] == {"location": ".converge/context/0123"}
    assert inputs["dockerfile"] == {"location": ".converge/context/0123/Dockerfile"}
    assert inputs["platforms"] == ["linux/amd64"]
    assert store.asked == [("digits", 3)]


def test_the_arguments_decide_base_image_and_model_by_hash():
    files = {name: {"sha256": letter * 64, "size": 1} for name, letter in (("model.onnx", "1"), ("golden.json", "2"), ("manifest.json", "3"))}
    assert _recorded(preview=True, model=locked(3, files=files)).only(_TYPE).inputs["buildArgs"] == {
        "PYTHON_IMAGE": _BASE_IMAGE,
        "SOURCE_DATE_EPOCH": "0",
        "MODEL_NAME": "digits",
        "MODEL_VERSION": "3",
        "MODEL_SHA256": "1" * 64,
        "GOLDEN_SHA256": "2" * 64,
        "MANIFEST_SHA256": "3" * 64,
    }


def test_an_update_pushes_and_a_preview_never_builds(store: _Store):
    for preview in (True, False):
        inputs = _recorded(preview=preview).only(_TYPE).inputs
        assert inputs["push"] is True
        assert inputs["buildOnPreview"] is False
    assert len(store.asked) == 1


def test_what_a_preview_shows_is_what_an_update_does(store: _Store):
    # An input that differed would be a change in every preview.
    previewed, updated = (_recorded(preview=preview).only(_TYPE).inputs for preview in (True, False))
    assert store.asked
    assert set(previewed) == set(updated)
    # Of these two only what is secret differs, which the builder's plugin leaves out when it looks for changes.
    assert {key for key in updated if previewed[key] != updated[key]} == {"secrets", "registries"}
    assert [_open(login) for login in previewed["registries"]] == [_open(login) for login in updated["registries"]]
    assert set(previewed["secrets"].value) == set(updated["secrets"].value)
    assert set(updated["ignoreSecretsInDiffCalculation"]) == set(updated["secrets"].value)


def _open(login: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in login.items() if not isinstance(value, Secret)}


def test_the_builder_logs_in_with_a_token_that_the_registry_gave_in_this_run(store: _Store):
    (login,) = _recorded().only(_TYPE).inputs["registries"]
    assert login == {"address": _REGISTRY, "username": "00000000-0000-0000-0000-000000000000", "password": Secret(TOKEN)}
    assert store.asked


def test_rights_are_proven_before_the_store_is_asked_and_in_an_update_only(store: _Store):
    assert _recorded(preview=True).probes == []
    recording = _recorded()
    assert sorted(recording.probes) == [("may push", _REGISTRY), ("may read models", _STORE_URL)]
    assert store.asked


def test_a_simulated_store_signs_nothing(store: _Store):
    recording = _recorded(model_store="https://convergedev.blob.core.windows.net.invalid/models", registry="convergedev.azurecr.io.invalid")
    assert store.asked == []
    assert set(recording.only(_TYPE).inputs["secrets"].value.values()) == {"asked for in an update only"}
    assert recording.only(_TYPE).inputs["registries"] == []


def test_signed_urls_are_secret_and_asked_for_in_an_update_only(store: _Store):
    assert _recorded(preview=True).only(_TYPE).inputs["secrets"] == Secret(
        dict.fromkeys(("model_url", "golden_url", "manifest_url", "ca_certificates"), "asked for in an update only")
    )
    assert store.asked == []
    assert _recorded().only(_TYPE).inputs["secrets"] == Secret(
        {
            "model_url": f"{_STORE_URL}/model.onnx?sig=x",
            "golden_url": f"{_STORE_URL}/golden.json?sig=x",
            "manifest_url": f"{_STORE_URL}/manifest.json?sig=x",
            "ca_certificates": "# authorities\n",
        }
    )


def test_a_new_signature_is_no_reason_to_build(store: _Store):
    assert set(_recorded().only(_TYPE).inputs["ignoreSecretsInDiffCalculation"]) == {"model_url", "golden_url", "manifest_url", "ca_certificates"}
    assert store.asked


def test_labels_hold_content_only():
    # A commit id or a date would build and roll out again with every commit.
    assert _recorded(preview=True).only(_TYPE).inputs["labels"] == {
        "converge.app.sha256": "5" * 64,
        "converge.model.name": "digits",
        "converge.model.version": "3",
        "converge.model.sha256": "a" * 64,
    }


def test_nothing_secret_is_among_the_arguments_that_stay_in_the_image(store: _Store):
    inputs = _recorded().only(_TYPE).inputs
    assert store.asked
    kept = str([inputs[key] for key in ("buildArgs", "labels", "tags")])
    assert "sig=" not in kept
    assert _STORE_URL not in kept


def test_a_tag_is_the_same_for_the_same_content():
    assert _tag().startswith(f"{_REGISTRY}/digits:")
    assert _tag() == _tag()
    assert _tag().rpartition(":")[2] == _tag(registry="other.azurecr.io", repository="other").rpartition(":")[2]


@pytest.mark.parametrize(
    "change",
    [
        {"context": BuildContext(location=_CONTEXT.location, sha256="6" * 64)},
        {"base_image": f"docker.io/library/python:3.11@sha256:{'0' * 64}"},
        {"model": locked(4)},
        {"model": locked(3, files={**locked(3).model_dump()["files"], "golden.json": {"sha256": "9" * 64, "size": 1}})},
    ],
)
def test_other_content_is_another_tag(change: dict[str, Any]):
    assert _tag(**change) != _tag()


def test_an_image_outlives_the_service_that_it_was_built_for():
    # Something may still run from it, or be rolled back to it.
    assert _recorded(preview=True).only(_TYPE).request.retainOnDelete


def test_a_pinned_digest_builds_nothing(store: _Store):
    pinned = f"sha256:{'d' * 64}"
    for preview in (True, False):
        recording = _recorded(preview=preview, pinned_digest=pinned)
        assert recording.of(_TYPE) == []
        assert recording.outputs_of("digits-image") == {"image": f"{_REGISTRY}/digits@{pinned}"}
        assert recording.probes == []
    assert store.asked == []


def test_before_the_image_exists_its_digest_is_unknown():
    assert _recorded(preview=True).outputs_of("digits-image") == {"image": UNKNOWN}


def test_a_store_that_cannot_be_read_ends_the_update_with_one_message(store: _Store):
    store.problem = "nobody may read there"
    with pytest.raises(pulumi.RunError) as error:
        _recorded()
    assert str(error.value) == "the image of digits version 3 cannot be built: nobody may read there"
    assert store.closed
