"""A service on Kubernetes: its pods, how they are reached, and what protects them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import pulumi
from pulumi_kubernetes import apps, autoscaling, core, meta, networking, policy

from model_store import LockedModel

PORT = 80
GRPC_PORT = 8081
"""Of Service and pods."""
SECRET_FOLDER = "/run/secrets/app"  # noqa: S105 - a place
"""Where the pods find the files of their secret."""
METRICS_AGENT = {"namespace": "kube-system", "label": "rsName", "value": "ama-metrics"}
"""Pods that read everybody's metrics: managed Prometheus' own."""
METRICS_PATH = "/metrics"
CONTAINER_PORT = 8080
_PORTS = {"http": CONTAINER_PORT, "grpc": GRPC_PORT}
_H2C = "kubernetes.io/h2c"
"""HTTP/2 without TLS, which is what gRPC inside a cluster is."""
_USER = 65532
"""The image's user; the numbers are repeated because Kubernetes cannot see from a name that it is not root."""
_DRAIN_SECONDS = 5
"""A pod goes on answering for so long after it is told to stop, until every node has stopped sending to it."""
_OWN_SECONDS = {"DRAIN_SECONDS": 5, "SHUTDOWN_SECONDS": 20}
"""How long the app takes to end, unless its environment says otherwise: it is not ready any more but answers, then finishes what it has accepted."""
_SPARE_SECONDS = 15
"""What a pod has beyond that before it is killed."""
_PULL_SECONDS = 120
_POD_SECONDS = 30


class Reach(TypedDict):
    """Something that the pods may call."""

    port: int
    """TCP."""
    cidr: str
    """Addresses outside the cluster; empty beside a namespace. Those of pods are never meant by it: Cilium does not look at them."""
    namespace: str
    """A namespace of the cluster; empty beside addresses."""


