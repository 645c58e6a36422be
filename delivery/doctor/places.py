"""What of the stack is in Azure already: the storage account, the registry and the cluster, each None until an update has made it."""

import re
from base64 import b32encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from delivery.doctor.context import Context

_STORAGE = "2024-01-01"
_REGISTRIES = "2023-07-01"
CLUSTERS = "2025-05-01"
_CLUSTER_NAME = re.compile(r"converge-cluster-aks[0-9a-f]*", re.IGNORECASE)
_UNIQUE_LETTERS = 13


@dataclass(frozen=True, kw_only=True)
class Places:
    """Azure's answers for each, as they came."""

    storage: Mapping[str, Any] | None
    registry: Mapping[str, Any] | None
    cluster: Mapping[str, Any] | None

    @property
    def hosts(self) -> Mapping[str, str]:
        """Host names of the services that one talks to, by what they are."""
        found: dict[str, str] = {}
        if self.storage:
            found["storage"] = str(self.storage.get("properties", {}).get("primaryEndpoints", {}).get("blob", "")).removeprefix("https://").rstrip("/")
        if self.registry:
            found["registry"] = str(self.registry.get("properties", {}).get("loginServer", ""))
        if self.cluster:
            properties = self.cluster.get("properties", {})
            # With integration into the network the one name that works everywhere is `fqdn`, with a private link it is the other one.
            found["API server"] = str(properties.get("privateFQDN") or properties.get("fqdn") or "")
        return {what: host for what, host in found.items() if host}


def find(context: Context) -> Places:
    """Looks for all three; only reading is needed."""
    file = context.file
    unique = f"{file.values['azure-native:subscriptionId']}/{context.project}/{file.stack}"
    account = file.get("converge:storageAccountName") or derived_name("converge", unique, 24)
    registry = file.get("converge:registryName") or derived_name("converge", unique, 50)
    accounts, registries = "Microsoft.Storage/storageAccounts", "Microsoft.ContainerRegistry/registries"
    return Places(
        storage=_found(context, str(file.get("converge:modelStorage.accountId", default="")), accounts, _STORAGE, _named(account)),
        registry=_found(context, str(file.get("converge:registry.registryId", default="")), registries, _REGISTRIES, _named(registry)),
        cluster=_found(
            context,
            str(file.get("converge:cluster.clusterId", default="")),
            "Microsoft.ContainerService/managedClusters",
            CLUSTERS,
            lambda item: _ours(context, item),
        ),
    )


def derived_name(prefix: str, unique: str, longest: int) -> str:
    """The name that the program derives for a storage account (24 letters) or registry (50). A test keeps it equal to components/naming.py."""
    return prefix[: longest - _UNIQUE_LETTERS] + b32encode(sha256(unique.encode()).digest()).decode().lower()[:_UNIQUE_LETTERS]


def _found(context: Context, adopted: str, kind: str, api_version: str, wanted: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any] | None:
    if adopted:
        return context.arm.get(adopted, api_version)
    return next((item for item in context.arm.list(f"{context.subscription}/providers/{kind}", api_version) if wanted(item)), None)


def _named(name: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda item: str(item.get("name", "")).lower() == name.lower()


def _ours(context: Context, item: Mapping[str, Any]) -> bool:
    """The cluster's name ends at random, so the tags tell two stacks of one subscription apart."""
    tags = item.get("tags") or {}
    wanted = context.file.section("converge:tags")
    return bool(_CLUSTER_NAME.fullmatch(str(item.get("name", "")))) and all(tags.get(name) == str(value) for name, value in wanted.items())
