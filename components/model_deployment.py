"""A service on Kubernetes: its pods, how they are reached, and what protects them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import apps, autoscaling, core, meta, networking, policy

from model_store import LockedModel

PORT = 80
_CONTAINER_PORT = 8080
_USER = 65532
"""The image's user; the numbers are repeated because Kubernetes cannot see from a name that it is not root."""
_DRAIN_SECONDS = 5
"""A pod goes on answering for so long after it is told to stop, until every node has stopped sending to it."""
_GRACE_SECONDS = 45
_PULL_SECONDS = 120
_POD_SECONDS = 30


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
    """Port of the Service."""

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
        # Policies first: no pod ever runs without them.
        deployment = apps.v1.Deployment(
            f"{name}-deployment",
            metadata=_metadata(name, self.namespace, {**_model_annotations(args), "pulumi.com/timeoutSeconds": str(args.roll_out_seconds)}),
            spec=_deployment_spec(name, args),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account, closed, opened]),
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
            metadata=meta.v1.ObjectMetaArgs(labels={**_selector(name), "app.kubernetes.io/managed-by": "pulumi"}, annotations=_model_annotations(args)),
            spec=_pod_spec(name, args),
        ),
    )


def _pod_spec(name: str, args: ModelDeploymentArgs) -> core.v1.PodSpecArgs:
    return core.v1.PodSpecArgs(
        service_account_name=name,
        automount_service_account_token=False,
        enable_service_links=False,
        termination_grace_period_seconds=_GRACE_SECONDS,
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
        volumes=[core.v1.VolumeArgs(name="tmp", empty_dir=core.v1.EmptyDirVolumeSourceArgs(size_limit="64Mi"))],
    )


def _container(args: ModelDeploymentArgs) -> core.v1.ContainerArgs:
    return core.v1.ContainerArgs(
        name="app",
        image=args.image,
        image_pull_policy="IfNotPresent",
        # An image cannot know its own digest, and who asks a service what it runs wants to know.
        env=[core.v1.EnvVarArgs(name="IMAGE_DIGEST", value=pulumi.Output.from_input(args.image).apply(lambda image: image.rpartition("@")[2]))],
        ports=[core.v1.ContainerPortArgs(name="http", container_port=_CONTAINER_PORT, protocol="TCP")],
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
        volume_mounts=[core.v1.VolumeMountArgs(name="tmp", mount_path="/tmp")],  # noqa: S108 - the pod's own
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
    port = core.v1.ServicePortArgs(name="http", port=PORT, target_port="http", protocol="TCP")
    return core.v1.ServiceSpecArgs(type="ClusterIP", selector=_selector(name), ports=[port])


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
    """Nothing in, nothing out: the model is in the image, so the pods need nobody."""
    return networking.v1.NetworkPolicySpecArgs(pod_selector=meta.v1.LabelSelectorArgs(), policy_types=["Ingress", "Egress"])


def _allow_callers(name: str, namespace: str) -> networking.v1.NetworkPolicySpecArgs:
    """Callers inside the cluster, or in one namespace of it, to the one port."""
    callers = meta.v1.LabelSelectorArgs(match_labels={"kubernetes.io/metadata.name": namespace} if namespace else None)
    return networking.v1.NetworkPolicySpecArgs(
        pod_selector=meta.v1.LabelSelectorArgs(match_labels=_selector(name)),
        policy_types=["Ingress"],
        ingress=[
            networking.v1.NetworkPolicyIngressRuleArgs(
                from_=[networking.v1.NetworkPolicyPeerArgs(namespace_selector=callers)],
                ports=[networking.v1.NetworkPolicyPortArgs(port=_CONTAINER_PORT, protocol="TCP")],
            )
        ],
    )
