"""What Azure changes by itself is no change of ours: real program and engine, simulated Azure, infrastructure only (no lock, so no image and no workload)."""

import json

import pytest

from local_azure.arm.drift import drift
from tests.plan.conftest import Program


def run(program: Program, *arguments: str) -> str:
    result = program.pulumi(*arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def changes(program: Program, stack: str) -> list[str]:
    """What a preview would do besides leaving things as they are."""
    steps = json.loads(run(program, "preview", "--json", "--stack", stack))["steps"]
    return [f"{step['op']} {step['urn'].rsplit('::', 2)[-2:]} {step.get('detailedDiff')}" for step in steps if step["op"] != "same"]


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_nothing_changes_the_second_time_also_after_what_azure_changes_by_itself(program: Program, stack: str):
    program.new_stack(stack)
    run(program, "up", "--yes", "--skip-preview", "--stack", stack)
    assert changes(program, stack) == []
    run(program, "refresh", "--yes", "--skip-preview", "--expect-no-changes", "--stack", stack)

    lines = drift(program.sandbox)
    print("\n".join(lines))
    refreshed = run(program, "refresh", "--yes", "--skip-preview", "--diff", "--stack", stack)
    # It was read back, so that the preview has something to leave alone.
    assert "kubernetesVersion" in refreshed
    assert "count" in refreshed
    assert changes(program, stack) == []
