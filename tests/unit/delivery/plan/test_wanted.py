"""What a plan takes from settings files, whatever they are."""

from pathlib import Path

import pytest
import yaml

from delivery.plan.wanted import Wanted, of_checkout, wanted

PROJECT = yaml.safe_dump({"config": {"converge:services": {"type": "array", "default": [{"name": "digits"}]}}})


def stack(**values: object) -> str:
    return yaml.safe_dump({"config": {f"converge:{key}": value for key, value in values.items()}})


def test_services_image_and_gates():
    text = stack(
        services=[{"name": "a", "app": "apps/a"}, {"name": "b"}],
        baseImage="python@sha256:1",
        delivery={"gates": [{"name": "accuracy"}, {"name": "log_loss", "better": "lower"}]},
    )
    assert wanted(text, PROJECT) == Wanted(
        apps={"a": "apps/a", "b": "app_template"}, base_image="python@sha256:1", better={"accuracy": "higher", "log_loss": "lower"}
    )


def test_the_projects_services_are_the_default():
    assert wanted(stack(), PROJECT).apps == {"digits": "app_template"}


def test_encrypted_values_are_none():
    text = stack(baseImage={"secure": "v1:x"}, delivery={"secure": "v1:x"}, services={"secure": "v1:x"})
    assert wanted(text) == Wanted()


@pytest.mark.parametrize("text", ["", "[", "3", "config: 3", "config:\n  converge:services: [3, {app: x}]", "\x00"])
def test_anything_else_says_nothing(text: str):
    assert wanted(text, text) == Wanted()


def test_a_checkout_without_files(tmp_path: Path):
    assert of_checkout(tmp_path, "dev") == Wanted()
