"""Blob containers in Azurite, which has no resource manager of its own."""

from contextlib import suppress

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.storage.blob import BlobServiceClient


def create(endpoint: str, name: str) -> None:
    """Makes a container unless it is there."""
    with BlobServiceClient(endpoint, ManagedIdentityCredential()) as client, suppress(ResourceExistsError):
        client.create_container(name)


def delete(endpoint: str, name: str) -> None:
    """Deletes a container unless it is gone."""
    with BlobServiceClient(endpoint, ManagedIdentityCredential()) as client, suppress(ResourceNotFoundError):
        client.delete_container(name)
