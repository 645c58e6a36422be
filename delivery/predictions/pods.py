"""The objects in which two images run side by side for a minute: a namespace that closes itself off, and a pod and a Service for each."""

from typing import Any

OLD, NEW = "old", "new"
PORT = 8080
OWNER = {"app.kubernetes.io/managed-by": "converge-predictions"}
CONTAINER = "app"
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
    probe = {"httpGet": {"path": "/v2/health/ready", "port": PORT}, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 3}
    container = {
        "name": CONTAINER,
        "image": image,
        "ports": [{"containerPort": PORT}],
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "64Mi"},
            "limits": {"cpu": "1", "memory": memory, "ephemeral-storage": "256Mi"},
        },
        "readinessProbe": probe,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the pod's own
    }
    spec = {
        "serviceAccountName": "nobody",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "activeDeadlineSeconds": _LIVES_SECONDS,
        # Nobody else asks them anything.
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": _USER, "runAsGroup": _USER, "fsGroup": _USER, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": {**OWNER, "side": name}}, "spec": spec}


def _service(namespace: str, name: str) -> dict[str, Any]:
    spec = {"type": "ClusterIP", "selector": {"side": name}, "ports": [{"port": PORT, "targetPort": PORT}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace, "labels": OWNER}, "spec": spec}
