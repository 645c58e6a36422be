import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
import yaml

from components.cluster_entry import DEPLOYED, Kind, may_deploy
from components.rights import NotReachableError, NotYetError
from tests.unit.components.local_server import Answer, Asked, LocalServer

PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class ApiServer:
    """Allows everything but what a test forbids."""

    def __init__(self) -> None:
        self.forbidden: set[tuple[str, str]] = set()
        self.instead: Answer | None = None
        self.server = LocalServer(self._answer)

    def _answer(self, asked: Asked) -> Answer:
        if self.instead:
            return self.instead
        wanted = asked.document["spec"]["resourceAttributes"]
        allowed = (wanted["verb"], wanted["resource"]) not in self.forbidden
        return Answer(status=201, body={**asked.document, "status": {"allowed": allowed, "reason": "Access allowed by Azure RBAC"}})

    @property
    def kubeconfig(self) -> str:
        return kubeconfig_of(self.server.url)


def kubeconfig_of(server: str, user: dict[str, Any] | None = None) -> str:
    document = {
        "clusters": [{"name": "ours", "cluster": {"server": server}}],
        "contexts": [{"name": "here", "context": {"cluster": "ours", "user": "us"}}],
        "current-context": "here",
        "users": [{"name": "us", "user": user or {"token": "a-secret"}}],
    }
    return yaml.safe_dump(document)


@pytest.fixture
def cluster() -> Iterator[ApiServer]:
    made = ApiServer()
    with made.server.running():
        yield made


def test_it_asks_for_what_a_service_consists_of(cluster: ApiServer):
    may_deploy(cluster.kubeconfig)
    reviews = [asked.document for asked in cluster.server.asked]
    attributes = [review["spec"]["resourceAttributes"] for review in reviews]
    assert [(one["verb"], one["group"], one["resource"]) for one in attributes] == [
        (verb, kind.group, kind.resource) for kind in DEPLOYED for verb in ("create", "patch")
    ]
    assert {(asked.method, asked.path, asked.headers["Authorization"]) for asked in cluster.server.asked} == {("POST", PATH, "Bearer a-secret")}
    assert {(review["apiVersion"], review["kind"]) for review in reviews} == {("authorization.k8s.io/v1", "SelfSubjectAccessReview")}


def test_more_kinds_can_be_asked_for(cluster: ApiServer):
    may_deploy(cluster.kubeconfig, [Kind("gateways", "networking.istio.io")])
    assert cluster.server.asked[0].document["spec"]["resourceAttributes"] == {"verb": "create", "group": "networking.istio.io", "resource": "gateways"}


def test_what_is_refused_is_named(cluster: ApiServer):
    cluster.forbidden = {("create", "namespaces"), ("patch", "deployments")}
    with pytest.raises(NotYetError) as error:
        may_deploy(cluster.kubeconfig)
    assert str(error.value) == f"{cluster.server.host} does not let us create namespaces, patch deployments"
    assert not isinstance(error.value, NotReachableError)


@pytest.mark.parametrize("status", [401, 403])
def test_a_cluster_that_does_not_know_us_yet_is_asked_again(cluster: ApiServer, status: int):
    cluster.instead = Answer(status=status, body={"kind": "Status"})
    with pytest.raises(NotYetError) as error:
        may_deploy(cluster.kubeconfig)
    assert str(error.value) == f"{cluster.server.host} answers {status}: it does not know us"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_cluster_cannot_be_asked(cluster: ApiServer, status: int):
    cluster.instead = Answer(status=status, body="busy")
    with pytest.raises(NotReachableError, match=f"answers {status}$"):
        may_deploy(cluster.kubeconfig)


@pytest.mark.parametrize(
    "answer", [Answer(status=404, body={}), Answer(status=201, body="<html>"), Answer(status=201, body={}), Answer(status=201, body=[]), Answer(status=302)]
)
def test_what_is_no_cluster_ends_the_update(cluster: ApiServer, answer: Answer):
    cluster.instead = answer
    with pytest.raises(pulumi.RunError) as error:
        may_deploy(cluster.kubeconfig)
    assert str(error.value) == f"{cluster.server.host} answers {answer.status} to the question what we may do there; is it a Kubernetes API server?"


def test_a_cluster_out_of_reach_is_told():
    with pytest.raises(NotReachableError, match=r"^127\.0\.0\.1:9 cannot be reached: .*refused"):
        may_deploy(kubeconfig_of("https://127.0.0.1:9"))


def test_a_simulated_cluster_is_not_asked_and_nobody_logs_in():
    login = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "kubelogin-that-nobody-has"}}
    may_deploy(kubeconfig_of("https://ours.hcp.westeurope.azmk8s.io.invalid:443", login))
    with pytest.raises(pulumi.RunError, match="which is not on PATH"):
        may_deploy(kubeconfig_of("https://ours.hcp.westeurope.azmk8s.io:443", login))


def test_no_error_has_the_token_in_it(cluster: ApiServer):
    cluster.instead = Answer(status=401, body=json.dumps({"sent": "a-secret"}))
    with pytest.raises(NotYetError) as error:
        may_deploy(cluster.kubeconfig)
    assert "a-secret" not in str(error.value)
