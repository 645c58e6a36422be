"""Microsoft.ContainerRegistry."""

from local_azure.arm.spec import NOWHERE, Context, NameRule, Properties, ResourceType
from local_azure.arm.types.registry_rules import REGISTRY_RULES


def _registry(context: Context, _identifier: str, inputs: Properties) -> Properties:
    name = inputs["registryName"]
    return {
        "name": name,
        "type": "Microsoft.ContainerRegistry/registries",
        "provisioningState": "Succeeded",
        "creationDate": "2026-01-01T00:00:00.0000000Z",
        "loginServer": context.services.registry or f"{name.lower()}.azurecr.io{NOWHERE}",
        "dataEndpointHostNames": [],
    }


REGISTRY = ResourceType(
    pulumi_type="azure-native:containerregistry:Registry",
    arm_type="Microsoft.ContainerRegistry/registries",
    identifier="/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.ContainerRegistry/registries/{registryName}",
    name_property="registryName",
    name_rule=NameRule(pattern=r"[a-zA-Z0-9]{5,50}", words="5 to 50 letters and digits"),
    immutable=frozenset({"location", "zoneRedundancy"}),
    compute=_registry,
    unique=lambda inputs: (inputs["registryName"].lower(),),
    conflict_code="AlreadyInUse",
    rules=REGISTRY_RULES,
    unchecked="zones that a region has; replications",
    sources=("https://learn.microsoft.com/azure/container-registry/zone-redundancy",),
)

TYPES = (REGISTRY,)
