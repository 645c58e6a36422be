"""The objects in which two images run side by side for a minute: a namespace that closes itself off, and a pod and a Service for each."""

from typing import Any

OLD, NEW = "old", "new"
PORT = 8080
FILES_PORT = 8081
OWNER = {"app.kubernetes.io/managed-by": "converge-predictions"}
_FILES = (
    "import http.server, os; os.chdir(os.environ.get('MODEL_DIR', '/srv/model')); "
    f"http.server.ThreadingHTTPServer(('', {FILES_PORT}), http.server.SimpleHTTPRequestHandler).serve_forever()"
)
"""Serves what the image knows of its model. `kubectl exec` would do, and is a right that few have."""
_USER = 65532
_LIVES_SECONDS = 1800
"""A pod that nobody deletes ends by then."""


def objects(namespace: str, images: dict[str, str], memory: str) -> dict[str, Any]:
    """Everything, for `kubectl apply`.

    Args:
        images: by name of the pod.
        memory: that a pod may use.
    """
    items = [_namespace(namespace), _account(namespace), _no_way_out(namespace)]
    for name, image in images.items():
        items += [_pod(namespace, name, image, memory), _service(namespace, name)]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _namespace(namespace: str) -> dict[str, Any]:
    labels = {**OWNER, **{f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}


def _account(namespace: str) -> dict[str, Any]:
    """Of its own: the namespace's default one is made a moment later, and pods are refused until then."""
    metadata = {"name": "nobody", "namespace": namespace, "labels": OWNER}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False}


def _no_way_out(namespace: str) -> dict[str, Any]:
    """The model is in the image, so the pods need nobody. Ingress stays open: the API server comes from an address that differs per cluster."""
    spec = {"podSelector": {}, "policyTypes": ["Egress"]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "no-way-out", "namespace": namespace}, "spec": spec}


def _pod(namespace: str, name: str, image: str, memory: str) -> dict[str, Any]:
    app = {**_container("app", image, memory, PORT), "readinessProbe": _probe({"httpGet": {"path": "/v2/health/ready", "port": PORT}})}
    files = {**_container("files", image, "128Mi", FILES_PORT), "readinessProbe": _probe({"tcpSocket": {"port": FILES_PORT}})}
    files["command"] = ["python3", "-c", _FILES]
    spec = {
        "serviceAccountName": "nobody",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "activeDeadlineSeconds": _LIVES_SECONDS,
        # Nobody else asks them anything.
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": _USER, "runAsGroup": _USER, "fsGroup": _USER, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [app, files],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": {**OWNER, "side": name}}, "spec": spec}


def _container(name: str, image: str, memory: str, port: int) -> dict[str, Any]:
    requests = {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "64Mi"}
    return {
        "name": name,
        "image": image,
        "ports": [{"containerPort": port}],
        "resources": {"requests": requests, "limits": {"cpu": "1", "memory": memory, "ephemeral-storage": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # Its last words are in the pod's state then, for who may not read logs.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the pod's own
    }


def _probe(how: dict[str, Any]) -> dict[str, Any]:
    return {**how, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 3}


def _service(namespace: str, name: str) -> dict[str, Any]:
    ports = [{"name": what, "port": port, "targetPort": port} for what, port in (("http", PORT), ("files", FILES_PORT))]
    spec = {"type": "ClusterIP", "selector": {"side": name}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace, "labels": OWNER}, "spec": spec}
