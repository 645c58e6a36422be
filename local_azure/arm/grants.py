"""Role assignments that are in effect, and the ones without which Azure refuses a resource."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local_azure.arm.errors import ArmError
from local_azure.arm.faults import Faults
from local_azure.arm.spec import Properties

_ASSIGNMENT = "azure-native:authorization:RoleAssignment"
_OPERATOR = "f1a07417-d97a-45cb-824c-7a7467783830"
_NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
_ZONE_CONTRIBUTOR = "b12aa53e-6015-4669-85d0-8515ebb3ae7f"
_EVERYTHING = frozenset({"b24988ac-6180-42a0-ab88-20f7382dd24c", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"})
"""Contributor and Owner: they hold the actions of every role that is asked for here."""
_KUBELET_DOCS = "https://learn.microsoft.com/en-us/azure/aks/use-managed-identity#add-role-assignment"

Records = Mapping[str, Mapping[str, Any]]
"""The resources of the simulated Azure by lower-case id."""


@dataclass(frozen=True)
class Need:
    """A grant without which a create or update is refused, and what Azure then answers."""

    principal: str
    role: str
    scope: str
    refusal: ArmError


def in_effect(records: Records, faults: Faults, principal: str, role: str, scope: str) -> bool:
    """Whether a principal has a role on a scope now: assigned there or above, and long enough ago."""
    return any(
        faults.time.since(record.get("at", 0.0)) >= late
        for record in records.values()
        if record["token"] == _ASSIGNMENT and _gives(record["inputs"], principal, role, scope)
        if (late := faults.late(_role_of(record["inputs"]), record["inputs"]["scope"])) is not None
    )


def _gives(assignment: Mapping[str, Any], principal: str, role: str, scope: str) -> bool:
    above = f"{assignment['scope'].rstrip('/').lower()}/"
    return assignment["principalId"] == principal and _role_of(assignment) in {role, *_EVERYTHING} and f"{scope.lower()}/".startswith(above)


def _role_of(assignment: Mapping[str, Any]) -> str:
    return assignment["roleDefinitionId"].rsplit("/", 1)[-1].lower()


def missing(pulumi_type: str, identifier: str, inputs: Properties, records: Records, faults: Faults) -> ArmError | None:
    """Azure's refusal of a resource whose identity lacks a grant that is in effect; None when it lacks none."""
    needs = {
        "azure-native:containerservice:ManagedCluster": _of_cluster,
        "azure-native:containerservice:AgentPool": _of_pool,
    }.get(pulumi_type)
    if needs is None:
        return None
    return next((need.refusal for need in needs(identifier, inputs, records) if not in_effect(records, faults, need.principal, need.role, need.scope)), None)


def _of_cluster(identifier: str, inputs: Properties, records: Records) -> Iterator[Need]:
    kubelet = (inputs.get("identityProfile") or {}).get("kubeletidentity") or {}
    pools = inputs.get("agentPoolProfiles") or []
    access = inputs.get("apiServerAccessProfile") or {}
    api_server, zone = access.get("subnetId"), access.get("privateDNSZone") or ""
    for principal in _control_plane(inputs, records):
        if scope := kubelet.get("resourceId"):
            yield Need(principal, _OPERATOR, scope, _no_kubelet_identity())
        for subnet in dict.fromkeys(subnet for pool in pools for subnet in (pool.get("vnetSubnetID"), pool.get("podSubnetID")) if subnet):
            yield Need(principal, _NETWORK_CONTRIBUTOR, subnet, _no_join(principal, identifier, subnet, "join"))
        if api_server:
            yield Need(principal, _NETWORK_CONTRIBUTOR, api_server, _no_join(principal, identifier, api_server, "joinLoadBalancer"))
        # `system` and `none` are no zones.
        if zone.startswith("/"):
            yield Need(principal, _ZONE_CONTRIBUTOR, zone, _no_zone(zone))


def _of_pool(identifier: str, inputs: Properties, records: Records) -> Iterator[Need]:
    cluster = records.get(identifier.rsplit("/", 2)[0].lower())
    for principal in _control_plane(cluster["inputs"], records) if cluster else ():
        for subnet in dict.fromkeys(subnet for subnet in (inputs.get("vnetSubnetID"), inputs.get("podSubnetID")) if subnet):
            yield Need(principal, _NETWORK_CONTRIBUTOR, subnet, _no_join(principal, identifier, subnet, "join"))


def _control_plane(inputs: Properties, records: Records) -> Iterator[str]:
    """Principals of a cluster's own identities. One that lies outside of the simulation may have been granted anything."""
    for identity in (inputs.get("identity") or {}).get("userAssignedIdentities") or ():
        if record := records.get(identity.lower()):
            yield record["outputs"]["principalId"]


def _no_kubelet_identity() -> ArmError:
    words = (
        "The cluster using user-assigned managed identity must be granted 'Managed Identity Operator' role to assign kubelet identity. You can "
        "run 'az role assignment create --assignee <control-plane-identity-principal-id> --role 'Managed Identity Operator' --scope "
        f"<kubelet-identity-resource-id>' to grant the permission. See {_KUBELET_DOCS}"
    )
    return ArmError("CustomKubeletIdentityMissingPermissionError", words, 400)


def _no_join(principal: str, identifier: str, subnet: str, action: str) -> ArmError:
    words = (
        f"The client '{principal}' with object id '{principal}' has permission to perform action 'Microsoft.ContainerService/managedClusters/write' on scope "
        f"'{identifier}'; however, it does not have permission to perform action(s) 'Microsoft.Network/virtualNetworks/subnets/{action}/action' on the linked "
        f"scope(s) '{subnet}' (respectively) or the linked scope(s) are invalid."
    )
    return ArmError("LinkedAuthorizationFailed", words, 403)


def _no_zone(zone: str) -> ArmError:
    words = (
        f"Service principal or user-assigned identity must be given permission to read and write to custom private dns zone {zone}. "
        "Check access result not allowed for action Microsoft.Network/privateDnsZones/read."
    )
    return ArmError("CustomPrivateDNSZoneMissingPermissionError", words, 400)