@dataclass(frozen=True, kw_only=True)
class ModelDeploymentArgs:
    """What a deployment needs to know."""

    image: pulumi.Input[str]
    """Image by digest."""
    model: LockedModel
    """The model in it."""
    namespace: str = ""
    """Name of the namespace, which is made; the component's own name unless given."""
    min_replicas: int = 2
    """Fewest pods."""
    max_replicas: int = 2
    """Most pods. Plain: above `min_replicas` an autoscaler exists and decides."""
    cpu: str = "250m"
    """Promised to a pod."""
    memory: str = "512Mi"
    """Promised to a pod, and its limit: memory cannot be taken back without a kill."""
    cpu_limit: str = "1"
    """Most that a pod may use."""
    startup_seconds: int = 60
    """How long a pod may take until it serves."""
    callers: str = ""
    """The only namespace that may call; any in the cluster unless given. Plain."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings of the app. Plain: how long a pod may take to end follows from them."""
    secret: str = ""
    """Secret of the namespace whose files the pods get; none unless given. Plain."""
    reaches: Sequence[Reach] = ()
    """What the pods may call: nothing unless given. Plain."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_replicas <= self.max_replicas:
            raise pulumi.InputPropertyError(
                "max_replicas", f"is {self.max_replicas}; it must be at least min_replicas, which is {self.min_replicas}, and that 1"
            )

    @property
    def autoscaled(self) -> bool:
        """Does an autoscaler decide how many pods run?"""
        return self.max_replicas > self.min_replicas

    @property
    def grace_seconds(self) -> int:
        """After how long a pod that was told to end is killed: when it surely has answered everything."""
        return _DRAIN_SECONDS + sum(int(self.environment.get(name, usual)) for name, usual in _OWN_SECONDS.items()) + _SPARE_SECONDS

    @property
    def roll_out_seconds(self) -> int:
        """After how long an update that does not finish is given up: one pod is replaced after the other."""
        return _PULL_SECONDS + self.min_replicas * (self.startup_seconds + _POD_SECONDS)


class ModelDeployment(pulumi.ComponentResource):
    """A service in a namespace of its own; an update ends when its new pods serve."""

    namespace: pulumi.Output[str]
    """Name of the namespace."""
    service_name: pulumi.Output[str]
    """Name of the Service in it. Known once its pods serve."""
    port: pulumi.Output[int]
    """Port of the Service for HTTP; the one for gRPC is GRPC_PORT."""

    def __init__(self, name: str, args: ModelDeploymentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:index:ModelDeployment", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # Explicit names: an interrupted create is repeated on the same object instead of beside it.
        namespace = core.v1.Namespace(f"{name}-namespace", metadata=_namespace_metadata(args.namespace or name), opts=child)
        self.namespace = namespace.metadata.apply(lambda metadata: str(metadata.name))
        metadata = _metadata(name, self.namespace)
        account = core.v1.ServiceAccount(f"{name}-account", metadata=metadata, automount_service_account_token=False, opts=child)
        closed = networking.v1.NetworkPolicy(f"{name}-deny", metadata=_metadata(f"{name}-deny", self.namespace), spec=_deny_all(), opts=child)
        opened = networking.v1.NetworkPolicy(
            f"{name}-allow", metadata=_metadata(f"{name}-allow", self.namespace), spec=_allow_callers(name, args.callers), opts=child
        )
        policies = [closed, opened]
        if args.reaches:
            outward = networking.v1.NetworkPolicySpecArgs(
                pod_selector=meta.v1.LabelSelectorArgs(match_labels=_selector(name)), policy_types=["Egress"], egress=_egress(args.reaches)
            )
            policies.append(networking.v1.NetworkPolicy(f"{name}-reach", metadata=_metadata(f"{name}-reach", self.namespace), spec=outward, opts=child))
        # Policies first: no pod ever runs without them.
        deployment = apps.v1.Deployment(
            f"{name}-deployment",
            metadata=_metadata(name, self.namespace, {**_model_annotations(args), "pulumi.com/timeoutSeconds": str(args.roll_out_seconds)}),
            spec=_deployment_spec(name, args),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account, *policies]),
        )
        # After the pods: Pulumi waits for a Service until something answers behind it.
        following = pulumi.ResourceOptions(parent=self, depends_on=[deployment])
        service = core.v1.Service(f"{name}-service", metadata=metadata, spec=_service_spec(name), opts=following)
        budget = policy.v1.PodDisruptionBudgetSpecArgs(
            max_unavailable=1, unhealthy_pod_eviction_policy="AlwaysAllow", selector=meta.v1.LabelSelectorArgs(match_labels=_selector(name))
        )
        policy.v1.PodDisruptionBudget(f"{name}-budget", metadata=metadata, spec=budget, opts=following)
        if args.autoscaled:
            autoscaling.v2.HorizontalPodAutoscaler(f"{name}-autoscaler", metadata=metadata, spec=_autoscaler_spec(name, args), opts=following)
        self.service_name = service.metadata.apply(lambda metadata: str(metadata.name))
        self.port = pulumi.Output.from_input(PORT)
        self.register_outputs({"namespace": self.namespace, "service_name": self.service_name, "port": self.port})


def _selector(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name}


def _metadata(name: str, namespace: pulumi.Input[str] | None, annotations: Mapping[str, str] | None = None, labels: Mapping[str, str] | None = None):
    return meta.v1.ObjectMetaArgs(
        name=name,
        namespace=namespace,
        labels={**(labels or {}), "app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "pulumi"},
        # One owner of all fields: without it every create invents an owner, and repeating an interrupted one would be a conflict with itself.
        annotations={**(annotations or {}), "pulumi.com/patchFieldManager": "converge"},
    )


def _namespace_metadata(name: str) -> meta.v1.ObjectMetaArgs:
    return _metadata(name, None, labels={f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")})


def _model_annotations(args: ModelDeploymentArgs) -> dict[str, str]:
    return {"converge/model-name": args.model.name, "converge/model-version": str(args.model.version), "converge/model-sha256": args.model.sha256}


_SCRAPED = {"prometheus.io/scrape": "true", "prometheus.io/port": str(CONTAINER_PORT), "prometheus.io/path": METRICS_PATH}
"""Where Prometheus finds a pod's metrics, for whoever reads by annotations."""


def _deployment_spec(name: str, args: ModelDeploymentArgs) -> apps.v1.DeploymentSpecArgs:
    return apps.v1.DeploymentSpecArgs(
        # Not set beside an autoscaler, or every update would undo its decision.
        replicas=None if args.autoscaled else args.min_replicas,
        selector=meta.v1.LabelSelectorArgs(match_labels=_selector(name)),
        # Adds a pod before it removes one.
        strategy=apps.v1.DeploymentStrategyArgs(type="RollingUpdate", rolling_update=apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0)),
        progress_deadline_seconds=args.startup_seconds + _PULL_SECONDS,
        revision_history_limit=3,
        template=core.v1.PodTemplateSpecArgs(
            metadata=meta.v1.ObjectMetaArgs(
                labels={**_selector(name), "app.kubernetes.io/managed-by": "pulumi"}, annotations={**_model_annotations(args), **_SCRAPED}
            ),
            spec=_pod_spec(name, args),
        ),
    )


