"""Real services in a sandbox of the tests' own: Azurite with Entra tokens, the registry, BuildKit."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient
from rich.console import Console

from local_azure.assembly import LocalAzure
from local_azure.choices import Choices
from local_azure.progress import Progress
from local_azure.sandbox import Sandbox
from local_azure.services import blob, certificates, identity

_PORT_BASE = "18200"


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    """A sandbox without running services; what a test starts is stopped at the end."""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path_factory.mktemp("state")), "CONVERGE_LOCAL_PORT_BASE": _PORT_BASE}
    sandbox = Sandbox.of(Path(__file__).parents[2], environment)
    sandbox.create()
    certificates.ensure(sandbox)
    with Progress(Console(file=sys.stderr)) as progress:
        made = LocalAzure(sandbox, Choices(), progress)
        yield made
        made.stop()


@pytest.fixture(scope="session")
def blob_service(azure: LocalAzure) -> str:
    """Azurite and the token endpoint; returns the account's URL."""
    blob.install(azure.sandbox, azure.runtimes)
    azure.supervisor.start(identity.service(azure.sandbox, sys.executable))
    azure.supervisor.start(blob.service(azure.sandbox, azure.runtimes))
    return azure.sandbox.blob_endpoint


@pytest.fixture
def blob_container_url(azure: LocalAzure, blob_service: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty container, and the environment in which DefaultAzureCredential reaches it."""
    for name, value in azure.sandbox.identity_environment().items():
        monkeypatch.setenv(name, value)
    name = f"models-{uuid4().hex[:8]}"
    with DefaultAzureCredential() as credential, BlobServiceClient(blob_service, credential) as client:
        client.create_container(name)
    return f"{blob_service}{name}"
