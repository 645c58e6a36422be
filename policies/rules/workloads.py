"""Workloads: what keeps a service up and apart from others."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from policies.planned import SECRET, UNKNOWN, Mark, PlannedResource, entries, find
from policies.rule import Finding, Rule, each, must_be, requires
from policies.rules.kinds import AUTOSCALER, BUDGET, DEPLOYMENT, NAMESPACE, NETWORK_POLICY, STATEFUL_SET, WORKLOADS
from policies.rules.pods import containers_of, each_container, each_pod, pod_of
from policies.rules.quantities import share

_workload = partial(Rule, looks_at=WORKLOADS)
_SOUNDS_SECRET = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCOUNT_?KEY|ACCESS_?KEY|CONNECTION_?STRING|CREDENTIALS?|SAS)(_|$)", re.IGNORECASE)
_LOOKS_SECRET = re.compile(r"(AccountKey=|[?&]sig=|SharedAccessSignature|-----BEGIN |Password=)")
_REPLICATED = frozenset({DEPLOYMENT, STATEFUL_SET})
_SILENT = "answers nobody: no container has a port"


def _serves(workload: PlannedResource) -> bool:
    """Does a pod of it answer requests? One that only does its work may be away for a moment."""
    return any(not isinstance(port, Mark) for container, _ in containers_of(pod_of(workload)) for port in entries(find(container, "ports")))


def _serving(resources: Sequence[PlannedResource]) -> list[PlannedResource]:
    return [resource for resource in resources if resource.kind in _REPLICATED and _serves(resource)]


def _namespace(resource: PlannedResource) -> Any:
    return resource.at("metadata.namespace") or "default"


def _same_place(one: PlannedResource, other: PlannedResource) -> bool | Mark:
    namespaces = _namespace(one), _namespace(other)
    if any(isinstance(namespace, Mark) for namespace in namespaces):
        return UNKNOWN
    return namespaces[0] == namespaces[1]


def _selects(budget: PlannedResource, workload: PlannedResource) -> bool | Mark:
    together = _same_place(budget, workload)
    wanted, labels = budget.at("spec.selector.matchLabels"), workload.at("spec.template.metadata.labels")
    if together is not True:
        return together
    if isinstance(wanted, Mark) or isinstance(labels, Mark):
        return UNKNOWN
    pairs = [((labels or {}).get(key), value) for key, value in (wanted or {}).items()]
    if any(not isinstance(label, Mark) and not isinstance(value, Mark) and label != value for label, value in pairs):
        return False
    return UNKNOWN if any(isinstance(one, Mark) for pair in pairs for one in pair) else True


def _fewest(workload: PlannedResource, resources: Sequence[PlannedResource]) -> int | Mark:
    """With how many pods a workload runs at least."""
    name = workload.at("metadata.name")
    near = [resource for resource in resources if resource.kind == AUTOSCALER and _same_place(resource, workload) is not False]
    for scaler in near:
        target = scaler.at("spec.scaleTargetRef.name")
        if isinstance(target, Mark) or isinstance(name, Mark):
            return UNKNOWN
        if target == name:
            fewest = scaler.at("spec.minReplicas")
            return fewest if isinstance(fewest, Mark) else int(fewest or 1)
    replicas = workload.at("spec.replicas")
    return replicas if isinstance(replicas, Mark) else int(replicas if replicas is not None else 1)


def _blocks(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    for budget in (resource for resource in resources if resource.kind == BUDGET):
        for workload in (resource for resource in resources if resource.kind in _REPLICATED):
            selected = _selects(budget, workload)
            if selected is not False:
                message = UNKNOWN if isinstance(selected, Mark) else _blocked(budget, workload, _fewest(workload, resources))
                if message:
                    yield Finding(resource=budget, message=message)


def _blocked(budget: PlannedResource, workload: PlannedResource, pods: int | Mark) -> str | Mark | None:
    most, least = budget.at("spec.maxUnavailable"), budget.at("spec.minAvailable")
    if isinstance(pods, Mark) or isinstance(most, Mark) or isinstance(least, Mark):
        return UNKNOWN
    if most is not None:
        return f"maxUnavailable is {most}: no pod of {workload.name} may ever be evicted" if share(most, pods) < 1 else None
    if least is not None and share(least, pods) >= pods:
        return f"minAvailable is {least} and {workload.name} has {pods} pods at least: none of them may be evicted"
    return None


NO_BLOCKED_DRAIN = Rule(
    id="CVG601",
    title="A disruption budget lets at least one pod go",
    severity="critical",
    reason="A budget that allows no eviction stops every node upgrade, until somebody deletes it in the middle of the night.",
    fix="set max_unavailable to 1, or min_available below the number of pods.",
    source="mspnp/aks-baseline ships minAvailable 2 of 2; Azure/AKS documentation, node drain failures",
    looks_at=frozenset({BUDGET}),
    check=_blocks,
    per_resource=False,
)
EVICT_UNHEALTHY = Rule(
    id="CVG602",
    title="A disruption budget never keeps pods that do not work",
    severity="medium",
    reason="Pods that crash count as unavailable: without this they block the upgrade that would mend them.",
    fix="set unhealthy_pod_eviction_policy AlwaysAllow.",
    source="Kubernetes documentation, unhealthy pod eviction policy",
    looks_at=frozenset({BUDGET}),
    check=each(requires(spec__unhealthyPodEvictionPolicy="AlwaysAllow")),
)


def _budgeted(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    budgets = [resource for resource in resources if resource.kind == BUDGET]
    for workload in _serving(resources):
        selected = [_selects(budget, workload) for budget in budgets]
        if True not in selected:
            yield Finding(resource=workload, message=UNKNOWN if UNKNOWN in selected else "no PodDisruptionBudget selects its pods")


HAS_BUDGET = Rule(
    id="CVG603",
    title="Every service has a disruption budget",
    severity="medium",
    reason="Without one an upgrade of nodes may take all its pods at once.",
    fix="add a PodDisruptionBudget that selects its pods.",
    source="Azure/AKS documentation, reliability of workloads",
    looks_at=_REPLICATED,
    check=_budgeted,
    per_resource=False,
    applies=_serves,
    otherwise=_SILENT,
)


def _at_least_two(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    for workload in _serving(resources):
        pods = _fewest(workload, resources)
        if isinstance(pods, Mark):
            yield Finding(resource=workload, message=UNKNOWN)
        elif pods < 2:
            yield Finding(resource=workload, message=f"runs with {pods} pod at least")


TWO_PODS = Rule(
    id="CVG604",
    title="Every service runs in two pods at least",
    severity="high",
    reason="One pod is an outage with every node upgrade.",
    fix="set replicas to 2 or more (3 with zones).",
    source="Azure/AKS documentation, reliability of workloads; AKS deployment safeguards",
    looks_at=_REPLICATED,
    check=_at_least_two,
    per_resource=False,
    applies=_serves,
    otherwise=_SILENT,
)


def _replicas_beside_scaler(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    for scaler in (resource for resource in resources if resource.kind == AUTOSCALER):
        for workload in (resource for resource in resources if resource.kind in _REPLICATED):
            replicas = workload.at("spec.replicas")
            if replicas is not None and workload.at("metadata.name") == scaler.at("spec.scaleTargetRef.name"):
                message = UNKNOWN if isinstance(replicas, Mark) else f"{workload.name} sets replicas to {replicas}, although an autoscaler decides"
                yield Finding(resource=scaler, message=message)


NO_REPLICAS_BESIDE_SCALER = Rule(
    id="CVG605",
    title="Where an autoscaler decides, nothing else sets the number of pods",
    severity="high",
    reason="Every update undoes what the autoscaler decided, in the middle of a rush.",
    fix="leave spec.replicas out.",
    source="pulumi/pulumi-kubernetes#2491, pulumi/pulumi#13321",
    looks_at=frozenset({AUTOSCALER}),
    check=_replicas_beside_scaler,
    per_resource=False,
)


def _sounds_secret(name: str) -> bool:
    """A name that ends so is that of a file, which may be a mounted secret."""
    return bool(_SOUNDS_SECRET.search(name)) and not name.upper().endswith("_FILE")


def _secret_variables(container: Mapping[str, Any], called: str) -> Iterator[str | Mark]:
    for variable in entries(container.get("env")):
        name, value = find(variable, "name"), find(variable, "value")
        if isinstance(variable, Mark) or value is UNKNOWN or isinstance(name, Mark):
            yield UNKNOWN
        elif value is SECRET or (value and (_sounds_secret(name) or _LOOKS_SECRET.search(str(value)))):
            yield f"{called}the environment variable {name} holds a secret as text"


NO_SECRET_VARIABLES = _workload(
    id="CVG606",
    title="No secret stands in an environment variable",
    severity="critical",
    reason="It is readable in the Deployment, in `kubectl describe`, in crash dumps and by every child process.",
    fix="use workload identity; or mount it from Key Vault through the secrets store driver.",
    source="checkov CKV_K8S_35; Azure/AKS documentation, security of pods",
    check=each_container(_secret_variables),
)


def _read_only(container: Mapping[str, Any], called: str) -> Iterator[str | Mark]:
    yield from must_be(container, "securityContext.readOnlyRootFilesystem", True, called=called)


READ_ONLY_ROOT = _workload(
    id="CVG607",
    title="A container cannot change its own image",
    severity="medium",
    reason="Whoever breaks in can write a program and run it.",
    fix="set read_only_root_filesystem, with an emptyDir where the app must write.",
    source="Azure Policy df49d893-a74c-421d-bc95-c663042e5b80; checkov CKV_K8S_22",
    check=each_container(_read_only),
)


def _token(pod: Mapping[str, Any]) -> Iterator[str | Mark]:
    yield from must_be(pod, "automountServiceAccountToken", False)


NO_TOKEN = _workload(
    id="CVG608",
    title="Pods have no token for the API server",
    severity="medium",
    reason="A stolen token is a login to the cluster; a service that serves a model needs none.",
    fix="set automount_service_account_token to false.",
    source="Azure Policy 423dd1ba-798e-40e4-9c4d-b6902674b423; checkov CKV_K8S_38",
    check=each_pod(_token),
)


def _drops_all(container: Mapping[str, Any], called: str) -> Iterator[str | Mark]:
    dropped = entries(find(container, "securityContext.capabilities.drop"))
    if UNKNOWN in dropped:
        yield UNKNOWN
    elif "ALL" not in dropped:
        yield f"{called}securityContext.capabilities.drop is {dropped or 'empty'}; ALL must be in it"


DROP_ALL = _workload(
    id="CVG609",
    title="Containers keep no capability of root",
    severity="medium",
    reason="Pods of a namespace with the standard `restricted` are refused otherwise.",
    fix="drop ALL.",
    source="Kubernetes Pod Security Standards, restricted",
    check=each_container(_drops_all),
)


def _restricted(namespace: PlannedResource) -> Iterator[str | Mark]:
    labels = namespace.at("metadata.labels")
    standard = labels if isinstance(labels, Mark) else (labels or {}).get("pod-security.kubernetes.io/enforce")
    if isinstance(standard, Mark):
        yield UNKNOWN
    elif standard != "restricted":
        yield "has no label pod-security.kubernetes.io/enforce: restricted"


RESTRICTED = Rule(
    id="CVG610",
    title="Namespaces refuse pods that are not restricted",
    severity="high",
    reason="What the program declares safely today somebody deploys unsafely by hand tomorrow.",
    fix="label the namespace pod-security.kubernetes.io/enforce: restricted.",
    source="Kubernetes Pod Security Standards; AKS Automatic demands baseline",
    looks_at=frozenset({NAMESPACE}),
    check=each(_restricted),
)


def _closed(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    policies = [resource for resource in resources if resource.kind == NETWORK_POLICY]
    for namespace in (resource for resource in resources if resource.kind == NAMESPACE):
        answers = [_closes(policy, namespace) for policy in policies]
        if True not in answers:
            yield Finding(resource=namespace, message=UNKNOWN if UNKNOWN in answers else "no NetworkPolicy closes it for every pod, in both directions")


def _closes(policy: PlannedResource, namespace: PlannedResource) -> bool | Mark:
    types = set(entries(policy.at("spec.policyTypes")))
    opened = [policy.at(f"spec.{what}") for what in ("podSelector", "ingress", "egress")]
    if any(value and not isinstance(value, Mark) for value in opened) or (UNKNOWN not in types and types != {"Ingress", "Egress"}):
        return False
    if UNKNOWN in opened or UNKNOWN in types:
        return UNKNOWN
    place, name = policy.at("metadata.namespace"), namespace.at("metadata.name")
    # A namespace is named by an output of it, which a preview does not always know; both then belong to one component.
    if isinstance(place, Mark) or isinstance(name, Mark):
        return True if policy.parent and policy.parent == namespace.parent else UNKNOWN
    return place == name


CLOSED = Rule(
    id="CVG611",
    title="A namespace is closed until something is opened",
    severity="high",
    reason="One broken pod otherwise reaches every other one, and the internet.",
    fix="add a NetworkPolicy that selects all pods, with Ingress and Egress and no rule.",
    source="Kubernetes documentation, default deny; mspnp/aks-baseline closes ingress only",
    looks_at=frozenset({NAMESPACE}),
    check=_closed,
    per_resource=False,
)


def _adds_before_it_removes(workload: PlannedResource) -> Iterator[str | Mark]:
    strategy = workload.at("spec.strategy.type")
    if isinstance(strategy, Mark):
        yield UNKNOWN
    elif strategy == "Recreate":
        yield "strategy is Recreate: every update is an outage"
    else:
        yield from must_be(workload.properties, "spec.strategy.rollingUpdate.maxUnavailable", (0, "0", "0%"))


NO_GAP = Rule(
    id="CVG612",
    title="An update adds a pod before it removes one",
    severity="medium",
    reason="Otherwise every update takes capacity away while it runs.",
    fix="set the rolling update's max_unavailable to 0.",
    source="Kubernetes documentation, rolling updates",
    looks_at=frozenset({DEPLOYMENT}),
    check=each(_adds_before_it_removes),
    applies=_serves,
    otherwise=_SILENT,
)
