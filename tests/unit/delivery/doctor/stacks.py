"""A stack for the doctor, and an Azure in which all of it is well."""

from pathlib import Path
from typing import Any

from delivery.azure.login import Caller
from delivery.azure.stack_file import StackFile
from delivery.doctor.context import Context
from tests.unit.delivery.fake_azure import OBJECT, SUBSCRIPTION, TENANT, FakeAzure

SCOPE = f"/subscriptions/{SUBSCRIPTION}"
GROUP = {"principalId": "33333333-3333-4333-8333-333333333333", "principalType": "Group"}
CALLER = Caller(object_id=OBJECT, tenant_id=TENANT, name="ada@example.com", kind="User")


def stack(**converge: Any) -> StackFile:
    values = {"azure-native:subscriptionId": SUBSCRIPTION, **{f"converge:{key}": value for key, value in converge.items()}}
    return StackFile(stack="dev", path=Path("Pulumi.dev.yaml"), subscription_id=SUBSCRIPTION, location="westeurope", values=values)


def context(azure: FakeAzure, *, plans_only: bool = False, file: StackFile | None = None, **converge: Any) -> Context:
    chosen = file or stack(**{"deployer": GROUP, **converge})
    return Context(file=chosen, project="converge", arm=azure.arm, caller=CALLER, plans_only=plans_only)


def sku(name: str, *, family: str = "standardDDSv5Family", cores: int = 2, zones: tuple[str, ...] = ("1", "2", "3"), **more: Any) -> dict[str, Any]:
    """An item of the list of sizes, in its documented form."""
    return {
        "resourceType": "virtualMachines",
        "name": name,
        "family": family,
        "locations": ["westeurope"],
        "locationInfo": [{"location": "westeurope", "zones": list(zones), "zoneDetails": []}],
        "capabilities": [{"name": "vCPUs", "value": str(cores)}, {"name": "EncryptionAtHostSupported", "value": "True"}],
        "restrictions": [],
        **more,
    }


def usage(name: str, used: int, limit: int) -> dict[str, Any]:
    """An item of the usages, in its documented form."""
    return {"limit": limit, "unit": "Count", "currentValue": used, "name": {"value": name, "localizedValue": f"{name} vCPUs"}}


def healthy() -> FakeAzure:
    """An empty subscription whose owner one is."""
    azure = FakeAzure()
    azure.set(SCOPE, {"id": SCOPE, "subscriptionId": SUBSCRIPTION, "displayName": "Vision", "state": "Enabled", "tenantId": TENANT})
    azure.set(f"{SCOPE}/providers/Microsoft.Authorization/permissions", {"value": [{"actions": ["*"], "notActions": []}]})
    providers = (
        "Microsoft.ContainerService Microsoft.ContainerRegistry Microsoft.Storage Microsoft.Network Microsoft.Compute Microsoft.ManagedIdentity "
        "Microsoft.KeyVault Microsoft.OperationalInsights Microsoft.OperationsManagement Microsoft.Insights Microsoft.Monitor Microsoft.AlertsManagement "
        "Microsoft.Security Microsoft.PolicyInsights"
    )
    registered = [{"namespace": name, "registrationState": "Registered"} for name in providers.split()]
    azure.set(f"{SCOPE}/providers", {"value": registered})
    azure.set(f"{SCOPE}/providers/Microsoft.Compute/skus", {"value": [sku("Standard_D2ds_v5"), sku("Standard_D4ds_v5", cores=4)]})
    usages = [usage("cores", 10, 100), usage("standardDDSv5Family", 0, 50)]
    azure.set(f"{SCOPE}/providers/Microsoft.Compute/locations/westeurope/usages", {"value": usages})
    versions = [
        {"version": "1.35", "isPreview": True, "capabilities": {"supportPlan": ["KubernetesOfficial"]}},
        {"version": "1.34", "isPreview": None, "capabilities": {"supportPlan": ["KubernetesOfficial", "AKSLongTermSupport"]}, "patchVersions": {"1.34.1": {}}},
        {"version": "1.30", "isPreview": None, "capabilities": {"supportPlan": ["AKSLongTermSupport"]}},
    ]
    azure.set(f"{SCOPE}/providers/Microsoft.ContainerService/locations/westeurope/kubernetesVersions", {"values": versions})
    return azure
