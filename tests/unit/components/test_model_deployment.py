import re
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from components.model_deployment import SECRET_FOLDER, ModelDeployment, ModelDeploymentArgs, Reach
from settings import combinations
from tests.unit.components.recording import KUBECONFIG, Recording, consume, record
from tests.unit.model_store.samples import locked
from tests.unit.settings.stack_files import ROOT

IMAGE = f"convergedev.azurecr.io/digits@sha256:{'d' * 64}"
_DEPLOYMENT = "kubernetes:apps/v1:Deployment"
_AUTOSCALER = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
_BUDGET = "kubernetes:policy/v1:PodDisruptionBudget"
_SERVICE = "kubernetes:core/v1:Service"
_SELECTOR = {"app.kubernetes.io/name": "digits"}
_MODEL = {"converge/model-name": "digits", "converge/model-version": "3", "converge/model-sha256": "a" * 64}


def _args(**changes: Any) -> ModelDeploymentArgs:
    return ModelDeploymentArgs(**{"image": IMAGE, "model": locked(3), **changes})


def _recorded(*, preview: bool = False, **changes: Any) -> Recording:
    def program() -> None:
        workloads = kubernetes.Provider("workloads", kubeconfig=KUBECONFIG)
        service = ModelDeployment("digits", _args(**changes), pulumi.ResourceOptions(providers=[workloads]))
        consume(namespace=service.namespace, service=service.service_name, port=service.port)

    return record(program, preview=preview)


def _spec(kind: str = _DEPLOYMENT, **changes: Any) -> dict[str, Any]:
    return _recorded(**changes).only(kind).inputs["spec"]


def _pod(**changes: Any) -> dict[str, Any]:
    return _spec(**changes)["template"]["spec"]


def _container(**changes: Any) -> dict[str, Any]:
    (container,) = _pod(**changes)["containers"]
    return container


def test_a_service_has_a_namespace_of_its_own_and_says_how_it_is_reached():
    recording = _recorded()
    assert recording.outputs_of("digits") == {"namespace": "digits", "service_name": "digits", "port": 80}
    assert recording.named("consumer").inputs == {"namespace": "digits", "service": "digits", "port": 80}
    assert "digits-service" in recording.named("consumer").dependencies_of("service")


def test_a_namespace_may_have_another_name():
    recording = _recorded(namespace="digits-next")
    assert recording.outputs_of("digits") == {"namespace": "digits-next", "service_name": "digits", "port": 80}
    assert recording.only("kubernetes:core/v1:Namespace").inputs["metadata"]["name"] == "digits-next"
    assert recording.only(_DEPLOYMENT).inputs["metadata"]["namespace"] == "digits-next"


def test_the_service_is_told_which_image_it_is_and_what_the_stack_says():
    own = [{"name": "IMAGE_DIGEST", "value": f"sha256:{'d' * 64}"}, {"name": "GRPC_PORT", "value": "8081"}]
    assert _container()["env"] == own
    more = [{"name": "BATCHING", "value": "on"}, {"name": "MAX_ROWS", "value": "8"}]
    # In one order, however they are typed: another one would replace every pod.
    assert _container(environment={"MAX_ROWS": "8", "BATCHING": "on"})["env"] == [*own, *more]


def test_a_secret_is_mounted_for_the_pods_alone_and_may_be_missing():
    # The app then says which file it misses; a pod that waits for its volume says nothing.
    recording = _pod(secret="digits-keys")
    assert recording["volumes"][1:] == [{"name": "secret", "secret": {"secretName": "digits-keys", "optional": True, "defaultMode": 0o440}}]
    (container,) = recording["containers"]
    assert container["volumeMounts"][1:] == [{"name": "secret", "mountPath": "/run/secrets/app", "readOnly": True}]
    assert SECRET_FOLDER == combinations.SECRET_FOLDER


def test_pods_reach_what_is_named_and_names_are_found():
    recording = _recorded(reaches=[Reach(cidr="20.190.128.0/18", namespace="", port=443), Reach(cidr="", namespace="telemetry", port=4318)])
    policy = recording.named("digits-reach")
    assert policy.inputs["spec"] == {
        "podSelector": {"matchLabels": _SELECTOR},
        "policyTypes": ["Egress"],
        "egress": [
            {
                "to": [
                    {
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                    }
                ],
                "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
            },
            {"to": [{"ipBlock": {"cidr": "20.190.128.0/18"}}], "ports": [{"port": 443, "protocol": "TCP"}]},
            {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "telemetry"}}}], "ports": [{"port": 4318, "protocol": "TCP"}]},
        ],
    }
    assert policy.inputs["metadata"]["namespace"] == "digits"
    assert "digits-reach" in recording.only(_DEPLOYMENT).dependencies


