"""Golden plans: what is in them, and what a change of an app does not change."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.plan.golden import golden_stacks, masked, sample_lock
from delivery.plan.report import Operation, ResourceChange, ValueChange
from model_store import Lock
from tests.unit.delivery.plan.reports import report

APP, OTHER = "fe567f87fd750d24933caca1e3e62cea0590ac46623217153eacd50c83acb2cc", "0" * 64


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "x", "config": {"converge:services": {"default": [{"name": "digits"}]}}}))
    for app in ("app_template", "other"):
        folder = tmp_path / app / "app"
        folder.mkdir(parents=True)
        tensor = {"name": f"of_{app}", "datatype": "FP32", "shape": [-1, 64]}
        (folder / "contract.json").write_text(json.dumps({"inputs": [tensor], "outputs": [tensor]}))
    return tmp_path


def stack_file(project: Path, config: dict[str, Any]) -> None:
    (project / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))


def test_a_sample_lock_has_a_fitting_model_for_every_service(project: Path):
    stack_file(project, {"converge:services": [{"name": "one"}, {"name": "two", "app": "other", "model": "shared"}]})
    lock = Lock.model_validate_json(json.dumps(sample_lock(project, "dev")))
    assert {name: (service.model.name, service.model.inputs[0].name) for name, service in lock.services.items()} == {
        "one": ("one", "of_app_template"),
        "two": ("shared", "of_other"),
    }


def test_a_stack_without_services_has_those_of_the_project(project: Path):
    stack_file(project, {})
    assert list(sample_lock(project, "dev")["services"]) == ["digits"]


def test_the_stack_of_one_machine_has_no_golden_plan(project: Path):
    for name in ("local", "prod", "dev"):
        (project / f"Pulumi.{name}.yaml").touch()
    assert golden_stacks(project) == ["dev", "prod"]


def image(app: str, tag: str) -> ResourceChange:
    values = {
        "context.location": f".converge/context/{app[:32]}",
        'labels["converge.app.sha256"]': app,
        'labels["converge.model.sha256"]': "a" * 64,
        "tags[0]": tag,
    }
    changes = tuple(ValueChange(path=path, after=after) for path, after in values.items())
    return ResourceChange(operation=Operation.CREATE, type="docker-build:index:Image", name="image", component="digits", values=changes)


@pytest.mark.parametrize("registry", ["convergenjfb6jqeuzxuy.azurecr.io/digits", "localhost:5000/digits"])
def test_the_content_of_an_app_is_masked_and_its_model_is_not(registry: str):
    one, other = (masked(report(image(app, f"{registry}:{tag}"))) for app, tag in ((APP, "6234d818b41e589bf4dc"), (OTHER, "0a464d77cd05e38823a4")))
    assert one == other
    (change,) = one.infrastructure.changes
    assert [value.after for value in change.values] == [".converge/context/(app)", "(app)", "a" * 64, f"{registry}:(tag)"]


def test_a_tag_that_is_not_known_masks_nothing():
    later = "(known when it is done)"
    (change,) = masked(report(image(APP, later))).infrastructure.changes
    assert change.values[-1].after == later


def test_two_services_from_two_apps():
    found = masked(report(image(APP, f"r/a:{'1' * 20}"), image(OTHER, f"r/b:{'2' * 20}")))
    assert [change.values[-1].after for change in found.infrastructure.changes] == ["r/a:(tag)", "r/b:(tag)"]
