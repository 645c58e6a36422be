"""Every resource type that the simulation knows."""

from local_azure.arm.spec import ResourceType
from local_azure.arm.types import authorization, containerregistry, containerservice, managedidentity, resources, storage

ALL: dict[str, ResourceType] = {
    known.pulumi_type: known for module in (resources, storage, containerregistry, managedidentity, authorization, containerservice) for known in module.TYPES
}
