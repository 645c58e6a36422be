"""How a service is reached from outside the cluster: with TLS and a token of Entra, through a gateway of AKS' Istio, and in no other way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes import apiextensions, apps, core, meta

from components import azure_ids

GATEWAY_NAMESPACE = "aks-istio-ingress"
"""AKS' own, where its gateways run."""
_GATEWAYS = {"internet": "aks-istio-ingressgateway-external", "network": "aks-istio-ingressgateway-internal"}
"""Value of the label `istio` at the gateways' pods (learn.microsoft.com/azure/aks/istio-deploy-ingress)."""
_LOGIN = "https://login.microsoftonline.com"
_FIRST_ISSUER = "https://sts.windows.net"
_HTTPS = 443
_USER = 65532
_WAITING = ["python", "-c", "import signal; signal.pause()"]


@dataclass(frozen=True, kw_only=True)
class ServiceAccessArgs:
    """What a way in needs to know."""

    namespace: pulumi.Input[str]
    """Namespace of the service."""
    service_name: pulumi.Input[str]
    """Name of the service in it."""
    port: pulumi.Input[int]
    """Its port."""
    exposure: str
    """`network` or `internet`. Plain."""
    host: str
    """DNS name that callers use. Whoever owns the zone points it at the gateway's address."""
    certificate: str
    """Name of the certificate for the host in the key vault."""
    key_vault_id: str
    """Azure resource id of the key vault."""
    vault_reader: pulumi.Input[str]
    """Client id of the cluster's identity that may read the vault. Known only once it may."""
    tenant_id: pulumi.Input[str]
    """Entra tenant that issues the callers' tokens."""
    audience: str
    """Application that the tokens must be issued for."""
    image: pulumi.Input[str]
    """Any image of ours with Python in it, by digest, for the pod that keeps the certificate fresh."""

    def __post_init__(self) -> None:
        if self.exposure not in _GATEWAYS:
            raise pulumi.InputPropertyError("exposure", f"is {self.exposure!r}; a way in is from network or internet")


class ServiceAccess(pulumi.ComponentResource):
    """A host with a certificate, at which only callers with a valid token get through."""

    url: pulumi.Output[str]
    """https://<host>"""

    def __init__(self, name: str, args: ServiceAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:index:ServiceAccess", name, None, opts)
        certificate = self._certificate(name, args)
        # Who may come in is settled before anybody can.
        tokens = self._object(name, "security.istio.io/v1", "RequestAuthentication", GATEWAY_NAMESPACE, _tokens(args))
        doors = self._object(name, "security.istio.io/v1", "AuthorizationPolicy", GATEWAY_NAMESPACE, _doors(args))
        gateway = self._object(name, "networking.istio.io/v1", "Gateway", args.namespace, _gateway(name, args), certificate, tokens, doors)
        self._object(name, "networking.istio.io/v1", "VirtualService", args.namespace, _route(name, args), gateway)
        self.url = pulumi.Output.from_input(f"https://{args.host}")
        self.register_outputs({"url": self.url})

    def _object(
        self, name: str, version: str, kind: str, namespace: pulumi.Input[str], spec: Mapping[str, Any], *needed: pulumi.Resource
    ) -> apiextensions.CustomResource:
        return apiextensions.CustomResource(
            f"{name}-{kind.lower()}",
            api_version=version,
            kind=kind,
            metadata=_metadata(name, namespace),
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(needed)),
        )

    def _certificate(self, name: str, args: ServiceAccessArgs) -> apps.v1.Deployment:
        """A Secret with the vault's certificate exists, and is renewed, as long as a pod mounts it (learn.microsoft.com/azure/aks/istio-secure-gateway)."""
        provider = self._object(name, "secrets-store.csi.x-k8s.io/v1", "SecretProviderClass", GATEWAY_NAMESPACE, _vault(name, args))
        return apps.v1.Deployment(
            f"{name}-certificate",
            metadata=_metadata(f"{name}-certificate", GATEWAY_NAMESPACE),
            spec=_keeper(name, args),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[provider]),
        )


