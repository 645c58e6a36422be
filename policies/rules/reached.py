"""How a service is reached from outside its cluster."""

from collections.abc import Iterator, Sequence

from policies.planned import UNKNOWN, Mark, PlannedResource, entries, find, leaves
from policies.rule import Finding, Rule, each
from policies.rules.kinds import AUTHORIZATION, GATEWAY, JWT, SERVICE

_INTERNAL = "service.beta.kubernetes.io/azure-load-balancer-internal"


def _public_balancer(service: PlannedResource) -> Iterator[str | Mark]:
    kind, annotations = service.at("spec.type"), service.at("metadata.annotations")
    if isinstance(kind, Mark) or (kind == "LoadBalancer" and isinstance(annotations, Mark)):
        yield UNKNOWN
    elif kind == "NodePort":
        yield "type is NodePort: every node answers on a port of its own"
    elif kind == "LoadBalancer" and (annotations or {}).get(_INTERNAL) != "true":
        yield "type is LoadBalancer: a public address without TLS and without authentication"


NO_BARE_PORT = Rule(
    id="CVG651",
    title="No Service is a bare public port",
    severity="critical",
    reason="Anybody can call the model, in clear text, and nobody is asked who they are.",
    fix="make it a ClusterIP and let the gateway reach it.",
    source="AKS deployment safeguards; Azure/AKS documentation, ingress",
    looks_at=frozenset({SERVICE}),
    check=each(_public_balancer),
)


def _without_tls(gateway: PlannedResource) -> Iterator[str | Mark]:
    for server in entries(gateway.at("spec.servers")):
        protocol, redirects = find(server, "port.protocol"), find(server, "tls.httpsRedirect")
        if isinstance(server, Mark) or isinstance(protocol, Mark):
            yield UNKNOWN
        elif str(protocol).upper() not in ("HTTPS", "TLS") and redirects is not True:
            yield f"answers {protocol} on port {find(server, 'port.number')} without TLS"


TLS = Rule(
    id="CVG652",
    title="A gateway speaks TLS",
    severity="critical",
    reason="Requests, tokens and predictions can be read on the way.",
    fix="set the server's protocol HTTPS with a certificate from Key Vault, or tls.httpsRedirect.",
    source="Azure/AKS documentation, Istio ingress gateway with TLS",
    looks_at=frozenset({GATEWAY}),
    check=each(_without_tls),
)


def _anonymous(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    policies = [resource for resource in resources if resource.kind == AUTHORIZATION]
    checks = any(resource.kind == JWT and entries(resource.at("spec.jwtRules")) for resource in resources)
    demands = any(_demands_principal(policy) for policy in policies)
    missing = [word for found, word in ((checks, "RequestAuthentication with a rule"), (demands, "AuthorizationPolicy that demands a principal")) if not found]
    doubt = checks and any(isinstance(value, Mark) for policy in policies for _, value in leaves(policy.at("spec")))
    for gateway in (resource for resource in resources if resource.kind == GATEWAY and missing):
        yield Finding(resource=gateway, message=UNKNOWN if doubt else f"nothing asks who calls: there is no {' and no '.join(missing)}")


def _demands_principal(policy: PlannedResource) -> bool:
    """Either lets in only who has one, or refuses who has none."""
    key = "notRequestPrincipals" if policy.at("spec.action") == "DENY" else "requestPrincipals"
    return any(f".{key}[" in path for path, _ in leaves(policy.at("spec.rules") or {}))


AUTHENTICATED = Rule(
    id="CVG653",
    title="Who calls a service from outside is asked for a token",
    severity="critical",
    reason="A RequestAuthentication alone refuses only wrong tokens, not missing ones: it takes an AuthorizationPolicy, too.",
    fix="add a RequestAuthentication and an AuthorizationPolicy that demands its principal.",
    source="Istio documentation, request authentication",
    looks_at=frozenset({GATEWAY}),
    check=_anonymous,
    per_resource=False,
)
