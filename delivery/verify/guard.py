"""Whether a run is meant: it costs money, and it deletes what it made."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from delivery.azure.errors import AzureError

STACK = "verify"
MOST_NODES = 2
_SUBSCRIPTION = "VERIFY_AZURE_SUBSCRIPTION"
_ADDRESS = "VERIFY_AZURE_ADDRESS"
_LOCATION = "VERIFY_AZURE_LOCATION"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ADDRESS_FORM = re.compile(r"\d{1,3}(\.\d{1,3}){3}(/\d{1,2})?")


@dataclass(frozen=True, kw_only=True)
class Meant:
    """What the run is to use."""

    subscription_id: str
    location: str
    address: str
    """Public address of this machine, which alone may reach storage and API server."""


def meant(checkout: Path, environment: Mapping[str, str], ask: Callable[[str], str] | None) -> Meant:
    """What somebody wants, who must have said so twice: by starting it, and by naming the subscription.

    Args:
        ask: asks the person at the terminal; None when there is none.

    Raises:
        AzureError: nobody said so, or the subscription is one that a stack of this checkout uses.
    """
    subscription = environment.get(_SUBSCRIPTION, "").strip()
    if not subscription:
        if ask is None or environment.get("CI"):
            raise AzureError(f"verify-azure makes and deletes resources that cost money; it never runs unless {_SUBSCRIPTION} names the subscription")
        subscription = ask("Type the id of the subscription in which all of this is made and deleted").strip()
    if not _GUID.fullmatch(subscription):
        raise AzureError(f"{subscription!r} is no subscription id, so nothing was done; `az account list --output table` shows yours")
    for path in sorted(checkout.glob("Pulumi.*.yaml")):
        if path.name != f"Pulumi.{STACK}.yaml" and subscription.lower() == str(_config(path).get("azure-native:subscriptionId", "")).lower():
            raise AzureError(f"subscription {subscription} is that of {path.name}; verify-azure needs one of its own, in which nothing can be lost")
    address = environment.get(_ADDRESS, "").strip()
    if not _ADDRESS_FORM.fullmatch(address):
        raise AzureError(f"{_ADDRESS} is {address!r}; it must be this machine's public IPv4 address, which alone gets in: curl https://api.ipify.org")
    location = environment.get(_LOCATION, "").strip() or str(_config(checkout / "Pulumi.dev.yaml").get("azure-native:location", "westeurope"))
    return Meant(subscription_id=subscription, location=location, address=address)


def stack_values(checkout: Path, wanted: Meant, deployer: Mapping[str, str]) -> dict[str, Any]:
    """The stack's file: dev's, smaller, in the other subscription, with the locks and without anything that could not be deleted again."""
    values = {key: value for key, value in _config(checkout / "Pulumi.dev.yaml").items() if not key.startswith("bootstrap:")}
    storage = {**(values.get("converge:modelStorage") or {}), "writeOnceDays": 0}
    storage.pop("contributorGroupId", None)
    cluster = {**(values.get("converge:cluster") or {}), "minNodes": 1, "maxNodes": MOST_NODES, "userPools": [], "adminGroupIds": []}
    return {
        **values,
        "azure-native:subscriptionId": wanted.subscription_id,
        "azure-native:location": wanted.location,
        "converge:allowedIpRanges": [wanted.address],
        "converge:deployer": dict(deployer),
        "converge:modelStorage": storage,
        "converge:cluster": cluster,
        "converge:protectData": True,
        "converge:tags": {"application": "converge", "purpose": "verify-azure"},
    }


def node_size(checkout: Path) -> str:
    """What the nodes will be."""
    return str((_config(checkout / "Pulumi.dev.yaml").get("converge:cluster") or {}).get("nodeSize", "Standard_D2ds_v5"))


def _config(path: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise AzureError(f"{path.name} cannot be read: {error}") from error
    found = document.get("config") if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}
