"""Every body that the stacks send, from the real engine: against the committed models, and through Microsoft's own packages."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local_azure.arm import check
from local_azure.arm.models import azure_mgmt
from local_azure.arm.models.body import body_of
from local_azure.arm.models.sources import SOURCES
from local_azure.arm.types import ALL
from local_azure.arm.wire import UNKNOWN, UNKNOWN_TEXT, Unknown
from tests.plan.conftest import Program
from tests.plan.test_program import lock
from tests.unit.local_azure.arm.test_models import own_form

STACKS = ("dev", "prod")
HIDDEN = "[secret]"


def planned(program: Program, stack: str) -> list[tuple[str, dict[str, Any]]]:
    """Type and inputs of every Azure resource that a preview from nothing would create."""
    program.new_stack(stack)
    program.write_lock(stack, lock())
    answer = program.pulumi("preview", "--stack", stack, "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    states = [step["newState"] for step in json.loads(answer.stdout)["steps"] if "newState" in step]
    return [(state["type"], read(state["inputs"])) for state in states if state["type"].startswith("azure-native:")]


def read(value: Any) -> Any:
    """Inputs as the plugin gets them: what the preview does not know or show is not known."""
    if value in (UNKNOWN_TEXT, HIDDEN):
        return UNKNOWN
    if isinstance(value, dict):
        return {name: read(item) for name, item in value.items() if not name.startswith("__")}
    return [read(item) for item in value] if isinstance(value, list) else value


def known(value: Any) -> Any:
    """Only what is known."""
    if isinstance(value, dict):
        return {name: known(item) for name, item in value.items() if not isinstance(item, Unknown)}
    return [known(item) for item in value if not isinstance(item, Unknown)] if isinstance(value, list) else value


def lost(body: Any, written: Any, where: str = "") -> Iterator[str]:
    """Places where what Microsoft's code wrote is not what we sent; an empty object may be left out."""
    if isinstance(body, dict) and isinstance(written, dict | None):
        for name in body.keys() | (written or {}).keys():
            yield from lost(body.get(name), (written or {}).get(name), f"{where}.{name}".lstrip("."))
    elif isinstance(body, list) and isinstance(written, list) and len(body) == len(written):
        for number, (one, other) in enumerate(zip(body, written, strict=True)):
            yield from lost(one, other, f"{where}[{number}]")
    elif body != written:
        yield where


@pytest.mark.figures
@pytest.mark.parametrize("stack", STACKS)
def test_every_body_passes_the_models_of_the_azure_mgmt_packages(program: Program, stack: str):
    resources = planned(program, stack)
    checked = sdk_only = unknown = 0
    for name, inputs in resources:
        found = check.examine(ALL[name], inputs)
        assert found.problems == [], name
        body = json.loads(json.dumps(known(body_of(name, inputs))))
        written = own_form(azure_mgmt.model_of(SOURCES[name]), body)
        beyond = {path.rsplit(".", 1)[-1] for path in found.sdk_only}
        assert [place for place in lost(body, written) if place.rsplit(".", 1)[-1] not in beyond] == [], name
        checked += len(found.checked)
        sdk_only += len(found.sdk_only)
        unknown += len(found.unknown)
    assert {name for name, _ in resources} >= {"azure-native:storage:StorageAccount", "azure-native:containerservice:ManagedCluster"}
    assert checked > 10 * sdk_only
    types = len({name for name, _ in resources})
    print(f"bodies of {stack}: {len(resources)} of {types} types; {checked} properties checked, {sdk_only + unknown} not checked:")
    print(f"  {sdk_only} that only the SDK knows, {unknown} whose values a preview does not know yet")
