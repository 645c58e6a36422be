"""Inputs out of what ARM answers, as the azure-native plugin infers them when it refreshes or imports (provider/pkg/provider/provider.go, Read).

It cannot read inputs. For a resource that it knows it compares what ARM answered last time with what ARM answers now, and takes over only what changed: a value
that ARM filled in stays out of the inputs as long as it stays the same. A resource that it does not know gets as inputs whatever can be written.
"""

from typing import Any

from local_azure.arm.models.body import writable
from local_azure.arm.spec import Properties, ResourceType

_ABSENT = object()


def imported(kind: ResourceType, asked_for: Properties, answer: Properties) -> Properties:
    """The inputs of a resource that the engine does not know: names from its id, and the rest from the answer, without what is empty."""
    names = {name: value for name, value in asked_for.items() if f"{{{name}}}" in kind.identifier or name == kind.name_property}
    return {**_without_empty(projection(kind, answer)), **names}


def refreshed(kind: ResourceType, inputs: Properties, before: Properties, now: Properties) -> Properties:
    """The inputs of a resource that the engine knows, with what changed between two answers."""
    return _applied(inputs, projection(kind, before), projection(kind, now))


def projection(kind: ResourceType, answer: Properties) -> Properties:
    """The part of an answer that can be written."""
    return _as_inputs(writable(kind.pulumi_type, answer))


def _as_inputs(answer: Properties) -> Properties:
    """Identities as the list that ARM takes, instead of the map that it answers with."""
    identity = answer.get("identity")
    if isinstance(identity, dict) and isinstance(identity.get("userAssignedIdentities"), dict):
        return {**answer, "identity": {**identity, "userAssignedIdentities": sorted(identity["userAssignedIdentities"])}}
    return answer


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        found = {name: _without_empty(item) for name, item in value.items()}
        return {name: item for name, item in found.items() if item is not None and item != {} and item != []}
    if isinstance(value, list):
        return [item for item in map(_without_empty, value) if item is not None and item != {} and item != []]
    return value


def _applied(base: Any, before: Any, now: Any) -> Any:
    """`base` with the difference between two answers. Objects and lists are gone through; of anything else the new value counts."""
    if before == now:
        return base
    if isinstance(base, dict) and isinstance(before, dict) and isinstance(now, dict):
        return _applied_to_object(base, before, now)
    if isinstance(base, list) and isinstance(before, list) and isinstance(now, list):
        both = min(len(base), len(before), len(now))
        return [*(_applied(base[number], before[number], now[number]) for number in range(both)), *now[both:]]
    return now


def _applied_to_object(base: Properties, before: Properties, now: Properties) -> Properties:
    result = {name: value for name, value in base.items() if name in now or name not in before}
    for name, value in now.items():
        old = before.get(name, _ABSENT)
        if old != value:
            result[name] = _applied(base[name], old, value) if name in base and old is not _ABSENT else value
    return result
