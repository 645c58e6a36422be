"""From the Azure libraries' exceptions to one message that says what is wrong and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

from model_store.address import StoreAddress
from model_store.errors import ModelStoreError


class Right(Enum):
    """What a request needs to be allowed; the value is the smallest role that grants it."""

    READ = "Storage Blob Data Reader"
    WRITE = "Storage Blob Data Contributor"
    DELEGATE = "Storage Blob Delegator"


@contextmanager
def translated(address: StoreAddress, right: Right, doing: str) -> Iterator[None]:
    """Raises ModelStoreError in place of what the Azure libraries raise. `doing` completes "could not ..."."""
    try:
        yield
    except HttpResponseError as error:
        raise ModelStoreError(_explain_answer(error, address, right, doing)) from error
    except AzureError as error:
        raise ModelStoreError(_explain_silence(error, address, doing)) from error
    except OSError as error:
        # requests reports a wrong path in REQUESTS_CA_BUNDLE this way.
        raise ModelStoreError(f"could not {doing}: {error}") from error


def _explain_answer(error: HttpResponseError, address: StoreAddress, right: Right, doing: str) -> str:
    code = error_code(error)
    match error.status_code, code:
        case 401, _:
            return (
                f"could not {doing}: {address.host} does not accept the token ({code}); check that you are logged in to the tenant "
                "of the storage account, and this machine's clock"
            )
        case 403, _:
            return f"could not {doing}: {address.host} refuses it ({code}); {_missing_right(code, address, right)}"
        case 404, "ContainerNotFound":
            return f"could not {doing}: there is no container {address.container!r} in {address.account_url}; `pulumi up` of the stack makes it"
        case 404, _:
            return f"could not {doing}: {address.host} answers 404 ({code}); check the store's URL {address}"
        case 409, "ContainerBeingDeleted":
            return f"could not {doing}: the container {address.container!r} is being deleted; try again in a minute"
        case None, _:
            return _explain_silence(error, address, doing)
        case status, _ if status >= 500:
            return f"could not {doing}: {address.host} answers {status} ({code}) again and again; try again later"
        case status, _:
            return f"could not {doing}: {address.host} answers {status} ({code})"


def _missing_right(code: str, address: StoreAddress, right: Right) -> str:
    scope = f"account {address.account!r}" if right is Right.DELEGATE else f"container {address.container!r} of account {address.account!r}"
    role = f"the role '{right.value}' on {scope}"
    if code == "AuthorizationPermissionMismatch":
        return f"you lack {role}; a new role takes up to ten minutes to work"
    return f"either you lack {role}, or the account's network rules do not let this machine in"


def _explain_silence(error: AzureError, address: StoreAddress, doing: str) -> str:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "SSLError" in text or "certificate verify failed" in text:
        return (
            f"could not {doing}: the certificate of {address.host} is not trusted; behind a proxy or with an emulator, name its CA's file in REQUESTS_CA_BUNDLE"
        )
    if "NameResolutionError" in text or "Failed to resolve" in text or "getaddrinfo" in text:
        return f"could not {doing}: the name {address.host} is unknown; check the store's URL {address} and this machine's network"
    if isinstance(error, ServiceRequestError):
        reason = "refuses connections" if "refused" in text else "does not answer"
        return f"could not {doing}: {address.host} {reason}; check network, proxy and VPN (for the local stack: `converge local status`)"
    return f"could not {doing}: the connection to {address.host} broke off; try again"


def error_code(error: HttpResponseError) -> str:
    """The service's own name for the error, e.g. AuthorizationPermissionMismatch."""
    headers = getattr(error.response, "headers", {})
    code = getattr(error, "error_code", None) or headers.get("x-ms-error-code")
    return str(getattr(code, "value", code) or error.reason or "no reason given")
