"""What Microsoft.ContainerService refuses of an agent pool, inline or on its own, although each property alone is right."""

import re

from local_azure.arm.spec import Properties, Rule, at, elements
from local_azure.arm.wire import Unknown

COUNT = "https://github.com/kubernetes-sigs/cluster-api-provider-azure/issues/5947"
_NO_COUNT = "https://github.com/pulumi/pulumi-azure-native/issues/2943"
SCALE = "https://learn.microsoft.com/azure/aks/cluster-autoscaler"
_VERSIONS = "https://learn.microsoft.com/azure/aks/supported-kubernetes-versions"
TAINTS = "https://learn.microsoft.com/azure/aks/use-node-taints"


def _is(value: object, wanted: str) -> bool:
    return str(value).lower() == wanted.lower()


def version_rule(path: str) -> Rule:
    """A rule for the form of a Kubernetes version."""

    def broken(inputs: Properties) -> str | None:
        version = at(inputs, path)
        if isinstance(version, str) and not re.fullmatch(r"\d+\.\d+(\.\d+)?", version):
            return f"Version {version} is not supported in this region; it must be <major>.<minor> or <major>.<minor>.<patch>."
        return None

    return Rule(code="K8sVersionNotSupported", property=path, reads=(path,), broken=broken, source=_VERSIONS)


def count_wrong(pool: Properties) -> str | None:
    """What is wrong with the number of nodes."""
    count = pool.get("count")
    low = 1 if _is(pool.get("mode"), "System") else 0
    if isinstance(count, int) and not low <= count <= 1000:
        return f"agentPoolProfile.count was {count}. It must be greater or equal to minCount:{low} and less than or equal to maxCount:1000."
    return None


def scaling_wrong(pool: Properties) -> str | None:
    """What is wrong with the bounds of the autoscaler."""
    # A count outside of them is no error: they can be changed around the nodes that run (Azure/AKS#1758).
    low, high = pool.get("minCount"), pool.get("maxCount")
    if any(isinstance(value, Unknown) for value in (low, high, pool.get("enableAutoScaling"))):
        return None
    if pool.get("enableAutoScaling") is not True:
        return None if low is None and high is None else "The values of minCount and maxCount must not be set when enableAutoScaling is not true."
    if not isinstance(low, int) or not isinstance(high, int):
        return "The values of minCount and maxCount must be set when enableAutoScaling is true."
    if low > high:
        return f"The value of minCount, {low}, is greater than that of maxCount, {high}."
    if _is(pool.get("mode"), "System") and low < 1:
        return f"The value of minCount is {low}; a system pool needs at least 1."
    return None


def _no_count(pool: Properties) -> str | None:
    return "Required parameter properties.count is missing (null)." if pool.get("count") is None else None


def taint_wrong(pool: Properties) -> str | None:
    """What is wrong with a taint."""
    for taint in elements(pool.get("nodeTaints")):
        if isinstance(taint, str) and not re.fullmatch(r"[^=:\s]+(=[^=:\s]*)?:(NoSchedule|PreferNoSchedule|NoExecute)", taint):
            return f"The node taint {taint} is invalid; it must be <key>=<value>:<NoSchedule, PreferNoSchedule or NoExecute>."
    return None


POOL_RULES = (
    Rule(code="InvalidParameter", property="count", reads=("count", "mode"), broken=count_wrong, source=COUNT),
    Rule(code="InvalidParameter", property="count", reads=("count",), broken=_no_count, source=_NO_COUNT),
    Rule(code="InvalidParameter", property="minCount", reads=("minCount", "maxCount", "count", "enableAutoScaling"), broken=scaling_wrong, source=SCALE),
    version_rule("orchestratorVersion"),
    Rule(code="InvalidParameter", property="nodeTaints", reads=("nodeTaints",), broken=taint_wrong, source=TAINTS),
)
