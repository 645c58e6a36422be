"""Whether we may do in a cluster what deploying needs: the cluster itself is asked (SelfSubjectAccessReview)."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pulumi

from components.kubeconfig import Kubeconfig
from components.rights import NotReachableError, NotYetError, is_simulated
from components.web import client, unreachable

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True)
class Kind:
    """Objects that are deployed: plural name and API group."""

    resource: str
    group: str = ""


DEPLOYED = (
    Kind("namespaces"),
    Kind("serviceaccounts"),
    Kind("services"),
    Kind("deployments", "apps"),
    Kind("horizontalpodautoscalers", "autoscaling"),
    Kind("poddisruptionbudgets", "policy"),
    Kind("networkpolicies", "networking.k8s.io"),
)
"""What a service consists of."""
_VERBS = ("create", "patch")
"""Server-side apply is a patch, which creates what is not there."""


def may_deploy(text: str, kinds: Sequence[Kind] = DEPLOYED) -> None:
    """A probe for `rights.proven`: passes once we may create and change all of the kinds.

    It needs no kubectl: a kubeconfig of AKS names a plugin that logs in, and what remains is one small request per kind and verb.

    Raises:
        NotYetError: the cluster does not let us, or does not know us yet.
        NotReachableError: it cannot be asked.
        RunError: there is no login, or the kubeconfig is of no use.
    """
    cluster = Kubeconfig(text)
    url = urlsplit(cluster.server)
    if is_simulated(url.hostname or ""):
        return
    access = cluster.log_in()
    with client(access.trust) as http, unreachable(url.netloc):
        http.headers.update(access.headers)
        refused = [f"{verb} {kind.resource}" for kind in kinds for verb in _VERBS if not _allowed(http, cluster.server, kind, verb)]
    if refused:
        raise NotYetError(f"{url.netloc} does not let us {', '.join(refused)}")


def _allowed(http: httpx.Client, server: str, kind: Kind, verb: str) -> bool:
    attributes = {"verb": verb, "group": kind.group, "resource": kind.resource}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
    answer = http.post(f"{server}{_REVIEWS}", json=review)
    said = f"{answer.url.netloc.decode()} answers {answer.status_code}"
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise NotYetError(f"{said}: it does not know us")
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        raise NotReachableError(said)
    try:
        return bool(answer.raise_for_status().json()["status"]["allowed"])
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
        raise pulumi.RunError(f"{said} to the question what we may do there; is it a Kubernetes API server?") from error