def _pod_spec(name: str, args: ModelDeploymentArgs) -> core.v1.PodSpecArgs:
    return core.v1.PodSpecArgs(
        service_account_name=name,
        automount_service_account_token=False,
        enable_service_links=False,
        termination_grace_period_seconds=args.grace_seconds,
        security_context=core.v1.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=_USER,
            run_as_group=_USER,
            fs_group=_USER,
            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        topology_spread_constraints=[
            core.v1.TopologySpreadConstraintArgs(
                max_skew=1, topology_key=key, when_unsatisfiable="ScheduleAnyway", label_selector=meta.v1.LabelSelectorArgs(match_labels=_selector(name))
            )
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
        containers=[_container(args)],
        volumes=[core.v1.VolumeArgs(name="tmp", empty_dir=core.v1.EmptyDirVolumeSourceArgs(size_limit="64Mi")), *_secret_volumes(args)],
    )


def _secret_volumes(args: ModelDeploymentArgs) -> list[core.v1.VolumeArgs]:
    """Optional: without the Secret the app says which file it misses, instead of a pod that waits without a word."""
    if not args.secret:
        return []
    # Readable by the pods' group alone.
    files = core.v1.SecretVolumeSourceArgs(secret_name=args.secret, optional=True, default_mode=0o440)
    return [core.v1.VolumeArgs(name="secret", secret=files)]


def _environment(args: ModelDeploymentArgs) -> list[core.v1.EnvVarArgs]:
    """An image cannot know its own digest, and who asks a service what it runs wants to know."""
    digest = pulumi.Output.from_input(args.image).apply(lambda image: image.rpartition("@")[2])
    own = [core.v1.EnvVarArgs(name="IMAGE_DIGEST", value=digest), core.v1.EnvVarArgs(name="GRPC_PORT", value=str(GRPC_PORT))]
    return [*own, *(core.v1.EnvVarArgs(name=name, value=value) for name, value in sorted(args.environment.items()))]


def _container(args: ModelDeploymentArgs) -> core.v1.ContainerArgs:
    return core.v1.ContainerArgs(
        name="app",
        image=args.image,
        image_pull_policy="IfNotPresent",
        env=_environment(args),
        ports=[core.v1.ContainerPortArgs(name=port, container_port=number, protocol="TCP") for port, number in _PORTS.items()],
        resources=core.v1.ResourceRequirementsArgs(requests={"cpu": args.cpu, "memory": args.memory}, limits={"cpu": args.cpu_limit, "memory": args.memory}),
        startup_probe=_probe("ready", period_seconds=1, failure_threshold=args.startup_seconds),
        readiness_probe=_probe("ready", period_seconds=5, failure_threshold=2),
        liveness_probe=_probe("live", period_seconds=10, failure_threshold=3),
        lifecycle=core.v1.LifecycleArgs(pre_stop=core.v1.LifecycleHandlerArgs(sleep=core.v1.SleepActionArgs(seconds=_DRAIN_SECONDS))),
        security_context=core.v1.SecurityContextArgs(
            allow_privilege_escalation=False,
            privileged=False,
            read_only_root_filesystem=True,
            run_as_non_root=True,
            capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
        ),
        volume_mounts=[
            core.v1.VolumeMountArgs(name="tmp", mount_path="/tmp"),  # noqa: S108 - the pod's own
            *([core.v1.VolumeMountArgs(name="secret", mount_path=SECRET_FOLDER, read_only=True)] if args.secret else []),
        ],
    )


def _probe(what: str, *, period_seconds: int, failure_threshold: int) -> core.v1.ProbeArgs:
    """Open Inference Protocol's own health paths."""
    return core.v1.ProbeArgs(
        http_get=core.v1.HTTPGetActionArgs(path=f"/v2/health/{what}", port="http"),
        period_seconds=period_seconds,
        failure_threshold=failure_threshold,
        timeout_seconds=2,
    )


def _service_spec(name: str) -> core.v1.ServiceSpecArgs:
    http = core.v1.ServicePortArgs(name="http", port=PORT, target_port="http", protocol="TCP")
    grpc = core.v1.ServicePortArgs(name="grpc", port=GRPC_PORT, target_port="grpc", protocol="TCP", app_protocol=_H2C)
    return core.v1.ServiceSpecArgs(type="ClusterIP", selector=_selector(name), ports=[http, grpc])


def _autoscaler_spec(name: str, args: ModelDeploymentArgs) -> autoscaling.v2.HorizontalPodAutoscalerSpecArgs:
    v2 = autoscaling.v2
    return v2.HorizontalPodAutoscalerSpecArgs(
        scale_target_ref=v2.CrossVersionObjectReferenceArgs(api_version="apps/v1", kind="Deployment", name=name),
        min_replicas=args.min_replicas,
        max_replicas=args.max_replicas,
        metrics=[
            v2.MetricSpecArgs(
                type="Resource", resource=v2.ResourceMetricSourceArgs(name="cpu", target=v2.MetricTargetArgs(type="Utilization", average_utilization=70))
            )
        ],
        behavior=v2.HorizontalPodAutoscalerBehaviorArgs(scale_down=v2.HPAScalingRulesArgs(stabilization_window_seconds=300)),
    )


def _deny_all() -> networking.v1.NetworkPolicySpecArgs:
    """Nothing in, nothing out: the model is in the image, so the pods need nobody but whom they are told to reach."""
    return networking.v1.NetworkPolicySpecArgs(pod_selector=meta.v1.LabelSelectorArgs(), policy_types=["Ingress", "Egress"])


def _allow_callers(name: str, namespace: str) -> networking.v1.NetworkPolicySpecArgs:
    """Callers inside the cluster, or in one namespace of it, to the two ports; beside the one namespace also whoever reads metrics."""
    v1 = networking.v1
    callers = v1.NetworkPolicyPeerArgs(namespace_selector=_namespaces(namespace))
    rules = [v1.NetworkPolicyIngressRuleArgs(from_=[callers], ports=[_tcp(port) for port in _PORTS.values()])]
    if namespace:
        agent = meta.v1.LabelSelectorArgs(match_labels={METRICS_AGENT["label"]: METRICS_AGENT["value"]})
        reader = v1.NetworkPolicyPeerArgs(namespace_selector=_namespaces(METRICS_AGENT["namespace"]), pod_selector=agent)
        rules.append(v1.NetworkPolicyIngressRuleArgs(from_=[reader], ports=[_tcp(CONTAINER_PORT)]))
    return v1.NetworkPolicySpecArgs(
        pod_selector=meta.v1.LabelSelectorArgs(match_labels=_selector(name)),
        policy_types=["Ingress"],
        ingress=rules,
    )


def _egress(reaches: Sequence[Reach]) -> list[networking.v1.NetworkPolicyEgressRuleArgs]:
    """To what is named, and to the cluster's DNS, or nothing would be found by its name."""
    v1 = networking.v1
    resolver = v1.NetworkPolicyPeerArgs(
        namespace_selector=_namespaces("kube-system"), pod_selector=meta.v1.LabelSelectorArgs(match_labels={"k8s-app": "kube-dns"})
    )
    names = v1.NetworkPolicyEgressRuleArgs(to=[resolver], ports=[v1.NetworkPolicyPortArgs(port=53, protocol=protocol) for protocol in ("UDP", "TCP")])
    return [names, *(v1.NetworkPolicyEgressRuleArgs(to=[_peer(reach)], ports=[_tcp(reach["port"])]) for reach in reaches)]


def _peer(reach: Reach) -> networking.v1.NetworkPolicyPeerArgs:
    if reach["namespace"]:
        return networking.v1.NetworkPolicyPeerArgs(namespace_selector=_namespaces(reach["namespace"]))
    return networking.v1.NetworkPolicyPeerArgs(ip_block=networking.v1.IPBlockArgs(cidr=reach["cidr"]))


def _namespaces(name: str) -> meta.v1.LabelSelectorArgs:
    """The namespace of that name; every one without a name."""
    return meta.v1.LabelSelectorArgs(match_labels={"kubernetes.io/metadata.name": name} if name else None)


def _tcp(port: int) -> networking.v1.NetworkPolicyPortArgs:
    return networking.v1.NetworkPolicyPortArgs(port=port, protocol="TCP")
