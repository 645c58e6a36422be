"""Where images are kept, as releases see it: Azure Container Registry through Azure's own library, any other registry through the OCI distribution API."""

import re

from delivery.registry.errors import NotKnownError, RegistryError
from delivery.registry.kinds import ArtifactRegistry, Contents, Manifest, Registry, StoredImage
from delivery.registry.reference import Reference, split_host

__all__ = [
    "ArtifactRegistry",
    "Contents",
    "Manifest",
    "NotKnownError",
    "Reference",
    "Registry",
    "RegistryError",
    "StoredImage",
    "open_artifacts",
    "open_registry",
    "split_host",
]

_AZURE = re.compile(r"\.azurecr\.(io|us|cn)$")
_SIMULATED = ".invalid"
"""What hosts of the simulated Azure end with; no service stands behind them."""


def open_registry(host: str) -> Registry:
    """The registry of that name. Nothing is sent yet."""
    # Each kind brings a library that takes a while to import, and one command needs one of them.
    if host.endswith(_SIMULATED):
        from delivery.registry.simulated import SimulatedRegistry  # noqa: PLC0415

        return SimulatedRegistry(host)
    return open_artifacts(host)


def open_artifacts(host: str) -> ArtifactRegistry:
    """The same, of which also blobs can be had, and which takes them.

    Raises:
        NotKnownError: it is a simulated one.
    """
    if host.endswith(_SIMULATED):
        raise NotKnownError(f"{host} is a registry of the simulated Azure, with no service behind it")
    if _AZURE.search(host):
        from delivery.registry.azure import AzureRegistry  # noqa: PLC0415

        return AzureRegistry(host)
    from delivery.registry.oci import OciRegistry  # noqa: PLC0415

    return OciRegistry(host)
