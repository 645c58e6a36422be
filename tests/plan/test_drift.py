"""What Azure changes by itself is no change of ours: real program and engine, simulated Azure, Kubernetes and image builds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from delivery.plan.golden import sample_lock
from local_azure.arm.drift import drift
from tests.plan.conftest import ROOT, Program, simulated


@pytest.fixture
def planned(checkout: Path) -> Iterator[Program]:
    with simulated(checkout) as program:
        yield program


def run(program: Program, *arguments: str) -> str:
    result = program.pulumi(*arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def changes(program: Program, stack: str) -> str:
    """What a preview would do besides leaving things as they are; told as one text, so that a failure shows all of it."""
    steps = json.loads(run(program, "preview", "--json", "--stack", stack))["steps"]
    return "\n".join(f"{step['op']} {step['urn'].rsplit('::', 1)[-1]}: {step.get('detailedDiff')}" for step in steps if step["op"] != "same")


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_nothing_changes_the_second_time_also_after_what_azure_changes_by_itself(planned: Program, stack: str):
    planned.new_stack(stack)
    planned.write_lock(stack, sample_lock(ROOT, stack))
    run(planned, "up", "--yes", "--skip-preview", "--stack", stack)
    assert changes(planned, stack) == ""
    run(planned, "refresh", "--yes", "--skip-preview", "--stack", stack)
    settle_pools(planned, stack)
    assert changes(planned, stack) == ""

    print("\n".join(drift(planned.sandbox)))
    refreshed = run(planned, "refresh", "--yes", "--skip-preview", "--diff", "--stack", stack)
    # It was read back, so that the preview has something to leave alone.
    assert "kubernetesVersion" in refreshed
    assert "count" in refreshed
    settle_pools(planned, stack)
    assert changes(planned, stack) == ""


def settle_pools(program: Program, stack: str) -> None:
    """AKS lists every pool in the cluster, and the plugin takes what is new in those that are resources of their own for a change of the cluster.

    The engine can ignore the whole list, with the system pool in it, or nothing of what is added to it. So one update is planned, which must change nothing in
    Azure.
    """
    before = azure(program)
    steps = json.loads(run(program, "preview", "--json", "--stack", stack))["steps"]
    # What stays the same is not in the answer.
    cluster = next((step for step in steps if step["urn"].split("::")[2].endswith(":ManagedCluster") and step["op"] != "same"), None)
    if cluster is None:
        return
    assert list(cluster["detailedDiff"]) == ["agentPoolProfiles[1]"]
    assert any(resource["token"].endswith(":AgentPool") for resource in before.values())
    run(program, "up", "--yes", "--skip-preview", "--stack", stack)
    after = azure(program)
    assert {key: (one, after.get(key)) for key, one in before.items() if after.get(key) != one} == {}


def azure(program: Program) -> dict[str, Any]:
    """Everything that exists, without who made it and when; of the cluster's own bookkeeping only what was asked for."""
    resources = json.loads((program.sandbox / "arm" / "resources.json").read_text())["resources"]
    return {key: {name: one[name] for name in ("id", "token", "inputs")} for key, one in resources.items()}