def _metadata(name: str, namespace: pulumi.Input[str]) -> meta.v1.ObjectMetaArgs:
    return meta.v1.ObjectMetaArgs(
        name=name,
        namespace=namespace,
        labels={"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "pulumi"},
        annotations={"pulumi.com/patchFieldManager": "converge"},
    )


def _selector(args: ServiceAccessArgs) -> dict[str, str]:
    return {"istio": _GATEWAYS[args.exposure]}


def _secret(name: str) -> str:
    return f"{name}-certificate"


def _gateway(name: str, args: ServiceAccessArgs) -> dict[str, Any]:
    server = {
        "port": {"number": _HTTPS, "name": "https", "protocol": "HTTPS"},
        "hosts": [args.host],
        "tls": {"mode": "SIMPLE", "credentialName": _secret(name), "minProtocolVersion": "TLSV1_2"},
    }
    return {"selector": _selector(args), "servers": [server]}


def _route(name: str, args: ServiceAccessArgs) -> dict[str, Any]:
    service = pulumi.Output.concat(args.service_name, ".", args.namespace, ".svc.cluster.local")
    return {"hosts": [args.host], "gateways": [name], "http": [{"route": [{"destination": {"host": service, "port": {"number": args.port}}}]}]}


def _tokens(args: ServiceAccessArgs) -> dict[str, Any]:
    """What a valid token is; one that is not valid is refused here, one that is missing by the doors.

    Entra has two versions, and the application's registration chooses: in the first the audience is its URI, in the second always its id.
    """
    login = pulumi.Output.concat(_LOGIN, "/", args.tenant_id)
    first = {"issuer": pulumi.Output.concat(_FIRST_ISSUER, "/", args.tenant_id, "/"), "jwksUri": pulumi.Output.concat(login, "/discovery/keys")}
    second = {"issuer": pulumi.Output.concat(login, "/v2.0"), "jwksUri": pulumi.Output.concat(login, "/discovery/v2.0/keys")}
    return {"selector": {"matchLabels": _selector(args)}, "jwtRules": [{**version, "audiences": [args.audience]} for version in (first, second)]}


def _doors(args: ServiceAccessArgs) -> dict[str, Any]:
    """Refuses whoever has no token, and whoever has one for another service behind the same gateway."""
    here = {"operation": {"hosts": [args.host, f"{args.host}:*"]}}
    nobody = {"from": [{"source": {"notRequestPrincipals": ["*"]}}], "to": [here]}
    others = {"to": [here], "when": [{"key": "request.auth.audiences", "notValues": [args.audience]}]}
    return {"selector": {"matchLabels": _selector(args)}, "action": "DENY", "rules": [nobody, others]}


def _vault(name: str, args: ServiceAccessArgs) -> dict[str, Any]:
    # What the vault calls secret is a certificate with its key.
    wanted = f"array:\n  - |\n    objectName: {args.certificate}\n    objectType: secret\n"
    keys = [{"objectName": args.certificate, "key": key} for key in ("tls.key", "tls.crt")]
    return {
        "provider": "azure",
        "secretObjects": [{"secretName": _secret(name), "type": "kubernetes.io/tls", "data": keys}],
        "parameters": {
            "useVMManagedIdentity": "true",
            "userAssignedIdentityID": args.vault_reader,
            "keyvaultName": azure_ids.name(args.key_vault_id),
            "tenantId": args.tenant_id,
            "objects": wanted,
        },
    }


def _keeper(name: str, args: ServiceAccessArgs) -> apps.v1.DeploymentSpecArgs:
    labels = {"app.kubernetes.io/name": f"{name}-certificate"}
    return apps.v1.DeploymentSpecArgs(
        replicas=1,
        selector=meta.v1.LabelSelectorArgs(match_labels=labels),
        template=core.v1.PodTemplateSpecArgs(metadata=meta.v1.ObjectMetaArgs(labels=labels), spec=_keeper_pod(name, args)),
    )


def _keeper_pod(name: str, args: ServiceAccessArgs) -> core.v1.PodSpecArgs:
    vault = core.v1.CSIVolumeSourceArgs(driver="secrets-store.csi.k8s.io", read_only=True, volume_attributes={"secretProviderClass": name})
    small = {"cpu": "100m", "memory": "100Mi"}
    container = core.v1.ContainerArgs(
        name="keeper",
        image=args.image,
        command=_WAITING,
        resources=core.v1.ResourceRequirementsArgs(requests=small, limits=small),
        security_context=core.v1.SecurityContextArgs(
            allow_privilege_escalation=False, read_only_root_filesystem=True, run_as_non_root=True, capabilities=core.v1.CapabilitiesArgs(drop=["ALL"])
        ),
        volume_mounts=[core.v1.VolumeMountArgs(name="certificate", mount_path="/certificate", read_only=True)],
    )
    return core.v1.PodSpecArgs(
        automount_service_account_token=False,
        enable_service_links=False,
        security_context=core.v1.PodSecurityContextArgs(
            run_as_non_root=True, run_as_user=_USER, run_as_group=_USER, seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault")
        ),
        containers=[container],
        volumes=[core.v1.VolumeArgs(name="certificate", csi=vault)],
    )
