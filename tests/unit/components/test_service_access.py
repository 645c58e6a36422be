from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
import yaml

from components.service_access import GATEWAY_NAMESPACE, ServiceAccess, ServiceAccessArgs
from tests.unit.components.recording import KUBECONFIG, SUBSCRIPTION, Recording, consume, record

IMAGE = f"convergedev.azurecr.io/digits@sha256:{'d' * 64}"
_VAULT = f"{SUBSCRIPTION}/resourceGroups/certificates/providers/Microsoft.KeyVault/vaults/certificates"
_GATEWAY = "kubernetes:networking.istio.io/v1:Gateway"
_ROUTE = "kubernetes:networking.istio.io/v1:VirtualService"
_TOKENS = "kubernetes:security.istio.io/v1:RequestAuthentication"
_DOORS = "kubernetes:security.istio.io/v1:AuthorizationPolicy"
_PROVIDER = "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass"
_KEEPER = "kubernetes:apps/v1:Deployment"
_SERVICE: dict[str, Any] = {"namespace": "digits", "service_name": "digits", "port": 80, "exposure": "network", "host": "digits.example.com"}
_CALLERS = {"tenant_id": "our-tenant", "audience": "api://digits"}
_CERTIFICATE = {"certificate": "digits-example-com", "key_vault_id": _VAULT, "vault_reader": "reader-client", "image": IMAGE}


def _args(**changes: Any) -> ServiceAccessArgs:
    return ServiceAccessArgs(**{**_SERVICE, **_CALLERS, **_CERTIFICATE, **changes})


def _recorded(*, preview: bool = False, **changes: Any) -> Recording:
    def program() -> None:
        workloads = kubernetes.Provider("workloads", kubeconfig=KUBECONFIG)
        consume(url=ServiceAccess("access", _args(**changes), pulumi.ResourceOptions(providers=[workloads])).url)

    return record(program, preview=preview)


def _spec(kind: str, **changes: Any) -> dict[str, Any]:
    return _recorded(**changes).only(kind).inputs["spec"]


def _pod() -> dict[str, Any]:
    return _spec(_KEEPER)["template"]["spec"]


def test_a_service_is_called_by_https_and_by_its_host():
    recording = _recorded()
    assert recording.outputs_of("access") == {"url": "https://digits.example.com"}
    assert recording.named("consumer").inputs == {"url": "https://digits.example.com"}


def test_every_object_has_an_explicit_name_where_the_gateway_finds_it():
    objects = {resource.type.rpartition(":")[2]: resource.inputs["metadata"] for resource in _recorded().resources if resource.type.startswith("kubernetes:")}
    assert {kind: (metadata["namespace"], metadata["name"]) for kind, metadata in objects.items()} == {
        # A gateway takes certificates and rules from its own namespace only.
        "SecretProviderClass": ("aks-istio-ingress", "access"),
        "Deployment": ("aks-istio-ingress", "access-certificate"),
        "RequestAuthentication": ("aks-istio-ingress", "access"),
        "AuthorizationPolicy": ("aks-istio-ingress", "access"),
        "Gateway": ("digits", "access"),
        "VirtualService": ("digits", "access"),
    }
    assert GATEWAY_NAMESPACE == "aks-istio-ingress"
    for metadata in objects.values():
        assert metadata["annotations"]["pulumi.com/patchFieldManager"] == "converge"
        assert metadata["labels"] == {"app.kubernetes.io/name": metadata["name"], "app.kubernetes.io/managed-by": "pulumi"}


@pytest.mark.parametrize("preview", [True, False])
def test_every_object_goes_to_the_given_cluster(preview: bool):
    recording = _recorded(preview=preview)
    provider = recording.only("pulumi:providers:kubernetes").urn
    objects = [resource for resource in recording.resources if resource.type.startswith("kubernetes:")]
    assert len(objects) == 6
    assert {resource.provider[0] for resource in objects} == {provider}


@pytest.mark.parametrize(("exposure", "gateway"), [("network", "aks-istio-ingressgateway-internal"), ("internet", "aks-istio-ingressgateway-external")])
def test_the_gateway_is_the_one_for_where_callers_are(exposure: str, gateway: str):
    recording = _recorded(exposure=exposure)
    assert recording.only(_GATEWAY).inputs["spec"]["selector"] == {"istio": gateway}
    # Rules for the other gateway would guard nothing.
    for kind in (_TOKENS, _DOORS):
        assert recording.only(kind).inputs["spec"]["selector"] == {"matchLabels": {"istio": gateway}}


