"""Where rules draw the line: what just passes and what just does not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import SECRET, UNKNOWN, PlannedResource, evaluate
from policies.catalogue import RULES
from policies.rules import kinds
from policies.rules.quantities import cores, mebibytes, share
from policies.rules.relations import unpaired

_BY_ID = {rule.id: rule for rule in RULES}
_LABELS = {"app": "digits"}


def resource(kind: str, name: str = "it", parent: str = "", **properties: Any) -> PlannedResource:
    return PlannedResource(urn=f"urn:pulumi:dev::converge::{kind}::{name}", type=kind, name=name, properties=properties, parent=parent)


def told(rule: str, *resources: PlannedResource) -> list[str]:
    """What a rule says."""
    return [violation.message for violation in evaluate(resources, [_BY_ID[rule]]).violations]


def deployment(replicas: int | None = 2, **pod: Any) -> PlannedResource:
    containers = [{"name": "app", "ports": [{"containerPort": 8080}]}]
    template = {"metadata": {"labels": _LABELS}, "spec": {"containers": containers, **pod}}
    return resource(kinds.DEPLOYMENT, "digits", metadata={"name": "digits", "namespace": "digits"}, spec={"replicas": replicas, "template": template})


def budget(**spec: Any) -> PlannedResource:
    return resource(kinds.BUDGET, "budget", metadata={"namespace": "digits"}, spec={"selector": {"matchLabels": _LABELS}, **spec})


def scaler(fewest: Any) -> PlannedResource:
    spec = {"minReplicas": fewest, "scaleTargetRef": {"kind": "Deployment", "name": "digits"}}
    return resource(kinds.AUTOSCALER, "scaler", metadata={"namespace": "digits"}, spec=spec)


@pytest.mark.parametrize(
    ("spec", "blocks"),
    [
        # What mspnp/aks-baseline ships: 2 of 2.
        ({"minAvailable": 2}, True),
        ({"minAvailable": 1}, False),
        ({"minAvailable": "50%"}, False),
        # Kubernetes rounds up.
        ({"minAvailable": "51%"}, True),
        ({"minAvailable": "100%"}, True),
        ({"maxUnavailable": 0}, True),
        ({"maxUnavailable": "0%"}, True),
        ({"maxUnavailable": 1}, False),
        ({"maxUnavailable": "1%"}, False),
        ({}, False),
    ],
)
def test_a_budget_blocks_when_no_pod_may_go(spec: dict[str, Any], blocks: bool):
    assert bool(told("CVG601", deployment(2), budget(**spec))) is blocks


def test_a_budget_counts_with_the_fewest_pods_of_the_autoscaler():
    assert told("CVG601", deployment(None), scaler(3), budget(minAvailable=2)) == []
    assert told("CVG601", deployment(None), scaler(2), budget(minAvailable=2)) == [
        "minAvailable is 2 and digits has 2 pods at least: none of them may be evicted"
    ]
    assert told("CVG601", deployment(None), scaler(UNKNOWN), budget(minAvailable=2)) == []


def test_a_budget_of_another_namespace_or_label_is_not_ours():
    elsewhere = resource(kinds.BUDGET, "b", metadata={"namespace": "other"}, spec={"selector": {"matchLabels": _LABELS}, "maxUnavailable": 0})
    assert told("CVG601", deployment(), elsewhere) == []
    assert told("CVG603", deployment(), elsewhere) == ["no PodDisruptionBudget selects its pods"]
    assert told("CVG603", deployment(), budget(maxUnavailable=1)) == []


def test_a_workload_that_answers_nobody_needs_neither_budget_nor_second_pod():
    worker = resource(kinds.DEPLOYMENT, "worker", spec={"replicas": 1, "template": {"spec": {"containers": [{"name": "w"}]}}})
    for rule in ("CVG603", "CVG604", "CVG612", "safeguard-probes-configured"):
        assert told(rule, worker) == []


@pytest.mark.parametrize(
    ("variable", "secret"),
    [
        ({"name": "DB_PASSWORD", "value": "x"}, True),
        ({"name": "DB_PASSWORD_FILE", "value": "/run/secrets/app/db"}, False),
        ({"name": "apiKey", "value": "x"}, True),
        ({"name": "AZURE_STORAGE_SAS_URL", "value": "x"}, True),
        ({"name": "MODEL_URL", "value": "https://a.blob.core.windows.net/m?sv=1&sig=abc"}, True),
        ({"name": "CONNECTION", "value": "AccountName=a;AccountKey=b"}, True),
        ({"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}, False),
        ({"name": "TOKENIZER_PARALLELISM", "value": "4"}, False),
        ({"name": "LOG_LEVEL", "value": "info"}, False),
    ],
)
def test_what_sounds_or_looks_secret(variable: dict[str, Any], secret: bool):
    assert bool(told("CVG606", deployment(containers=[{"name": "app", "env": [variable]}]))) is secret


@pytest.mark.parametrize(
    ("image", "latest", "undigested"),
    [
        ("r.example/digits", True, True),
        ("r.example:5000/digits", True, True),
        ("r.example/digits:latest", True, True),
        ("r.example:5000/digits:v3", False, True),
        (f"r.example/digits@sha256:{'a' * 64}", False, False),
        (f"r.example/digits:latest@sha256:{'a' * 64}", False, False),
        ("r.example/digits@sha256:abc", False, True),
    ],
)
def test_names_of_images(image: str, latest: bool, undigested: bool):
    pods = deployment(containers=[{"name": "app", "image": image}])
    assert bool(told("safeguard-images-no-latest", pods)) is latest
    assert bool(told("CVG351", pods)) is undigested


@pytest.mark.parametrize(
    ("period", "long"),
    [("1.00:00:00", False), ("00.01:00:00", False), ("1.00:01:00", True), ("1.00:00:01", True), ("2.00:00:00", True), (None, True), ("1 day", True)],
)
def test_signatures_live_for_a_day_at_most(period: str | None, long: bool):
    assert bool(told("CVG209", resource(kinds.ACCOUNT, sasPolicy={"sasExpirationPeriod": period}))) is long


@pytest.mark.parametrize(
    ("rule", "is_open"),
    [
        ({"sourceAddressPrefix": "Internet", "destinationPortRange": "443"}, False),
        ({"sourceAddressPrefix": "*", "destinationPortRange": "22"}, True),
        ({"sourceAddressPrefix": "*", "destinationPortRange": "0-65535"}, True),
        ({"sourceAddressPrefixes": ["10.0.0.0/8", "0.0.0.0/0"], "destinationPortRanges": ["443", "22"]}, True),
        ({"sourceAddressPrefix": "*", "destinationPortRange": "443", "destinationPortRanges": ["22"]}, True),
        ({"sourceAddressPrefix": "203.0.113.0/24", "destinationPortRange": "22"}, False),
        ({"sourceAddressPrefix": "*", "destinationPortRange": "22", "access": "Deny"}, False),
        ({"sourceAddressPrefix": "*", "destinationPortRange": "22", "direction": "Outbound"}, False),
    ],
)
def test_who_gets_in(rule: dict[str, Any], is_open: bool):
    rules = [{"name": "r", "direction": "Inbound", "access": "Allow", **rule}]
    assert bool(told("CVG102", resource(kinds.SECURITY_GROUP, securityRules=rules))) is is_open
    assert bool(told("CVG102", resource(kinds.SECURITY_RULE, **rules[0]))) is is_open


@pytest.mark.parametrize(("entry", "everybody"), [("0.0.0.0/0", True), ("1.2.3.4/0", True), ("203.0.113.0/24", False), ("0.0.0.0/32", False)])
def test_a_list_of_addresses(entry: str, everybody: bool):
    cluster = resource(kinds.CLUSTER, apiServerAccessProfile={"authorizedIPRanges": [entry]})
    vault = resource(kinds.VAULT, properties={"networkAcls": {"ipRules": [{"value": entry}]}})
    service = resource(kinds.SERVICE, spec={"loadBalancerSourceRanges": [entry]})
    for one in (cluster, vault, service):
        assert bool(told("CVG101", one)) is everybody


@pytest.mark.parametrize(
    ("server", "bare"),
    [
        ({"port": {"number": 443, "protocol": "HTTPS"}}, False),
        ({"port": {"number": 80, "protocol": "HTTP"}, "tls": {"httpsRedirect": True}}, False),
        ({"port": {"number": 80, "protocol": "HTTP"}}, True),
        ({"port": {"number": 80, "protocol": "http2"}}, True),
    ],
)
def test_a_gateway_speaks_tls_or_sends_there(server: dict[str, Any], bare: bool):
    assert bool(told("CVG652", resource(kinds.GATEWAY, spec={"servers": [server]}))) is bare


@pytest.mark.parametrize(
    ("policy", "asked"),
    [
        ({"action": "DENY", "rules": [{"from": [{"source": {"notRequestPrincipals": ["*"]}}]}]}, True),
        ({"action": "ALLOW", "rules": [{"from": [{"source": {"requestPrincipals": ["*"]}}]}]}, True),
        ({"rules": [{"from": [{"source": {"requestPrincipals": ["*"]}}]}]}, True),
        # Refuses those who have one.
        ({"action": "DENY", "rules": [{"from": [{"source": {"requestPrincipals": ["*"]}}]}]}, False),
        ({"action": "ALLOW", "rules": [{"from": [{"source": {"notRequestPrincipals": ["*"]}}]}]}, False),
        ({"action": "ALLOW", "rules": [{}]}, False),
    ],
)
def test_a_caller_without_a_token_is_refused(policy: dict[str, Any], asked: bool):
    others = [resource(kinds.GATEWAY, "g", spec={}), resource(kinds.JWT, "j", spec={"jwtRules": [{"issuer": "us"}]})]
    more = resource(kinds.AUTHORIZATION, "more", spec={"action": "ALLOW", "rules": [{}]})
    assert bool(told("CVG653", *others, more, resource(kinds.AUTHORIZATION, "a", spec=policy))) is not asked


@pytest.mark.parametrize(
    ("type_", "annotations", "bare"),
    [
        ("ClusterIP", None, False),
        ("NodePort", None, True),
        ("LoadBalancer", None, True),
        ("LoadBalancer", {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}, False),
    ],
)
def test_a_service_is_no_bare_port(type_: str, annotations: dict[str, str] | None, bare: bool):
    assert bool(told("CVG651", resource(kinds.SERVICE, spec={"type": type_}, metadata={"annotations": annotations}))) is bare


@pytest.mark.parametrize("size", ["Standard_B2s", "standard_b4ms", "Standard_B16als_v2"])
def test_sizes_that_are_throttled(size: str):
    assert told("CVG451", resource(kinds.AGENT_POOL, vmSize=size)) == [f"vmSize is {size}, of the B series"]
    assert told("CVG451", resource(kinds.AGENT_POOL, vmSize="Standard_D4ds_v5")) == []


@pytest.mark.parametrize("condition", [None, "((!(ActionMatches{'x'})))"])
def test_a_wide_role_with_a_condition_is_a_narrow_one(condition: str | None):
    role = "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/F58310D9-a9f6-439a-9e8d-f62e7b41a168"
    found = told("CVG501", resource(kinds.ROLE_ASSIGNMENT, roleDefinitionId=role, condition=condition))
    assert found == ([] if condition else ["assigns Role Based Access Control Administrator"])


@pytest.mark.parametrize(
    ("scope", "wide"),
    [
        ("/subscriptions/s", True),
        ("/subscriptions/s/", True),
        ("/providers/Microsoft.Management/managementGroups/m", True),
        ("/subscriptions/s/resourceGroups/g", False),
        ("/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a", False),
    ],
)
def test_how_far_a_grant_reaches(scope: str, wide: bool):
    assert bool(told("CVG504", resource(kinds.ROLE_ASSIGNMENT, scope=scope))) is wide


@pytest.mark.parametrize("level", ["CanNotDelete", "ReadOnly"])
def test_a_lock_holds_for_an_account_or_its_group(level: str):
    account = resource(kinds.ACCOUNT, accountName="models", resourceGroupName="data")
    for scope in ("/subscriptions/s/resourceGroups/data", "/subscriptions/s/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/models"):
        assert told("CVG213", account, resource(kinds.LOCK, level=level, scope=scope)) == []
    elsewhere = resource(kinds.LOCK, level=level, scope="/subscriptions/s/resourceGroups/other")
    assert told("CVG213", account, elsewhere) == ["has no lock CanNotDelete"]
    assert told("CVG213", account, resource(kinds.LOCK, level="NotSpecified", scope="/subscriptions/s/resourceGroups/data")) == ["has no lock CanNotDelete"]


def test_only_the_stacks_outputs_are_searched_for_credentials():
    stack = resource(
        "pulumi:pulumi:Stack",
        "dev",
        services={"digits": {"kubeConfig": "x", "hidden": SECRET, "later": UNKNOWN, "url": "https://a"}},
        key="-----BEGIN PRIVATE KEY",
    )
    elsewhere = resource(kinds.KUBERNETES_PROVIDER, kubeconfig="kind: Config")
    assert told("CVG505", stack, elsewhere) == [
        "the output services.digits.kubeConfig shows a kubeconfig or a credential",
        "the output key shows a kubeconfig or a credential",
    ]


def test_who_is_paired_by_name_and_who_by_component():
    def one(name: str, parent: str, key: Any = None) -> PlannedResource:
        return resource("x", name, parent, key=key)

    def missing(subjects: list[PlannedResource], others: list[PlannedResource]) -> list[tuple[str, bool]]:
        return [(subject.name, bool(doubt)) for subject, doubt in unpaired(subjects, "key", others, "key")]

    a, b = one("a", "p", "a"), one("b", "p", "b")
    assert missing([a, b], [one("o", "p", "a"), one("o2", "q", "b")]) == []
    assert missing([a, b], [one("o", "p", "a")]) == [("b", False)]
    # Not known yet: one of the same component is its pair, one of another may be.
    assert missing([a], [one("o", "p", UNKNOWN)]) == []
    assert missing([a], [one("o", "q", UNKNOWN)]) == [("a", True)]
    assert missing([a, b], [one("o", "p", UNKNOWN)]) == [("a", True), ("b", True)]
    # The engine has not named the subject; the other one's name is an output that is known.
    assert missing([one("a", "p")], [one("o", "p", "a-1f2e3d")]) == []
    # What another component's own subject needs is not spare.
    assert missing([a, one("c", "q", "c")], [one("o", "q", UNKNOWN)]) == [("a", False)]


@pytest.mark.parametrize(("text", "expected"), [("250m", 0.25), ("2", 2.0), (1, 1.0), ("1500m", 1.5)])
def test_cores(text: object, expected: float):
    assert cores(text) == pytest.approx(expected)


@pytest.mark.parametrize(("text", "expected"), [("512Mi", 512), ("1Gi", 1024), ("104857600", 100), ("1M", 0.95367)])
def test_mebibytes(text: object, expected: float):
    assert mebibytes(text) == pytest.approx(expected, rel=1e-4)


@given(st.integers(0, 100), st.integers(1, 50))
def test_a_share_is_rounded_up(percent: int, pods: int):
    assert 0 <= share(f"{percent}%", pods) - percent * pods / 100 < 1
    assert share(percent, pods) == percent
