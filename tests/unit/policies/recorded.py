"""A plan as the recording harness sees it: what the program registers, read by the rules as they read the engine's plan."""

from typing import Any

from policies import SECRET, UNKNOWN, PlannedResource
from policies.planned import STACK, marked
from tests.unit.components.recording import UNKNOWN as NOT_KNOWN
from tests.unit.components.recording import Recording, Secret


def planned(recording: Recording) -> list[PlannedResource]:
    """Every resource of a recording; the stack with its outputs."""
    resources = [
        PlannedResource(
            urn=resource.urn,
            type=resource.type,
            name=resource.name,
            properties=marked(_in_our_words(resource.inputs)),
            protect=resource.protected,
            parent=resource.request.parent,
            retain_on_delete=resource.request.retainOnDelete,
        )
        for resource in recording.resources
        if resource.type != STACK
    ]
    outputs = [(urn, values) for urn, values in recording.outputs.items() if f"::{STACK}::" in urn]
    return resources + [PlannedResource(urn=urn, type=STACK, name=urn.rpartition("::")[2], properties=marked(_in_our_words(values))) for urn, values in outputs]


def _in_our_words(value: Any) -> Any:
    if isinstance(value, Secret):
        return SECRET
    if value is NOT_KNOWN:
        return UNKNOWN
    if isinstance(value, dict):
        return {key: _in_our_words(entry) for key, entry in value.items()}
    return [_in_our_words(entry) for entry in value] if isinstance(value, list) else value
