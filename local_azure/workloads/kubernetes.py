"""What the kubernetes plugin adds, names and replaces (version 4; its table is in provider/pkg/provider/diff.go)."""

from typing import Any

from local_azure.arm.wire import UNKNOWN
from local_azure.differences import lies_in
from local_azure.workloads.provider import Properties, WorkloadProvider, text_at

_NOT_OBJECTS = ("kubernetes:helm.sh", "kubernetes:yaml", "kubernetes:kustomize")
_CLUSTER_WIDE = frozenset(
    [
        "APIService",
        "CSIDriver",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "GatewayClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    ]
)
_IDENTITY = ("metadata.name", "metadata.namespace", "apiVersion", "kind")
_REPLACED = {
    "ClusterRoleBinding": ("roleRef",),
    "ConfigMap": ("data", "binaryData"),
    "DaemonSet": ("spec.selector",),
    "Deployment": ("spec.selector",),
    "Job": ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"),
    "ResourceQuota": ("spec.scopes",),
    "RoleBinding": ("roleRef",),
    "Secret": ("type", "data", "stringData"),
    "Service": ("spec.clusterIP",),
    "StatefulSet": ("spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"),
    "StorageClass": ("parameters", "provisioner"),
}


class KubernetesProvider(WorkloadProvider):
    """Objects of one cluster."""

    name = "kubernetes"

    def knows(self, token: str) -> bool:
        """Objects; not charts and manifests, which the plugin renders with the cluster's help."""
        return not token.startswith(_NOT_OBJECTS)

    def filled_in(self, token: str, inputs: Properties, drawn: str) -> Properties:
        """A name is drawn for an object that has none."""
        metadata = inputs.get("metadata")
        metadata = dict(metadata) if isinstance(metadata, dict) else {}
        if "name" not in metadata and "generateName" not in metadata:
            metadata["name"] = f"{_kind_of(token).lower()}-{drawn}"
            metadata["annotations"] = {**metadata.get("annotations", {}), "pulumi.com/autonamed": "true"}
        return {**inputs, "metadata": metadata}

    def identifier(self, token: str, inputs: Properties) -> str:
        """`<namespace>/<name>`, or the name alone where there is no namespace."""
        name = text_at(inputs, "metadata", "name")
        return name if _kind_of(token) in _CLUSTER_WIDE else f"{text_at(inputs, 'metadata', 'namespace') or 'default'}/{name}"

    def replaces(self, token: str, path: str) -> bool:
        """Identity, and what the API server refuses to change."""
        return lies_in(path, (*_IDENTITY, *_REPLACED.get(_kind_of(token), ())))

    def deleted_first(self, before: Properties, after: Properties) -> bool:
        """The same name in the same namespace can only be taken once."""
        return all(text_at(before, "metadata", name) == text_at(after, "metadata", name) for name in ("name", "namespace"))

    def provider_replaces(self, before: Properties, after: Properties) -> list[str]:
        """Another cluster. With `clusterIdentifier` only that counts; without it a kubeconfig that reads differently may be another cluster."""
        old, new = before.get("clusterIdentifier"), after.get("clusterIdentifier")
        if old and new:
            return [] if _surely_same(old, new) else ["clusterIdentifier"]
        return [name for name in ("kubeconfig", "context", "cluster") if not _surely_same(before.get(name), after.get(name))]


def _kind_of(token: str) -> str:
    return token.rpartition(":")[2]


def _surely_same(before: Any, after: Any) -> bool:
    return before == after and after != UNKNOWN
