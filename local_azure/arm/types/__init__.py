"""Every resource type that the simulation knows."""

from local_azure.arm.spec import ResourceType
from local_azure.arm.types import (
    alertsmanagement,
    authorization,
    containerregistry,
    containerservice,
    keyvault,
    managedidentity,
    monitor,
    network,
    operationalinsights,
    privatedns,
    resources,
    storage,
)

_MODULES = (
    *(
        resources,
        authorization,
        managedidentity,
        network,
        privatedns,
        storage,
        containerregistry,
        containerservice,
        operationalinsights,
        monitor,
        alertsmanagement,
    ),
    keyvault,
)

ALL: dict[str, ResourceType] = {known.pulumi_type: known for module in _MODULES for known in module.TYPES}
