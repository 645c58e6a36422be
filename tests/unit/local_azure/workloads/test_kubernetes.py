"""The simulated kubernetes plugin names and replaces as the real one does."""

from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2

from local_azure.arm.wire import UNKNOWN, Secret
from local_azure.workloads.kubernetes import KubernetesProvider
from tests.unit.local_azure.workloads.calls import Calls, RefusedError

NONE, SOME = provider_pb2.DiffResponse.DIFF_NONE, provider_pb2.DiffResponse.DIFF_SOME


def calls(kind: str = "apps/v1:Deployment", name: str = "one") -> Calls:
    return Calls(KubernetesProvider("4.25.0"), f"kubernetes:{kind}", name)


def an_object(name: str = "digits", namespace: str | None = "digits", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, **more}


@pytest.mark.parametrize(
    ("kind", "namespace", "expected"),
    [
        ("apps/v1:Deployment", "digits", "digits/digits"),
        ("apps/v1:Deployment", None, "default/digits"),
        ("core/v1:Namespace", None, "digits"),
        ("rbac.authorization.k8s.io/v1:ClusterRole", None, "digits"),
        ("networking.istio.io/v1:Gateway", "digits", "digits/digits"),
    ],
)
def test_ids_are_the_real_ones(kind: str, namespace: str | None, expected: str):
    inputs = an_object(namespace=namespace)
    assert calls(kind).create(inputs) == (expected, inputs)
    assert calls(kind).create(inputs, preview=True) == ("", inputs)


def test_a_missing_name_is_drawn_once_and_for_all():
    drawn = calls().check({"spec": {}})
    assert drawn == calls().check({"spec": {}})
    assert drawn != calls(name="other").check({"spec": {}})
    assert drawn["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    assert calls().check(an_object()) == an_object()
    assert "name" not in calls().check({"metadata": {"generateName": "x-"}})["metadata"]


def test_secrets_stay_secret():
    _, outputs = calls("core/v1:Secret").create(an_object(stringData={"token": Secret("x")}))
    assert outputs["stringData"]["token"] == Secret("x")


@pytest.mark.parametrize(
    ("kind", "before", "after", "replaces"),
    [
        ("apps/v1:Deployment", {"spec": {"selector": {"matchLabels": {"a": "1"}}}}, {"spec": {"selector": {"matchLabels": {"a": "2"}}}}, True),
        ("apps/v1:Deployment", {"spec": {"selector": {}}}, {"spec": {"selector": {"matchLabels": {"a": "2"}}}}, True),
        ("apps/v1:Deployment", {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}, False),
        ("apps/v1:StatefulSet", {"spec": {"serviceName": "a"}}, {"spec": {"serviceName": "b"}}, True),
        ("core/v1:Service", {"spec": {"clusterIP": "None"}}, {"spec": {}}, True),
        ("core/v1:Service", {"spec": {"selector": {"a": "1"}}}, {"spec": {"selector": {"a": "2"}}}, False),
        ("core/v1:ConfigMap", {"data": {"a": "1"}}, {"data": {"a": "2"}}, True),
        ("core/v1:Secret", {"type": "Opaque"}, {"type": "kubernetes.io/tls"}, True),
        ("batch/v1:Job", {"spec": {"template": {"a": 1}}}, {"spec": {"template": {"a": 2}}}, True),
        ("batch/v1:CronJob", {"spec": {"template": {"a": 1}}}, {"spec": {"template": {"a": 2}}}, False),
        ("rbac.authorization.k8s.io/v1:RoleBinding", {"roleRef": {"name": "a"}}, {"roleRef": {"name": "b"}}, True),
        ("policy/v1:PodDisruptionBudget", {"spec": {"maxUnavailable": 1}}, {"spec": {"maxUnavailable": 2}}, False),
        ("apps/v1:Deployment", {"apiVersion": "apps/v1"}, {"apiVersion": "apps/v2"}, True),
    ],
)
def test_what_the_api_server_refuses_to_change_is_replaced(kind: str, before: dict[str, Any], after: dict[str, Any], replaces: bool):
    answer = calls(kind).diff({**an_object(), **before}, {**an_object(), **after})
    assert answer.changes == SOME
    assert bool(answer.replaces) is replaces
    # The name is taken while the old object exists.
    assert answer.deleteBeforeReplace is replaces


@pytest.mark.parametrize("after", [an_object(name="other"), an_object(namespace="other")])
def test_another_name_or_namespace_is_another_object_and_can_come_first(after: dict[str, Any]):
    answer = calls().diff(an_object(), after)
    assert len(answer.replaces) == 1
    assert not answer.deleteBeforeReplace


def test_no_difference():
    assert calls().diff(an_object(), an_object()).changes == NONE


def test_kinds_of_differences():
    answer = calls().diff(an_object(spec={"a": 1, "b": 1}), an_object(spec={"b": 2, "c": 3}))
    kinds = {path: provider_pb2.PropertyDiff.Kind.Name(change.kind) for path, change in answer.detailedDiff.items()}
    assert kinds == {"spec.a": "DELETE", "spec.b": "UPDATE", "spec.c": "ADD"}


@pytest.mark.parametrize("kind", ["helm.sh/v3:Release", "yaml/v2:ConfigGroup", "kustomize:Directory"])
def test_what_needs_the_real_plugin_is_refused_by_name(kind: str):
    with pytest.raises(RefusedError) as raised:
        calls(kind).check({})
    assert str(raised.value) == f"a plan does not simulate kubernetes:{kind}; preview the stack with the real plugin"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"clusterIdentifier": "a", "kubeconfig": "x"}, {"clusterIdentifier": "a", "kubeconfig": "y"}, []),
        ({"clusterIdentifier": "a", "kubeconfig": "x"}, {"clusterIdentifier": "a", "kubeconfig": UNKNOWN}, []),
        ({"clusterIdentifier": "a"}, {"clusterIdentifier": "b"}, ["clusterIdentifier"]),
        ({"clusterIdentifier": "a"}, {"clusterIdentifier": UNKNOWN}, ["clusterIdentifier"]),
        ({"kubeconfig": "x"}, {"kubeconfig": "y"}, ["kubeconfig"]),
        ({"kubeconfig": "x"}, {"kubeconfig": UNKNOWN}, ["kubeconfig"]),
        ({"kubeconfig": "x", "namespace": "a"}, {"kubeconfig": "x", "namespace": "b"}, []),
    ],
)
def test_another_cluster_is_another_provider(before: dict[str, Any], after: dict[str, Any], expected: list[str]):
    answer = calls().diff_config(before, after)
    assert list(answer.replaces) == expected
    assert answer.changes == SOME


def test_the_sdk_s_own_version_is_no_difference():
    assert calls().diff_config({"version": "1"}, {"version": "2"}).changes == NONE