def test_the_host_is_open_by_tls_only():
    (server,) = _spec(_GATEWAY)["servers"]
    assert server == {
        "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
        "hosts": ["digits.example.com"],
        "tls": {"mode": "SIMPLE", "credentialName": "access-certificate", "minProtocolVersion": "TLSV1_2"},
    }


def test_requests_go_to_the_service():
    destination = {"host": "digits.digits.svc.cluster.local", "port": {"number": 80}}
    gateway = _recorded().only(_GATEWAY).inputs["metadata"]["name"]
    assert _spec(_ROUTE) == {"hosts": ["digits.example.com"], "gateways": [gateway], "http": [{"route": [{"destination": destination}]}]}


def test_nobody_gets_in_before_it_is_settled_who_may():
    recording = _recorded()
    assert {"access-requestauthentication", "access-authorizationpolicy", "access-certificate"} <= recording.only(_GATEWAY).dependencies
    assert "access-gateway" in recording.only(_ROUTE).dependencies


def test_a_token_is_of_our_tenant_and_for_this_service_in_both_of_entras_versions():
    assert _spec(_TOKENS)["jwtRules"] == [
        {
            "issuer": "https://sts.windows.net/our-tenant/",
            "jwksUri": "https://login.microsoftonline.com/our-tenant/discovery/keys",
            "audiences": ["api://digits"],
        },
        {
            "issuer": "https://login.microsoftonline.com/our-tenant/v2.0",
            "jwksUri": "https://login.microsoftonline.com/our-tenant/discovery/v2.0/keys",
            "audiences": ["api://digits"],
        },
    ]


def test_who_has_no_token_or_one_for_another_service_is_refused():
    policy = _spec(_DOORS)
    assert policy["action"] == "DENY"
    here = [{"operation": {"hosts": ["digits.example.com", "digits.example.com:*"]}}]
    assert policy["rules"] == [
        {"from": [{"source": {"notRequestPrincipals": ["*"]}}], "to": here},
        {"to": here, "when": [{"key": "request.auth.audiences", "notValues": ["api://digits"]}]},
    ]


def test_the_certificate_comes_from_the_vault_by_the_clusters_identity():
    spec = _spec(_PROVIDER)
    objects = spec["parameters"].pop("objects")
    assert spec == {
        "provider": "azure",
        "secretObjects": [
            {
                "secretName": "access-certificate",
                "type": "kubernetes.io/tls",
                "data": [{"objectName": "digits-example-com", "key": "tls.key"}, {"objectName": "digits-example-com", "key": "tls.crt"}],
            }
        ],
        "parameters": {"useVMManagedIdentity": "true", "userAssignedIdentityID": "reader-client", "keyvaultName": "certificates", "tenantId": "our-tenant"},
    }
    # A list of documents in a document: the driver reads each by itself.
    (wanted,) = yaml.safe_load(objects)["array"]
    assert yaml.safe_load(wanted) == {"objectName": "digits-example-com", "objectType": "secret"}


def test_a_pod_that_can_do_nothing_keeps_the_certificate_fresh():
    recording = _recorded()
    keeper = recording.only(_KEEPER)
    assert "access-secretproviderclass" in keeper.dependencies
    assert keeper.inputs["spec"]["selector"]["matchLabels"] == keeper.inputs["spec"]["template"]["metadata"]["labels"]
    pod = _pod()
    assert pod["volumes"] == [
        {
            "name": "certificate",
            "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": True, "volumeAttributes": {"secretProviderClass": "access"}},
        }
    ]
    (container,) = pod["containers"]
    assert container["image"] == IMAGE
    assert container["volumeMounts"] == [{"name": "certificate", "mountPath": "/certificate", "readOnly": True}]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert container["resources"]["requests"] == container["resources"]["limits"]
    user = 65532
    assert pod["securityContext"] == {"runAsNonRoot": True, "runAsUser": user, "runAsGroup": user, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod["automountServiceAccountToken"] is False


def test_a_preview_says_where_the_service_will_be():
    assert _recorded(preview=True).outputs_of("access") == {"url": "https://digits.example.com"}


@pytest.mark.parametrize("exposure", ["cluster", "", "Internet"])
def test_a_way_in_is_from_somewhere_outside(exposure: str):
    with pytest.raises(pulumi.InputPropertyError) as error:
        _args(exposure=exposure)
    assert (error.value.property_path, error.value.reason) == ("exposure", f"is {exposure!r}; a way in is from network or internet")
