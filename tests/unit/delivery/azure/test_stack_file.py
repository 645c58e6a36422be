"""The stack's file as delivery reads it."""

from pathlib import Path

import pytest

from delivery.azure import stack_file
from delivery.azure.errors import AzureError

_GOOD = """config:
  azure-native:location: West Europe
  azure-native:subscriptionId: 99999999-9999-4999-8999-99999999999A
  converge:cluster:
    maxNodes: 9
    userPools: [{name: apps}]
"""


def read(folder: Path, text: str) -> stack_file.StackFile:
    (folder / "Pulumi.yaml").write_text("name: converge\n")
    (folder / "Pulumi.dev.yaml").write_text(text)
    return stack_file.read(folder, "dev")


def test_values_by_their_path(tmp_path: Path):
    file = read(tmp_path, _GOOD)
    assert (file.location, file.subscription_id) == ("westeurope", "99999999-9999-4999-8999-99999999999a")
    assert file.get("converge:cluster.maxNodes") == 9
    assert file.get("converge:cluster.minNodes", default=1) == 1
    assert file.get("converge:cluster.maxNodes.x", default="no") == "no"
    assert file.get("converge:network.private", default=False) is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("config: [\n", "Pulumi.dev.yaml is no YAML"),
        ("", "Pulumi.dev.yaml has no `config:`"),
        ("config: {azure-native:location: westeurope}", "azure-native:subscriptionId missing"),
        ("config: {}", "azure-native:subscriptionId and azure-native:location missing"),
        ("config: {azure-native:location: westeurope, azure-native:subscriptionId: mine}", "is 'mine'; it must be a GUID: `az account show"),
    ],
)
def test_what_is_wrong_is_told_by_file_and_key(tmp_path: Path, text: str, words: str):
    with pytest.raises(AzureError) as raised:
        read(tmp_path, text)
    assert words in str(raised.value)


@pytest.mark.parametrize("stack", ["prod", "../dev", "", "a b"])
def test_a_stack_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, stack: str):
    read(tmp_path, _GOOD)
    with pytest.raises(AzureError, match="stacks here: dev"):
        stack_file.read(tmp_path, stack)


def test_the_checkout_is_found_from_below(tmp_path: Path):
    read(tmp_path, _GOOD)
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert stack_file.checkout(tmp_path / "a" / "b") == tmp_path


def test_outside_a_checkout_it_says_so(tmp_path: Path):
    with pytest.raises(AzureError, match=r"no Pulumi\.yaml in"):
        stack_file.checkout(tmp_path)


def test_a_section_is_names_with_values_or_nothing(tmp_path: Path):
    file = read(tmp_path, _GOOD + "  converge:tags: dev\n")
    assert file.section("converge:cluster")["maxNodes"] == 9
    assert file.section("converge:network") == {}
    with pytest.raises(AzureError, match=r"Pulumi\.dev\.yaml: converge:tags is 'dev'; it must be names with values"):
        file.section("converge:tags")
