"""One Kubernetes node as processes: etcd, API server, controllers, scheduler, containerd, kubelet and kube-proxy.

Keys and kubeconfigs come from kubeadm's phases. Everything runs in the sandbox's namespaces and control group.
"""

import base64
import json
import socket
import ssl
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path

import httpx
import yaml

from local_azure.processes import Service, run, write_if_changed
from local_azure.sandbox import Sandbox
from local_azure.services.namespaces import Namespaces
from local_azure.toolchain.debian import DebianPrograms

NODE = "converge-node"
_API_PORT = 6443
_CONTROLLERS_PORT = 10257
_SCHEDULER_PORT = 10259
_KUBELET_HEALTH_PORT = 10248
_PROXY_HEALTH_PORT = 10256
"""Kubernetes' own ports."""


class Kubernetes:
    """The node's services. Start them in the order of `control_plane()`, then `workers()`."""

    def __init__(self, sandbox: Sandbox, namespaces: Namespaces, programs: DebianPrograms, *, kube: Path, etcd: Path) -> None:
        self._sandbox = sandbox
        self._namespaces = namespaces
        self._programs = programs
        self._kube = kube
        self._etcd = etcd / "etcd"
        self.folder = sandbox.folder / "kubernetes"
        self._keys = self.folder / "pki"
        self._containerd_socket = sandbox.runtime / "containerd.sock"

    @property
    def programs(self) -> Path:
        """The folder with `kubectl`."""
        return self._kube

    @property
    def api(self) -> str:
        return f"https://{self._namespaces.node_address}:{_API_PORT}"

    def make_keys(self) -> None:
        """Makes certificates and kubeconfigs once; an address that has changed makes them anew."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = self.folder / "kubeadm.yaml"
        text = self._kubeadm_configuration()
        if configuration.exists() and configuration.read_text() == text and self._sandbox.kubeconfig.exists():
            return
        for old in (*self._keys.rglob("apiserver*"), *self.folder.glob("*.conf")):
            old.unlink()
        partial = configuration.with_suffix(".tmp")
        partial.write_text(text)
        for phase in ("certs", "kubeconfig"):
            extra = ["--kubeconfig-dir", str(self.folder)] if phase == "kubeconfig" else []
            run(
                self._namespaces.on_node(str(self._kube / "kubeadm"), "init", "phase", phase, "all", "--config", str(partial), *extra),
                log=self._sandbox.log(f"kubeadm-{phase}"),
                environment=self._programs.environment(),
                what=f"making the cluster's {phase}",
            )
        partial.rename(configuration)

    def _kubeadm_configuration(self) -> str:
        address = self._namespaces.node_address
        documents = [
            {
                "apiVersion": "kubeadm.k8s.io/v1beta4",
                "kind": "InitConfiguration",
                "localAPIEndpoint": {"advertiseAddress": address, "bindPort": _API_PORT},
                "nodeRegistration": {"name": NODE, "criSocket": f"unix://{self._containerd_socket}"},
            },
            {
                "apiVersion": "kubeadm.k8s.io/v1beta4",
                "kind": "ClusterConfiguration",
                "kubernetesVersion": "v1.34.4",
                "clusterName": "converge-local",
                "certificatesDir": str(self._keys),
                "controlPlaneEndpoint": f"{address}:{_API_PORT}",
                "networking": {"serviceSubnet": self._namespaces.service_range, "podSubnet": self._namespaces.pod_range},
            },
        ]
        return yaml.safe_dump_all(documents)

    def control_plane(self) -> list[Service]:
        """Etcd first, then the API server; each needs the one before."""
        return [self._etcd_service(), self._api_server()]

    def workers(self) -> list[Service]:
        """What needs a ready API server: the controllers exit if they start before it has set up its roles."""
        return [self._controllers(), self._scheduler(), self._kubelet(), self._proxy()]

    def _service(self, name: str, command: list[str], healthy: Callable[[], str | None], *, within: float = 60) -> Service:
        return Service(name=name, command=self._namespaces.on_node(*command), environment=self._programs.environment(), healthy=healthy, within=within)

    def _etcd_service(self) -> Service:
        keys = self._keys / "etcd"
        data = self._sandbox.folder / "etcd"
        url = "https://127.0.0.1:2379"
        command = [
            *(str(self._etcd), "--name=converge", f"--data-dir={data}", "--log-level=warn", "--unsafe-no-fsync=false"),
            *(f"--listen-client-urls={url}", f"--advertise-client-urls={url}"),
            *("--listen-peer-urls=https://127.0.0.1:2380", "--initial-advertise-peer-urls=https://127.0.0.1:2380"),
            "--initial-cluster=converge=https://127.0.0.1:2380",
            *(f"--cert-file={keys}/server.crt", f"--key-file={keys}/server.key", f"--trusted-ca-file={keys}/ca.crt", "--client-cert-auth"),
            *(f"--peer-cert-file={keys}/peer.crt", f"--peer-key-file={keys}/peer.key", f"--peer-trusted-ca-file={keys}/ca.crt", "--peer-client-cert-auth"),
        ]
        # Only the node can reach it; the API server's readiness includes it.
        return self._service("etcd", command, lambda: None)

    def _api_server(self) -> Service:
        keys = self._keys
        command = [
            str(self._kube / "kube-apiserver"),
            *(
                f"--advertise-address={self._namespaces.node_address}",
                f"--secure-port={_API_PORT}",
                f"--service-cluster-ip-range={self._namespaces.service_range}",
            ),
            *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--profiling=false"),
            *("--etcd-servers=https://127.0.0.1:2379", f"--etcd-cafile={keys}/etcd/ca.crt"),
            *(f"--etcd-certfile={keys}/apiserver-etcd-client.crt", f"--etcd-keyfile={keys}/apiserver-etcd-client.key"),
            *(f"--client-ca-file={keys}/ca.crt", f"--tls-cert-file={keys}/apiserver.crt", f"--tls-private-key-file={keys}/apiserver.key"),
            *(f"--kubelet-client-certificate={keys}/apiserver-kubelet-client.crt", f"--kubelet-client-key={keys}/apiserver-kubelet-client.key"),
            "--kubelet-preferred-address-types=InternalIP",
            *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={keys}/sa.pub"),
            f"--service-account-signing-key-file={keys}/sa.key",
        ]
        return self._service("kube-apiserver", command, lambda: self._health(f"{self.api}/readyz"), within=90)

    def _health(self, url: str) -> str | None:
        """What is wrong at a component's health path; it presents the cluster's certificate, or none."""
        try:
            answer = httpx.get(url, verify=ssl.create_default_context(cafile=str(self._keys / "ca.crt")), timeout=2, trust_env=False)
        except (httpx.HTTPError, OSError) as error:
            return type(error).__name__
        return None if answer.status_code == 200 else f"HTTP {answer.status_code}: {answer.text[-200:]}"

    def _serving(self) -> list[str]:
        """Where a component answers for its health: at the node's address, which the machine reaches, with the API server's certificate for it."""
        keys = self._keys
        return [
            f"--bind-address={self._namespaces.node_address}",
            f"--tls-cert-file={keys}/apiserver.crt",
            f"--tls-private-key-file={keys}/apiserver.key",
        ]

    def _controllers(self) -> Service:
        configuration = str(self.folder / "controller-manager.conf")
        command = [
            str(self._kube / "kube-controller-manager"),
            *(f"--kubeconfig={configuration}", f"--authentication-kubeconfig={configuration}", f"--authorization-kubeconfig={configuration}"),
            *("--leader-elect=false", "--use-service-account-credentials=true", "--profiling=false", *self._serving()),
            *(f"--root-ca-file={self._keys}/ca.crt", f"--service-account-private-key-file={self._keys}/sa.key"),
            *(f"--cluster-signing-cert-file={self._keys}/ca.crt", f"--cluster-signing-key-file={self._keys}/ca.key"),
        ]
        return self._service("kube-controller-manager", command, lambda: self._health(f"https://{self._namespaces.node_address}:{_CONTROLLERS_PORT}/healthz"))

    def _scheduler(self) -> Service:
        configuration = str(self.folder / "scheduler.conf")
        command = [
            *(str(self._kube / "kube-scheduler"), f"--kubeconfig={configuration}", "--leader-elect=false", "--profiling=false", *self._serving()),
            *(f"--authentication-kubeconfig={configuration}", f"--authorization-kubeconfig={configuration}"),
        ]
        return self._service("kube-scheduler", command, lambda: self._health(f"https://{self._namespaces.node_address}:{_SCHEDULER_PORT}/healthz"))

    def _kubelet(self) -> Service:
        configuration = self.folder / "kubelet-config.json"
        write_if_changed(configuration, json.dumps(self._kubelet_configuration(), indent=2))
        command = [
            *(str(self._kube / "kubelet"), f"--config={configuration}", f"--kubeconfig={self.folder}/kubelet.conf", f"--root-dir={self.folder}/kubelet"),
            *(f"--cert-dir={self.folder}/kubelet-pki", f"--node-ip={self._namespaces.node_address}", f"--hostname-override={NODE}"),
        ]
        return self._service("kubelet", command, self._node_health, within=90)

    def _kubelet_configuration(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": str(self._keys / "ca.crt")}},
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": self._namespaces.cgroup,
            "containerRuntimeEndpoint": f"unix://{self._containerd_socket}",
            "failSwapOn": False,
            "healthzBindAddress": self._namespaces.node_address,
            "healthzPort": _KUBELET_HEALTH_PORT,
            # The machine's disk is not the node's: a nearly full one must not throw out pods, nor images that nothing could pull again.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "podLogsDir": str(self.folder / "pod-logs"),
            "volumePluginDir": str(self.folder / "volume-plugins"),
            # Pods get no name server: nothing in the sandbox needs one.
            "resolvConf": "",
            "protectKernelDefaults": False,
            "makeIPTablesUtilChains": True,
            "nodeStatusUpdateFrequency": "4s",
            "syncFrequency": "10s",
        }

    def _node_health(self) -> str | None:
        # The kubelet first: what the API server knows of the node may be of the one before.
        if problem := self._health(f"http://{self._namespaces.node_address}:{_KUBELET_HEALTH_PORT}/healthz"):
            return problem
        try:
            answer = self.client.get(f"/api/v1/nodes/{NODE}")
        except httpx.HTTPError as error:
            return type(error).__name__
        if answer.status_code != 200:
            return f"HTTP {answer.status_code} for the node"
        conditions = {condition["type"]: condition for condition in answer.json()["status"].get("conditions", [])}
        ready = conditions.get("Ready", {"status": "Unknown", "message": "no condition yet"})
        return None if ready["status"] == "True" else ready["message"]

    @cached_property
    def client(self) -> httpx.Client:
        """A client of the API server with the administrator's certificate."""
        context = ssl.create_default_context(cafile=str(self._keys / "ca.crt"))
        certificate, key = self._administrator()
        context.load_cert_chain(certificate, key)
        return httpx.Client(base_url=self.api, verify=context, timeout=5, trust_env=False)

    def _administrator(self) -> tuple[str, str]:
        """Files with the administrator's certificate and key, taken out of the kubeconfig because TLS wants files."""
        user = yaml.safe_load(self._sandbox.kubeconfig.read_text())["users"][0]["user"]
        files = {"client-certificate-data": self._keys / "administrator.crt", "client-key-data": self._keys / "administrator.key"}
        for name, path in files.items():
            path.touch(mode=0o600)
            path.write_bytes(base64.b64decode(user[name]))
        certificate, key = files.values()
        return str(certificate), str(key)

    def _proxy(self) -> Service:
        configuration = self.folder / "kube-proxy.json"
        # It watches this file and ends when it is written, whatever is written.
        write_if_changed(
            configuration,
            json.dumps(
                {
                    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                    "kind": "KubeProxyConfiguration",
                    # kube-proxy may do less than an administrator, but a node of one needs no role of its own.
                    "clientConnection": {"kubeconfig": str(self._sandbox.kubeconfig)},
                    "clusterCIDR": self._namespaces.pod_range,
                    "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
                    "hostnameOverride": NODE,
                    "mode": "iptables",
                    "iptables": {"minSyncPeriod": "100ms", "masqueradeAll": True},
                    "bindAddress": self._namespaces.node_address,
                    "healthzBindAddress": f"{self._namespaces.node_address}:{_PROXY_HEALTH_PORT}",
                    "metricsBindAddress": "127.0.0.1:10249",
                },
                indent=2,
            ),
        )
        # Healthy once its rules follow the Services.
        healthy = partial(self._health, f"http://{self._namespaces.node_address}:{_PROXY_HEALTH_PORT}/healthz")
        return self._service("kube-proxy", [str(self._kube / "kube-proxy"), f"--config={configuration}"], healthy)

    def containerd(self, pause_image: str) -> Service:
        """The container runtime, with a socket, state and data of its own."""
        cni = self.folder / "cni"
        cni.mkdir(exist_ok=True)
        write_if_changed(cni / "10-bridge.conflist", json.dumps(self._cni_configuration(), indent=2))
        configuration = self.folder / "containerd.toml"
        write_if_changed(
            configuration,
            f"""\
version = 2
root = "{self._sandbox.folder / "containerd"}"
state = "{self._sandbox.runtime / "containerd"}"

[grpc]
  address = "{self._containerd_socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause_image}"
  # Without CAP_SYS_RESOURCE no process may lower its score, and every pod would die at its start.
  restrict_oom_score_adj = true
  disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{self._programs.cni_plugins}"
  conf_dir = "{cni}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
""",
        )
        return self._service(
            "containerd",
            [self._programs.program("containerd"), "--config", str(configuration)],
            self._containerd_health,
        )

    def _containerd_health(self) -> str | None:
        """A socket's file outlives a killed process; only one that somebody listens on can be connected to."""
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(self._containerd_socket))
            except OSError as error:
                return error.strerror
        return None

    def _cni_configuration(self) -> dict[str, object]:
        bridge = {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.folder / "cni-addresses"),
                "ranges": [[{"subnet": self._namespaces.pod_range}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        return {"cniVersion": "0.4.0", "name": "converge", "plugins": [bridge]}
