"""Previews from nothing: the real program and engine with the simulated Azure; no login, no service, nothing that runs."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.plan.conftest import Program

SHA = {"model.onnx": "a" * 64, "golden.json": "b" * 64, "manifest.json": "c" * 64}
STACKS = ("dev", "prod")


def lock(**changes: Any) -> dict[str, Any]:
    model = {
        "name": "digits",
        "version": 3,
        "files": {name: {"sha256": sha, "size": 10} for name, sha in SHA.items()},
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}],
        "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1]}, {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
        "metrics": {"accuracy": 0.97},
        "published_at": "2026-11-23T20:00:00Z",
        "published_by": "alice@example.com",
    }
    return {"services": {"digits": {"model": {**model, **changes}, "image": None}}}


def converge_types(types: set[str]) -> set[str]:
    return {kind for kind in types if kind.startswith("converge:")}


@pytest.mark.figures
def test_every_stack_has_the_same_components(program: Program):
    previews = {}
    for stack in STACKS:
        program.new_stack(stack)
        program.write_lock(stack, lock())
        previews[stack] = program.preview(stack)
        assert previews[stack].exit_code == 0, previews[stack].text
        print(f"preview of {stack} from nothing: {previews[stack].seconds:.1f} s, {len(previews[stack].steps)} resources")
    assert {kind.rpartition(":")[2] for kind in converge_types(previews["dev"].types)} == {
        "VirtualNetwork",
        "ModelStorage",
        "ContainerRegistry",
        "KubernetesCluster",
        "ApplicationImage",
        "ModelDeployment",
    }
    # What prod's settings add, and nothing else: it is one program.
    added = {kind.rpartition(":")[2] for kind in converge_types(previews["prod"].types - previews["dev"].types)}
    assert added == {"Monitoring", "ClusterMonitoring", "ServiceAccess"}
    assert previews["dev"].types <= previews["prod"].types


def test_without_a_lock_there_is_infrastructure_and_a_hint(program: Program):
    program.new_stack("dev")
    preview = program.preview("dev")
    assert preview.exit_code == 0, preview.text
    assert "azure-native:containerservice:ManagedCluster" in preview.types
    assert not any(kind.startswith(("docker-build:", "kubernetes:")) for kind in preview.types)
    for command in ("converge model publish digits", "converge model promote digits latest --stack dev"):
        assert command in preview.text


def test_a_lock_decides_what_is_built_and_nothing_is_asked_of_the_store(program: Program):
    program.new_stack("dev")
    program.write_lock("dev", lock())
    preview = program.preview("dev")
    assert preview.exit_code == 0, preview.text
    image = preview.only("docker-build:index:Image")["inputs"]
    assert image["buildArgs"]["MODEL_VERSION"] == "3"
    assert [image["buildArgs"][f"{name}_SHA256"] for name in ("MODEL", "GOLDEN", "MANIFEST")] == list(SHA.values())
    assert image["labels"]["converge.model.sha256"] == SHA["model.onnx"]
    assert image["push"] is True
    assert image["buildOnPreview"] is False
    assert (program.folder / image["context"]["location"] / "Dockerfile").is_file()
    assert not (program.folder / image["context"]["location"] / "training").exists()


def test_a_pinned_image_is_not_built(program: Program):
    program.new_stack("dev")
    pinned = lock()
    pinned["services"]["digits"]["image"] = f"sha256:{'d' * 64}"
    program.write_lock("dev", pinned)
    preview = program.preview("dev")
    assert preview.exit_code == 0, preview.text
    assert "docker-build:index:Image" not in preview.types
    assert "kubernetes:apps/v1:Deployment" in preview.types


def test_a_change_of_the_app_changes_only_the_image_and_its_place(program: Program):
    program.new_stack("dev")
    program.write_lock("dev", lock())
    before = program.preview("dev").only("docker-build:index:Image")["inputs"]
    (program.folder / "README.md").write_text("nothing that an image holds")
    assert program.preview("dev").only("docker-build:index:Image")["inputs"] == before
    (program.folder / "app_template" / "app" / "hooks.py").open("a").write("\n# changed\n")
    after = program.preview("dev").only("docker-build:index:Image")["inputs"]
    changed = {key for key in after if after[key] != before[key]}
    assert {"context", "dockerfile", "labels"} <= changed <= {"context", "dockerfile", "labels", "tags"}


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        (
            {
                "converge:services": [{"name": "digits", "replicas": 0}, {"name": "Other", "exposure": "everybody"}],
                "converge:cluster": {"nodSize": "Standard_D4ds_v5"},
                "converge:protectdata": True,
                "azure-native:subscriptionId": None,
            },
            [
                "the settings of stack 'dev' (Pulumi.dev.yaml) have 6 problems:",
                "converge:services[0].replicas: was 0; allowed is a whole number from 1 to 1000, or {min: ..., max: ...}",
                'converge:services[1].name: was "Other"; allowed is 1 to 63 lower-case letters',
                "converge:services[1].exposure: was \"everybody\"; allowed is 'cluster', 'network' or 'internet'",
                "converge:cluster.nodSize: is not a key; did you mean nodeSize?",
                "converge:protectdata: is not a key; did you mean protectData?",
                "azure-native:subscriptionId: is missing; set it with `pulumi config set azure-native:subscriptionId <value> --stack dev`",
            ],
        ),
    ],
)
def test_wrong_settings_end_with_one_message_about_all_of_them(program: Program, changes: Mapping[str, Any], messages: list[str]):
    program.new_stack("dev")
    program.change_settings("dev", changes)
    preview = program.preview("dev")
    assert preview.exit_code != 0
    for message in messages:
        assert message in preview.text
    assert "Traceback" not in preview.text
    assert "unhandled" not in preview.text
    assert preview.errors == [f"error: {messages[0]}"]
    assert "ResourceGroup" not in preview.text


def test_a_model_that_does_not_fit_the_app_is_refused_with_both_sides(program: Program):
    program.new_stack("dev")
    program.write_lock("dev", lock(inputs=[{"name": "image", "datatype": "FP64", "shape": [-1, 784]}]))
    preview = program.preview("dev")
    assert preview.exit_code != 0
    assert "the app needs input image FP32 [-1, 64], the model has image FP64 [-1, 784]" in preview.text
    assert "Traceback" not in preview.text


def test_an_app_folder_with_a_link_is_refused_before_anything_is_declared(program: Program):
    program.new_stack("dev")
    program.write_lock("dev", lock())
    (program.folder / "app_template" / "app" / "shared.py").symlink_to("/etc/hosts")
    preview = program.preview("dev")
    assert preview.exit_code != 0
    assert "app_template/app/shared.py: is a symbolic link" in preview.text
    assert "ResourceGroup" not in preview.text
    assert "Traceback" not in preview.text


def test_a_preview_leaves_no_secret_in_the_open(program: Program):
    program.new_stack("dev")
    program.write_lock("dev", lock())
    text = json.dumps(program.preview("dev").steps)
    assert "asked for in an update only" not in text
