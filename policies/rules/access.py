"""Who may do what, and what a stack tells about itself."""

import re
from collections.abc import Iterator, Sequence
from functools import partial

from policies.planned import SECRET, STACK, UNKNOWN, Mark, PlannedResource, leaves
from policies.rule import Finding, Rule, each, must_be
from policies.rules.kinds import CLUSTER, KUBERNETES_PROVIDER, ROLE_ASSIGNMENT

_assignment = partial(Rule, looks_at=frozenset({ROLE_ASSIGNMENT}))
_TOO_MUCH = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
    "17d1049b-9a84-46fb-8f53-869881c3d3ab": "Storage Account Contributor",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
}
"""GUIDs of Azure's built-in roles that can do more than any one purpose needs."""
_SUBSCRIPTION = re.compile(r"^/subscriptions/([^/]+)", re.IGNORECASE)
_CREDENTIAL = re.compile(r"(client-key-data:|client-certificate-data:|\btoken: \S|kind: Config\b|\"kind\": ?\"Config\"|-----BEGIN [A-Z ]*PRIVATE KEY)")
_KUBECONFIG = re.compile(r"kube_?config$", re.IGNORECASE)


def _too_much(assignment: PlannedResource) -> Iterator[str | Mark]:
    role = assignment.at("roleDefinitionId")
    if isinstance(role, Mark):
        yield UNKNOWN
    elif (name := _TOO_MUCH.get(str(role).rpartition("/")[2].lower())) and assignment.at("condition") is None:
        yield f"assigns {name}"


LEAST_PRIVILEGE = _assignment(
    id="CVG501",
    title="Nobody gets a role that can do everything",
    severity="critical",
    reason="Owner and Contributor of a group can replace the model, read the state and, the first of them, let anybody in.",
    fix="assign the role that the purpose needs (components/role_grants.py has them), or limit it by a condition.",
    source="checkov CKV_AZURE_39; Azure documentation, least privilege",
    check=each(_too_much),
)


def _untyped(assignment: PlannedResource) -> Iterator[str | Mark]:
    found = assignment.at("principalType")
    if isinstance(found, Mark):
        yield UNKNOWN
    elif not found:
        yield "has no principalType"


TYPED = _assignment(
    id="CVG502",
    title="A grant says what kind of principal it is for",
    severity="medium",
    reason="Azure then looks the principal up, and fails with PrincipalNotFound for an identity that was made a moment before.",
    fix="set principal_type; for the deployer converge:deployer principalType.",
    source="Azure/azure-cli#33586; Azure documentation, new principals",
    check=each(_untyped),
)


def _foreign(assignment: PlannedResource) -> Iterator[str | Mark]:
    role, scope = assignment.at("roleDefinitionId"), assignment.at("scope")
    if isinstance(role, Mark) or isinstance(scope, Mark):
        yield UNKNOWN
        return
    of_role, of_scope = _SUBSCRIPTION.match(str(role)), _SUBSCRIPTION.match(str(scope))
    if of_role and of_scope and of_role[1].lower() != of_scope[1].lower():
        yield f"names a role definition of the subscription {of_role[1]}, for a scope in {of_scope[1]}"


OWN_SUBSCRIPTION = _assignment(
    id="CVG503",
    title="A role definition is named in the subscription of its scope",
    severity="high",
    reason="Copied examples carry their author's subscription: ARM refuses the grant, or shows a difference in every preview.",
    fix="build role_definition_id from the scope's subscription.",
    source="pulumi/examples (azure-py-aks-managed-identity has one)",
    check=each(_foreign),
)


def _wide(assignment: PlannedResource) -> Iterator[str | Mark]:
    scope = assignment.at("scope")
    if isinstance(scope, Mark):
        yield UNKNOWN
    elif str(scope).strip("/").count("/") < 3 or "/managementgroups/" in str(scope).lower():
        yield f"is for all of {scope}"


NARROW_SCOPE = _assignment(
    id="CVG504",
    title="A grant is for one thing, not for a subscription",
    severity="high",
    reason="What is made in the subscription tomorrow is open, too.",
    fix="name the resource, or its resource group, as scope.",
    source="Azure documentation, least privilege; data-safe-haven and others assign at subscription level",
    check=each(_wide),
)


def _open_credentials(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    for stack in (resource for resource in resources if resource.kind == STACK):
        for path, value in leaves(stack.properties):
            if value is UNKNOWN:
                yield Finding(resource=stack, message=UNKNOWN)
            elif isinstance(value, str) and (_CREDENTIAL.search(value) or _KUBECONFIG.search(path)):
                yield Finding(resource=stack, message=f"the output {path} shows a kubeconfig or a credential")


NO_OPEN_KUBECONFIG = Rule(
    id="CVG505",
    title="No output of the stack shows a kubeconfig or a key",
    severity="critical",
    reason="Outputs stand in clear in state, logs and every `pulumi stack output`.",
    fix="do not export it; who needs one calls `az aks get-credentials`. Or mark it secret.",
    source="pulumi/pulumi-eks#725; pulumi/templates (kubernetes-azure-python)",
    looks_at=frozenset({STACK}),
    check=_open_credentials,
    # Outputs are known last, and the engine shows them only then.
    per_resource=False,
)


def _replaceable(provider: PlannedResource) -> Iterator[str | Mark]:
    if not provider.at("clusterIdentifier"):
        yield "has no clusterIdentifier"


BOUND_PROVIDER = Rule(
    id="CVG506",
    title="The Kubernetes provider is bound to its cluster",
    severity="high",
    reason="Without it a kubeconfig that only reads differently replaces every object: an outage by a login.",
    fix="set cluster_identifier to the cluster's id.",
    source="pulumi/pulumi-kubernetes#1148, #2745",
    looks_at=frozenset({KUBERNETES_PROVIDER}),
    check=each(_replaceable),
)


def _open_kubeconfig(provider: PlannedResource) -> Iterator[str | Mark]:
    kubeconfig = provider.at("kubeconfig")
    if kubeconfig is UNKNOWN:
        yield UNKNOWN
    elif kubeconfig and kubeconfig is not SECRET:
        yield "kubeconfig is not marked secret"


SECRET_KUBECONFIG = Rule(
    id="CVG508",
    title="The Kubernetes provider's kubeconfig is secret",
    severity="high",
    reason="A provider's configuration stands in the state; one with a token or a certificate is then a login for whoever reads it.",
    fix="wrap it in pulumi.Output.secret.",
    source="pulumi/pulumi-eks#725; neither SDK nor provider of azure-native marks it",
    looks_at=frozenset({KUBERNETES_PROVIDER}),
    check=each(_open_kubeconfig),
)


def _asks(cluster: PlannedResource) -> Iterator[str | Mark]:
    yield from must_be(cluster.properties, "enableRBAC", True)


RBAC_ON = Rule(
    id="CVG507",
    title="The cluster asks who somebody is before it obeys",
    severity="critical",
    reason="Without RBAC every pod with a token administers the cluster.",
    fix="set enable_rbac; it can be chosen only when the cluster is created.",
    source="checkov CKV_AZURE_5",
    looks_at=frozenset({CLUSTER}),
    check=each(_asks),
)
