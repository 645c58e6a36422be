from pathlib import Path

import pytest

from settings.files import of_file
from settings.messages import SettingsError
from tests.unit.settings.stack_files import ROOT


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_committed_stacks_can_be_read(stack: str):
    assert [service.name for service in of_file(ROOT, stack).services] == ["digits"]


def test_what_a_file_says_about_delivery_is_read(tmp_path: Path):
    (tmp_path / "Pulumi.dev.yaml").write_text(
        "config:\n"
        f"  converge:baseImage: python@sha256:{'0' * 64}\n"
        "  other:key: 1\n"
        "  converge:delivery: {gates: [{name: accuracy, mayWorsenBy: 0.01}, {name: log_loss, better: lower}], rollBack: true}\n"
    )
    delivery = of_file(tmp_path, "dev").delivery
    assert [(gate.name, gate.better, gate.may_worsen_by) for gate in delivery.gates] == [("accuracy", "higher", 0.01), ("log_loss", "lower", 0.0)]
    assert (delivery.roll_back, delivery.keep_releases, delivery.reason_required) == (True, 10, False)


def test_what_pulumi_has_written_as_a_text_is_what_it_says(tmp_path: Path):
    """`pulumi stack init` writes the whole file anew, and true as "true"."""
    (tmp_path / "Pulumi.dev.yaml").write_text(f'config:\n  converge:baseImage: python@sha256:{"0" * 64}\n  converge:protectData: "true"\n')
    assert of_file(tmp_path, "dev").protect_data is True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config: [", "cannot be read"),
        ("[]", "converge:baseImage: is missing"),
        ("config: {'converge:delivery': {keep: 3}}", "converge:delivery.keep: is not a key"),
        (
            "config: {'converge:delivery': {gates: [{name: a, mayWorsenBy: -1}]}}",
            "converge:delivery.gates[0].mayWorsenBy: was -1; allowed is a number from 0, such as 0.005",
        ),
        ("config: {'converge:delivery': {gates: [{name: a}, {name: a}]}}", "allowed is a list of metrics with different names; a is there more than once"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, text: str, message: str):
    (tmp_path / "Pulumi.dev.yaml").write_text(text)
    with pytest.raises(SettingsError) as raised:
        of_file(tmp_path, "dev")
    assert message in str(raised.value)


def test_a_stack_without_a_file_is_named_with_those_that_have_one(tmp_path: Path):
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}")
    with pytest.raises(SettingsError, match=r"there is no Pulumi\.prod\.yaml in .*; the stacks with settings here are dev"):
        of_file(tmp_path, "prod")
