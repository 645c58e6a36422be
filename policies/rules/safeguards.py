"""Deployment safeguards of AKS Automatic: what it demands of workloads. All identifiers are the specification's own."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from policies.planned import UNKNOWN, Mark, PlannedResource, entries, find
from policies.rule import Finding, Rule, each, must_not_be
from policies.rules.cluster import SPECIFICATION
from policies.rules.kinds import AGENT_POOL, CLUSTER, DEPLOYMENT, NAMESPACE, ROLES, SERVICE, STATEFUL_SET, STORAGE_CLASS, WORKLOADS
from policies.rules.pods import each_container, each_pod, each_security_context, pod_of
from policies.rules.quantities import cores, mebibytes

_safeguard = partial(Rule, source=SPECIFICATION, looks_at=WORKLOADS)
_LEAST_CORES, _LEAST_MEBIBYTES = 0.1, 100
_CHANGES = {"*", "create", "update", "patch", "delete", "deletecollection"}
_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
_CAPABILITIES = {
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
}
_SELINUX_TYPES = (None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_VOLUMES = {"name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop")
_IN_TREE = "kubernetes.io/"


def _edits_nodes(role: PlannedResource) -> Iterator[str | Mark]:
    for rule in entries(role.at("rules")):
        resources, verbs = entries(find(rule, "resources")), entries(find(rule, "verbs"))
        if isinstance(rule, Mark) or UNKNOWN in resources or UNKNOWN in verbs:
            yield UNKNOWN
        elif {"nodes", "*"} & set(resources) and _CHANGES & set(verbs):
            yield f"may {', '.join(sorted(set(verbs)))} {', '.join(resources)}"


NODE_EDITS = _safeguard(
    id="safeguard-restricted-node-edits",
    title="No service account edits nodes",
    severity="high",
    reason="AKS owns its nodes: what is changed there is undone, and whoever may change a node owns its pods.",
    fix="remove nodes from the role; pools are managed through AKS.",
    looks_at=ROLES,
    check=each(_edits_nodes),
)


def _resources(container: Mapping[str, Any], called: str) -> Iterator[str | Mark]:
    for kind in ("requests", "limits"):
        for what, least, amount in (("cpu", _LEAST_CORES, cores), ("memory", _LEAST_MEBIBYTES, mebibytes)):
            found = find(container, f"resources.{kind}.{what}")
            if isinstance(found, Mark):
                yield found
            elif found is None:
                yield f"{called}resources.{kind}.{what} is not set"
            elif amount(found) < least:
                yield f"{called}resources.{kind}.{what} is {found}; AKS raises what is below 100m of cpu or 100Mi of memory"


RESOURCES = _safeguard(
    id="safeguard-container-resource-requests",
    title="Every container says what it needs and may take",
    severity="medium",
    reason="AKS fills in 500m and 2Gi, which the next preview shows as a change; without limits one pod starves its neighbours.",
    fix="set requests and limits of cpu (at least 100m) and memory (at least 100Mi).",
    check=each_container(_resources),
)


def _spread(workload: PlannedResource) -> Iterator[str | Mark]:
    pod = pod_of(workload)
    replicas = workload.at("spec.replicas")
    if isinstance(pod, Mark):
        yield UNKNOWN
    elif replicas != 1 and not find(pod, "affinity.podAntiAffinity") and not find(pod, "topologySpreadConstraints"):
        yield UNKNOWN if isinstance(replicas, Mark) else "has neither topologySpreadConstraints nor a podAntiAffinity"


SPREAD = _safeguard(
    id="safeguard-pod-enforce-antiaffinity",
    title="Pods of a service are spread over nodes",
    severity="medium",
    reason="All pods on one node end with that node; and AKS adds a spread of its own, which the next preview shows as a change.",
    fix="set topology_spread_constraints over zones and host names.",
    looks_at=frozenset({DEPLOYMENT, STATEFUL_SET}),
    check=each(_spread),
)


def _reserved_labels(resource: PlannedResource) -> Iterator[str | Mark]:
    for path in ("metadata.labels", "spec.template.metadata.labels"):
        labels = resource.at(path)
        if isinstance(labels, Mark):
            yield UNKNOWN
        elif labels:
            yield from (f"{path} has {label}" for label in labels if label.startswith("kubernetes.azure.com/"))


NO_RESERVED_LABELS = _safeguard(
    id="safeguard-restricted-labels",
    title="Labels of AKS are not used for one's own",
    severity="high",
    reason="AKS refuses or overwrites labels that start with kubernetes.azure.com/.",
    fix="choose another prefix.",
    looks_at=WORKLOADS | {NAMESPACE, SERVICE},
    check=each(_reserved_labels),
)


def _reserved_taints(resource: PlannedResource) -> Iterator[str | Mark]:
    pools = [resource.properties] if resource.kind == AGENT_POOL else entries(resource.at("agentPoolProfiles"))
    for pool in pools:
        taints, mode = entries(find(pool, "nodeTaints")), find(pool, "mode")
        if isinstance(pool, Mark) or isinstance(mode, Mark) or UNKNOWN in taints:
            yield UNKNOWN
        elif mode != "System":
            yield from (f"pool {pool.get('name') or resource.name}: nodeTaints has {taint}" for taint in taints if taint.startswith("CriticalAddonsOnly"))


NO_RESERVED_TAINTS = _safeguard(
    id="safeguard-restricted-taints",
    title="The taint CriticalAddonsOnly is on system pools only",
    severity="high",
    reason="AKS reserves it: on a pool of services it keeps the services away.",
    fix="use a key of one's own for taints of user pools.",
    looks_at=frozenset({CLUSTER, AGENT_POOL}),
    check=each(_reserved_taints),
)


def _probed(pod: Mapping[str, Any]) -> Iterator[str | Mark]:
    for container in entries(pod.get("containers")):
        if isinstance(container, Mark):
            yield UNKNOWN
        # One without ports answers nobody, so nobody can ask it either.
        elif entries(container.get("ports")):
            yield from (f"container {container.get('name')}: has no {probe}" for probe in ("readinessProbe", "livenessProbe") if not container.get(probe))


PROBES = _safeguard(
    id="safeguard-probes-configured",
    title="Every container that answers says whether it is ready and alive",
    severity="low",
    reason="Requests go to pods that cannot answer yet, and a pod that hangs is never restarted.",
    fix="set readiness_probe and liveness_probe.",
    check=each_pod(_probed),
)


def _in_tree(storage_class: PlannedResource) -> Iterator[str | Mark]:
    provisioner = storage_class.at("provisioner")
    if isinstance(provisioner, Mark):
        yield UNKNOWN
    elif str(provisioner).startswith(_IN_TREE):
        yield f"provisioner is {provisioner}"


CSI_DRIVERS = _safeguard(
    id="safeguard-csi-driver-storage-class",
    title="Disks and shares come from CSI drivers",
    severity="high",
    reason="Kubernetes has removed the provisioners that were built into it: a claim waits forever.",
    fix="use disk.csi.azure.com or file.csi.azure.com.",
    looks_at=frozenset({STORAGE_CLASS}),
    check=each(_in_tree),
)


def _twice(resources: Sequence[PlannedResource]) -> Iterator[Finding]:
    seen: dict[tuple[str, str], str] = {}
    for service in (resource for resource in resources if resource.kind == SERVICE):
        selector, namespace = service.at("spec.selector"), service.at("metadata.namespace")
        if not selector:
            continue
        if isinstance(selector, Mark) or isinstance(namespace, Mark):
            yield Finding(resource=service, message=UNKNOWN)
            continue
        key = str(namespace), str(sorted(selector.items()))
        if key in seen:
            yield Finding(resource=service, message=f"selects the pods that {seen[key]} selects")
        seen.setdefault(key, service.name)


UNIQUE_SELECTORS = _safeguard(
    id="safeguard-unique-service-selectors",
    title="Two services of a namespace do not select the same pods",
    severity="high",
    reason="AKS refuses the second; and it is nearly always a copied name that was not changed.",
    fix="give each Service the labels of its own pods.",
    looks_at=frozenset({SERVICE}),
    check=_twice,
    per_resource=False,
)


def _latest(container: Mapping[str, Any], called: str) -> Iterator[str | Mark]:
    image = container.get("image")
    if isinstance(image, Mark):
        yield UNKNOWN
    elif image and "@" not in image:
        tag = image.rpartition("/")[2].partition(":")[2]
        if tag in ("", "latest"):
            yield f"{called}image is {image}"


NO_LATEST = _safeguard(
    id="safeguard-images-no-latest",
    title="No image is called latest",
    severity="high",
    reason="What runs then depends on when a node pulled it.",
    fix="name images by digest.",
    check=each_container(_latest),
)


def _forbidden(*paths: str, allowed: tuple[Any, ...] = (None, False)):
    def verdicts(pod: Mapping[str, Any]) -> Iterator[str | Mark]:
        for path in paths:
            found = find(pod, path)
            if isinstance(found, Mark):
                yield UNKNOWN
            elif found not in allowed:
                yield f"pod: {path} is {found}"

    return verdicts


HOST_NAMESPACES = _safeguard(
    id="safeguard-block-host-namespaces",
    title="No pod shares its node's processes",
    severity="critical",
    reason="It sees and can end everything on the node.",
    fix="remove host_pid and host_ipc.",
    check=each_pod(_forbidden("hostPID", "hostIPC")),
)


def _host_network(pod: Mapping[str, Any]) -> Iterator[str | Mark]:
    yield from must_not_be(pod, "hostNetwork", (True,), called="pod: ")
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for container in entries(pod.get(kind)):
            for port in entries(find(container, "ports")):
                found = find(port, "hostPort")
                if isinstance(found, Mark):
                    yield UNKNOWN
                elif found:
                    yield f"container {container.get('name')}: has the host port {found}"


HOST_NETWORK = _safeguard(
    id="safeguard-host-network-ports",
    title="No pod uses its node's network or ports",
    severity="critical",
    reason="It goes round every network policy, and reaches what only the node may reach: the metadata service, for one.",
    fix="remove host_network and host_port; reach pods through a Service.",
    check=each_pod(_host_network),
)


def _sysctls(pod: Mapping[str, Any]) -> Iterator[str | Mark]:
    for sysctl in entries(find(pod, "securityContext.sysctls")):
        name = find(sysctl, "name")
        if isinstance(name, Mark):
            yield UNKNOWN
        elif name not in _SYSCTLS:
            yield f"pod: securityContext.sysctls has {name}"


SYSCTLS = _safeguard(
    id="safeguard-allowed-sysctls",
    title="Pods change only harmless settings of the kernel",
    severity="high",
    reason="Others act on the whole node.",
    fix="remove the sysctl.",
    check=each_pod(_sysctls),
)


def _host_paths(pod: Mapping[str, Any]) -> Iterator[str | Mark]:
    for volume in entries(pod.get("volumes")):
        if isinstance(volume, Mark):
            yield UNKNOWN
        elif volume.get("hostPath") is not None:
            yield f"pod: volume {volume.get('name')} is a hostPath"


NO_HOST_PATHS = _safeguard(
    id="safeguard-no-host-path-volumes",
    title="No pod mounts a folder of its node",
    severity="critical",
    reason="It reads other pods' secrets and can write the node's own files.",
    fix="use a CSI volume, a ConfigMap or an emptyDir.",
    check=each_pod(_host_paths),
)
APP_ARMOR = _safeguard(
    id="safeguard-enforce-apparmor",
    title="AppArmor is not turned off",
    severity="high",
    reason="A broken container then meets one barrier less.",
    fix="remove app_armor_profile, or set its type to RuntimeDefault.",
    check=each_security_context("appArmorProfile.type", lambda found: found not in (None, "RuntimeDefault", "Localhost")),
)


def _selinux(workload: PlannedResource) -> Iterator[str | Mark]:
    for part, allowed in (("type", _SELINUX_TYPES), ("user", (None, "")), ("role", (None, ""))):
        check = each_security_context(f"seLinuxOptions.{part}", lambda found, allowed=allowed: found not in allowed)
        yield from (finding.message for finding in check([workload]))


SELINUX = _safeguard(
    id="safeguard-enforce-selinux",
    title="SELinux options are the runtime's",
    severity="low",
    reason="Other types, users and roles loosen what keeps containers apart.",
    fix="remove se_linux_options.",
    check=each(_selinux),
)
HOST_PROCESS = _safeguard(
    id="safeguard-windows-block-host-process",
    title="No Windows container runs as a process of its node",
    severity="critical",
    reason="It has every right on the node.",
    fix="remove windows_options host_process.",
    check=each_security_context("windowsOptions.hostProcess", lambda found: found is True),
)
NO_PRIVILEGED = _safeguard(
    id="safeguard-no-privileged-containers",
    title="No container is privileged",
    severity="critical",
    reason="It has every right on the node.",
    fix="set privileged to false.",
    check=each_security_context("privileged", lambda found: found is True, pod=False),
)
PROC_MOUNT = _safeguard(
    id="safeguard-no-custom-proc-mount",
    title="/proc is masked",
    severity="high",
    reason="Unmasked it shows and changes the node's kernel.",
    fix="remove proc_mount.",
    check=each_security_context("procMount", lambda found: found not in (None, "Default"), pod=False),
)


def _capabilities(container: Mapping[str, Any], called: str) -> Iterator[str | Mark]:
    for capability in entries(find(container, "securityContext.capabilities.add")):
        if isinstance(capability, Mark):
            yield UNKNOWN
        elif capability not in _CAPABILITIES:
            yield f"{called}adds the capability {capability}"


CAPABILITIES = _safeguard(
    id="safeguard-container-capabilities",
    title="Containers add no dangerous capability",
    severity="high",
    reason="SYS_ADMIN, for one, is as good as privileged.",
    fix="remove it from capabilities.add.",
    check=each_container(_capabilities),
)


def _probe_hosts(container: Mapping[str, Any], called: str) -> Iterator[str | Mark]:
    for probe in _PROBES:
        for kind in ("httpGet", "tcpSocket"):
            host = find(container, f"{probe}.{kind}.host")
            if isinstance(host, Mark):
                yield UNKNOWN
            elif host:
                yield f"{called}{probe}.{kind}.host is {host}"


PROBE_HOSTS = _safeguard(
    id="safeguard-host-probes",
    title="Probes ask the pod itself",
    severity="low",
    reason="A probe with a host makes the kubelet call whatever address a pod's author writes.",
    fix="remove host from probes and lifecycle hooks.",
    check=each_container(_probe_hosts),
)
SECCOMP = _safeguard(
    id="safeguard-allowed-seccomp-profiles",
    title="Seccomp is not turned off",
    severity="high",
    reason="Every system call is then open to a broken container.",
    fix="set seccomp_profile type RuntimeDefault.",
    check=each_security_context("seccompProfile.type", lambda found: found == "Unconfined"),
)

# --- the specification's conditional safeguards: AKS enforces them where a namespace asks for `restricted`, as ours do ---

NO_ESCALATION = _safeguard(
    id="safeguard-no-privilege-escalation",
    title="No process gets more rights than its parent",
    severity="high",
    reason="One setuid program in an image is enough to become root.",
    fix="set allow_privilege_escalation to false.",
    check=each_security_context("allowPrivilegeEscalation", lambda found: found is not False, pod=False),
)


def _not_root(pod: Mapping[str, Any]) -> Iterator[str | Mark]:
    for container in entries(pod.get("containers")):
        # What a container says about itself counts, and only where it says nothing what its pod says.
        values = [[find(place, f"securityContext.{key}") for place in (container, pod)] for key in ("runAsNonRoot", "runAsUser")]
        non_root, user = (own if own is not None else of_pod for own, of_pod in values)
        if isinstance(non_root, Mark) or isinstance(user, Mark):
            yield UNKNOWN
        elif non_root is not True or user == 0:
            yield f"container {container.get('name')} may run as root"


NOT_ROOT = _safeguard(
    id="safeguard-allowed-users-groups",
    title="Nothing runs as root",
    severity="high",
    reason="Root in a container is root on the node as soon as one hole is found.",
    fix="set run_as_non_root and a run_as_user other than 0.",
    check=each_pod(_not_root),
)


def _volume_types(pod: Mapping[str, Any]) -> Iterator[str | Mark]:
    for volume in entries(pod.get("volumes")):
        if isinstance(volume, Mark):
            yield UNKNOWN
        else:
            yield from (f"pod: volume {volume.get('name')} is a {kind}" for kind in volume if kind not in _VOLUMES and volume[kind] is not None)


VOLUME_TYPES = _safeguard(
    id="safeguard-allowed-volume-types",
    title="Volumes are of the harmless kinds",
    severity="low",
    reason="Others reach the node or a network that no policy sees.",
    fix="use configMap, csi, downwardAPI, emptyDir, ephemeral, persistentVolumeClaim, projected or secret.",
    check=each_pod(_volume_types),
)
