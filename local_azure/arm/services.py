"""What stands behind the resources of the sandbox's own subscription: Azurite, the registry, the Kubernetes node."""

import base64
import importlib
import json
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from local_azure.arm.errors import ArmError


class Services:
    """The running services, read from endpoints.json. In any other subscription, and while nothing runs, there are none."""

    def __init__(self, sandbox: Path, subscription_id: str) -> None:
        self._file = sandbox / "endpoints.json"
        self._subscription_id = subscription_id

    @cached_property
    def _endpoints(self) -> dict[str, Any] | None:
        if not self._file.exists():
            return None
        endpoints = json.loads(self._file.read_text())
        return endpoints if endpoints["subscription_id"] == self._subscription_id else None

    @property
    def registry(self) -> str | None:
        """Login server of the registry."""
        return self._endpoints["registry"] if self._endpoints else None

    def blob_endpoint(self, account: str) -> str | None:
        """URL of a storage account.

        Raises:
            ArmError: Azurite was started without this account.
        """
        if self._endpoints is None:
            return None
        accounts: dict[str, str] = self._endpoints["blob_accounts"]
        if account not in accounts:
            raise ArmError("StorageAccountNotInSandbox", f"The sandbox's Azurite has the accounts {', '.join(accounts)} and none named {account}.")
        return accounts[account]

    def kubeconfig(self) -> str | None:
        """The node's kubeconfig in base64, as ARM sends it."""
        if self._endpoints is None:
            return None
        return base64.b64encode(Path(self._endpoints["kubeconfig"]).read_bytes()).decode()

    def create_container(self, account: str, name: str) -> None:
        """Makes a blob container unless it is there."""
        if endpoint := self.blob_endpoint(account):
            _containers().create(endpoint, name)

    def delete_container(self, account: str, name: str) -> None:
        """Deletes a blob container with what is in it; one that is not there is no error."""
        if endpoint := self.blob_endpoint(account):
            _containers().delete(endpoint, name)


def _containers() -> ModuleType:
    # The SDK takes half a second to import, and most runs make no container.
    return importlib.import_module("local_azure.arm.containers")