def test_every_object_has_an_explicit_name_in_the_services_namespace():
    # An interrupted create is repeated on the same object instead of beside it.
    objects = {resource.name: resource.inputs["metadata"] for resource in _recorded(max_replicas=4).resources if resource.type.startswith("kubernetes:")}
    assert {name: (metadata["name"], metadata.get("namespace")) for name, metadata in objects.items()} == {
        "digits-namespace": ("digits", None),
        "digits-account": ("digits", "digits"),
        "digits-deny": ("digits-deny", "digits"),
        "digits-allow": ("digits-allow", "digits"),
        "digits-deployment": ("digits", "digits"),
        "digits-service": ("digits", "digits"),
        "digits-budget": ("digits", "digits"),
        "digits-autoscaler": ("digits", "digits"),
    }
    for metadata in objects.values():
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "pulumi"
        assert metadata["labels"]["app.kubernetes.io/name"] == metadata["name"]
        assert metadata["annotations"]["pulumi.com/patchFieldManager"] == "converge"


@pytest.mark.parametrize("preview", [True, False])
def test_every_object_goes_to_the_given_cluster(preview: bool):
    recording = _recorded(preview=preview, max_replicas=4)
    provider = recording.only("pulumi:providers:kubernetes").urn
    assert {resource.provider[0] for resource in recording.resources if resource.type.startswith("kubernetes:")} == {provider}


def test_the_namespace_refuses_pods_that_are_not_restricted():
    labels = _recorded().only("kubernetes:core/v1:Namespace").inputs["metadata"]["labels"]
    assert {key: value for key, value in labels.items() if key.startswith("pod-security")} == {
        f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")
    }


def test_pods_get_no_token_for_the_cluster():
    recording = _recorded()
    assert recording.only("kubernetes:core/v1:ServiceAccount").inputs["automountServiceAccountToken"] is False
    pod = recording.only(_DEPLOYMENT).inputs["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == "digits"
    assert pod["enableServiceLinks"] is False


def test_pods_are_nobody_and_can_change_nothing():
    user = 65532
    assert _pod()["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": user, "runAsGroup": user, "fsGroup": user, "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    container = _container()
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "privileged": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert _pod()["volumes"] == [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]


def test_nothing_gets_in_or_out_but_requests_to_the_two_ports():
    policies = {resource.name: resource.inputs["spec"] for resource in _recorded().of(_POLICY)}
    assert policies == {
        "digits-deny": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        "digits-allow": {
            "podSelector": {"matchLabels": _SELECTOR},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"namespaceSelector": {}}], "ports": [{"port": 8080, "protocol": "TCP"}, {"port": 8081, "protocol": "TCP"}]}],
        },
    }


def test_only_one_namespace_and_whoever_reads_metrics_may_call_where_one_is_named():
    # A service behind a gateway checks no token itself: whoever could call it past the gateway would need none.
    callers, agent = _recorded(callers="aks-istio-ingress").named("digits-allow").inputs["spec"]["ingress"]
    assert callers["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "aks-istio-ingress"}}}]
    assert agent == {
        "from": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"rsName": "ama-metrics"}},
            }
        ],
        "ports": [{"port": 8080, "protocol": "TCP"}],
    }


def test_no_pod_runs_before_its_account_and_policies_are_there():
    assert {"digits-account", "digits-deny", "digits-allow", "digits-namespace"} <= _recorded().only(_DEPLOYMENT).dependencies


@pytest.mark.parametrize("name", ["digits-service", "digits-budget", "digits-autoscaler"])
def test_what_needs_pods_comes_after_them(name: str):
    assert "digits-deployment" in _recorded(max_replicas=4).named(name).dependencies


