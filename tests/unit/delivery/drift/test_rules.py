"""Whose a change is: Azure's own are those that a rule explains, and no others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.drift.azure_rules import AZURE
from delivery.drift.kubernetes_rules import KUBERNETES
from tests.unit.delivery.drift.stacks import CLUSTER_ID, SCOPE, cluster, report, step, theirs

ACCOUNT = "azure-native:storage:StorageAccount"
POOL = "azure-native:containerservice:AgentPool"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
OWNED: dict[str, Any] = {"metadata": {"managedFields": [{"manager": "x", "fieldsV1": {"f:spec": {"f:type": {}}}}]}}


@pytest.mark.parametrize("rule", [*AZURE, *KUBERNETES], ids=lambda rule: f"{rule.kind} {rule.places[0]}")
def test_every_rule_says_why_and_where_that_is_documented(rule: Any):
    assert rule.reason[0].islower() or rule.reason.startswith(("AKS", "Azure", "Resource Manager"))
    assert not rule.reason.endswith(".")
    assert rule.source.startswith(("https://learn.microsoft.com/", "https://kubernetes.io/docs/"))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"pool": {"count": 3}}, []),
        ({"pool": {"count": 4}}, ["agentPoolProfiles[0].count"]),
        ({"pool": {"count": 0}}, ["agentPoolProfiles[0].count"]),
        ({"pool": {"maxCount": 9}}, ["agentPoolProfiles[0].maxCount"]),
        ({"kubernetesVersion": "1.34.2"}, []),
        ({"kubernetesVersion": "1.35.0"}, ["kubernetesVersion"]),
        ({"kubernetesVersion": "1.35.0", "channel": "stable"}, []),
        ({"kubernetesVersion": "1.34.2", "channel": "none"}, ["kubernetesVersion"]),
        ({"pool": {"nodeImageVersion": "2"}}, []),
        ({"pool": {"nodeImageVersion": "2"}, "images": "None", "channel": "none"}, ["agentPoolProfiles[0].nodeImageVersion"]),
        ({"pool": {"orchestratorVersion": "1.34.2"}}, []),
        ({"powerState": {"code": "Stopped"}}, ["powerState.code"]),
        ({"pools": [{"name": "more"}]}, ["agentPoolProfiles[1].name"]),
    ],
)
def test_a_cluster(changed: dict[str, Any], expected: list[str]):
    assert theirs(cluster(**changed)) == expected


def test_a_pool_of_the_stack_may_stand_in_the_cluster_and_follows_its_channel():
    before = {"count": 2, "minCount": 2, "maxCount": 5, "enableAutoScaling": True, "orchestratorVersion": "1.34.0", "nodeImageVersion": "1"}
    now = {**before, "count": 5, "orchestratorVersion": "1.34.1", "nodeImageVersion": "2"}
    pool = step(POOL, "more", before, now, id=f"{CLUSTER_ID}/agentPools/more", inputs={"count": 2})
    assert theirs(cluster(pools=[{"name": "more"}]), pool) == []
    assert theirs(cluster("none", "None"), pool) == ["nodeImageVersion", "orchestratorVersion"]
    alone = {**pool, "oldState": {**pool["oldState"], "id": "/elsewhere"}}
    assert theirs(cluster(), alone) == ["nodeImageVersion", "orchestratorVersion"]


def test_a_pool_without_autoscaler_is_scaled_by_people():
    before = {"count": 2, "enableAutoScaling": False, "minCount": 1, "maxCount": 9}
    assert theirs(step(POOL, "p", before, {**before, "count": 3})) == ["count"]


@pytest.mark.parametrize(
    ("kind", "before", "now", "expected"),
    [
        (ACCOUNT, {}, {"allowSharedKeyAccess": False, "keyCreationTime": {"key1": "now"}}, ["allowSharedKeyAccess"]),
        (ACCOUNT, {"allowSharedKeyAccess": True}, {"allowSharedKeyAccess": True, "keyCreationTime": {"key1": "now"}}, ["keyCreationTime.key1"]),
        (ACCOUNT, {"etag": "1", "provisioningState": "Updating"}, {"etag": "2", "provisioningState": "Succeeded"}, []),
        (ACCOUNT, {"tags": {"a": "b"}}, {"tags": {"a": "b", "hidden-title": "x", "owner": "me"}}, ["tags.owner"]),
        (ACCOUNT, {}, {"locks": [], "note": None}, []),
        (ACCOUNT, {"note": "something"}, {"note": ""}, ["note"]),
        (
            "azure-native:containerregistry:Registry",
            {},
            {"policies": {"retentionPolicy": {"lastUpdatedTime": "x", "status": "disabled"}}},
            ["policies.retentionPolicy.status"],
        ),
        ("azure-native:network:NetworkSecurityGroup", {}, {"networkInterfaces": [{"id": "1"}]}, []),
        ("azure-native:network:NetworkSecurityGroup", {"securityRules": []}, {"securityRules": [{"name": "open"}]}, ["securityRules[0].name"]),
        ("azure-native:authorization:RoleAssignment", {"principalType": ""}, {"principalType": "User", "principalId": "x"}, ["principalId"]),
        ("kubernetes:core/v1:Service", {}, {"status": {"loadBalancer": {"ingress": [{"ip": "1"}]}}}, []),
        ("kubernetes:core/v1:Service", {"spec": {"type": "ClusterIP"}}, {"spec": {"type": "LoadBalancer"}}, ["spec.type"]),
        ("kubernetes:core/v1:Service", OWNED, {**OWNED, "spec": {"trafficDistribution": "x"}}, []),
        ("kubernetes:core/v1:Service", OWNED, {"metadata": {**OWNED["metadata"], "labels": {"team": "x"}}}, ["metadata.labels.team"]),
        ("kubernetes:core/v1:Service", {}, {"spec": {"trafficDistribution": "x"}}, ["spec.trafficDistribution"]),
    ],
)
def test_values(kind: str, before: dict[str, Any], now: dict[str, Any], expected: list[str]):
    assert theirs(step(kind, "one", before, now, inputs={})) == expected


def test_what_a_service_adds_is_its_own_also_where_the_engine_takes_it_for_an_input():
    before, now = {"tags": {"a": "b"}}, {"tags": {"a": "b", "hidden-title": "x"}}
    assert theirs(step(ACCOUNT, "one", before, now, inputs_now=now)) == []


def test_what_the_program_sets_nobody_else_may_change():
    assert theirs(step(ACCOUNT, "one", {"tags": {"hidden-title": "ours"}}, {"tags": {"hidden-title": "theirs"}})) == ["tags.hidden-title"]


def test_only_a_connection_of_the_stacks_own_endpoint_is_expected():
    endpoint = step("azure-native:network:PrivateEndpoint", "e", {}, id=f"{SCOPE}/Microsoft.Network/privateEndpoints/e")
    connection = {"privateEndpoint": {"id": f"{SCOPE.upper()}/Microsoft.Network/privateEndpoints/e"}}
    strange = {"privateEndpoint": {"id": "/elsewhere"}}
    assert theirs(endpoint, step(ACCOUNT, "a", {}, {"privateEndpointConnections": [connection]})) == []
    assert theirs(endpoint, step(ACCOUNT, "a", {}, {"privateEndpointConnections": [strange]})) == ["privateEndpointConnections[0].privateEndpoint.id"]


def deployment(now: int, manager: str, **more: Any) -> dict[str, Any]:
    place = {"name": "digits", "namespace": "apps"}
    fields = [{"manager": manager, "time": "2026-11-24T12:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]
    before = {"metadata": place, "spec": {"replicas": 2}, "__fieldManager": "converge"}
    return step(DEPLOYMENT, "d", before, {"metadata": {**place, "managedFields": fields}, "spec": {"replicas": now}}, **more)


def autoscaler(namespace: str = "apps", target: str = "digits") -> dict[str, Any]:
    spec = {"minReplicas": 2, "maxReplicas": 6, "scaleTargetRef": {"kind": "Deployment", "name": target}}
    return step("kubernetes:autoscaling/v2:HorizontalPodAutoscaler", "h", {"metadata": {"namespace": namespace, "name": "h"}, "spec": spec})


def test_replicas_are_the_autoscalers_where_it_scales():
    assert theirs(deployment(6, "?", inputs={}), autoscaler()) == []
    for other in (autoscaler("other"), autoscaler(target="other")):
        assert theirs(deployment(6, "?", inputs={}), other) == ["spec.replicas"]
    assert theirs(deployment(7, "?", inputs={}), autoscaler()) == ["spec.replicas"]
    assert theirs(deployment(1, "?", inputs={}), autoscaler()) == ["spec.replicas"]
    assert theirs(deployment(6, "kube-controller-manager", inputs={})) == []
    # What the program sets is not to be scaled, by whomever.
    (resource,) = report(deployment(6, "kubectl-scale"), autoscaler()).people
    (value,) = resource.values
    assert (value.path, value.was, value.now, value.by, value.at) == ("spec.replicas", "2", "6", "kubectl-scale", "2026-11-24T12:00:00Z")


@given(
    st.sampled_from([ACCOUNT, "azure-native:network:VirtualNetwork", "azure-native:containerregistry:Registry", DEPLOYMENT]),
    st.from_regex(r"[a-z][A-Za-z]{3,12}X", fullmatch=True),
    st.integers() | st.booleans() | st.text(min_size=1),
    st.integers() | st.booleans() | st.text(min_size=1),
)
def test_what_no_rule_names_is_peoples(kind: str, name: str, before: Any, now: Any):
    found = theirs(step(kind, "one", {"properties": {name: before}}, {"properties": {name: now}}))
    assert found == ([f"properties.{name}"] if before != now else [])


@given(st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.integers() | st.text(), max_size=5))
def test_what_does_not_differ_is_not_told(values: dict[str, Any]):
    found = report(step(ACCOUNT, "one", values))
    assert (found.people, found.azure, found.unchanged) == ((), (), 1)
