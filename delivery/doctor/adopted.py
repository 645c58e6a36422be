"""What exists already and the stack uses: whether it is there, and whether one may do to it what the stack does."""

from collections.abc import Sequence
from typing import NamedTuple

from delivery.azure import permissions
from delivery.azure.errors import RefusedError
from delivery.azure.roles import BuiltIn
from delivery.doctor.context import Context
from delivery.doctor.findings import Finding, failure, ok

_GRANT = ("Microsoft.Authorization/roleAssignments/write", BuiltIn.RBAC_ADMINISTRATOR)
_JOIN = ("Microsoft.Network/virtualNetworks/subnets/join/action", BuiltIn.NETWORK_CONTRIBUTOR)
_NAME = ("Microsoft.Network/privateDnsZones/join/action", BuiltIn.NETWORK_CONTRIBUTOR)


class _Adopted(NamedTuple):
    """A key that names a resource."""

    key: str
    api_version: str
    needs: tuple[tuple[str, BuiltIn], ...]
    """Actions on it in an update, each with the role that gives it."""


_KEYS = (
    _Adopted("converge:modelStorage.accountId", "2024-01-01", (_GRANT,)),
    _Adopted("converge:registry.registryId", "2023-07-01", (_GRANT,)),
    _Adopted("converge:cluster.clusterId", "2025-05-01", (_GRANT,)),
    _Adopted("converge:network.nodeSubnetId", "2024-05-01", (_JOIN, _GRANT)),
    _Adopted("converge:network.apiServerSubnetId", "2024-05-01", (_JOIN, _GRANT)),
    _Adopted("converge:network.endpointSubnetId", "2024-05-01", (_JOIN,)),
    _Adopted("converge:network.blobZoneId", "2024-06-01", (_NAME,)),
    _Adopted("converge:network.registryZoneId", "2024-06-01", (_NAME,)),
    _Adopted("converge:ingress.keyVaultId", "2024-11-01", (_GRANT,)),
    *(_Adopted(f"converge:{part}.resourceGroupId", "2024-03-01", ()) for part in ("network", "modelStorage", "registry", "cluster", "monitoring")),
)


def check(context: Context) -> Sequence[Finding]:
    """One finding per key that names something; none where the stack makes everything itself."""
    return [_look_at(context, adopted, identifier) for adopted in _KEYS if (identifier := str(context.file.get(adopted.key, default="")))]


def _look_at(context: Context, adopted: _Adopted, identifier: str) -> Finding:
    name = f"existing {adopted.key.removeprefix('converge:')}"
    mend = f"az resource show --ids {identifier}; correct it in {context.file.path.name}"
    try:
        found = context.arm.get(identifier, adopted.api_version)
    except RefusedError as refused:
        return failure(name, f"the login does not see it: {refused}", mend)
    if found is None:
        return failure(name, f"{identifier} is not there, or the login does not see it", mend)
    if context.plans_only or not adopted.needs:
        return ok(name, "it is there")
    have = permissions.at(context.arm, identifier)
    missing = [(action, role) for action, role in adopted.needs if not permissions.allows(have, action)]
    if not missing:
        return ok(name, "it is there, and may be used")
    commands = " && ".join(
        f'az role assignment create --assignee {context.caller.object_id} --role "{role.title}" --scope {identifier}'
        for role in dict.fromkeys(role for _, role in missing)
    )
    return failure(name, f"{', '.join(action for action, _ in missing)} is missing; its owner gives it", commands)
