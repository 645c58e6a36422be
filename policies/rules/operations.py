"""Operations: what somebody on call will need."""

from collections.abc import Iterator, Sequence

from policies.planned import UNKNOWN, Mark, PlannedResource, entries
from policies.rule import Finding, Rule, each, requires
from policies.rules.kinds import ACCOUNT, CLUSTER, DIAGNOSTICS, MAINTENANCE, METRIC_ALERT, PROMETHEUS_RULES, QUERY_ALERT, REGISTRY, WORKSPACE
from policies.rules.kinds import VAULT as _VAULT

_WINDOWS = ("aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule")
_NAMED = {ACCOUNT: "accountName", REGISTRY: "registryName", CLUSTER: "resourceName", _VAULT: "vaultName"}
_ALERTS = frozenset({METRIC_ALERT, QUERY_ALERT, PROMETHEUS_RULES})


def _without_window(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    names = [resource.at("configName") for resource in resources if resource.kind == MAINTENANCE]
    for cluster in (resource for resource in resources if resource.kind == CLUSTER):
        missing = [window for window in _WINDOWS if window not in names]
        if missing:
            yield Finding(resource=cluster, message=UNKNOWN if any(isinstance(name, Mark) for name in names) else f"has no window {' and no '.join(missing)}")


MAINTENANCE_WINDOWS = Rule(
    id="CVG701",
    title="Upgrades come when somebody chose",
    severity="medium",
    reason="Automatic upgrades drain every node; without a window they do so at noon on a Monday.",
    fix="add both MaintenanceConfigurations.",
    source="Azure Verified Modules (waf-aligned); Azure/AKS documentation, planned maintenance",
    looks_at=frozenset({CLUSTER}),
    check=_without_window,
    per_resource=False,
)


def _unlogged(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    settings = [resource for resource in resources if resource.kind == DIAGNOSTICS]
    for subject in (resource for resource in resources if resource.kind in _NAMED):
        if not any(_about(setting, subject) for setting in settings):
            yield Finding(resource=subject, message="has no diagnostic setting")


def _about(setting: PlannedResource, subject: PlannedResource) -> bool:
    target, name = setting.at("resourceUri"), subject.at(_NAMED[subject.kind])
    if isinstance(target, Mark) or name is None or isinstance(name, Mark):
        # Its id is an output, which a preview does not know: the component that made it then made the setting for it.
        return setting.parent in (subject.parent, subject.urn)
    return f"/{name}".lower() in str(target).lower()


LOGGED = Rule(
    id="CVG702",
    title="What happens to data, images and cluster is written down",
    severity="medium",
    reason="Who read or deleted something, and why the API server refused, cannot be found out afterwards.",
    fix="add a DiagnosticSetting that sends to a Log Analytics workspace.",
    source="Azure Verified Modules (waf-aligned)",
    looks_at=frozenset(_NAMED),
    check=_unlogged,
    per_resource=False,
)


def _unheard(alert: PlannedResource) -> Iterator[str | Mark]:
    if alert.kind == QUERY_ALERT:
        actions = [alert.at("actions.actionGroups")]
    elif alert.kind == METRIC_ALERT:
        actions = [alert.at("actions")]
    else:
        actions = [
            rule if isinstance(rule, Mark) else rule.get("actions") for rule in entries(alert.at("rules")) if isinstance(rule, Mark) or rule.get("alert")
        ]
    for found in actions:
        if isinstance(found, Mark):
            yield UNKNOWN
        elif not found:
            yield "tells nobody: it has no action group"
            return


HEARD = Rule(
    id="CVG703",
    title="An alert reaches somebody",
    severity="medium",
    reason="An alert without an action group is a line in a portal.",
    fix="give it an action group (converge:monitoring has the addresses).",
    source="Azure documentation, action groups",
    looks_at=_ALERTS,
    check=each(_unheard),
)


def _silent(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    if not any(resource.kind in _ALERTS for resource in resources):
        for cluster in (resource for resource in resources if resource.kind == CLUSTER):
            yield Finding(resource=cluster, message="nothing tells when it or its services are ill: there is no alert")


WATCHED = Rule(
    id="CVG704",
    title="Somebody is told when the cluster or a service is ill",
    severity="medium",
    reason="Otherwise users are the alert.",
    fix="turn monitoring on.",
    source="Azure well-architected framework, operational excellence",
    looks_at=frozenset({CLUSTER}),
    check=_silent,
    per_resource=False,
)


WORKSPACE_WITHOUT_KEYS = Rule(
    id="CVG705",
    title="A log workspace has no keys",
    severity="medium",
    reason="Whoever has its key writes into the logs whatever they like, and names nobody.",
    fix="set features disable_local_auth.",
    source="Azure documentation, Log Analytics with Entra authentication",
    looks_at=frozenset({WORKSPACE}),
    check=each(requires(features__disableLocalAuth=True)),
)