def test_probes_use_the_protocols_own_paths():
    container = _container(startup_seconds=90)
    assert {name: container[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")} == {
        "startupProbe": {"path": "/v2/health/ready", "port": "http"},
        "readinessProbe": {"path": "/v2/health/ready", "port": "http"},
        "livenessProbe": {"path": "/v2/health/live", "port": "http"},
    }
    assert container["ports"] == [
        {"name": "http", "containerPort": 8080, "protocol": "TCP"},
        {"name": "grpc", "containerPort": 8081, "protocol": "TCP"},
    ]


@given(st.integers(10, 1800))
@hypothesis(max_examples=5, deadline=None)
def test_a_pod_may_take_as_long_to_start_as_asked_for(seconds: int):
    spec = _spec(startup_seconds=seconds)
    probe = spec["template"]["spec"]["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == seconds
    # Kubernetes must not give up before the probe does.
    assert spec["progressDeadlineSeconds"] > seconds


def test_a_pod_that_does_not_answer_gets_no_requests_before_it_is_killed():
    container = _container()
    readiness, liveness = ({key: value for key, value in container[name].items() if key != "httpGet"} for name in ("readinessProbe", "livenessProbe"))
    assert readiness == {"periodSeconds": 5, "failureThreshold": 2, "timeoutSeconds": 2}
    assert liveness == {"periodSeconds": 10, "failureThreshold": 3, "timeoutSeconds": 2}


def test_a_pod_answers_until_no_node_sends_to_it_any_more():
    assert _container()["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}


@pytest.mark.parametrize(
    ("environment", "seconds"), [({}, 45), ({"SHUTDOWN_SECONDS": "120"}, 145), ({"DRAIN_SECONDS": "0", "SHUTDOWN_SECONDS": "1", "MAX_ROWS": "8"}, 21)]
)
def test_a_pod_is_killed_only_when_the_app_surely_has_ended(environment: dict[str, str], seconds: int):
    # 5 s until nobody sends to it, then as long as the app takes, and 15 s to spare.
    assert _pod(environment=environment)["terminationGracePeriodSeconds"] == seconds


def test_the_app_takes_as_long_to_end_as_the_deployment_thinks():
    source = (ROOT / "app_template" / "app" / "settings.py").read_text()
    assert dict(re.findall(r'integer\("((?:DRAIN|SHUTDOWN)_SECONDS)", (\d+)', source)) == {"DRAIN_SECONDS": "5", "SHUTDOWN_SECONDS": "20"}


def test_the_image_is_the_given_one_and_the_model_is_named():
    recording = _recorded()
    deployment = recording.only(_DEPLOYMENT).inputs
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert container["image"] == IMAGE
    # By digest it is the same image on every node, so none has to ask again.
    assert container["imagePullPolicy"] == "IfNotPresent"
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/metrics"}
    assert template["metadata"]["annotations"] == {**_MODEL, **scraped}
    assert {key: deployment["metadata"]["annotations"][key] for key in _MODEL} == _MODEL


def test_selectors_find_the_pods():
    recording = _recorded()
    deployment = recording.only(_DEPLOYMENT).inputs["spec"]
    assert deployment["selector"] == {"matchLabels": _SELECTOR}
    assert deployment["template"]["metadata"]["labels"].items() >= _SELECTOR.items()
    assert recording.only(_SERVICE).inputs["spec"] == {
        "type": "ClusterIP",
        "selector": _SELECTOR,
        "ports": [
            {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"},
            {"name": "grpc", "port": 8081, "targetPort": "grpc", "protocol": "TCP", "appProtocol": "kubernetes.io/h2c"},
        ],
    }  # fmt: skip


def test_a_pod_is_promised_what_was_asked_for_and_all_of_its_memory():
    assert _container(cpu="500m", memory="1Gi", cpu_limit="2")["resources"] == {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"cpu": "2", "memory": "1Gi"},
    }


def test_pods_are_spread_over_zones_and_nodes():
    spread = _pod()["topologySpreadConstraints"]
    assert [constraint["topologyKey"] for constraint in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert all(constraint["labelSelector"] == {"matchLabels": _SELECTOR} for constraint in spread)
    # Otherwise a cluster with one node could run one pod only.
    assert {constraint["whenUnsatisfiable"] for constraint in spread} == {"ScheduleAnyway"}


def test_an_update_adds_a_pod_before_it_removes_one():
    assert _spec()["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_a_node_can_always_be_emptied_one_pod_after_the_other():
    # AlwaysAllow: a pod that never got ready must not keep a node from being replaced.
    assert _spec(_BUDGET) == {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": {"matchLabels": _SELECTOR}}


@pytest.mark.parametrize("replicas", [1, 2, 7])
def test_a_fixed_number_of_pods_needs_no_autoscaler(replicas: int):
    recording = _recorded(min_replicas=replicas, max_replicas=replicas)
    assert recording.only(_DEPLOYMENT).inputs["spec"]["replicas"] == replicas
    assert recording.of(_AUTOSCALER) == []


def test_beside_an_autoscaler_the_number_of_pods_is_not_said():
    # Every update would undo what the autoscaler decided.
    recording = _recorded(min_replicas=3, max_replicas=9)
    assert "replicas" not in recording.only(_DEPLOYMENT).inputs["spec"]
    autoscaler = recording.only(_AUTOSCALER).inputs["spec"]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (3, 9)
    assert autoscaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "digits"}
    assert autoscaler["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]
    assert autoscaler["behavior"] == {"scaleDown": {"stabilizationWindowSeconds": 300}}


@pytest.mark.parametrize(("replicas", "startup", "seconds"), [(2, 60, 300), (1, 10, 160), (9, 600, 5790)])
def test_an_update_is_given_up_only_after_all_pods_had_their_time(replicas: int, startup: int, seconds: int):
    # 120 s to pull, and for one pod after the other the time to start and 30 s to place it.
    args: dict[str, Any] = {"min_replicas": replicas, "max_replicas": 9, "startup_seconds": startup}
    assert _args(**args).roll_out_seconds == seconds
    annotations = _recorded(**args).only(_DEPLOYMENT).inputs["metadata"]["annotations"]
    assert annotations["pulumi.com/timeoutSeconds"] == str(seconds)


@given(st.integers(-3, 12), st.integers(-3, 12))
@hypothesis(deadline=None)
def test_numbers_of_pods_that_make_no_sense_are_refused(fewest: int, most: int):
    if 1 <= fewest <= most:
        assert _args(min_replicas=fewest, max_replicas=most).autoscaled == (fewest < most)
        return
    with pytest.raises(pulumi.InputPropertyError) as error:
        _args(min_replicas=fewest, max_replicas=most)
    assert (error.value.property_path, error.value.reason) == (
        "max_replicas",
        f"is {most}; it must be at least min_replicas, which is {fewest}, and that 1",
    )
