"""Errors of Azure by kind, with the codes and words that Azure uses for each; where they come from stands in docs/simulated-faults.md."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from local_azure.arm.errors import ArmError, OperationFailedError
from local_azure.sandbox import PRINCIPAL_ID

KnownError = Literal["conflict", "throttled", "internal", "unavailable", "operationFailed", "quota", "notRegistered", "forbidden", "principalNotFound"]

ROLES: Final = {
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "8311e382-0749-4cb8-b61a-304f252e45ec": "AcrPush",
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": "Storage Blob Delegator",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "f1a07417-d97a-45cb-824c-7a7467783830": "Managed Identity Operator",
    "4d97b98b-1d4f-4787-a291-c67834d212e7": "Network Contributor",
    "b12aa53e-6015-4669-85d0-8515ebb3ae7f": "Private DNS Zone Contributor",
    "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b": "Azure Kubernetes Service RBAC Cluster Admin",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
}
"""Built-in roles by the GUID of their definition, the same in every tenant."""

_RETRY_AFTER = 17.0


@dataclass(frozen=True, kw_only=True)
class Call:
    """The call that fails: what the words of errors name."""

    arm_type: str
    identifier: str
    subscription: str = ""
    tenant: str = ""
    location: str = "westeurope"
    principal: str = ""
    """Who a role assignment is for."""
    vcpus: int = 0
    """Virtual processors that it would need."""

    @property
    def namespace(self) -> str:
        return self.arm_type.partition("/")[0]


def known_error(kind: KnownError, call: Call) -> ArmError:
    """Azure's error of a kind."""
    return _KINDS[kind](call)


def _conflict(call: Call) -> ArmError:
    operation = f"https://management.azure.com/subscriptions/{call.subscription}/providers/{call.namespace}/locations/{call.location}/operations/simulated"
    words = f"Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: {operation}."
    return ArmError("AnotherOperationInProgress", words, 409)


def _throttled(call: Call) -> ArmError:
    words = f"Number of 'write' requests for subscription '{call.subscription}' actor '{PRINCIPAL_ID}' exceeded."
    return ArmError("SubscriptionRequestsThrottled", f"{words} Please try again after '{_RETRY_AFTER:.0f}' seconds.", 429, _RETRY_AFTER)


def _internal(call: Call) -> ArmError:
    return ArmError("InternalServerError", f"Encountered internal server error. Diagnostic information: subscription id '{call.subscription}'.", 500)


def _unavailable(_call: Call) -> ArmError:
    return ArmError("ServiceUnavailable", "The service is temporarily unavailable. Please try again later.", 503)


def _operation_failed(_call: Call) -> ArmError:
    words = "The resource write operation failed to complete successfully, because it reached terminal provisioning state 'Failed'."
    return OperationFailedError("ResourceDeploymentFailure", words, 200)


def _quota(call: Call) -> ArmError:
    if call.namespace == "Microsoft.ContainerService":
        words = (
            f"Insufficient regional vcpu quota left for location {call.location}. left regional vcpu quota 0, requested quota {call.vcpus}. "
            "If you want to increase the quota, please follow this instruction: https://learn.microsoft.com/en-us/azure/quotas/view-quotas. "
            "Surge nodes would also consume vcpu quota, please consider use smaller maxSurge or use maxUnavailable to proceed upgrade without surge nodes, "
            "details: aka.ms/aks/maxUnavailable."
        )
        return ArmError("ErrCode_InsufficientVCPUQuota", words, 400)
    if call.arm_type == "Microsoft.Storage/storageAccounts":
        words = f"Subscription {call.subscription} already contains 250 storage accounts in location {call.location} and the maximum allowed is 250."
        return ArmError("MaxStorageAccountsCountPerSubscriptionExceeded", words, 409)
    if call.arm_type == "Microsoft.Network/publicIPAddresses":
        return ArmError("PublicIPCountLimitReached", "Cannot create more than 20 public IP addresses for this subscription in this region.", 400)
    return ArmError("QuotaExceeded", f"Operation could not be completed as it results in exceeding approved quota for {call.arm_type} in {call.location}.", 400)


def _not_registered(call: Call) -> ArmError:
    words = f"The subscription is not registered to use namespace '{call.namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions."
    return ArmError("MissingSubscriptionRegistration", words, 409)


def _forbidden(call: Call) -> ArmError:
    words = (
        f"The client '{PRINCIPAL_ID}' with object id '{PRINCIPAL_ID}' does not have authorization to perform action '{call.arm_type}/write' "
        f"over scope '{call.identifier}' or the scope is invalid. If access was recently granted, please refresh your credentials."
    )
    return ArmError("AuthorizationFailed", words, 403)


def _principal_not_found(call: Call) -> ArmError:
    words = (
        f"Principal {call.principal.replace('-', '')} does not exist in the directory {call.tenant}. Check that you have the correct principal ID. "
        "If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the "
        "role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype"
    )
    return ArmError("PrincipalNotFound", words, 400)


_KINDS: Final[Mapping[KnownError, Callable[[Call], ArmError]]] = {
    "conflict": _conflict,
    "throttled": _throttled,
    "internal": _internal,
    "unavailable": _unavailable,
    "operationFailed": _operation_failed,
    "quota": _quota,
    "notRegistered": _not_registered,
    "forbidden": _forbidden,
    "principalNotFound": _principal_not_found,
}
