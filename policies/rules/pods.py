"""What a pod consists of, wherever it is specified."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from policies.planned import UNKNOWN, Mark, PlannedResource, entries, find
from policies.rule import Check, each
from policies.rules.kinds import POD_PATHS

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def pod_of(workload: PlannedResource) -> Any:
    """The specification of a workload's pods; UNKNOWN if it is not known yet."""
    return workload.at(POD_PATHS[workload.kind])


def containers_of(pod: Any) -> Iterator[tuple[Any, str]]:
    """Containers of every kind, each with how messages call it."""
    for kind in _CONTAINERS:
        for container in entries(find(pod, kind)):
            name = "" if isinstance(container, Mark) else container.get("name", "")
            yield container, f"container {name}: "


def each_container(verdicts: Callable[[Mapping[str, Any], str], Iterator[str | Mark]]) -> Check:
    """A check of every container."""

    def of(workload: PlannedResource) -> Iterator[str | Mark]:
        pod = pod_of(workload)
        if isinstance(pod, Mark):
            yield UNKNOWN
            return
        for container, called in containers_of(pod):
            if isinstance(container, Mark):
                yield UNKNOWN
            else:
                yield from verdicts(container, called)

    return each(of)


def each_pod(verdicts: Callable[[Mapping[str, Any]], Iterator[str | Mark]]) -> Check:
    """A check of every pod's specification."""

    def of(workload: PlannedResource) -> Iterator[str | Mark]:
        pod = pod_of(workload)
        if isinstance(pod, Mark):
            yield UNKNOWN
        elif pod is not None:
            yield from verdicts(pod)

    return each(of)


def each_security_context(path: str, refused: Callable[[Any], bool], *, pod: bool = True) -> Check:
    """A check of one value in the security contexts of pod and containers."""

    def of(workload: PlannedResource) -> Iterator[str | Mark]:
        specification = pod_of(workload)
        places = list(containers_of(specification))
        if pod or isinstance(specification, Mark):
            places.append((specification, "pod: "))
        for place, called in places:
            found = find(place, f"securityContext.{path}")
            if isinstance(found, Mark):
                yield UNKNOWN
            elif refused(found):
                yield f"{called}securityContext.{path} is {found}"

    return each(of)
