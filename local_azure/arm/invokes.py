"""Functions: what a program asks ARM for besides resources."""

import base64
import json
from collections.abc import Callable
from typing import Any

from local_azure.arm.errors import ArmError
from local_azure.arm.resources import Resources
from local_azure.arm.spec import Properties
from local_azure.arm.types import ALL
from local_azure.arm.types.containerservice import MANAGED_CLUSTER
from local_azure.sandbox import PRINCIPAL_ID

_AKS_SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""Application id of AKS's own Entra server, the same in every tenant (Microsoft Learn, kubelogin authentication)."""


def answer(token: str, arguments: Properties, resources: Resources) -> Properties:
    """The result of a function.

    Raises:
        ArmError: the simulation does not know it, or what it asks for does not exist.
    """
    known: dict[str, Callable[[Properties, Resources], Properties]] = {
        "azure-native:authorization:getClientConfig": _client_config,
        "azure-native:containerservice:listManagedClusterUserCredentials": _user_credentials,
    }
    if token in known:
        return known[token](arguments, resources)
    resource = token.replace(":get", ":", 1)
    if ":get" in token and resource in ALL:
        found = resources.get(ALL[resource], arguments)
        return {**resources.answer(found), "id": found["id"]}
    raise ArmError("FunctionNotSimulated", f"The simulated Azure does not know {token}. It knows {', '.join(sorted(known))} and the getters of its types.")


def _client_config(_arguments: Properties, resources: Resources) -> Properties:
    return {"clientId": PRINCIPAL_ID, "objectId": PRINCIPAL_ID, "subscriptionId": resources.context.subscription_id, "tenantId": resources.context.tenant_id}


def _user_credentials(arguments: Properties, resources: Resources) -> Properties:
    cluster = resources.get(MANAGED_CLUSTER, arguments)
    kubeconfig = resources.context.services.kubeconfig() or base64.b64encode(json.dumps(_entra_kubeconfig(cluster)).encode()).decode()
    return {"kubeconfigs": [{"name": "clusterUser", "value": kubeconfig}]}


def _entra_kubeconfig(cluster: dict[str, Any]) -> dict[str, Any]:
    """What AKS gives for a cluster with Entra login: no secret, a command that fetches a token."""
    name = cluster["inputs"]["resourceName"]
    login = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "kubelogin",
        "args": ["get-token", "--environment", "AzurePublicCloud", "--server-id", _AKS_SERVER, "--login", "devicecode"],
        "provideClusterInfo": False,
    }
    user = f"clusterUser_{cluster['inputs']['resourceGroupName']}_{name}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"https://{cluster['outputs']['fqdn']}:443"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
        "users": [{"name": user, "user": {"exec": login}}],
    }
