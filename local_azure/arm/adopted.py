"""Resources that a stack adopts: others made them, so the simulation has never seen them, and must still answer without credentials.

What a getter gives for them is assumed: computed from the parts of the id, with `azureApiVersion: assumed` as its mark.
"""

import json
from pathlib import Path
from typing import Any

from filelock import FileLock

from local_azure.arm.errors import ArmError
from local_azure.arm.spec import Context, Properties, ResourceType, drawn_id

_LOCATION = "westeurope"
_ADDON = "azureKeyvaultSecretsProvider"


class Adopted:
    """The ids of what exists although the simulation did not make it: `adopted.json` beside its resources, a list that people may write, too."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "adopted.json"
        self._lock = FileLock(folder / "adopted.lock")

    def has(self, identifier: str) -> bool:
        """Whether a resource, or something that lies in it, is one of them."""
        wanted = identifier.lower()
        return any(one == wanted or one.startswith(f"{wanted}/") for one in map(str.lower, self._read()))

    def add(self, identifier: str) -> None:
        """Notes a resource; one that is noted already is not written again."""
        with self._lock:
            known = self._read()
            if identifier.lower() not in map(str.lower, known):
                partial = self._path.with_suffix(".tmp")
                partial.write_text(json.dumps([*known, identifier], indent=1) + "\n")
                partial.replace(self._path)

    def _read(self) -> list[str]:
        if not self._path.exists():
            return []
        try:
            found = json.loads(self._path.read_text())
        except json.JSONDecodeError:
            found = None
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise ArmError("AdoptedListInvalid", f"{self._path} must be a JSON list of resource ids; mend it, or remove it and preview again.")
        return found


def assumed(kind: ResourceType, context: Context, arguments: Properties) -> dict[str, Any]:
    """A record of a resource that is not in the simulation, as plausible as its id allows."""
    identifier = kind.id_of(context, arguments)
    inputs = {**_place(kind), **_body(kind, context, identifier), **{name: value for name, value in arguments.items() if name in kind.properties}}
    if kind.fixed_name:
        inputs[kind.name_property] = kind.fixed_name
    outputs = {**kind.compute(context, identifier, inputs), "azureApiVersion": "assumed"}
    return {"id": identifier, "token": kind.pulumi_type, "inputs": inputs, "outputs": outputs, "urn": ""}


def _place(kind: ResourceType) -> Properties:
    return {"location": _LOCATION} if "location" in kind.properties else {}


def _body(kind: ResourceType, context: Context, identifier: str) -> Properties:
    """What a resource of the type certainly has, and what our stacks look at."""
    name = identifier.rsplit("/", 1)[-1]
    node_group = f"/subscriptions/{context.subscription_id}/resourceGroups/MC_{name}"
    known: dict[str, Properties] = {
        "azure-native:storage:StorageAccount": {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}},
        "azure-native:containerregistry:Registry": {"sku": {"name": "Premium"}},
        "azure-native:keyvault:Vault": {
            "properties": {"tenantId": context.tenant_id, "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": True}
        },
        "azure-native:keyvault:Key": {"properties": {}},
        "azure-native:containerservice:ManagedCluster": {
            "disableLocalAccounts": True,
            "oidcIssuerProfile": {"enabled": True},
            "identityProfile": {"kubeletidentity": _identity(node_group, f"{name}-agentpool")},
            "addonProfiles": {_ADDON: {"enabled": True, "identity": _identity(node_group, f"{_ADDON.lower()}-{name}")}},
        },
    }
    return known.get(kind.pulumi_type, {})


def _identity(group: str, name: str) -> dict[str, str]:
    identifier = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    return {"resourceId": identifier, "clientId": drawn_id(identifier, "client"), "objectId": drawn_id(identifier, "principal")}
